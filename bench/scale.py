"""`python -m bench.scale`: how long /metrics takes against how many items the tables hold.

Fills a PostgreSQL of its own with made-up traffic of 400 days, by SQL, as writers would have left it; then times all
that the page asks of it. Cold: the first look after PostgreSQL has been started anew (the system may still have the
files in memory). Warm: the median of the looks after it.
"""

import asyncio
import gc
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg
import click
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from backend.acceptance.choices import list_choices
from backend.acceptance.rollup_refresh import roll_up_days
from backend.acceptance.statements import begin_snapshot
from backend.admin.page import read_page, render_page
from backend.admin.panels import TWINS
from backend.admin.panels.request import PanelRequest
from backend.admin.query import parse_query
from backend.postgres.database import Database
from backend.postgres.embedded.cluster import DATABASE, PORT, SUPERUSER
from backend.postgres.embedded.service import EmbeddedPostgres
from backend.postgres.migrate import migrate
from bench.report import format_ms, format_table

DAYS = 400
ITEMS_A_DRAFT = 4.68
VOCABULARY = [f"tag-{rank}" for rank in range(1, 14_671)]
PERIODS: Final[Mapping[str, Callable[[date], list[tuple[str, str]]]]] = {
    "28 days": lambda today: [("period", "28d")],
    "28 days, to yesterday": lambda today: [
        ("since", (today - timedelta(days=28)).isoformat()),
        ("until", (today - timedelta(days=1)).isoformat()),
    ],
    "all": lambda today: [("period", "all")],
}
"""Spans of days by their names, as the address has them. Today is counted live, item by item; other days are summed."""
WARM = 5

# A tag's rank is so drawn that the n-th tag is n times as rare as the first. Every hundredth draft has a tag that no
# model knows; a new version takes over every 80 days, and for the 20 days before it a tenth of the drafts is its.
FILL = f"""
SELECT setseed(.42);
CREATE FUNCTION pg_temp.some_tag() RETURNS text LANGUAGE sql AS
    $$ SELECT 'tag-' || floor(power({len(VOCABULARY)}, random()))::int $$;

CREATE TEMP TABLE made AS
SELECT n, gen_random_uuid() AS id, gen_random_uuid() AS one, gen_random_uuid() AS two,
    md5('install' || floor(random() * $drafts / 12))::uuid AS install_id,
    now() - random() * interval '{DAYS} days' AS started_at,
    CASE WHEN random() < .93 THEN 'ask' WHEN random() < .6 THEN 'edit' WHEN random() < .6 THEN 'try' ELSE 'demo' END
        AS kind,
    CASE WHEN random() < .97 THEN 'stackoverflow.com' ELSE 'superuser.com' END AS site,
    random() AS arm, random() < .65 AS posts,
    ARRAY[pg_temp.some_tag(), pg_temp.some_tag(), pg_temp.some_tag(), pg_temp.some_tag(), pg_temp.some_tag(),
        pg_temp.some_tag()] AS tags
FROM generate_series(1, $drafts) AS n
ORDER BY started_at;

ALTER TABLE made ADD COLUMN version text;
UPDATE made SET version = 'full-' || CASE WHEN extract(day FROM started_at - ('epoch'::timestamptz))::int % 80 >= 60
    AND arm < .1 THEN 1 ELSE 0 END + extract(day FROM started_at - ('epoch'::timestamptz))::int / 80;

INSERT INTO draft (id, install_id, kind, site, page, extension_version, model_version, started_at, posted_at,
    posted_tags)
SELECT id, install_id, kind, site, 'svelte', '0.1.0', version, started_at,
    CASE WHEN posts THEN started_at + interval '3 minutes' + random() * interval '20 minutes' END,
    CASE WHEN posts THEN ARRAY(SELECT DISTINCT tag FROM unnest(tags[1:2] || pg_temp.some_tag()
        || CASE WHEN n % 100 = 0 THEN 'new-' || n % 977 ELSE pg_temp.some_tag() END) AS tag) END
FROM made;

INSERT INTO suggestion (id, draft_id, model_version, created_at, latency_ms, title_chars, body_chars, chosen_tags, tags,
    scores, confident)
SELECT given.id, made.id, version, started_at + given.after, exp(1.5 + random()), 60, given.chars, '{{}}',
    given.tags, (ARRAY[.93, .81, .64, .45, .2]::real[])[1:cardinality(given.tags)], least(cardinality(given.tags), 3)
FROM made, LATERAL (VALUES
    (one, interval '0', 0, ARRAY(SELECT DISTINCT tag FROM unnest(tags[1:4]) AS tag)),
    (two, interval '90 seconds', floor(exp(4 + 5 * random()))::int,
        ARRAY(SELECT DISTINCT tag FROM unnest(tags[1:2] || tags[5:6]) AS tag))
) AS given (id, after, chars, tags);

INSERT INTO item (draft_id, tag, suggestion_id, rank, score, position, viewed_at, accepted_at, dismissed_at, impossible)
SELECT draft_id, tag, id, rank, scores[rank], rank,
    created_at + interval '2 seconds',
    CASE WHEN luck < .4 THEN created_at + interval '9 seconds' END,
    CASE WHEN luck > .95 THEN created_at + interval '9 seconds' END, luck > .9999
FROM (SELECT DISTINCT ON (draft_id, tag) suggestion.*, tag, rank, random() AS luck
    FROM suggestion, unnest(tags[1:confident]) WITH ORDINALITY AS offered (tag, rank)
    ORDER BY draft_id, tag, created_at) AS offer
ORDER BY created_at;

INSERT INTO event (id, install_id, sequence, kind, draft_id, suggestion_id, tag, position, tags, occurred_at, sent_at,
    received_at, at)
SELECT gen_random_uuid(), install_id,
    -- A number in ten thousand is of an event that never came.
    row_number() OVER (PARTITION BY install_id ORDER BY at, kind DESC) + (random() < .0001)::int,
    kind, draft_id, suggestion_id, tag, position, tags, at, at, at + interval '3 seconds', at
FROM (
    SELECT install_id, deed.kind, draft_id, item.suggestion_id, item.tag, deed.position, NULL::text[] AS tags, deed.at
    FROM item JOIN draft ON draft.id = draft_id, LATERAL (VALUES
        ('viewed', viewed_at, position), ('accepted', accepted_at, NULL), ('dismissed', dismissed_at, NULL)
    ) AS deed (kind, at, position)
    WHERE deed.at IS NOT NULL
    UNION ALL
    SELECT install_id, 'posted', id, NULL, NULL, NULL, posted_tags, posted_at FROM draft WHERE posted_at IS NOT NULL
) AS deed
ORDER BY at;
DROP TABLE made;
"""

