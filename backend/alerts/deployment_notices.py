"""Notifications of deployments: a version was rolled back, or an experiment got its verdict."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backend.alerts.channels import Notification
from backend.audit.service import SERVICE, list_acts_between
from backend.audit.tables import Act
from backend.deployments.service import ROLL_BACK, VERDICT

ADVICE = "See 'Experiment' at /metrics for what it did; `tagalong-server deployments` says what serves now."

ADVICE_BY_VERDICT = {
    "better": "Unless the verdict was let to promote it, `tagalong-server promote` does.",
    "worse": "It is rolled back by the service itself.",
    "no difference shown": "Promote it or roll it back: nothing is done by itself.",
}


async def list_deployment_notices(session: AsyncSession, since: datetime, until: datetime) -> list[Notification]:
    """Return the notifications of the audit log's roll backs and verdicts, from ``since`` until before ``until``."""
    return [to_notification(act) for act in await list_acts_between(session, (ROLL_BACK, VERDICT), since, until)]


def to_notification(act: Act) -> Notification:
    """Return the notification of a roll back or a verdict."""
    number = act.details["number"]
    if act.act == VERDICT:
        title, words = f"Version {number}: {act.details['verdict']}", describe_verdict(act.details)
        advice = f"{ADVICE} {ADVICE_BY_VERDICT[act.details['verdict']]}"
    else:
        title, words = f"Version {number} was rolled back", describe_roll_back(act.actor, act.details)
        advice = ADVICE
    return Notification(
        # A deployment gets one verdict and is rolled back once.
        key=f"{act.details['deployment']}-{act.act.replace(' ', '-')}",
        rule=act.act,
        subject=act.subject,
        occasion="done",
        title=title,
        words=words,
        advice=advice,
        since=f"{act.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
    )


def describe_roll_back(actor: str, details: Mapping[str, Any]) -> str:
    """Return who rolled back what, and why: ``The service itself rolled back the challenger. Why: …``"""
    who = "The service itself" if actor == SERVICE else "An operator"
    return f"{who} rolled back the {details['role']}. Why: {details['why']}. The champion is {details['to']}."


def describe_verdict(details: Mapping[str, Any]) -> str:
    """Return what an experiment found: ``Acceptance +4.2 points (+2.1 to +6.3) against the champion's, after …``"""
    after = f"after {details['installs']:,} installs"
    if "difference" not in details:
        return f"There was nothing to compare {after}."
    value, low, high = (details[name] * 100 for name in ("difference", "low", "high"))
    return f"Acceptance {value:+.1f} points ({low:+.1f} to {high:+.1f}) against the champion's, {after}."
