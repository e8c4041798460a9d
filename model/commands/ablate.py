"""``tagalong-model ablate``: what each part of the model contributes."""

from pathlib import Path

import click

from model.commands.terminal import out_folder, questions_option, report_errors, show_progress
from model.evaluation.ablation import format_tables, measure_token_limits, run_ablation
from model.questions.parquet import read_questions
from model.questions.tag_sets import read_tag_sets
from model.training.build import EncoderInput
from model.training.encoder.encode import EncoderFolderError, read_encoder
from model.training.tfidf import FeatureLimits
from model.training.train import TrainingParameters


@click.command()
@questions_option
@click.option(
    "--tag-sets",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Parquet file with question_id and tags of more questions.",
)
@click.option(
    "--encoder",
    "encoders",
    type=click.Path(path_type=Path, file_okay=False),
    multiple=True,
    help="Folder of a full model, or of what finetune made, to measure beside words alone; may be given again.",
)
@click.option(
    "--model", type=click.Path(path_type=Path, file_okay=False), help="Full model to try with fewer and more tokens."
)
@click.option(
    "--tokens",
    type=click.IntRange(8, 512),
    multiple=True,
    default=(64, 96, 128, 192),
    show_default=True,
    help="Word pieces that the encoder reads; may be given again.",
)
@click.option("--share", type=click.IntRange(1), default=4, show_default=True, help="Train on every n-th question.")
@click.option("--keep", type=out_folder, required=True, help="Folder for encoded questions.")
def ablate(
    questions: Path,
    tag_sets: Path | None,
    encoders: tuple[Path, ...],
    model: Path | None,
    tokens: tuple[int, ...],
    share: int,
    keep: Path,
) -> None:
    """Train models that differ in one part on the same questions, and measure them on tune."""
    with report_errors(questions), show_progress() as progress:
        try:
            inputs = {folder.name: EncoderInput(read_encoder(folder), keep) for folder in encoders}
        except EncoderFolderError as error:
            raise click.ClickException(str(error)) from error
        rows = read_questions(questions)
        sets = read_tag_sets(tag_sets, [row for row in rows if row.split != "train"]) if tag_sets else []
        variants = run_ablation(rows, sets, inputs, TrainingParameters(), FeatureLimits(), share, progress)
        token_rows = []
        if model is not None:
            drafts = sum(row.split == "tune" and row.tags_complete and bool(row.body) for row in rows)
            advance = progress.open_bar("reading more and fewer tokens", drafts * len(tokens))
            token_rows = measure_token_limits(rows, model, tokens, advance)
    click.echo(format_tables(variants, token_rows, share))
