"""``tagalong-model export-device``: a released model as the file that the extension's own scorer reads."""

import hashlib
from pathlib import Path
from typing import Final

import click

from model.commands.registry_option import registry_option
from model.commands.terminal import RELEASED, out_file, report_errors
from model.runs.files import write_atomically
from model.serving.classifier import ReleaseError, read_manifest
from model.serving.device_file import device_file
from model.serving.registry import version_numbers

SHIPPED: Final = RELEASED / "light"
PACKAGED: Final = Path(__file__).parents[2] / "extension" / "device" / "model.bin"
"""Where the extension has its model."""


@click.command("export-device")
@click.argument("model", metavar="[VERSION|FOLDER]", required=False)
@click.option(
    "--out", type=out_file, default=PACKAGED, show_default="extension/device/model.bin", help="File to write."
)
@registry_option
def export_device(model: str | None, out: Path, registry: Path) -> None:
    """Write a released model of the light tier as one file, with which the extension suggests tags by itself.

    VERSION is a number of the registry or a version's name like light-1a2b3c4d; without one, and without a FOLDER, the
    shipped model is written.
    """
    if out == PACKAGED and not PACKAGED.parents[1].is_dir():
        raise click.UsageError("There is no folder extension/ here. Name the file to write with --out.")
    folder = SHIPPED if model is None else _find_folder(model, registry)
    try:
        content = device_file(folder)
    except ReleaseError as error:
        raise click.ClickException(str(error)) from error
    with report_errors(out):
        write_atomically(out.parent, {out.name: content})
    digest = hashlib.sha256(content).hexdigest()
    click.echo(f"{out}: {read_manifest(folder)['version']}, {len(content):,} bytes, sha256 {digest}")


def _find_folder(model: str, registry: Path) -> Path:
    if model.isascii() and model.isdigit():
        if int(model) not in version_numbers(registry):
            raise click.ClickException(f"There is no version {model} in {registry}. See `tagalong-model versions`.")
        return registry / str(int(model))
    if (folder := Path(model)).is_dir():
        return folder
    released = [*RELEASED.iterdir(), *(registry / str(number) for number in version_numbers(registry))]
    for folder in released:
        if (folder / "manifest.json").is_file() and read_manifest(folder)["version"] == model:
            return folder
    raise click.ClickException(f"{model} is no folder, and no version in {registry} or among the shipped ones.")
