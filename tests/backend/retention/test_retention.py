"""Retention: what is older than 400 days is deleted, and its rates stay."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.acceptance.bookkeeping import count_bookkeeping
from backend.acceptance.choices import list_choices
from backend.acceptance.counts import count_grid, count_offers, count_tags, measure_latencies
from backend.acceptance.figures import Counts
from backend.acceptance.filters import Filters
from backend.acceptance.rollup_refresh import compare_rollups, roll_up_days
from backend.acceptance.running import count_running
from backend.acceptance.statements import begin_snapshot
from backend.feedback.arrivals import UNKNOWN_DRAFT
from backend.feedback.projection import recount_items
from backend.feedback.schemas import EventBatch
from backend.feedback.service import ingest_events
from backend.installs.service import erase_install, export_install
from backend.postgres.database import Database
from backend.retention import service as retention
from backend.retention.service import delete_expired
from tests.backend.acceptance.equality import figures
from tests.backend.acceptance.traffic import KNOWN, Rows, Writer, store

pytestmark = pytest.mark.anyio

# Which days get a note of their changes goes by the database's own clock.
NOW = datetime.now(UTC).replace(microsecond=0)
HORIZON = datetime.combine(NOW.date() - timedelta(days=400), datetime.min.time(), UTC)
MINUTE = timedelta(minutes=1)


def write_draft(writer: Writer, begun: datetime, install_id: UUID, *, lost: int = 0, **more: Any) -> dict[str, Any]:
    """A posted draft with two chips, one of them accepted, and their events."""
    draft = writer.draft(begun, install_id=install_id, posted_at=begun + 9 * MINUTE, posted_tags=["python", "new"])
    suggestion = writer.suggestion(draft, ["python", "sql"])
    seen = more.get("seen", begun + MINUTE)
    for tag, accepted_at in (("python", seen), ("sql", None)):
        writer.item(suggestion, tag, seen, accepted_at=accepted_at)
        at = {"at": seen, "suggestion_id": suggestion["id"], "tag": tag}
        writer.event(draft, seen, kind="viewed", position=suggestion["tags"].index(tag) + 1, lost=lost, **at)
        lost = 0
        if accepted_at:
            writer.event(draft, seen, kind="accepted", **at)
    posting = {"kind": "posted", "tags": draft["posted_tags"], "site": draft["site"], "at": draft["posted_at"]}
    writer.event(draft, more.get("received", draft["posted_at"]), **posting)
    return draft


def years() -> tuple[Rows, dict[str, dict[str, Any]], UUID]:
    """Drafts around the horizon, by name, and the install that wrote them; with losses, and a refusal."""
    writer = Writer()
    install = writer.id()
    drafts = {"oldest": write_draft(writer, HORIZON - timedelta(days=30), install)}
    drafts["old"] = write_draft(writer, HORIZON - timedelta(days=3), install, lost=2)
    writer.refusal(drafts["old"], HORIZON - timedelta(days=2), UNKNOWN_DRAFT)
    # Begun before the horizon, and seen after it.
    drafts["between"] = write_draft(writer, HORIZON - MINUTE, install, seen=HORIZON + MINUTE)
    drafts["late"] = write_draft(writer, HORIZON - timedelta(days=5), install, received=HORIZON + timedelta(days=9))
    drafts["young"] = write_draft(writer, HORIZON + timedelta(days=20), install, lost=1)
    drafts["today"] = write_draft(writer, NOW - timedelta(hours=1), install)
    return writer.rows, drafts, install


def as_tuples(counts: Counts) -> dict[str, Any]:
    return {name: (each.numerator, each.denominator, each.open) for name, each in figures(counts).items()}


async def everything(engine: AsyncEngine) -> list[Any]:
    """All figures of all days."""
    filters = Filters(HORIZON.date() - timedelta(days=31), NOW.date())
    async with AsyncSession(engine) as session:
        await begin_snapshot(session)
        grid = await count_grid(session, filters, KNOWN, NOW)
        breakdowns = (
            grid.by_day(filters),
            grid.by_model_version(),
            grid.by_position(),
            grid.by_site(),
            await count_tags(session, filters, KNOWN, NOW),
            (await count_offers(session, filters, NOW)).by_score(),
        )
        return [
            *({key: as_tuples(counts) for key, counts in rows.items()} for rows in breakdowns),
            await measure_latencies(session, filters, NOW),
            await count_bookkeeping(session, filters, NOW),
            await count_running(session, NOW),
            (await list_choices(session)).first_day,
        ]


async def list_drafts(database: Database) -> set[UUID]:
    async with database.session() as session:
        return set(await session.scalars(text("SELECT id FROM draft")))


async def settle_sums(database: Database) -> None:
    await roll_up_days(database, lambda: NOW)


async def test_old_drafts_go_and_every_figure_stays(
    engine: AsyncEngine, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, drafts, _ = years()
    await store(engine, rows)
    before = await everything(engine)
    await settle_sums(database)
    assert await everything(engine) == before
    monkeypatch.setattr(retention, "BATCH", 1)
    assert await delete_expired(database, lambda: NOW) == 2
    gone = {drafts[name]["id"] for name in ("oldest", "old")}
    assert await list_drafts(database) == {draft["id"] for draft in drafts.values()} - gone
    async with database.session() as session:
        for table in ("suggestion", "item", "event"):
            left = set(await session.scalars(text(f"SELECT draft_id FROM {table}")))
            assert not left & gone, table
        assert await session.scalar(text("SELECT count(*) FROM refused")) == 0
    assert await everything(engine) == before
    assert await delete_expired(database, lambda: NOW) == 0

    async with database.session(within=60) as session:
        items, days = await recount_items(session), await compare_rollups(session, NOW)
    assert (items.missing, items.surplus, days.differing, days.changed) == (0, 0, [], 0)
    assert days.final > 0
    # Summing up every other day anew changes nothing either, though the events before them are gone.
    async with database.session() as session:
        await session.execute(text("INSERT INTO changed_day (day) SELECT day FROM summed_day"))
    await settle_sums(database)
    assert await everything(engine) == before


async def test_nothing_is_deleted_before_its_day_is_rolled_up(engine: AsyncEngine, database: Database) -> None:
    rows, drafts, _ = years()
    await store(engine, rows)
    assert await delete_expired(database, lambda: NOW) == 0
    await settle_sums(database)
    async with database.session() as session:
        await session.execute(
            text("INSERT INTO changed_day (day) VALUES (:day)"), {"day": HORIZON.date() - timedelta(3)}
        )
    assert await delete_expired(database, lambda: NOW) == 0
    assert len(await list_drafts(database)) == len(drafts)


async def test_an_event_of_a_deleted_draft_is_refused_and_is_no_loss(engine: AsyncEngine, database: Database) -> None:
    rows, drafts, install = years()
    await store(engine, rows)
    await settle_sums(database)
    await delete_expired(database, lambda: NOW)
    lost = (await everything(engine))[7].lost
    last = max(row["sequence"] for row in rows.event + rows.refused)
    event = {"id": str(uuid4()), "sequence": last + 1, "occurred_at": NOW.isoformat(), "kind": "posted", "tags": []}
    event |= {"draft_id": str(drafts["old"]["id"]), "question_id": None, "site": drafts["old"]["site"]}
    batch = EventBatch.model_validate({"install_id": str(install), "sent_at": NOW.isoformat(), "events": [event]})
    async with database.session() as session:
        (refused,) = (await ingest_events(session, batch, NOW)).refused
    assert refused.reason == UNKNOWN_DRAFT
    assert (await everything(engine))[7].lost == lost


async def test_an_event_of_a_forgotten_day_is_counted_as_such(engine: AsyncEngine, database: Database) -> None:
    writer = Writer()
    # Kept for its younger part: it was posted on a day that is not forgotten.
    long_ago = HORIZON - timedelta(hours=3)
    draft = writer.draft(long_ago, posted_at=HORIZON + timedelta(days=1), posted_tags=["python"])
    suggestion = writer.suggestion(draft, ["python"])
    await store(engine, writer.rows)
    await settle_sums(database)
    await delete_expired(database, lambda: NOW)
    before = (await everything(engine))[:7]
    base = {"kind": "viewed", "occurred_at": (long_ago + timedelta(minutes=5)).isoformat(), "position": 1}
    base |= {"tag": "python", "suggestion_id": str(suggestion["id"])}
    events = [
        base | {"id": str(uuid4()), "sequence": n, "draft_id": str(draft_id)}
        for n, draft_id in enumerate((draft["id"], uuid4()), start=1)
    ]
    message = {"install_id": str(draft["install_id"]), "sent_at": NOW.isoformat(), "events": events}
    async with database.session() as session:
        receipt = await ingest_events(session, EventBatch.model_validate(message), NOW)
    assert [refused.reason for refused in receipt.refused] == ["forgotten_day", "forgotten_day"]
    assert (await everything(engine))[:7] == before


async def test_an_install_that_comes_back_after_years_has_lost_nothing(engine: AsyncEngine, database: Database) -> None:
    writer = Writer()
    install = writer.id()
    write_draft(writer, HORIZON - timedelta(days=2), install)
    await store(engine, writer.rows)
    await settle_sums(database)
    assert await delete_expired(database, lambda: NOW) == 1
    writer.rows = Rows()
    write_draft(writer, NOW - timedelta(minutes=30), install)
    await store(engine, writer.rows)
    books = (await everything(engine))[7]
    assert (books.received, books.lost) == (8, 0)


async def test_the_numbers_that_stay_are_exported_and_erased(engine: AsyncEngine, database: Database) -> None:
    rows, _, install = years()
    await store(engine, rows)
    await settle_sums(database)
    await delete_expired(database, lambda: NOW)
    before = await everything(engine)
    async with database.session() as session:
        (row,) = (await export_install(session, install))["numbering"]
        assert row["sequence"] > 0
        await erase_install(session, install)
        assert (await export_install(session, install))["numbering"] == []
    assert await everything(engine) == before
