"""What the commands of the registry share at the terminal: options, the champion, and a version's checks in words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from model.commands.terminal import RELEASED, load_model, out_folder, report_errors
from model.serving.classifier import TIERS, Classifier, ReleaseError
from model.serving.registry import VERSION_FILE, RegistryError

if TYPE_CHECKING:
    from model.registry.checks import Against
    from model.registry.versions import Version

registry_option = click.option(
    "--registry",
    type=out_folder,
    envvar="TAGALONG_MODELS_DIR",
    show_envvar=True,
    default=Path(".tagalong/models"),
    show_default=True,
    help="Folder of the numbered versions, the one that the service reads.",
)
champion_option = click.option(
    "--champion",
    help="What to compare with: number of a version, folder of a released model, or tier of a shipped one.  "
    "[default: the shipped one of its tier]",
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
    from model.registry.gates import GatesError
    from model.retraining.lock import Held

    try:
        with report_errors(registry):
            yield
    except Held as error:
        raise click.ClickException(f"{registry} is being trained for: {error}") from error
    except (RegistryError, GatesError, ReleaseError) as error:
        raise click.ClickException(str(error)) from error


def champion_of(registry: Path, named: str | None, tier: str) -> Path:
    """Return the folder of the champion that was named, or of the shipped model of a tier.

    Raises:
        RegistryError: there is no such version, or it did not pass its checks.
    """
    from model.registry.versions import read_folder, read_version

    if named is None or named in TIERS:
        return RELEASED / (named or tier)
    if named.isdigit():
        version = read_version(registry, int(named))
    elif (Path(named) / VERSION_FILE).is_file():
        version = read_folder(Path(named))
    else:
        return Path(named)
    version.require_checked()
    return version.folder


def against(registry: Path, named: str | None, tier: str) -> "Against":
    """Load what a version of a tier is compared with."""
    from model.registry.checks import Against
    from model.training.trained_titles import trained_titles

    folder = champion_of(registry, named, tier)
    champion = load_model(folder)
    same = champion.manifest["tier"] == tier
    return Against(champion, trained_titles([folder]), champion if same else Classifier.load(RELEASED / tier))


def track(version: "Version", store: str) -> None:
    """Write a version to an MLflow store, or say what is missing."""
    from model.registry.tracking import track as tracked
    from model.runs import tracking

    try:
        number = tracked(version, store, version.folder.parent / "mlflow")
    except ModuleNotFoundError:
        click.echo(f"Not tracked: {tracking.MISSING}", err=True)
    else:
        click.echo(f"In MLflow's store {store} it is version {number}.", err=True)


def show(version: "Version") -> None:
    """Print a version's checks, each in a line, and what became of it."""
    from model.registry.versions import CHECKED

    for check in version.about["checks"]:
        click.echo(f"{version.outcome(check):<8}{check['name']:<30}{check['says']}")
    click.echo(f"Version {version.number}, {version.name}: {version.state}, in {version.folder}")
    if version.state == CHECKED and version.undecided:
        click.echo(
            f"Chance may decide {', '.join(version.undecided)}: check it again on more questions "
            f"(`tagalong-model register {version.number} --questions …`), or let an experiment judge it."
        )
