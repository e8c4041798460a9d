"""``tagalong-model mlflow-sync``: MLflow's alias ``champion`` is what serves."""

from pathlib import Path

import click

from model.commands.registry import mlflow_option, registry_errors
from model.commands.registry_option import registry_option
from model.registry.tracking import point_champion
from model.registry.versions import read_version
from model.runs.tracking import MISSING
from model.serving.classifier import read_manifest


@click.command("mlflow-sync")
@click.argument("serving", metavar="NUMBER_OR_FOLDER")
@registry_option
@mlflow_option
def mlflow_sync(serving: str, registry: Path, mlflow: str | None) -> None:
    """Point MLflow's alias `champion` at the version that serves, as `tagalong-server deployments --champion` names it.

    Run it after each promote and rollback, and by a scheduled job: the service knows nothing of MLflow. Where the
    shipped model serves, there is no champion in MLflow.
    """
    if not mlflow:
        raise click.UsageError("Name MLflow's store: --mlflow, or MLFLOW_TRACKING_URI.")
    with registry_errors(registry):
        name = (
            read_version(registry, int(serving)).name
            if serving.isdecimal()
            else read_manifest(Path(serving))["version"]
        )
    try:
        number = point_champion(mlflow, name)
    except ModuleNotFoundError as error:
        raise click.ClickException(MISSING) from error
    where = f"version {number}" if number else "none, since it is not in the store"
    click.echo(f"{name} serves; MLflow's champion is {where}.")
