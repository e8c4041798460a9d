"""``tagalong-model finetune``: a sentence encoder that knows the site, for the full tier."""

import time
from dataclasses import replace
from pathlib import Path

import click

from model.commands.terminal import (
    begin_run,
    force_option,
    out_folder,
    progress_bars,
    questions_option,
    report_errors,
    require_extra,
)
from model.questions.parquet import read_questions
from model.runs.parameters import to_record
from model.training.encoder import minilm
from model.training.train import TrainingParameters, choose_tags, make_targets


@click.command()
@questions_option
@click.option("--out", type=out_folder, required=True, help="Folder to write.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of everything random.")
@click.option("--epochs", type=click.FloatRange(0), help="Passes over the questions; 0 exports MiniLM as it is.")
@click.option("--tokens", type=click.IntRange(8, 512), help="Most tokens of a question that are read.")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=float("inf"),
    show_default="no limit",
    help="Stop after this many minutes; the same command goes on.",
)
@force_option
def finetune(
    questions: Path, out: Path, seed: int, epochs: float | None, tokens: int | None, minutes: float, force: bool
) -> None:
    """Fine-tune MiniLM-L6 on questions and their tags, and export it with 8 bits.

    Needs the extra 'encoder' and the package with MiniLM's weights. Takes about half an hour an epoch of 240,000
    questions on two cores. `tagalong-model train --tier full --encoder OUT` uses the result.
    """
    # The command lists its options where torch, which few need, is not installed.
    with require_extra():
        from model.training.encoder.finetune import CHECKPOINT_FILE, FineTuning, FineTuningParameters, write_encoder
    parameters = FineTuningParameters(seed=seed)
    if epochs is not None:
        parameters = replace(parameters, epochs=epochs)
    if tokens is not None:
        parameters = replace(parameters, tokens=tokens)
    with report_errors(out):
        run = begin_run("finetune", [questions], out, to_record(parameters), force=force)
        if run is None:
            return
        rows = [row for row in read_questions(questions) if row.split == "train"]
        tags = choose_tags(rows, TrainingParameters().min_count)
        out.mkdir(parents=True, exist_ok=True)
        checkpoint = out / f".{CHECKPOINT_FILE}"
        try:
            weights, tokenizer = minilm.read_weights(), minilm.read_tokenizer()
            tuning = FineTuning(rows, tags, make_targets(rows, tags), weights, tokenizer, parameters)
            if checkpoint.exists() and not force:
                tuning.resume(checkpoint)
                click.echo(f"resuming after {tuning.seen:,} of {tuning.total:,} questions", err=True)
        except (minilm.EncoderMissing, ValueError) as error:
            raise click.ClickException(str(error)) from error
        began = time.monotonic()
        with progress_bars() as open_bar:
            advance = open_bar(f"fine-tuning on {len(rows):,} questions, {len(tags):,} tags", tuning.total)
            advance(tuning.seen)
            done = tuning.run(advance, checkpoint=checkpoint, max_seconds=60 * minutes)
        if not done:
            click.echo(f"{tuning.seen:,} of {tuning.total:,} questions seen; the same command goes on.")
            return
        write_encoder(out, tuning, minilm.NAME, time.monotonic() - began)
        checkpoint.unlink()
        run.record([out])
    click.echo(f"the encoder is in {out}; loss of the last steps {tuning.loss:.3f}")
