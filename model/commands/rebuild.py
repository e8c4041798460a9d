"""``tagalong-model rebuild``: train a version again from what it says of itself."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

from model.commands.registry import registry_errors
from model.commands.registry_option import registry_option
from model.commands.retrain import WORK
from model.commands.terminal import out_folder, show_progress
from model.registry import rebuild as rebuilding
from model.registry.versions import read_version
from model.training.encoder.encode import EncoderFolderError
from model.training.onnx_check import ExportError


@click.command()
@click.argument("number", type=click.IntRange(1))
@registry_option
@click.option(
    "--from",
    "places",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="File or folder to look for its inputs, by sha256; may be repeated.  [default: where retrain works]",
)
@click.option("--out", type=out_folder, help="Folder to keep the result in.")
def rebuild(number: int, registry: Path, places: tuple[Path, ...], out: Path | None) -> None:
    """Train version NUMBER again, and compare the files byte for byte.

    On the same machine with as many threads they are the same; elsewhere their scores may differ by .05. An input that
    is missing or differs is named.
    """
    work = registry / WORK
    with registry_errors(registry), ExitStack() as stack:
        version = read_version(registry, number)
        made = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tagalong-")))
        try:
            inputs = rebuilding.find_inputs(version, places or [work])
            for change in rebuilding.list_environment_changes(version):
                click.echo(f"Not as it was made: {change}", err=True)
            with show_progress() as progress:
                manifest = rebuilding.rebuild_version(version, inputs, made, work / "encoded", progress)
        except (rebuilding.RebuildError, ExportError, EncoderFolderError) as error:
            raise click.ClickException(str(error)) from error
        if not (changed := rebuilding.list_changed_files(version, manifest)):
            click.echo(f"Version {number} made again: {', '.join(manifest['files'])} the same, byte for byte.")
            return
        largest = rebuilding.largest_score_difference(version, made, inputs.questions)
    allowed = rebuilding.TOLERANCE
    difference = (
        f"{', '.join(changed)} not the same bytes; scores differ by at most {largest:.1e}, {allowed:g} is allowed"
    )
    if largest > allowed:
        raise click.ClickException(f"Version {number} could not be made again: {difference}.")
    click.echo(f"Version {number} made again, nearly: {difference}.")
