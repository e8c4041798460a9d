"""What a rate is counted over: a span of days, one kind of draft, perhaps one site and one model version."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, get_args

Kind = Literal["ask", "edit", "try", "demo"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Arm = Literal["champion", "challenger"]
ARMS: tuple[Arm, ...] = get_args(Arm)
Origin = Literal["service", "device"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)


@dataclass(frozen=True, slots=True)
class Filters:
    """A selection of drafts and items; kinds are never mixed.

    Attributes:
        since: first day, in UTC.
        until: last day, in UTC, itself included.
        kind: kind of draft.
        site: host name of one site; None: all.
        model_version: one version; None: all. An item has the version of its suggestion, a draft that
            of its first answer.
        arm: drafts that took part in an experiment, in this arm; None: all drafts.
        origin: who answered, the service or the model on the device; None: either. An item has the origin of its
            suggestion, a draft that of its first answer.
    """

    since: date
    until: date
    kind: Kind = "ask"
    site: str | None = None
    model_version: str | None = None
    arm: Arm | None = None
    origin: Origin | None = None

    @property
    def selection(self) -> "Selection":
        """The same selection, as the queries take it."""
        spans = (Span(self.since, self.until),)
        return Selection(spans, self.kind, self.site, self.model_version, self.arm, self.origin)

    @property
    def before(self) -> "Filters":
        """The same selection over as many days right before."""
        until = self.since - timedelta(days=1)
        return replace(self, since=until - (self.until - self.since), until=until)

    @property
    def days(self) -> list[date]:
        """Every day, in order."""
        return Span(self.since, self.until).days


@dataclass(frozen=True, slots=True)
class Span:
    """Days in a row, in UTC, the last one included."""

    since: date
    until: date

    @property
    def start(self) -> datetime:
        """The first moment that belongs to the span."""
        return datetime.combine(self.since, time.min, UTC)

    @property
    def end(self) -> datetime:
        """The first moment after the span."""
        return datetime.combine(self.until + timedelta(days=1), time.min, UTC)

    @property
    def days(self) -> list[date]:
        """Every day, in order."""
        return [self.since + timedelta(days=n) for n in range((self.until - self.since).days + 1)]


@dataclass(frozen=True, slots=True)
class Selection:
    """What one query counts: the days of some spans, and a selection of drafts and items as in `Filters`.

    Attributes:
        spans: disjoint, at least one.
        kind: None: all kinds; only rollups select so, and keep them apart by a key.
        site, model_version, arm, origin: as in `Filters`; rollups know nothing of arms.
    """

    spans: tuple[Span, ...]
    kind: Kind | None = None
    site: str | None = None
    model_version: str | None = None
    arm: Arm | None = None
    origin: Origin | None = None


def consecutive_spans(days: Collection[date]) -> tuple[Span, ...]:
    """Group days into spans, consecutive days into one."""
    spans: list[Span] = []
    for day in sorted(days):
        if spans and day - spans[-1].until == timedelta(days=1):
            spans[-1] = replace(spans[-1], until=day)
        else:
            spans.append(Span(day, day))
    return tuple(spans)
