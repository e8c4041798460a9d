"""What a rate is asked for: a span of days, one kind of draft, perhaps one site and one model version."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, get_args

Kind = Literal["ask", "edit", "try", "demo"]
KINDS: tuple[Kind, ...] = get_args(Kind)


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
    """

    since: date
    until: date
    kind: Kind = "ask"
    site: str | None = None
    model_version: str | None = None

    @property
    def start(self) -> datetime:
        """The first moment that belongs to the span."""
        return datetime.combine(self.since, time.min, UTC)

    @property
    def end(self) -> datetime:
        """The first moment after the span."""
        return datetime.combine(self.until + timedelta(days=1), time.min, UTC)

    @property
    def before(self) -> "Filters":
        """The same selection over as many days right before."""
        until = self.since - timedelta(days=1)
        return replace(self, since=until - (self.until - self.since), until=until)

    @property
    def days(self) -> list[date]:
        """Every day of the span, in order."""
        return [self.since + timedelta(days=n) for n in range((self.until - self.since).days + 1)]
