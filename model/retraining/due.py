"""Is it time to train again, and why: age, drift, acceptance that fell, or enough new questions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from model.questions.feedback import PostedQuestion, count_by_month
from model.registry.versions import Version

ACCEPTANCE: Final = "acceptance"
"""The figure of ``/metrics/overview.json`` that must not fall."""
DRIFTS: Final = ("data", "concept", "model")
"""What ``tagalong-model drift`` can find that training again may mend."""


class DueError(Exception):
    """A file cannot be read; the message says what it must be."""


@dataclass(frozen=True, slots=True)
class Limits:
    """From when on training again is due.

    ``days`` since the last training; ``drop`` of acceptance against the period before, if it is surely one; ``new``
    posted questions that no version was trained on. Within ``rest`` days of the last training, nothing is.
    """

    days: int = 30
    rest: int = 3
    drop: float = 0.03
    new: int = 1_000


@dataclass(frozen=True, slots=True)
class Trigger:
    """One reason to train again: whether it holds, and its figures in words."""

    name: str
    due: bool
    says: str


def check_schedule(versions: Sequence[Version], limits: Limits, now: datetime) -> Trigger:
    """Judge the age of the newest version, whatever became of it."""
    trained = last_training(versions)
    if trained is None:
        return Trigger("schedule", True, "no version was trained here yet")
    days = (now - trained).days
    return Trigger("schedule", days >= limits.days, f"trained {days} days ago, due after {limits.days}")


def is_rested(versions: Sequence[Version], limits: Limits, now: datetime) -> bool:
    """Return whether the last training is long enough ago to think of another."""
    trained = last_training(versions)
    return trained is None or now - trained >= timedelta(days=limits.rest)


def last_training(versions: Sequence[Version]) -> datetime | None:
    """Return when the newest version was trained."""
    return max((datetime.fromisoformat(version.about["trained_at"]) for version in versions), default=None)


def check_acceptance(metrics: Mapping[str, Any], limits: Limits) -> Trigger:
    """Judge ``/metrics/overview.json``: did acceptance fall against the period before, beyond chance?"""
    row = next((row for row in metrics["rows"] if row["figure"] == ACCEPTANCE), None)
    if row is None or row["change"] is None:
        return Trigger("acceptance", False, "there is no period before to compare with")
    change, high = float(row["change"]), float(row["change_high"])
    says = (
        f"{change:+.1%} against the period before (at most {high:+.1%}), due from -{limits.drop:.1%} on, if surely less"
    )
    return Trigger("acceptance", change <= -limits.drop and high < 0, says)


def check_drift(drift: Mapping[str, Any]) -> Trigger:
    """Judge what ``tagalong-model drift`` found: bad days alone, as of an outage, are no reason."""
    kinds = [kind for kind in drift["found"] if kind in DRIFTS]
    details = [f"{column['column']} (PSI {column['psi']:.2f})" for column in drift["columns"] if column["drifted"]]
    if drift["relation"]["drifted"]:
        details.append(f"share right at equal scores (differs by {drift['relation']['shift']:.3f})")
    if drift["performance"]["drifted"]:
        details.append(f"Jaccard ({drift['performance']['change']['value']:+.3f})")
    if drift.get("drafts") == 0:
        return Trigger("drift", False, "nothing to judge: no draft of the compared version came in")
    return Trigger("drift", bool(kinds), f"{', '.join(kinds) or 'none'}{': ' if details else ''}{', '.join(details)}")


def check_feedback(posted: Sequence[PostedQuestion], versions: Sequence[Version], limits: Limits) -> Trigger:
    """Judge how many posted questions are new since the version that was trained on the most of them.

    Versions say how many they were trained on by month, not which: no number of a question is kept for this.
    """
    learned = [version.about["retrained"]["months"] for version in versions if "retrained" in version.about]
    new = sum(
        max(0, questions - max((months.get(month, 0) for months in learned), default=0))
        for month, questions in count_by_month(posted).items()
    )
    return Trigger("feedback", new >= limits.new, f"{new:,} posted questions are new, due from {limits.new:,} on")


def read_json(path: Path, keys: Sequence[str], what: str) -> dict[str, Any]:
    """Read a file of JSON that has these keys.

    Raises:
        DueError: it cannot be read, or lacks one.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DueError(f"{path} cannot be read: {error}. It must be {what}.") from error
    if not isinstance(content, dict) or not all(key in content for key in keys):
        raise DueError(f"{path} lacks {', '.join(keys)}: it must be {what}.")
    return content
