"""``tagalong-model rebuild``: a version made again from what it says of itself."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

from model.commands.registry import registry_errors, registry_option
from model.commands.retrain import WORK
from model.commands.terminal import out_folder, require_extra, show_progress


@click.command()
@click.argument("number", type=click.IntRange(1))
@registry_option
@click.option(
    "--from",
    "places",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="File or folder where its inputs may be, found by sha256; may be given again.  [default: where retrain works]",
)
@click.option("--out", type=out_folder, help="Folder to keep what was made.")
def rebuild(number: int, registry: Path, places: tuple[Path, ...], out: Path | None) -> None:
    """Make version NUMBER again, and compare the files, byte for byte.

    On the same machine with as many threads they are the same. Else their scores may differ by .05. If an input is
    missing or differs, says which.
    """
    with require_extra():
        from model.registry import rebuild as again
        from model.registry.versions import read_version
        from model.training.encoder.encode import EncoderFolderError
        from model.training.onnx_export import ExportError
    work = registry / WORK
    with registry_errors(registry), ExitStack() as stack:
        version = read_version(registry, number)
        made = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tagalong-")))
        try:
            inputs = again.find_inputs(version, places or [work])
            for difference in again.made_otherwise(version):
                click.echo(f"Not as it was made: {difference}", err=True)
            with show_progress() as progress:
                manifest = again.rebuild(version, inputs, made, work / "encoded", progress)
        except (again.RebuildError, ExportError, EncoderFolderError) as error:
            raise click.ClickException(str(error)) from error
        if not (other := again.differing(version, manifest)):
            click.echo(f"Version {number} made again: {', '.join(manifest['files'])} the same, byte for byte.")
            return
        largest = again.score_difference(version, made, inputs.questions)
    told = (
        f"{', '.join(other)} not the same bytes; scores differ by at most {largest:.1e}, {again.TOLERANCE:g} is allowed"
    )
    if largest > again.TOLERANCE:
        raise click.ClickException(f"Version {number} could not be made again: {told}.")
    click.echo(f"Version {number} made again, nearly: {told}.")
