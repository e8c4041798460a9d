"""``tagalong-model compare``: other methods beside ours, on the same questions."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from model.commands.terminal import (
    RELEASED,
    force_option,
    out_folder,
    questions_option,
    report_errors,
    show_progress,
)
from model.compare import tables, tracking
from model.compare.combinations import ENCODERS
from model.compare.comparison import CLASSIFIERS, compare_methods
from model.compare.sample import Settings, Split, draw_split
from model.questions import Question, QuestionsError
from model.questions.parquet import read_questions
from model.runs.files import write_atomically
from model.runs.tracking import MISSING, store_uri
from model.serving.classifier import MANIFEST_FILE, ReleaseError
from model.training.encoder.minilm import EncoderMissing
from model.training.trained_titles import read_trained_titles


@click.command()
@questions_option
@click.option("--out", type=out_folder, required=True, help="Folder to write.")
@click.option(
    "--encoder",
    "encoders",
    type=click.Choice(ENCODERS),
    multiple=True,
    help="Encoder to compare; may be given again.  [default: all]",
)
@click.option(
    "--classifier",
    "wanted_classifiers",
    type=click.Choice(CLASSIFIERS),
    multiple=True,
    help="Classifier to compare; may be given again. Gradient boosting takes by far the longest.  [default: all]",
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
    questions: Path,
    out: Path,
    encoders: tuple[str, ...],
    wanted_classifiers: tuple[str, ...],
    models: tuple[Path, ...],
    force: bool,
    **sizes: int | None,
) -> None:
    """Compare encoders with classifiers, Parabel and ours on the same questions: a table, a chart, MLflow runs.

    Finished combinations are kept and not run again. OUT gets comparison.md, .json and .svg.
    """
    settings = Settings(**{name: value for name, value in sizes.items() if value is not None})
    with report_errors(out), show_progress() as progress:
        rows = read_questions(questions)
        try:
            parts, released, left_out = _draw_parts(rows, settings, models)
            results = compare_methods(
                rows,
                questions,
                out,
                settings,
                released,
                progress,
                encoders=encoders or ENCODERS,
                wanted_classifiers=wanted_classifiers or CLASSIFIERS,
                force=force,
            )
        except (EncoderMissing, ReleaseError) as error:
            raise click.ClickException(str(error)) from error
    about = {
        "tune": len(parts.tune),
        "left_out": left_out + ". ".join(parts.notes),
        "machine": f"{os.cpu_count()} cores, {settings.threads} threads, Python {platform.python_version()}",
    }
    table = tables.format_markdown(results, about)
    everything = json.dumps({"settings": asdict(settings), "about": about, "results": results}, indent=1)
    with report_errors(out):
        write_atomically(
            out,
            {
                "comparison.md": table.encode(),
                "comparison.json": everything.encode() + b"\n",
                "comparison.svg": tables.draw_chart(results).encode(),
            },
        )
    click.echo(table)
    store = store_uri(out)
    try:
        written = tracking.track_results(results, asdict(settings) | {"left_out": parts.left_out["questions"]}, store)
    except ModuleNotFoundError:
        click.echo(f"Not tracked: {MISSING} Then run this again: what is done is not done again.", err=True)
    else:
        click.echo(f"{written} new runs in MLflow's store {store}.", err=True)


def _draw_parts(
    questions: Sequence[Question], settings: Settings, models: Sequence[Path]
) -> tuple[Split, Sequence[Path], str]:
    """Return the questions of each part, the released models to measure too, and why the shipped ones are not."""
    released = models or tuple(sorted(file.parent for file in RELEASED.rglob(MANIFEST_FILE)))
    try:
        return draw_split(questions, settings, read_trained_titles(released)), released, ""
    except QuestionsError as error:
        if models:
            raise
        # Nobody named a model: one's own questions are compared without the shipped ones, which have seen them.
        left_out = f"The shipped models are not among them. {error} "
        click.echo(left_out, err=True)
        return draw_split(questions, settings), (), left_out
