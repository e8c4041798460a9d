"""The counts behind the rates, asked of the database: a grid whose sums are every breakdown but that by tag."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from operator import add
from typing import Any, get_args

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance import queries
from backend.acceptance import rollups as sums
from backend.acceptance.figures import Counts, total
from backend.acceptance.filters import Filters
from backend.acceptance.percentiles import percentile
from backend.acceptance.queries import Grouping
from backend.acceptance.rollups import SUMS, Halves, halves
from backend.acceptance.tables import OF_ITEMS
from backend.drafts.tables import Draft, Suggestion
from backend.postgres.base import day_of

KEYS = frozenset((*get_args(queries.Key), "grouping"))

GRID: Grouping = ("day", "model_version", "site", "position", "order")
GRID_OF_DRAFTS: Grouping = ("day", "model_version", "site")
OFFER: Grouping = ("length", "score")
TAG: Grouping = ("tag",)


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
class Block:
    """The rows of one statement: values of the ``keys``, then of the ``counts``, fields of ``Counts``."""

    keys: tuple[str, ...]
    counts: tuple[str, ...]
    rows: Sequence[Sequence[Any]]

    def only(self, count: str) -> "Block":
        """The same rows with one of their counts."""
        keys, at = len(self.keys), len(self.keys) + self.counts.index(count)
        return Block(self.keys, (count,), [(*row[:keys], row[at]) for row in self.rows])


@dataclass(frozen=True, slots=True)
class Grid:
    """Counts by day, model version, site and, for items, position and order: rows as the queries give them.

    ``judged``: there was a vocabulary to look missed tags up in.
    """

    items: Sequence[Block]
    drafts: Sequence[Block]
    judged: bool

    def overview(self) -> Counts:
        """Everything added up."""
        return total(self.by_model_version().values())

    def by_day(self, filters: Filters) -> dict[date, Counts]:
        """Every day of the span, in order, the empty ones included."""
        found = self._by("day")
        return {day: found.get(day, Counts()) for day in filters.days}

    def by_model_version(self) -> dict[str, Counts]:
        """Every model version met in the span, by name."""
        return dict(sorted(self._by("model_version").items()))

    def by_site(self) -> dict[str, Counts]:
        """Every site met in the span, by name."""
        return dict(sorted(self._by("site").items()))

    def by_position(self, order: str | None = None) -> dict[int | None, Counts]:
        """Every position on screen, from 1; None, last, holds items whose position is not known.

        Args:
            order: of chips in the order of the ``model``, or in a ``random`` one; None: both.
        """
        items = self.items
        if order is not None:
            items = [
                replace(block, rows=[row for row in block.rows if row[block.keys.index("order")] == order])
                for block in items
            ]
        return dict(sorted(gather(items, "position").items(), key=lambda row: (row[0] is None, row[0])))

    def _by(self, key: queries.Key) -> dict[Any, Counts]:
        found = gather([*self.items, *self.drafts], key)
        if self.judged:
            for counts in found.values():
                counts.judged_tags = counts.missed_tags
        return found


@dataclass(frozen=True, slots=True)
class Offers:
    """Counts of viewed items by what the answer that offered them was like."""

    items: Sequence[Block]

    def by_length(self) -> dict[int, Counts]:
        """By the band of the body's length (see ``queries.LENGTHS``): 0 without a body, then from each on."""
        return dict(sorted(gather(self.items, "length").items()))

    def by_score(self) -> dict[int, Counts]:
        """By the band of the score, from 0."""
        return dict(sorted(gather(self.items, "score").items()))


@dataclass(frozen=True, slots=True)
class Breakdowns:
    """All that one page breaks down; ``tags`` as `count_tags` gives them."""

    grid: Grid
    offers: Offers
    tags: dict[str, Counts]


def gather(blocks: Iterable[Block], key: queries.Key) -> dict[Any, Counts]:
    """Add up rows that agree in one of their keys."""
    gathered: dict[Any, Counts] = {}
    for block in blocks:
        at, first = block.keys.index(key), len(block.keys)
        sums: dict[Any, Sequence[Any]] = {}
        for row in block.rows:
            before = sums.get(row[at])
            sums[row[at]] = row[first:] if before is None else list(map(add, before, row[first:]))
        for value, counted in sums.items():
            added = gathered.get(value)
            if added is None:
                gathered[value] = Counts(**dict(zip(block.counts, counted, strict=True)))
                continue
            for name, n in zip(block.counts, counted, strict=True):
                setattr(added, name, getattr(added, name) + n)
    return gathered


