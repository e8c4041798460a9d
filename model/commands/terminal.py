"""What the commands share: options, progress, and errors that say what to do."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import click

from model.questions import QuestionsError
from model.runs import steps
from model.runs.files import OutputBusyError
from model.runs.progress import Progress
from model.serving.classifier import DEFAULT_TIER, Classifier, ReleaseError

_EXTRAS: Final = {
    "evidently": "drift",
    "omikuji": "compare",
    "pandas": "drift",
    "skl2onnx": "import",
    "torch": "encoder",
}
"""The extra that a library comes with, where it is not 'train'."""
RELEASED: Final = Path(__file__).parent.parent / "released"

model_option = click.option(
    "--model",
    type=click.Path(path_type=Path, file_okay=False),
    default=RELEASED / DEFAULT_TIER,
    show_default="the shipped one",
    help="Folder of a released model.",
)
questions_option = click.option(
    "--questions",
    type=click.Path(path_type=Path),
    required=True,
    help="Parquet file with the columns title, body, body_format and tags.",
)


class OutputPath(click.Path):
    """A file or folder to write. ``-`` is refused: it would be a file of that name, not the terminal."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        """Return the path, or fail with what to do."""
        if str(value) == "-":
            self.fail("- cannot be its name, and it cannot go to the terminal. Give it another one.", param, context)
        return super().convert(value, param, context)


out_file = OutputPath(dir_okay=False, path_type=Path)
out_folder = OutputPath(file_okay=False, path_type=Path)


class Share(click.ParamType[float]):
    """A share, as a percentage like 5% or as a number from 0 to 1."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        """Return the share as a number, or fail."""
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail(f"{text!r} is not a share like 5% or 0.05.", param, context)
        return share


refuse_above_option = click.option(
    "--refuse-above",
    type=Share(),
    default="50%",
    show_default=True,
    help="Share of refused rows above which the command fails and writes no questions.",
)
force_option = click.option("--force", is_flag=True, help="Run it again even if nothing has changed since.")


class Advance(Protocol):
    """Moves a progress bar on, by one by default."""

    def __call__(self, by: int = 1) -> None:
        """Move it on."""


def load_model(folder: Path) -> Classifier:
    """Load a released model, or end the command with the reason."""
    try:
        return Classifier.load(folder)
    except ReleaseError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def require_extra() -> Iterator[None]:
    """End the command with what to install where a library of an extra is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed. Training and measuring need it: run `make tools`, "
            f"or install tagalong with its extra '{_EXTRAS.get(error.name or '', 'train')}'."
        ) from error


def begin_run(
    step: str | steps.Step, inputs: Sequence[Path], out: Path, parameters: Mapping[str, Any], *, force: bool
) -> steps.Run | None:
    """Return the run of a step, or None, and a line that says so, if nothing has changed since the last one.

    Args:
        inputs: every file or folder that the output depends on.
        parameters: everything else it depends on; no password, no key.
    """
    missing = [str(path) for path in inputs if not path.exists()]
    if missing:
        raise click.ClickException(f"There is no file {', '.join(missing)}.")
    size = sum(path.stat().st_size for path in inputs if path.is_file())
    with progress_bars() as open_bar:
        known_step = step if isinstance(step, steps.Step) else steps.STEPS[step]
        run = steps.Run(known_step, inputs, out, parameters, advance=open_bar("comparing", size))
    if not force and run.is_done():
        click.echo(f"{out} is up to date: nothing to do. --force runs it again.")
        return None
    return run


@contextmanager
def report_errors(out: Path) -> Iterator[None]:
    """End the command with the reason where questions or files cannot be used."""
    try:
        yield
    except (QuestionsError, OutputBusyError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or out}: {error.strerror or error}.") from error


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int], Advance]]:
    """Yield a function that opens a progress bar and returns what advances it; each new bar ends the one before."""
    shown: list[Any] = []

    def end_bar() -> None:
        if shown:
            shown.pop().__exit__(None, None, None)

    def open_bar(label: str, length: int) -> Advance:
        end_bar()
        bar = click.progressbar(length=length, label=label, file=sys.stderr)
        shown.append(bar.__enter__())
        return lambda by=1: bar.update(by)

    try:
        yield open_bar
    finally:
        end_bar()


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Yield what long steps report to: lines and bars, on standard error."""
    with progress_bars() as open_bar:
        yield Progress(lambda line: click.echo(line, err=True), open_bar)
