"""``tagalong-model import``: a fitted scikit-learn pipeline as a numbered version, checked as every other is."""

import tempfile
from dataclasses import replace
from pathlib import Path

import click

from model.commands.registry import (
    champion_option,
    finish_registration,
    gates_option,
    load_opponents,
    mlflow_option,
    registry_errors,
)
from model.commands.registry_option import registry_option
from model.commands.terminal import questions_option, show_progress
from model.pipelines.build import Origin, import_pipeline
from model.pipelines.source import FittedPipeline, PipelineFileError
from model.pipelines.unsupported import UnsupportedStep
from model.questions.parquet import read_questions
from model.registry.gates import SHIPPED_GATES, read_gates
from model.registry.register import CheckQuestions, register_model
from model.runs.steps import sha256_of
from model.serving.classifier import IMPORTED
from model.training.build import DataSource
from model.training.trained_titles import TITLES_FILE, TrainedTitles, read_titles_beside

input_file = click.Path(path_type=Path, exists=True, dir_okay=False)
_NOT_TRUSTED = (
    "{0} is a pickle: loading it runs whatever code is in it, with all that you may do. Import only what you, or "
    "somebody you trust, have made, and say so with --trust."
)


@click.command("import")
@click.argument("pipeline", type=input_file)
@click.option("--labels", type=input_file, required=True, help="The fitted MultiLabelBinarizer, or a list of tags.")
@questions_option
@click.option(
    "--trained-on",
    type=input_file,
    help="Parquet file that the pipeline learned from: its questions, but for those marked dev, never judge it, nor "
    "calibrate its scores.  "
    f"[default: {TITLES_FILE} beside PIPELINE]",
)
@click.option("--trust", is_flag=True, help="Load both files although loading a pickle runs the code in it.")
@registry_option
@champion_option
@gates_option
@mlflow_option
def import_(
    pipeline: Path,
    labels: Path,
    questions: Path,
    trained_on: Path | None,
    trust: bool,
    registry: Path,
    champion: str | None,
    gates: Path | None,
    mlflow: str | None,
) -> None:
    """Import a fitted scikit-learn pipeline, from text to many labels, as the registry's next version.

    PIPELINE was written by joblib or pickle. It becomes one ONNX graph that computes the same, checked on the
    questions, with scores that are calibrated on them; a step that cannot be carried over exactly is refused by its
    name. Then the version is checked against every gate, as by `register`.
    """
    if not trust:
        raise click.UsageError(_NOT_TRUSTED.format(pipeline))
    with registry_errors(registry), show_progress() as progress, tempfile.TemporaryDirectory() as folder:
        limits, opponents = read_gates(gates or SHIPPED_GATES), load_opponents(registry, champion, IMPORTED)
        rows = read_questions(questions)
        data = DataSource.describe(questions, rows)
        try:
            fitted = FittedPipeline.load(pipeline, labels)
            origin = Origin(pipeline.name, sha256_of(pipeline), _read_learned(pipeline, trained_on))
            for notice in fitted.notices:
                progress.log(notice)
            import_pipeline(fitted, origin, rows, data, Path(folder), progress)
        except (PipelineFileError, UnsupportedStep) as error:
            raise click.ClickException(str(error)) from error
        on = CheckQuestions(rows, questions.name, data.sha256)
        version, _ = register_model(registry, Path(folder), on, opponents, limits, progress)
    finish_registration(version, mlflow)


def _read_learned(pipeline: Path, trained_on: Path | None) -> TrainedTitles | None:
    """Return the titles that a pipeline learned from, if they are known."""
    if trained_on is None:
        return read_titles_beside(pipeline)
    learned = [replace(question, split="train") for question in read_questions(trained_on) if question.split != "dev"]
    return TrainedTitles.of(learned, sha256_of(trained_on))