# Estimates of a grown table make PostgreSQL compile these statements, which costs more than it saves. A plan for any
# span of time would read all rows. Tens of thousands of a period's tags are grouped in memory instead of in files.
# Today's drafts are a few in a thousand of all: what PostgreSQL expects of a disk that turns, it would rather read all.
TUNED = text(
    "SELECT set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true), "
    "set_config('work_mem', '32MB', true), set_config('random_page_cost', '1.1', true)"
)


async def begin_snapshot(session: AsyncSession) -> None:
    """Let all queries of a transaction that has not begun see the same state, so that figures agree."""
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    await tune_for_counting(session)


async def tune_for_counting(session: AsyncSession) -> None:
    """Set up a transaction for statements that count many rows."""
    await session.execute(TUNED)


async def count_all(session: AsyncSession, filters: Filters, vocabulary: Collection[str], now: datetime) -> Breakdowns:
    """What `count_grid`, `count_offers` and `count_tags` count, in one pass over the days that are counted live."""
    days = await halves(session, filters, now)
    items = await _items(session, days, now, GRID, OFFER, TAG)
    tags = await _posted_tags(session, days, vocabulary, GRID_OF_DRAFTS, TAG)
    drafts = await _drafts(session, days, filters, now)
    return Breakdowns(
        Grid(items[GRID], [*drafts, *tags[GRID_OF_DRAFTS]], judged=bool(vocabulary)),
        Offers(items[OFFER]),
        _of_tags([*items[TAG], *tags[TAG]], vocabulary),
    )


async def count_grid(session: AsyncSession, filters: Filters, vocabulary: Collection[str], now: datetime) -> Grid:
    """Count everything but tags, once; overview, days, model versions, sites and positions are sums of it.

    Args:
        session: in a snapshot, so that the statements agree.
        filters: which items and drafts.
        vocabulary: the tags of the model loaded now; empty if none is.
        now: the moment by which something is still open.
    """
    days = await halves(session, filters, now)
    items = await _items(session, days, now, GRID)
    tags = await _posted_tags(session, days, vocabulary, GRID_OF_DRAFTS)
    drafts = await _drafts(session, days, filters, now)
    return Grid(items[GRID], [*drafts, *tags[GRID_OF_DRAFTS]], judged=bool(vocabulary))


async def _items(
    session: AsyncSession, days: Halves, now: datetime, *groupings: Grouping
) -> dict[Grouping, list[Block]]:
    """Counts of items by each of some groupings; those of tags in sums have the counts of posted tags too."""
    found: dict[Grouping, list[Block]] = {grouping: [] for grouping in groupings}
    if days.live:
        for statement in (queries.viewed_items(groupings, days.live, now), queries.posted_items(groupings, days.live)):
            for grouping, block in (await _by_grouping(session, statement, groupings)).items():
                found[grouping].append(block)
    if days.summed:
        kept = {
            GRID: lambda summed: [sums.kept(SUMS["item"], GRID, summed, OF_ITEMS)],
            OFFER: lambda summed: [sums.kept(SUMS["offer"], OFFER, summed)],
            TAG: sums.kept_tags,
        }
        for grouping in groupings:
            found[grouping] += [await _block(session, statement) for statement in kept[grouping](days.summed)]
    return found


async def _posted_tags(
    session: AsyncSession, days: Halves, vocabulary: Collection[str], *groupings: Grouping
) -> dict[Grouping, list[Block]]:
    """Counts of the tags of posted drafts by tag, and of the unknown ones among them by the keys of drafts."""
    found: dict[Grouping, list[Block]] = {grouping: [] for grouping in groupings}
    if days.live and (vocabulary or TAG in groupings):
        statement = queries.posted_tags(groupings, days.live, vocabulary)
        for grouping, block in (await _by_grouping(session, statement, groupings)).items():
            if grouping == TAG:
                found[grouping].append(block)
            elif vocabulary:
                found[grouping].append(block.only("unknown_tags"))
    if days.summed and vocabulary and GRID_OF_DRAFTS in groupings:
        statement = sums.unknown_tags(GRID_OF_DRAFTS, days.summed, vocabulary)
        found[GRID_OF_DRAFTS].append(await _block(session, statement))
    return found


