"""The counts behind the rates: a grid that every breakdown but that by tag is a sum of, offers, tags and latencies."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.breakdowns import Block, Breakdowns, Grid, Offers, name_item_writers, sum_blocks
from backend.acceptance.figures import Counts
from backend.acceptance.filters import Filters
from backend.acceptance.percentiles import percentile
from backend.acceptance.queries.drafts import (
    select_answered_drafts,
    select_open_drafts,
    select_viewed_drafts,
)
from backend.acceptance.queries.grouping import DRAFT_OPEN, Grouping, Rows, grouping_number
from backend.acceptance.queries.items import select_posted_items, select_viewed_items
from backend.acceptance.queries.posted import select_posted_drafts, select_posted_tags
from backend.acceptance.rollups import (
    ROLLUPS,
    DaySplit,
    read_rollup,
    read_tag_rollups,
    read_unknown_tags,
    split_days,
)
from backend.acceptance.statements import fetch_block, fetch_rollup
from backend.acceptance.tables import ITEM_COUNTS
from backend.acceptance.writer_counts import count_item_writers, count_writers
from backend.acceptance.writers import InstallCounts

ITEM_GRID: Grouping = ("day", "model_version", "site", "origin", "position", "order")
DRAFT_GRID: Grouping = ("day", "model_version", "site", "origin")
OFFER: Grouping = ("length", "score")
TAG: Grouping = ("tag",)


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds that the model took for ``n`` answers of one origin; ``model_version`` None: all its versions."""

    origin: str
    model_version: str | None
    n: int
    p50: float
    p95: float
    p99: float


async def count_all(session: AsyncSession, filters: Filters, vocabulary: Collection[str], now: datetime) -> Breakdowns:
    """Count what `count_grid`, `count_offers` and `count_tags` count, in one pass over the days counted live."""
    days = await split_days(session, filters, now)
    items = await _count_items(session, days, now, ITEM_GRID, OFFER, TAG)
    tags = await _count_posted_tags(session, days, vocabulary, DRAFT_GRID, TAG)
    drafts = await _count_drafts(session, days, filters, now)
    writers = await count_writers(session, filters, now, days)
    item_writers = await count_item_writers(session, filters, _count_viewed(items[ITEM_GRID]))
    return Breakdowns(
        Grid(items[ITEM_GRID], [*drafts, *tags[DRAFT_GRID]], bool(vocabulary), writers),
        Offers(items[OFFER], item_writers),
        _counts_by_tag([*items[TAG], *tags[TAG]], vocabulary, item_writers),
        item_writers,
    )


async def count_grid(session: AsyncSession, filters: Filters, vocabulary: Collection[str], now: datetime) -> Grid:
    """Count everything but tags, once; overview, days, model versions, sites and positions are sums of it.

    Args:
        session: in a snapshot, so that the statements agree.
        filters: which items and drafts.
        vocabulary: the tags of the model loaded now; empty if none is.
        now: the moment by which something is still open.
    """
    days = await split_days(session, filters, now)
    items = await _count_items(session, days, now, ITEM_GRID)
    tags = await _count_posted_tags(session, days, vocabulary, DRAFT_GRID)
    drafts = await _count_drafts(session, days, filters, now)
    writers = await count_writers(session, filters, now, days)
    return Grid(items[ITEM_GRID], [*drafts, *tags[DRAFT_GRID]], bool(vocabulary), writers)


async def count_offers(session: AsyncSession, filters: Filters, now: datetime) -> Offers:
    """Count viewed items by length of the draft and by score. See `count_grid` for the arguments."""
    days = await split_days(session, filters, now)
    items = (await _count_items(session, days, now, OFFER))[OFFER]
    return Offers(items, await count_item_writers(session, filters, _count_viewed(items)))


async def count_tags(
    session: AsyncSession, filters: Filters, vocabulary: Collection[str], now: datetime
) -> dict[str, Counts]:
    """Count every tag that was viewed, offered in a posted draft, or posted; the most viewed first, then by name.

    See `count_grid` for the arguments.
    """
    days = await split_days(session, filters, now)
    items = await _count_items(session, days, now, TAG)
    tags = await _count_posted_tags(session, days, (), TAG)
    item_writers = await count_item_writers(session, filters, _count_viewed(items[TAG]))
    return _counts_by_tag([*items[TAG], *tags[TAG]], vocabulary, item_writers)


def _count_viewed(blocks: Iterable[Block]) -> int:
    return sum(row[-1] for block in blocks if "viewed" in block.counts for row in block.select_count("viewed").rows)


async def count_tag_by_day(session: AsyncSession, filters: Filters, tag: str, now: datetime) -> dict[date, Counts]:
    """Count one tag on every day of the span, in order: its items, and the posted drafts it was offered or missed in.

    See `count_grid` for the arguments.
    """
    days = await split_days(session, filters, now)
    statements: list[Rows] = []
    if days.live:
        by_day: Grouping = ("day", "tag")
        live = (
            select_viewed_items([by_day], days.live, now),
            select_posted_items([by_day], days.live),
            select_posted_tags([by_day], days.live),
        )
        statements += [statement.where(statement.selected_columns["tag"] == tag) for statement in live]
    if days.rolled_up:
        rollup = ROLLUPS["tag"]
        statements.append(read_rollup(rollup, ("day",), days.rolled_up).where(rollup.table.c.tag == tag))
    blocks = [await fetch_block(session, statement) for statement in statements]
    counts_by_day = sum_blocks(blocks, "day")
    return {day: counts_by_day.get(day, Counts()) for day in filters.days}