TABLES = ("draft", "suggestion", "item", "event")
INDEXES = """SELECT indexname, indexdef FROM pg_indexes
    WHERE tablename = ANY ($1) AND indexname NOT IN (SELECT conname FROM pg_constraint)"""
PANELS_ALONE = ("overview", "tags", "calibration", "latency", "bookkeeping")


async def fill_tables(url: str, items: int) -> None:
    """Fill the empty tables, without checking what is right by construction."""
    connection = await as_superuser(url)
    try:
        # No triggers: not of foreign keys, which hold, and not of days that changed, since none is summed up yet.
        await connection.execute("SET session_replication_role = replica; SET work_mem = '512MB'")
        # Random ids, put into an index one by one, take longer than all the rest. Primary keys stay, being referred to.
        indexes = await connection.fetch(INDEXES, TABLES)
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['indexname']}")
        await connection.execute(FILL.replace("$drafts", str(int(items / ITEMS_A_DRAFT))), timeout=7200)
        for index in indexes:
            await connection.execute(index["indexdef"], timeout=7200)
        await connection.execute("VACUUM ANALYZE", timeout=7200)
    finally:
        await connection.close()


async def as_superuser(url: str) -> asyncpg.Connection:
    """A connection that may switch triggers off."""
    return await asyncpg.connect(host=make_url(url).query["host"], port=PORT, user=SUPERUSER, database=DATABASE)


async def time_page(session: AsyncSession, period: str) -> float:
    """Ask for everything that the page of one of ``PERIODS`` shows, and draw it; the seconds that took."""
    now, started = datetime.now(UTC), time.perf_counter()
    await begin_snapshot(session)
    choices = await list_choices(session)
    view = parse_query(PERIODS[period](now.date()), choices, now.date())
    render_page(await read_page(PanelRequest(session, view, VOCABULARY, now, {}), choices))
    return time.perf_counter() - started


