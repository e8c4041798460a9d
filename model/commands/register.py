"""``tagalong-model register``: a numbered version of a model, checked before it can be deployed."""

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
from model.questions.parquet import read_questions
from model.registry.gates import SHIPPED_GATES, read_gates
from model.registry.register import CheckQuestions, check_and_record, register_model
from model.registry.versions import read_version
from model.runs.steps import sha256_of
from model.serving.classifier import read_manifest


@click.command()
@click.argument("model", metavar="FOLDER_OR_NUMBER")
@questions_option
@registry_option
@champion_option
@gates_option
@mlflow_option
def register(
    model: str, questions: Path, registry: Path, champion: str | None, gates: Path | None, mlflow: str | None
) -> None:
    """Register the model in a FOLDER, trained or released, under the next number, and check it against every gate.

    A version that fails a gate is kept and says why, but cannot be deployed. With the NUMBER of a version, check that
    version again.
    """
    with registry_errors(registry), show_progress() as progress:
        limits = read_gates(gates or SHIPPED_GATES)
        known = read_version(registry, int(model)) if model.isdigit() else None
        folder = known.folder if known else Path(model)
        opponents = load_opponents(registry, champion, read_manifest(folder)["tier"])
        check_questions = CheckQuestions(read_questions(questions), questions.name, sha256_of(questions))
        if known:
            version, _ = check_and_record(known, check_questions, opponents, limits, progress)
        else:
            version, _ = register_model(registry, folder, check_questions, opponents, limits, progress)
    finish_registration(version, mlflow)
