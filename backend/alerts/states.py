"""The life of an alert: pending, firing, resolved. Pure: the alert so far, an evaluation, and what follows."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

State = Literal["pending", "firing", "resolved"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of evaluating a rule.

    Attributes:
        breached: whether the rule is broken; None: there is too little to judge by.
        words: the figures, for people.
    """

    breached: bool | None
    words: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert: a rule that is broken, or was.

    Attributes:
        state: nobody is notified of a pending alert yet.
        since: when it was first broken.
        fired_at, resolved_at: when the alert fired and was resolved.
        calm_since: since when the rule has not been broken any more, while the alert is not yet resolved.
        words: the figures when it was last broken; once resolved, those that show it.
        unjudged: why there is nothing to judge it by now; None: it was judged at the last evaluation.
    """

    state: State
    since: datetime
    words: str
    fired_at: datetime | None = None
    calm_since: datetime | None = None
    resolved_at: datetime | None = None
    unjudged: str | None = None


def advance_alert(
    alert: Alert | None, evaluation: Evaluation, now: datetime, *, pending: timedelta, calm: timedelta
) -> Alert | None:
    """Return the alert after an evaluation; None if there is none, or if a pending one has passed.

    Args:
        alert: pending or firing, or None.
        evaluation: of now.
        now: the moment.
        pending: how long a rule must be broken before the alert fires.
        calm: how long it must not be broken before the alert is resolved.
    """
    if evaluation.breached is None:
        return None if alert is None else replace(alert, unjudged=evaluation.words)
    if evaluation.breached:
        alert = alert or Alert("pending", now, evaluation.words)
        alert = replace(alert, words=evaluation.words, calm_since=None, unjudged=None)
        if alert.state == "pending" and now - alert.since >= pending:
            alert = replace(alert, state="firing", fired_at=now)
        return alert
    if alert is None or alert.state == "pending":
        return None
    alert = replace(alert, calm_since=alert.calm_since or now, unjudged=None)
    if alert.calm_since is not None and now - alert.calm_since >= calm:
        return replace(alert, state="resolved", resolved_at=now, words=evaluation.words)
    return alert