async def time_pages(url: str, period: str, times: int) -> list[float]:
    """Look several times, each in a transaction of its own, as requests do."""
    engine = create_async_engine(url)
    try:
        seconds = []
        for _ in range(times):
            async with AsyncSession(engine) as session:
                seconds.append(await time_page(session, period))
        return seconds
    finally:
        await engine.dispose()


async def time_panels(url: str, period: str) -> dict[str, float]:
    """The seconds that single panels of the page take, as their JSON does."""
    engine = create_async_engine(url)
    try:
        async with AsyncSession(engine) as session:
            now = datetime.now(UTC)
            await begin_snapshot(session)
            view = parse_query(PERIODS[period](now.date()), await list_choices(session), now.date())
            seconds = {}
            for name in PANELS_ALONE:
                started = time.perf_counter()
                await TWINS[name](PanelRequest(session, view, VOCABULARY, now, {}))
                seconds[name] = time.perf_counter() - started
            return seconds
    finally:
        await engine.dispose()


async def sum_up_all(url: str) -> tuple[int, float]:
    """Sum up every day, as the background does; how many, and the seconds a day."""
    database = Database(url)
    try:
        started = time.perf_counter()
        days = await roll_up_days(database)
        return days, (time.perf_counter() - started) / max(days, 1)
    finally:
        await database.close()


async def measure_sizes(url: str) -> dict[str, int]:
    """Rows of the tables, items of today, and bytes on disk of the whole database and of the daily sums."""
    connection = await as_superuser(url)
    try:
        figures = {name: await connection.fetchval(f"SELECT count(*) FROM {name}", timeout=600) for name in TABLES}
        daily = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'daily%'"
        figures["bytes"] = await connection.fetchval("SELECT pg_database_size(current_database())")
        today = "SELECT count(*) FROM item WHERE viewed_at >= date_trunc('day', now(), 'UTC')"
        figures["items of today"] = await connection.fetchval(today)
        figures["bytes of sums"] = int(await connection.fetchval(daily) or 0)
        return figures
    finally:
        await connection.close()


def measure(items: int, folder: Path) -> Iterator[Sequence[str]]:
    """Fill, unless the folder is filled already; then time, and return the rows of the report, in milliseconds."""
    server = EmbeddedPostgres(folder, durable=False)
    url = server.start()
    try:
        asyncio.run(migrate(url))
        if not asyncio.run(is_filled(url)):
            asyncio.run(fill_tables(url, items))
        days, seconds_a_day = asyncio.run(sum_up_all(url))
        figures = asyncio.run(measure_sizes(url))
        print(
            f"{figures['item']:,} items, {figures['items of today']:,} of today, {figures['draft']:,} drafts, "
            f"{figures['suggestion']:,} suggestions, {figures['event']:,} events: {figures['bytes'] / 1e9:.1f} GB, "
            f"of which {figures['bytes of sums'] / 1e6:.0f} MB of daily sums. "
            f"{days} days summed up, {format_ms(seconds_a_day)} ms each.",
            file=sys.stderr,
        )
        for period in PERIODS:
            server.stop()
            url = server.start()
            (cold,) = asyncio.run(time_pages(url, period, 1))
            warm = asyncio.run(time_pages(url, period, WARM))
            alone = asyncio.run(time_panels(url, period))
            yield [
                f"{figures['item']:,}",
                period,
                *map(format_ms, (cold, statistics.median(warm), max(warm), *alone.values())),
            ]
    finally:
        server.stop()


async def is_filled(url: str) -> bool:
    """Whether an earlier run has filled this database."""
    connection = await as_superuser(url)
    try:
        return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM draft)"))
    finally:
        await connection.close()


@click.command()
@click.option("--items", multiple=True, type=click.IntRange(1000), default=(100_000, 1_000_000), show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Folder for the filled databases, to use them again.")
def main(items: Sequence[int], keep: Path | None) -> None:
    """Print how long /metrics takes with so many ITEMS. Ten million take 13 GB of disk and some ten minutes to fill."""
    gc.freeze()  # as the service does
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}. Milliseconds:\n")
    rows: list[Sequence[str]] = []
    for n in items:
        folder = Path(tempfile.mkdtemp(prefix="tagalong-")) if keep is None else keep / str(n)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            rows.extend(measure(n, folder))
        finally:
            if keep is None:
                shutil.rmtree(folder, ignore_errors=True)
    print(format_table(("items", "period", "cold", "warm", "slowest warm", *PANELS_ALONE), rows))


if __name__ == "__main__":
    main()