async def _drafts(session: AsyncSession, days: Halves, filters: Filters, now: datetime) -> list[Block]:
    """Counts of drafts by day, model version and site."""
    statements = []
    if days.live:
        statements += [
            queries.viewed_drafts(days.live, now),
            queries.answered_drafts(days.live),
            queries.posted_drafts(days.live),
        ]
    if days.summed:
        statements.append(sums.kept(SUMS["draft"], GRID_OF_DRAFTS, days.summed))
    return [
        *[await _block(session, statement) for statement in statements],
        *await _open_drafts(session, filters, now),
    ]


async def _open_drafts(session: AsyncSession, filters: Filters, now: datetime) -> list[Block]:
    """Drafts that may still be posted: by their start, and, since they have no day of posting yet, today."""
    today = now.astimezone(UTC).date()
    if filters.until < today - queries.DRAFT_OPEN:
        return []
    found = await _block(session, queries.open_drafts(filters.selection, now))
    day = found.keys.index("day")
    begun = [row for row in found.rows if filters.since <= row[day] <= filters.until]
    if not filters.since <= today <= filters.until:
        return [replace(found, rows=begun)]
    may_be_posted = [(*row[:day], today, *row[day + 1 :]) for row in found.rows]
    return [replace(found, rows=begun), Block(found.keys, ("open_drafts",), may_be_posted)]


async def count_offers(session: AsyncSession, filters: Filters, now: datetime) -> Offers:
    """Count viewed items by length of the draft and by score. See `count_grid` for the arguments."""
    return Offers((await _items(session, await halves(session, filters, now), now, OFFER))[OFFER])


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
    days = await halves(session, filters, now)
    items = await _items(session, days, now, TAG)
    tags = await _posted_tags(session, days, (), TAG)
    return _of_tags([*items[TAG], *tags[TAG]], vocabulary)


def _of_tags(blocks: Iterable[Block], vocabulary: Collection[str]) -> dict[str, Counts]:
    found, known = gather(blocks, "tag"), frozenset(vocabulary)
    for tag, counts in found.items():
        counts.judged_tags = counts.missed_tags if known else 0
        counts.unknown_tags = counts.judged_tags if tag not in known else 0
    return dict(sorted(found.items(), key=lambda row: (-row[1].viewed, row[0])))


async def _block(session: AsyncSession, statement: queries.Rows) -> Block:
    result = await session.execute(statement)
    names = tuple(result.keys())
    keys = tuple(name for name in names if name in KEYS)
    return Block(keys, names[len(keys) :], result.all())


async def _by_grouping(
    session: AsyncSession, statement: queries.Rows, groupings: Sequence[Grouping]
) -> dict[Grouping, Block]:
    """The rows of a statement, those of each grouping apart."""
    block = await _block(session, statement)
    if len(groupings) == 1:
        return {groupings[0]: block}
    of_number = {queries.number_of(grouping, groupings): grouping for grouping in groupings}
    rows: dict[Grouping, list[Sequence[Any]]] = {grouping: [] for grouping in groupings}
    for row in block.rows:
        rows[of_number[row[0]]].append(row)
    return {grouping: replace(block, rows=rows[grouping]) for grouping in groupings}


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
    return list((await session.execute(queries.drafts_begun(spans))).one())


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


async def newest_day(session: AsyncSession, kind: str, until: date) -> date | None:
    """Return the newest day, up to ``until``, on which a draft of this kind was begun; None if there is none."""
    end = datetime.combine(until, time.max, UTC)
    sums_of_drafts = SUMS["draft"].table.c
    days = [
        await session.scalar(
            select(day_of(func.max(Draft.started_at))).where(Draft.kind == kind, Draft.started_at <= end)
        ),
        await session.scalar(
            select(func.max(sums_of_drafts.day)).where(sums_of_drafts.kind == kind, sums_of_drafts.day <= until)
        ),
    ]
    return max((day for day in days if day is not None), default=None)


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
