"""The counts behind the rates, asked of the database: a grid whose sums are every breakdown but that by tag."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, get_args

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance import queries
from backend.acceptance.figures import Counts, total
from backend.acceptance.filters import Filters
from backend.suggestions.tables import Draft, Suggestion

KEYS = frozenset(get_args(queries.Key))


@dataclass(frozen=True, slots=True)
class Choices:
    """What the database holds to choose from: sites and model versions, sorted, and the first draft's day."""

    sites: list[str]
    model_versions: list[str]
    first_day: date | None


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """Faults of bookkeeping, and what is counted without a row of its own.

    Attributes:
        impossible: items with an order of events that no writer can produce, of drafts begun in the span.
        received: distinct events received, the refused included.
        lost: events that installs numbered and that never came.
        refused: refused events by reason.
        totals: other counts of the span by name.
    """

    impossible: int
    received: int
    lost: int
    refused: dict[str, int]
    totals: dict[str, int]


@dataclass(frozen=True, slots=True)
class Running:
    """Counts since the beginning of viewed items of one kind of draft and one model version.

    ``viewed``, ``accepted`` and ``posted`` (viewed items of posted drafts) never fall. ``dismissed`` can,
    since a dismissal can be taken back, and so can ``kept``, since a later event may correct what was posted.
    """

    kind: str
    model_version: str
    viewed: int
    accepted: int
    dismissed: int
    posted: int
    kept: int


@dataclass(frozen=True, slots=True)
class DismissedTag:
    """A tag that was dismissed ``n`` times, by how many installs."""

    tag: str
    n: int
    installs: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds that the model took for ``n`` answers; ``model_version`` None: whichever it was."""

    model_version: str | None
    n: int
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Grid:
    """Counts by day, model version, site and, for items, position: rows of columns as the queries give them."""

    items: Sequence[Mapping[str, Any]]
    drafts: Sequence[Mapping[str, Any]]

    def overview(self) -> Counts:
        """Everything added up."""
        return total(self.by_model_version().values())

    def by_day(self, filters: Filters) -> dict[date, Counts]:
        """Every day of the span, in order, the empty ones included."""
        found = gather([*self.items, *self.drafts], "day")
        return {day: found.get(day, Counts()) for day in filters.days}

    def by_model_version(self) -> dict[str, Counts]:
        """Every model version met in the span, by name."""
        return dict(sorted(gather([*self.items, *self.drafts], "model_version").items()))

    def by_site(self) -> dict[str, Counts]:
        """Every site met in the span, by name."""
        return dict(sorted(gather([*self.items, *self.drafts], "site").items()))

    def by_position(self) -> dict[int | None, Counts]:
        """Every position on screen, from 1; None, last, holds items whose position is not known."""
        found = gather(self.items, "position")
        return dict(sorted(found.items(), key=lambda row: (row[0] is None, row[0])))


def gather(rows: Iterable[Mapping[str, Any]], key: queries.Key) -> dict[Any, Counts]:
    """Add up rows of columns that agree in one of their keys."""
    sums: dict[Any, dict[str, Any]] = {}
    for row in rows:
        added = sums.setdefault(row[key], {})
        for name, value in row.items():
            if name not in KEYS:
                added[name] = added.get(name, 0) + value
    return {value: Counts(**added) for value, added in sums.items()}


async def begin_snapshot(session: AsyncSession) -> None:
    """Let all queries of a transaction that has not begun see the same state, so that figures agree."""
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    await tune_for_counting(session)


async def tune_for_counting(session: AsyncSession) -> None:
    """Set up a transaction for statements that count many rows."""
    # Estimates of a grown table make PostgreSQL compile these statements, which costs more than it saves.
    await session.execute(text("SET LOCAL jit = off"))
    # Tens of thousands of a period's tags are grouped in memory instead of in files.
    await session.execute(text("SET LOCAL work_mem = '32MB'"))


async def count_grid(session: AsyncSession, filters: Filters, vocabulary: Collection[str], now: datetime) -> Grid:
    """Count everything but tags, once; overview, days, model versions, sites and positions are sums of it.

    Args:
        session: in a snapshot, so that the statements agree.
        filters: which items and drafts.
        vocabulary: the tags of the model loaded now; empty if none is.
        now: the moment by which something is still open.
    """
    by: tuple[queries.Key, ...] = ("day", "model_version", "site", "position")
    return Grid(
        items=await _rows(session, queries.viewed_items(by, filters, now), queries.posted_items(by, filters)),
        drafts=await _rows(
            session,
            queries.viewed_drafts(filters, now),
            queries.answered_drafts(filters, now),
            queries.open_drafts(filters, now),
            queries.posted_drafts(filters, vocabulary),
        ),
    )


@dataclass(frozen=True, slots=True)
class Offers:
    """Counts of viewed items by what the answer that offered them was like."""

    rows: Sequence[Mapping[str, Any]]

    def by_length(self) -> dict[int, Counts]:
        """By the band of the body's length (see ``queries.LENGTHS``): 0 without a body, then from each on."""
        return dict(sorted(gather(self.rows, "length").items()))

    def by_score(self) -> dict[int, Counts]:
        """By the band of the score, from 0."""
        return dict(sorted(gather(self.rows, "score").items()))


