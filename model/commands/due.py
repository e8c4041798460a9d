"""``tagalong-model due``: whether training again is due, for cron."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from model.commands.registry_option import registry_option
from model.questions import QuestionsError
from model.questions.feedback import PostedQuestion, read_feedback
from model.registry.versions import read_versions
from model.retraining.due import (
    DueError,
    Limits,
    check_acceptance,
    check_drift,
    check_feedback,
    check_schedule,
    is_rested,
    read_json,
)
from model.serving.registry import RegistryError

NOT_DUE, WRONG = 1, 2

_file = click.Path(path_type=Path, dir_okay=False)


@click.command()
@registry_option
@click.option("--metrics", type=_file, help="What the service gives at /metrics/overview.json.")
@click.option("--drift", "drift_file", type=_file, help="JSON that `tagalong-model drift` wrote.")
@click.option(
    "--feedback", "files", type=_file, multiple=True, help="What `tagalong-server export-feedback` wrote; any number."
)
@click.option("--site", "sites", multiple=True, default=["stackoverflow.com"], show_default=True, help="Of feedback.")
@click.option("--days", type=click.IntRange(1), help="Due so many days after the last training.  [default: 30]")
@click.option("--rest", type=click.IntRange(0), help="Never due before so many days after it.  [default: 3]")
@click.option("--drop", type=click.FloatRange(0, 1), help="Due if acceptance fell by so much.  [default: 0.03]")
@click.option("--new", type=click.IntRange(1), help="Due from so many new posted questions on.  [default: 1000]")
def due(
    registry: Path,
    metrics: Path | None,
    drift_file: Path | None,
    files: tuple[Path, ...],
    sites: tuple[str, ...],
    days: int | None,
    rest: int | None,
    drop: float | None,
    new: int | None,
) -> None:
    """Check whether training again is due, and by which trigger. The exit code is 0 if it is, 1 if not, 2 on an error.

    The triggers are schedule, always, and drift, acceptance and feedback if their files are given.
    """
    options = {"days": days, "rest": rest, "drop": drop, "new": new}
    chosen: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    limits = Limits(**chosen)
    now = datetime.now(UTC)
    try:
        versions = read_versions(registry)
        triggers = [check_schedule(versions, limits, now)]
        if drift_file:
            triggers.append(
                check_drift(read_json(drift_file, ["found", "columns"], "what `tagalong-model drift` wrote"))
            )
        if metrics:
            triggers.append(check_acceptance(read_json(metrics, ["rows"], "/metrics/overview.json"), limits))
        if files:
            posted = [question for file in files for question in _read_feedback(file, sites)]
            triggers.append(check_feedback(posted, versions, limits))
    except (DueError, QuestionsError, RegistryError, OSError) as error:
        _end(f"Error: {error}", WRONG)
    except (KeyError, TypeError, ValueError) as error:
        _end(f"Error: a file is not of the form it must have: {type(error).__name__} {error}", WRONG)
    for trigger in triggers:
        click.echo(f"{'due' if trigger.due else '-':<5}{trigger.name:<12}{trigger.says}")
    if not any(trigger.due for trigger in triggers):
        _end("Not due.", NOT_DUE)
    if not is_rested(versions, limits, now):
        _end(f"Not due: the last training is less than {limits.rest} days ago.", NOT_DUE)
    click.echo(f"Due: {', '.join(trigger.name for trigger in triggers if trigger.due)}.")


def _read_feedback(file: Path, sites: Sequence[str]) -> list[PostedQuestion]:
    """Return the questions that a feedback file names, and print how many of its lines cannot be used.

    Raises:
        DueError: none of the lines can be used.
    """
    posted, refused = read_feedback(file, sites)
    if refused:
        first = f"{refused[0].place}: {refused[0].reason}"
        if not posted:
            raise DueError(f"{file} has no line of feedback that can be used. {first}.")
        click.echo(f"{len(refused):,} lines of {file} are not counted. {first}.", err=True)
    return posted


def _end(message: str, code: int) -> NoReturn:
    click.echo(message, err=code == WRONG)
    raise SystemExit(code)
