"""What the commands of the registry share at the terminal: options, the champion, and a version's checks in words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from model.commands.terminal import RELEASED, load_model, report_errors
from model.registry.checks import Opponents
from model.registry.gates import GatesError
from model.registry.tracking import track_version
from model.registry.versions import CHECKED, REFUSED, Version, read_folder, read_version
from model.retraining.lock import LockHeldError
from model.runs.tracking import MISSING
from model.serving.classifier import DEFAULT_TIER, TIERS, Classifier, ReleaseError
from model.serving.registry import VERSION_FILE, RegistryError
from model.training.trained_titles import read_trained_titles

champion_option = click.option(
    "--champion",
    help="What to compare with: number of a version, folder of a released model, or tier of a shipped one.  "
    "[default: the shipped one of its tier, full for an imported one]",
)
gates_option = click.option(
    "--gates",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="File of the gates.  [default: the shipped model/registry/gates.toml]",
)
mlflow_option = click.option(
    "--mlflow",
    envvar="MLFLOW_TRACKING_URI",
    show_envvar=True,
    help="MLflow store to write the version to as well, like sqlite:///mlflow.db or http://127.0.0.1:5000.",
)


@contextmanager
def registry_errors(registry: Path) -> Iterator[None]:
    """End the command with the reason where the registry, the gates or a model cannot be used."""
    try:
        with report_errors(registry):
            yield
    except LockHeldError as error:
        raise click.ClickException(f"{registry} is being trained for: {error}") from error
    except (RegistryError, GatesError, ReleaseError) as error:
        raise click.ClickException(str(error)) from error


def champion_folder(registry: Path, champion: str | None, tier: str) -> Path:
    """Return the folder of the champion that ``--champion`` names, or of the shipped model of a tier.

    Raises:
        RegistryError: there is no such version, or it did not pass its checks.
    """
    if champion is None or champion in TIERS:
        return RELEASED / (champion or tier)
    if champion.isdigit():
        version = read_version(registry, int(champion))
    elif (Path(champion) / VERSION_FILE).is_file():
        version = read_folder(Path(champion))
    else:
        return Path(champion)
    version.require_checked()
    return version.folder


def load_opponents(registry: Path, champion: str | None, tier: str) -> Opponents:
    """Load what a version of a tier is compared with; an imported one has no shipped model of its tier."""
    shipped = tier if tier in TIERS else DEFAULT_TIER
    folder = champion_folder(registry, champion, shipped)
    model = load_model(folder)
    same_tier = model.manifest["tier"] in (tier, shipped)
    return Opponents(model, read_trained_titles([folder]), model if same_tier else Classifier.load(RELEASED / shipped))


def track(version: Version, store: str) -> None:
    """Write a version to an MLflow store, or say what is missing."""
    try:
        number = track_version(version, store, version.folder.parent / "mlflow")
    except ModuleNotFoundError:
        click.echo(f"Not tracked: {MISSING}", err=True)
    else:
        click.echo(f"In MLflow's store {store} it is version {number}.", err=True)


def show_checks(version: Version) -> None:
    """Print a version's checks, one a line, and its state."""
    for check in version.about["checks"]:
        click.echo(f"{version.outcome(check):<8}{check['name']:<30}{check['says']}")
    click.echo(f"Version {version.number}, {version.name}: {version.state}, in {version.folder}")
    if version.state == CHECKED and version.undecided:
        click.echo(
            f"Chance may decide {', '.join(version.undecided)}: check it again on more questions "
            f"(`tagalong-model register {version.number} --questions …`), or let an experiment judge it."
        )


def finish_registration(version: Version, store: str | None) -> None:
    """Print what became of a version and write it to an MLflow store, if one is named; fail if it was refused."""
    show_checks(version)
    if store:
        track(version, store)
    if version.state == REFUSED:
        raise click.ClickException("It cannot be deployed: it failed " + ", ".join(version.failed_names()) + ".")