async def measure_latencies(session: AsyncSession, filters: Filters, now: datetime) -> list[Latency]:
    """Return how long the model took: for all answers of the service, then by version; the same of the devices.

    The two are never added up: a device's milliseconds are its own machine's.
    """
    days = await split_days(session, filters, now)
    bands_by_key: dict[tuple[str, str | None], Counter[int]] = {}
    for row in await fetch_rollup(session, days, "latency", ("origin", "model_version", "milliseconds"), now):
        for version in (None, row["model_version"]):
            bands_by_key.setdefault((row["origin"], version), Counter())[row["milliseconds"]] += row["n"]
    return [
        Latency(origin, version, bands.total(), *(percentile(bands, share) for share in (0.5, 0.95, 0.99)))
        for (origin, version), bands in sorted(
            bands_by_key.items(), key=lambda row: (row[0][0] == "device", row[0][1] or "")
        )
    ]


async def _count_items(
    session: AsyncSession, days: DaySplit, now: datetime, *groupings: Grouping
) -> dict[Grouping, list[Block]]:
    """Count items by each of several groupings; tags of rolled-up days come with the counts of posted tags, too."""
    blocks: dict[Grouping, list[Block]] = {grouping: [] for grouping in groupings}
    if days.live:
        for statement in (select_viewed_items(groupings, days.live, now), select_posted_items(groupings, days.live)):
            for grouping, block in (await _fetch_by_grouping(session, statement, groupings)).items():
                blocks[grouping].append(block)
    if days.rolled_up:
        statements = {
            ITEM_GRID: lambda selection: [read_rollup(ROLLUPS["item"], ITEM_GRID, selection, ITEM_COUNTS)],
            OFFER: lambda selection: [read_rollup(ROLLUPS["offer"], OFFER, selection)],
            TAG: read_tag_rollups,
        }
        for grouping in groupings:
            blocks[grouping] += [
                await fetch_block(session, statement) for statement in statements[grouping](days.rolled_up)
            ]
    return blocks


async def _count_posted_tags(
    session: AsyncSession, days: DaySplit, vocabulary: Collection[str], *groupings: Grouping
) -> dict[Grouping, list[Block]]:
    """Count the tags of posted drafts by tag, and the unknown ones among them by the keys of drafts."""
    blocks: dict[Grouping, list[Block]] = {grouping: [] for grouping in groupings}
    if days.live and (vocabulary or TAG in groupings):
        statement = select_posted_tags(groupings, days.live, vocabulary)
        for grouping, block in (await _fetch_by_grouping(session, statement, groupings)).items():
            if grouping == TAG:
                blocks[grouping].append(block)
            elif vocabulary:
                blocks[grouping].append(block.select_count("unknown_tags"))
    if days.rolled_up and vocabulary and DRAFT_GRID in groupings:
        statement = read_unknown_tags(DRAFT_GRID, days.rolled_up, vocabulary)
        blocks[DRAFT_GRID].append(await fetch_block(session, statement))
    return blocks


async def _count_drafts(session: AsyncSession, days: DaySplit, filters: Filters, now: datetime) -> list[Block]:
    """Count drafts by day, model version, site and origin."""
    statements = []
    if days.live:
        statements += [
            select_viewed_drafts(days.live, now),
            select_answered_drafts(days.live),
            select_posted_drafts(days.live),
        ]
    if days.rolled_up:
        statements.append(read_rollup(ROLLUPS["draft"], DRAFT_GRID, days.rolled_up))
    return [
        *[await fetch_block(session, statement) for statement in statements],
        *await _count_open_drafts(session, filters, now),
    ]


async def _count_open_drafts(session: AsyncSession, filters: Filters, now: datetime) -> list[Block]:
    """Count drafts that may still be posted: by their start, and today, since they have no day of posting yet."""
    today = now.astimezone(UTC).date()
    if filters.until < today - DRAFT_OPEN:
        return []
    block = await fetch_block(session, select_open_drafts(filters.selection, now))
    day = block.keys.index("day")
    begun = [row for row in block.rows if filters.since <= row[day] <= filters.until]
    if not filters.since <= today <= filters.until:
        return [replace(block, rows=begun)]
    may_be_posted = [(*row[:day], today, *row[day + 1 :]) for row in block.rows]
    return [replace(block, rows=begun), Block(block.keys, ("open_drafts",), may_be_posted)]


def _counts_by_tag(
    blocks: Iterable[Block], vocabulary: Collection[str], writers: InstallCounts | None
) -> dict[str, Counts]:
    counts_by_tag, known = sum_blocks(blocks, "tag"), frozenset(vocabulary)
    for tag, counts in counts_by_tag.items():
        counts.judged_tags = counts.missed_tags if known else 0
        counts.unknown_tags = counts.judged_tags if tag not in known else 0
    rows = dict(sorted(counts_by_tag.items(), key=lambda row: (-row[1].viewed, row[0])))
    return name_item_writers(rows, writers, "tag")


async def _fetch_by_grouping(
    session: AsyncSession, statement: Rows, groupings: Sequence[Grouping]
) -> dict[Grouping, Block]:
    """Run a statement and return the rows of each grouping separately."""
    block = await fetch_block(session, statement)
    if len(groupings) == 1:
        return {groupings[0]: block}
    grouping_by_number = {grouping_number(grouping, groupings): grouping for grouping in groupings}
    rows: dict[Grouping, list[Sequence[Any]]] = {grouping: [] for grouping in groupings}
    for row in block.rows:
        rows[grouping_by_number[row[0]]].append(row)
    return {grouping: replace(block, rows=rows[grouping]) for grouping in groupings}
