"""``tagalong-model trained-titles``: the set of training titles of a model that is older than these sets."""

from pathlib import Path

import click

from model.commands.terminal import out_file, questions_option, report_errors
from model.questions.parquet import read_questions
from model.runs.files import write_atomically
from model.runs.steps import sha256_of
from model.serving.classifier import ReleaseError, read_manifest
from model.training.trained_titles import TITLES_FILE, TrainedTitles


@click.command("trained-titles")
@questions_option
@click.option(
    "--model",
    "models",
    type=click.Path(path_type=Path, file_okay=False),
    multiple=True,
    required=True,
    help="Folder of a model that was trained on these questions; may be given again.",
)
@click.option(
    "--out",
    type=out_file,
    help="File to write.  [default: trained-titles.bin in each model's folder]",
)
def trained_titles(questions: Path, models: tuple[Path, ...], out: Path | None) -> None:
    """Write down which titles a model was trained on, so that these questions never judge it.

    Only older models need this: models trained now bring the file with them. The model's manifest must name this very
    file of questions. Nothing is trained, and nothing else in the folder is changed.
    """
    with report_errors(questions):
        rows, digest = read_questions(questions), sha256_of(questions)
        for folder in models:
            try:
                manifest = read_manifest(folder)
            except ReleaseError as error:
                raise click.ClickException(str(error)) from error
            if manifest.get("data", {}).get("sha256") != digest:
                raise click.ClickException(f"{manifest['version']} was not trained on {questions}: its sha256 differs.")
            if TITLES_FILE in manifest["files"]:
                raise click.ClickException(f"{manifest['version']} brings its own {TITLES_FILE}.")
        titles = TrainedTitles.of(rows, digest)
    for path in [out] if out else [folder / TITLES_FILE for folder in models]:
        with report_errors(path):
            write_atomically(path.parent, {path.name: titles.as_bytes()})
        counts = ", ".join(f"{part.titles:,} of {part.name}" for part in titles.parts)
        click.echo(f"{path}: the titles of {counts}")
