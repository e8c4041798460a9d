"""Running counts of items since the beginning, for scrapers."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.filters import Filters
from backend.acceptance.rollups import first_day, split_days
from backend.acceptance.statements import fetch_rollup
from backend.acceptance.tables import ITEM_COUNTS


@dataclass(frozen=True, slots=True)
class RunningCounts:
    """Counts since the beginning of viewed items of one kind of draft, one model version and one origin.

    ``viewed``, ``accepted`` and ``posted`` (viewed items of posted drafts) never fall. ``dismissed`` can,
    since a dismissal can be taken back, and so can ``kept``, since a later event may correct what was posted.
    """

    kind: str
    model_version: str
    origin: str
    viewed: int
    accepted: int
    dismissed: int
    posted: int
    kept: int


async def count_running(session: AsyncSession, now: datetime) -> list[RunningCounts]:
    """Return the running counts by kind of draft, model version and origin."""
    first = await first_day(session)
    if first is None:
        return []
    counts_by_key: dict[tuple[str, str, str], Counter[str]] = {}
    everything = Filters(first, max(first, now.astimezone(UTC).date()))
    days = await split_days(session, everything, now, every_kind=True)
    for row in await fetch_rollup(session, days, "item", ("kind", "model_version", "origin"), now):
        counts = counts_by_key.setdefault((row["kind"], row["model_version"], row["origin"]), Counter())
        counts.update({name: row[name] for name in ITEM_COUNTS})
    return [
        RunningCounts(
            kind,
            version,
            origin,
            viewed=counts["viewed"],
            accepted=counts["accepted"],
            dismissed=counts["dismissed"],
            posted=counts["posted_viewed"],
            kept=counts["kept"],
        )
        for (kind, version, origin), counts in sorted(counts_by_key.items())
        if counts["viewed"]
    ]
