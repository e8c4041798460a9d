"""``tagalong-model due``: whether training again is due, for cron."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from model.commands.registry import registry_option
from model.commands.terminal import require_extra
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
    with require_extra():
        from model.questions import QuestionsError
        from model.questions.feedback import told
        from model.registry.versions import all_versions
        from model.retraining import due as of
    given = {"days": days, "rest": rest, "drop": drop, "new": new}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    limits = of.Limits(**chosen)
    now = datetime.now(UTC)
    try:
        versions = all_versions(registry)
        triggers = [of.schedule(versions, limits, now)]
        if drift_file:
            triggers.append(
                of.drift(of.read_json(drift_file, ["found", "columns"], "what `tagalong-model drift` wrote"))
            )
        if metrics:
            triggers.append(of.acceptance(of.read_json(metrics, ["rows"], "/metrics/overview.json"), limits))
        if files:
            lines = []
            for file in files:
                of_file, refused = told(file, sites)
                if refused:
                    says = f"{refused[0].place}: {refused[0].reason}"
                    if not of_file:
                        raise of.DueError(f"{file} has no line of feedback that can be used. {says}.")
                    click.echo(f"{len(refused):,} lines of {file} are not counted. {says}.", err=True)
                lines += of_file
            triggers.append(of.new_feedback(lines, versions, limits))
    except (of.DueError, QuestionsError, RegistryError, OSError) as error:
        _end(f"Error: {error}", WRONG)
    except (KeyError, TypeError, ValueError) as error:
        _end(f"Error: a file is not of the form it must have: {type(error).__name__} {error}", WRONG)
    for trigger in triggers:
        click.echo(f"{'due' if trigger.due else '-':<5}{trigger.name:<12}{trigger.says}")
    if not any(trigger.due for trigger in triggers):
        _end("Not due.", NOT_DUE)
    if not of.rested(versions, limits, now):
        _end(f"Not due: the last training is less than {limits.rest} days ago.", NOT_DUE)
    click.echo(f"Due: {', '.join(trigger.name for trigger in triggers if trigger.due)}.")


def _end(says: str, code: int) -> NoReturn:
    click.echo(says, err=code == WRONG)
    raise SystemExit(code)
