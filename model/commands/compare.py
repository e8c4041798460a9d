"""``tagalong-model compare``: other methods beside ours, on the same questions."""

import json
import os
import platform
from dataclasses import asdict
from pathlib import Path

import click

from model.commands.terminal import (
    RELEASED,
    force_option,
    out_folder,
    questions_option,
    report_errors,
    require_extra,
    show_progress,
)


@click.command()
@questions_option
@click.option("--out", type=out_folder, required=True, help="Folder to write.")
@click.option(
    "--encoder",
    "encoders",
    type=click.Choice(["TF-IDF", "Word2Vec", "MiniLM"]),
    multiple=True,
    help="Encoder to compare; may be given again.  [default: all]",
)
@click.option("--train-rows", type=click.IntRange(1), help="Questions to learn from.  [default: 30,000]")
@click.option("--tune-rows", type=click.IntRange(1), help="Questions to choose on.  [default: 3,000]")
@click.option("--dev-rows", type=click.IntRange(1), help="Questions to measure on.  [default: 4,000]")
@click.option("--tags", type=click.IntRange(2), help="Commonest tags, which every method learns.  [default: 100]")
@click.option(
    "--least-uses",
    type=click.IntRange(1),
    help="Uses from which on methods that can do thousands of tags learn a tag.  [default: 15]",
)
@click.option(
    "--search", type=click.IntRange(0), help="Hyperparameters to draw and try on tune, a combination.  [default: 0]"
)
@click.option("--seed", type=click.IntRange(0), help="Seed of everything random.  [default: 1]")
@click.option("--threads", type=click.IntRange(1), help="Threads to train with.  [default: 2]")
@click.option(
    "--model",
    "models",
    type=click.Path(path_type=Path, file_okay=False),
    multiple=True,
    help="Folder of a released model to measure too; may be given again.  [default: the shipped ones]",
)
@force_option
def compare(
    questions: Path, out: Path, encoders: tuple[str, ...], models: tuple[Path, ...], force: bool, **given: int | None
) -> None:
    """Compare encoders with classifiers, Parabel and ours on the same questions: a table, a chart, MLflow runs.

    What is done is kept, combination by combination, and not done again. OUT gets comparison.md, .json and .svg.
    """
    with require_extra():
        from model.compare import tables, tracking
        from model.compare.combinations import ENCODERS
        from model.compare.comparison import compare as compared
        from model.compare.sample import Settings, split
        from model.questions import QuestionsError
        from model.questions.parquet import read
        from model.runs.files import write_atomically
        from model.runs.tracking import MISSING
        from model.serving.classifier import MANIFEST_FILE, ReleaseError
        from model.training.encoder.minilm import EncoderMissing
        from model.training.trained_titles import trained_titles
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    released = models or tuple(sorted(file.parent for file in RELEASED.rglob(MANIFEST_FILE)))
    with report_errors(out), show_progress() as progress:
        rows = read(questions)
        try:
            parts, left_out = split(rows, settings, trained_titles(released)), ""
        except QuestionsError as error:
            if models:
                raise
            # The engineer named no model: one's own questions are compared without those that have seen them.
            parts, released, left_out = split(rows, settings), (), f"The shipped models are not among them. {error} "
            click.echo(left_out, err=True)
        except ReleaseError as error:
            raise click.ClickException(str(error)) from error
        try:
            chosen = encoders or ENCODERS
            results = compared(rows, questions, out, settings, released, progress, encoders=chosen, force=force)
        except (EncoderMissing, ReleaseError) as error:
            raise click.ClickException(str(error)) from error
    about = {
        "tune": len(parts.tune),
        "left_out": left_out + ". ".join(parts.notes),
        "machine": f"{os.cpu_count()} cores, {settings.threads} threads, Python {platform.python_version()}",
    }
    table = tables.markdown(results, about)
    everything = json.dumps({"settings": asdict(settings), "about": about, "results": results}, indent=1)
    with report_errors(out):
        write_atomically(
            out,
            {
                "comparison.md": table.encode(),
                "comparison.json": everything.encode() + b"\n",
                "comparison.svg": tables.chart(results).encode(),
            },
        )
    click.echo(table)
    store = tracking.store(out)
    try:
        written = tracking.track(results, asdict(settings) | {"left_out": parts.left_out["questions"]}, store)
    except ModuleNotFoundError:
        click.echo(f"Not tracked: {MISSING} Then run this again: what is done is not done again.", err=True)
    else:
        click.echo(f"{written} new runs in MLflow's store {store}.", err=True)