async def count_offers(session: AsyncSession, filters: Filters, now: datetime) -> Offers:
    """Count viewed items by length of the draft and by score. See `count_grid` for the arguments."""
    by: tuple[queries.Key, ...] = ("length", "score")
    return Offers(await _rows(session, queries.viewed_items(by, filters, now), queries.posted_items(by, filters)))


async def latencies(session: AsyncSession, filters: Filters) -> list[Latency]:
    """How long the model took: of all answers, then by model version; empty if there is none."""
    found = [Latency(**row) for row in (await session.execute(queries.latencies(filters))).mappings()]
    return [row for row in found if row.n]


async def count_tags(
    session: AsyncSession, filters: Filters, vocabulary: Collection[str], now: datetime
) -> dict[str, Counts]:
    """Every tag that was viewed, offered in a posted draft, or posted; the most viewed first, then by name.

    See `count_grid` for the arguments.
    """
    rows = await _rows(
        session,
        queries.viewed_items(("tag",), filters, now),
        queries.posted_items(("tag",), filters),
        queries.posted_tags(filters, vocabulary),
    )
    return dict(sorted(gather(rows, "tag").items(), key=lambda row: (-row[1].viewed, row[0])))


async def _rows(session: AsyncSession, *statements: queries.Rows) -> list[dict[str, Any]]:
    return [dict(row) for statement in statements for row in (await session.execute(statement)).mappings()]


async def bookkeeping(session: AsyncSession, filters: Filters) -> Bookkeeping:
    """What went wrong in counting, and what could not be recorded."""
    impossible = (await session.execute(queries.impossible_items(filters))).scalar_one()
    events = (await session.execute(queries.lost_events(filters))).one()
    refused = (await session.execute(queries.refused_events(filters))).all()
    totals = (await session.execute(queries.totals(filters))).all()
    return Bookkeeping(
        impossible=impossible,
        received=events.received,
        lost=events.lost,
        refused={row.name: row.n for row in refused},
        totals={row.name: row.n for row in totals},
    )


async def dismissed_tags(session: AsyncSession, since: datetime, least: int) -> list[DismissedTag]:
    """Tags that writers dismissed at least ``least`` times since a moment, the most often dismissed first."""
    rows = (await session.execute(queries.dismissed_tags(since, least))).mappings()
    return [DismissedTag(**row) for row in rows]


async def drafts_begun(session: AsyncSession, spans: Sequence[tuple[datetime, datetime]]) -> list[int]:
    """How many questions were begun in each span of time."""
    return [(await session.execute(queries.drafts_begun(*span))).scalar_one() for span in spans]


async def choices(session: AsyncSession) -> Choices:
    """What filters can be set to."""
    return Choices(
        sites=list((await session.execute(queries.distinct_values(Draft.site))).scalars()),
        model_versions=list((await session.execute(queries.distinct_values(Suggestion.model_version))).scalars()),
        first_day=(await session.execute(queries.first_day())).scalar_one(),
    )


async def running(session: AsyncSession) -> list[Running]:
    """Counts since the beginning, for scrapers."""
    return [Running(**row) for row in (await session.execute(queries.running_counts())).mappings()]
