"""The counts behind the rates, asked of the database: a grid whose sums are every breakdown but that by tag."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, get_args

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance import queries, sums
from backend.acceptance.figures import Counts, total
from backend.acceptance.filters import Filters
from backend.acceptance.percentiles import percentile
from backend.acceptance.sums import SUMS, Halves, halves
from backend.acceptance.tables import OF_ITEMS
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
    """Counts by day, model version, site and, for items, position and order: rows as the queries give them."""

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

    def by_position(self, order: str | None = None) -> dict[int | None, Counts]:
        """Every position on screen, from 1; None, last, holds items whose position is not known.

        Args:
            order: of chips in the order of the ``model``, or in a ``random`` one; None: both.
        """
        found = gather([row for row in self.items if order in (None, row["order"])], "position")
        return dict(sorted(found.items(), key=lambda row: (row[0] is None, row[0])))


def gather(rows: Iterable[Mapping[str, Any]], key: queries.Key) -> dict[Any, Counts]:
    """Add up rows of columns that agree in one of their keys."""
    gathered: dict[Any, dict[str, Any]] = {}
    for row in rows:
        added = gathered.get(row[key])
        if added is None:
            gathered[row[key]] = {name: value for name, value in row.items() if name not in KEYS}
            continue
        for name, value in row.items():
            if name not in KEYS:
                added[name] = added.get(name, 0) + value
    return {value: Counts(**added) for value, added in gathered.items()}


# Estimates of a grown table make PostgreSQL compile these statements, which costs more than it saves. A plan for any
# span of time would read all rows. Tens of thousands of a period's tags are grouped in memory instead of in files.
TUNED = text(
    "SELECT set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true), "
    "set_config('work_mem', '32MB', true)"
)


async def begin_snapshot(session: AsyncSession) -> None:
    """Let all queries of a transaction that has not begun see the same state, so that figures agree."""
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    await tune_for_counting(session)


async def tune_for_counting(session: AsyncSession) -> None:
    """Set up a transaction for statements that count many rows."""
    await session.execute(TUNED)


async def count_grid(session: AsyncSession, filters: Filters, vocabulary: Collection[str], now: datetime) -> Grid:
    """Count everything but tags, once; overview, days, model versions, sites and positions are sums of it.

    Args:
        session: in a snapshot, so that the statements agree.
        filters: which items and drafts.
        vocabulary: the tags of the model loaded now; empty if none is.
        now: the moment by which something is still open.
    """
    by: tuple[queries.Key, ...] = ("day", "model_version", "site", "position", "order")
    of_draft: tuple[queries.Key, ...] = ("day", "model_version", "site")
    days = await halves(session, filters, now)
    items, drafts = [], []
    if days.live:
        items += [queries.viewed_items(by, days.live, now), queries.posted_items(by, days.live)]
        drafts += [
            queries.viewed_drafts(days.live, now),
            queries.answered_drafts(days.live),
            queries.posted_drafts(days.live),
        ]
    if days.summed:
        items.append(sums.kept(SUMS["item"], by, days.summed, OF_ITEMS))
        drafts.append(sums.kept(SUMS["draft"], of_draft, days.summed))
    found = await _rows(session, *drafts)
    if vocabulary:
        found += [
            {name: row[name] for name in of_draft} | {"judged_tags": row["missed_tags"]}
            for row in found
            if "missed_tags" in row
        ]
        if days.live:
            found += await _rows(session, queries.unknown_tags(days.live, vocabulary))
        if days.summed:
            found += await _rows(session, sums.unknown_tags(of_draft, days.summed, vocabulary))
    found += await _open_drafts(session, filters, now)
    return Grid(items=await _rows(session, *items), drafts=found)


async def _open_drafts(session: AsyncSession, filters: Filters, now: datetime) -> list[dict[str, Any]]:
    """Drafts that may still be posted: by their start, and, since they have no day of posting yet, today."""
    today = now.astimezone(UTC).date()
    if filters.until < today - queries.DRAFT_OPEN:
        return []
    found = []
    for row in await _rows(session, queries.open_drafts(filters.selection, now)):
        if filters.since <= row["day"] <= filters.until:
            found.append(row)
        if filters.since <= today <= filters.until:
            found.append(
                {name: row[name] for name in ("model_version", "site")}
                | {"day": today, "open_drafts": row["open_answered"]}
            )
    return found


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
    days = await halves(session, filters, now)
    statements = []
    if days.live:
        statements += [queries.viewed_items(by, days.live, now), queries.posted_items(by, days.live)]
    if days.summed:
        statements.append(sums.kept(SUMS["offer"], by, days.summed))
    return Offers(await _rows(session, *statements))


async def latencies(session: AsyncSession, filters: Filters, now: datetime) -> list[Latency]:
    """How long the model took: of all answers, then by model version; empty if there is none."""
    days = await halves(session, filters, now)
    by_version: dict[str | None, Counter[int]] = {}
    for row in await _either(session, days, "latency", ("model_version", "milliseconds"), now):
        for version in (None, row["model_version"]):
            by_version.setdefault(version, Counter())[row["milliseconds"]] += row["n"]
    return [
        Latency(version, bands.total(), *(percentile(bands, share) for share in (0.5, 0.95, 0.99)))
        for version, bands in sorted(by_version.items(), key=lambda each: each[0] or "")
    ]


async def count_tags(
    session: AsyncSession, filters: Filters, vocabulary: Collection[str], now: datetime
) -> dict[str, Counts]:
    """Every tag that was viewed, offered in a posted draft, or posted; the most viewed first, then by name.

    See `count_grid` for the arguments.
    """
    by: tuple[queries.Key, ...] = ("tag",)
    days = await halves(session, filters, now)
    statements = []
    if days.live:
        statements += [
            queries.viewed_items(by, days.live, now),
            queries.posted_items(by, days.live),
            queries.posted_tags(by, days.live),
        ]
    if days.summed:
        statements += sums.kept_tags(days.summed)
    rows = await _rows(session, *statements)
    known = frozenset(vocabulary)
    for row in rows:
        if known and (missed := row.get("missed_tags")):
            row["judged_tags"] = missed
            row["unknown_tags"] = 0 if row["tag"] in known else missed
    return dict(sorted(gather(rows, "tag").items(), key=lambda row: (-row[1].viewed, row[0])))


async def _rows(session: AsyncSession, *statements: queries.Rows) -> list[dict[str, Any]]:
    found = []
    for statement in statements:
        result = await session.execute(statement)
        names = list(result.keys())
        found += [dict(zip(names, row, strict=True)) for row in result]
    return found


async def _either(
    session: AsyncSession, days: Halves, name: str, by: Sequence[str], now: datetime
) -> list[dict[str, Any]]:
    """Rows of one table of sums by some of its keys: live where they must be; keys may repeat."""
    statements = []
    if days.live:
        statements.append(sums.counted(SUMS[name], days.live, now))
    if days.summed:
        statements.append(sums.kept(SUMS[name], by, days.summed))
    return await _rows(session, *statements)


async def bookkeeping(session: AsyncSession, filters: Filters, now: datetime) -> Bookkeeping:
    """What went wrong in counting, and what could not be recorded."""
    days = await halves(session, filters, now)
    impossible, received, lost = 0, 0, 0
    refused: Counter[str] = Counter()
    if days.live:
        rows = await _rows(session, queries.impossible_items(("day",), days.live))
        impossible += sum(row["impossible"] for row in rows)
    if days.summed:
        rows = await _rows(session, sums.kept(SUMS["item"], ("day",), days.summed, ("impossible",)))
        impossible += sum(row["impossible"] for row in rows)
    for row in await _either(session, days, "event", ("demo", "reason"), now):
        if row["demo"] == (filters.kind == "demo"):
            received, lost = received + row["received"], lost + row["lost"]
            if row["reason"] is not None:
                refused[row["reason"]] += row["refused"]
    totals = (await session.execute(queries.totals(filters.since, filters.until))).all()
    return Bookkeeping(
        impossible=impossible,
        received=received,
        lost=lost,
        refused=dict(sorted(refused.items())),
        totals={row.name: row.n for row in totals},
    )


async def dismissed_tags(session: AsyncSession, since: datetime, until: datetime, least: int) -> list[DismissedTag]:
    """Tags that writers dismissed at least ``least`` times in a span of time, the most often dismissed first."""
    rows = (await session.execute(queries.dismissed_tags(since, until, least))).mappings()
    return [DismissedTag(**row) for row in rows]


async def drafts_begun(session: AsyncSession, spans: Sequence[tuple[datetime, datetime]]) -> list[int]:
    """How many questions were begun in each span of time."""
    return [(await session.execute(queries.drafts_begun(*span))).scalar_one() for span in spans]


async def choices(session: AsyncSession) -> Choices:
    """What filters can be set to."""
    found = {}
    for name, raw in (("site", Draft.site), ("model_version", Suggestion.model_version)):
        statements = (queries.distinct_values(raw), select(SUMS["draft"].table.c[name]).distinct())
        found[name] = {value for statement in statements for value in await session.scalars(statement)}
    return Choices(
        sites=sorted(found["site"]),
        model_versions=sorted(found["model_version"]),
        first_day=await sums.first_day(session),
    )


async def running(session: AsyncSession, now: datetime) -> list[Running]:
    """Counts since the beginning, for scrapers."""
    first = await sums.first_day(session)
    if first is None:
        return []
    rows: dict[tuple[str, str], Counter[str]] = {}
    everything = Filters(first, max(first, now.astimezone(UTC).date()))
    days = await halves(session, everything, now, every_kind=True)
    for row in await _either(session, days, "item", ("kind", "model_version"), now):
        counts = rows.setdefault((row["kind"], row["model_version"]), Counter())
        counts.update({name: row[name] for name in OF_ITEMS})
    return [
        Running(
            kind,
            version,
            viewed=counts["viewed"],
            accepted=counts["accepted"],
            dismissed=counts["dismissed"],
            posted=counts["posted_viewed"],
            kept=counts["kept"],
        )
        for (kind, version), counts in sorted(rows.items())
        if counts["viewed"]
    ]
