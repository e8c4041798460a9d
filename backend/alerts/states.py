"""How an alert lives: pending, firing, resolved. Pure: what was, what is read now, and what follows."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

State = Literal["pending", "firing", "resolved"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule reads now.

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
        state: pending alerts are not told to anybody yet.
        since: when it was first broken.
        fired_at, resolved_at: when it came to that.
        calm_since: since when it has not been broken any more, though it is not yet resolved.
        words: the figures when it was last broken; once resolved, those that say so.
        unjudged: why there is nothing to judge it by now; None: it was judged at the last reading.
    """

    state: State
    since: datetime
    words: str
    fired_at: datetime | None = None
    calm_since: datetime | None = None
    resolved_at: datetime | None = None
    unjudged: str | None = None


def advance(
    alert: Alert | None, reading: Reading, now: datetime, *, pending: timedelta, calm: timedelta
) -> Alert | None:
    """The alert after a reading; None if there is none, or if a pending one has passed.

    Args:
        alert: pending or firing, or None.
        reading: of now.
        now: the moment.
        pending: how long a rule must be broken before the alert fires.
        calm: how long it must not be broken before the alert is resolved.
    """
    if reading.breached is None:
        return None if alert is None else replace(alert, unjudged=reading.words)
    if reading.breached:
        alert = alert or Alert("pending", now, reading.words)
        alert = replace(alert, words=reading.words, calm_since=None, unjudged=None)
        if alert.state == "pending" and now - alert.since >= pending:
            alert = replace(alert, state="firing", fired_at=now)
        return alert
    if alert is None or alert.state == "pending":
        return None
    alert = replace(alert, calm_since=alert.calm_since or now, unjudged=None)
    if alert.calm_since is not None and now - alert.calm_since >= calm:
        return replace(alert, state="resolved", resolved_at=now, words=reading.words)
    return alert
