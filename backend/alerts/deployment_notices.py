"""Steps in the life of the models that people are told of: a version was rolled back, or got its verdict."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backend.alerts.channels import Telling
from backend.audit.service import SERVICE, acts_between
from backend.audit.tables import Act
from backend.deployments.service import ROLL_BACK, VERDICT

SEE = "See 'Experiment' at /metrics for what it did; `tagalong-server deployments` says what serves now."

AFTER_VERDICT = {
    "better": "Unless the verdict was let to promote it, `tagalong-server promote` does.",
    "worse": "It is rolled back by the service itself.",
    "no difference shown": "Promote it or roll it back: nothing is done by itself.",
}


async def steps_between(session: AsyncSession, since: datetime, until: datetime) -> list[Telling]:
    """What is to be told of the steps that the audit log has from ``since`` until before ``until``, in order."""
    return [telling_of(act) for act in await acts_between(session, (ROLL_BACK, VERDICT), since, until)]


def telling_of(act: Act) -> Telling:
    """A step as it is told."""
    number = act.details["number"]
    if act.act == VERDICT:
        title, words = f"Version {number}: {act.details['verdict']}", verdict_words(act.details)
        advice = f"{SEE} {AFTER_VERDICT[act.details['verdict']]}"
    else:
        title, words = f"Version {number} was rolled back", roll_back_words(act.actor, act.details)
        advice = SEE
    return Telling(
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


def roll_back_words(actor: str, details: Mapping[str, Any]) -> str:
    """Who rolled back what, and why: ``The service itself rolled back the challenger. Why: … Now … answers.``"""
    who = "The service itself" if actor == SERVICE else "An operator"
    return f"{who} rolled back the {details['role']}. Why: {details['why']}. The champion is {details['to']}."


def verdict_words(details: Mapping[str, Any]) -> str:
    """What an experiment found: ``Acceptance +4.2 points (+2.1 to +6.3) against the champion's, after …``"""
    after = f"after {details['installs']:,} installs"
    if "difference" not in details:
        return f"There was nothing to compare {after}."
    value, low, high = (details[name] * 100 for name in ("difference", "low", "high"))
    return f"Acceptance {value:+.1f} points ({low:+.1f} to {high:+.1f}) against the champion's, {after}."
