"""``tagalong-model register``: a numbered version of a model, checked before it can be deployed."""

from pathlib import Path

import click

from model.commands.registry import (
    against,
    champion_option,
    gates_option,
    mlflow_option,
    registry_errors,
    registry_option,
    show,
    track,
)
from model.commands.terminal import questions_option, require_extra, show_progress
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
    with require_extra():
        from model.questions.parquet import read
        from model.registry import gates as gates_of
        from model.registry.register import On, checked
        from model.registry.register import register as registered
        from model.registry.versions import REFUSED, read_version
        from model.runs.steps import sha256_of
    with registry_errors(registry), show_progress() as progress:
        limits = gates_of.read(gates or gates_of.SHIPPED)
        known = read_version(registry, int(model)) if model.isdigit() else None
        folder = known.folder if known else Path(model)
        with_ = against(registry, champion, read_manifest(folder)["tier"])
        on = On(read(questions), questions.name, sha256_of(questions))
        if known:
            version, _ = checked(known, on, with_, limits, progress)
        else:
            version, _ = registered(registry, folder, on, with_, limits, progress)
    show(version)
    if mlflow:
        track(version, mlflow)
    if version.state == REFUSED:
        raise click.ClickException("It cannot be deployed: it failed " + ", ".join(version.failed_names()) + ".")
