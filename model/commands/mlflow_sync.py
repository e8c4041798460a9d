"""``tagalong-model mlflow-sync``: MLflow's alias ``champion`` is what serves."""

import json
import sys
from pathlib import Path

import click

from model.commands.registry import mlflow_option, registry_errors
from model.commands.registry_option import registry_option
from model.registry.tracking import point_champion
from model.registry.versions import read_version
from model.runs.tracking import MISSING
from model.serving.classifier import read_manifest


@click.command("mlflow-sync")
@click.argument("serving", metavar="[FILE|NUMBER|FOLDER]", default="-")
@registry_option
@mlflow_option
def mlflow_sync(serving: str, registry: Path, mlflow: str | None) -> None:
    """Point MLflow's alias `champion` at the version that serves.

    What serves is what `tagalong-server deployments --json` prints, on standard input or in a FILE; or name it: the
    NUMBER of a version, or the FOLDER of a released model. Run it after each promote and rollback, and by a scheduled
    job: the service knows nothing of MLflow. Where the shipped model serves, there is no champion in MLflow.
    """
    if not mlflow:
        raise click.UsageError("Name MLflow's store: --mlflow, or MLFLOW_TRACKING_URI.")
    with registry_errors(registry):
        if serving.isdecimal():
            name = read_version(registry, int(serving)).name
        elif Path(serving).is_dir():
            name = read_manifest(Path(serving))["version"]
        else:
            name = read_champion(serving)
    try:
        number = point_champion(mlflow, name)
    except ModuleNotFoundError as error:
        raise click.ClickException(MISSING) from error
    where = f"version {number}" if number else "none, since it is not in the store"
    click.echo(f"{name} serves; MLflow's champion is {where}.")


def read_champion(source: str) -> str:
    """Return the champion's version, from what ``tagalong-server deployments --json`` printed.

    Args:
        source: a file, or ``-`` for standard input.

    Raises:
        click.ClickException: it cannot be read, or is something else.
    """
    where = "Standard input" if source == "-" else source
    try:
        printed = sys.stdin.read() if source == "-" else Path(source).read_text()
        version = json.loads(printed)["champion"]["version"]
    except OSError as error:
        raise click.ClickException(f"{source} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        version = None
    if not version or not isinstance(version, str):
        raise click.ClickException(
            f"{where} does not hold what `tagalong-server deployments --json` prints; nothing was changed."
        )
    return version
