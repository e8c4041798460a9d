"""One bad day, draft or row holds up no other: it is skipped, reported, and tried again."""

import logging
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.acceptance.rollup_refresh import finish_days, roll_up_days
from backend.counters.skipped import RETRY_AFTER
from backend.feedback import anonymise
from backend.feedback.anonymise import anonymise_questions
from backend.feedback.arrivals import ABSURD_SEQUENCE, DRAFT_FULL
from backend.feedback.projection import recount_items
from backend.feedback.tables import MAX_EVENTS_OF_DRAFT, MAX_GAP, MAX_SEQUENCE
from backend.postgres.database import Database
from backend.retention import service as retention
from backend.retention.service import delete_expired
from tests.backend.acceptance.traffic import Writer, store
from tests.backend.service import Service, a_draft, an_event

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
RETENTION_PERIOD = 6 * DAY
HORIZON = datetime.combine(NOW.date() - RETENTION_PERIOD, datetime.min.time(), UTC)
PERIOD = {"since": (NOW - 30 * DAY).date().isoformat(), "until": NOW.date().isoformat()}


@pytest.fixture(autouse=True)
def short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days instead of a year: each of them is summed up."""
    monkeypatch.setattr(retention, "RETENTION_PERIOD", RETENTION_PERIOD)


async def bookkeeping(service: Service) -> dict[str, Any]:
    return {row["name"]: row["n"] for row in await service.metrics("bookkeeping", **PERIOD)}


async def begin(service: Service) -> tuple[dict[str, Any], dict[str, Any]]:
    """A draft that was offered python, and what its events have in common."""
    draft = a_draft()
    return draft, {"suggestion_id": await service.offer(draft, ["python"]), "tag": "python"}


@pytest.mark.parametrize("sequence", [MAX_SEQUENCE + 1, 2**31 - 1, 2**31 + 5, 2**40, 2**53 - 1])
async def test_d1_an_absurd_sequence_is_refused_and_counts_as_no_loss(service: Service, sequence: int) -> None:
    draft, item = await begin(service)
    events = [an_event("viewed", 1, draft, **item, position=1), an_event("accepted", sequence, draft, **item)]
    for known in (0, 1):
        receipt = await service.send(draft["install_id"], events)
        assert (receipt["new"], receipt["known"]) == (1 - known, known)
        assert receipt["refused"] == [{"id": events[1]["id"], "reason": ABSURD_SEQUENCE}]
    await service.send(draft["install_id"], [an_event("accepted", 3, draft, **item)])
    assert (await bookkeeping(service))["lost"] == 1


async def test_d1_a_number_far_above_the_highest_known_is_refused_until_the_gap_is_filled(service: Service) -> None:
    draft, item = await begin(service)

    async def send(sequence: int) -> list[str]:
        receipt = await service.send(draft["install_id"], [an_event("removed", sequence, draft, **item)])
        return [refusal["reason"] for refusal in receipt["refused"]]

    assert await send(5) == []
    assert await send(5 + MAX_GAP + 1) == [ABSURD_SEQUENCE]
    assert await send(5 + MAX_GAP) == []
    assert await send(5 + MAX_GAP + 1) == []
    # Nothing of the one that was refused has raised the bound.
    assert await send(5 + 3 * MAX_GAP) == [ABSURD_SEQUENCE]


async def test_d1_an_install_whose_rows_were_lost_continues_where_it_is(service: Service) -> None:
    draft, item = await begin(service)
    receipt = await service.send(draft["install_id"], [an_event("viewed", 70_000, draft, **item, position=1)])
    assert receipt["new"] == 1
    assert (await bookkeeping(service))["lost"] == 0


async def test_d1_a_database_that_holds_absurd_numbers_recovers(engine: AsyncEngine, database: Database) -> None:
    writer = Writer()
    for sequence in (2_147_483_653, 2**53 - 1, 2**62):
        draft = writer.draft(NOW - 3 * DAY, install_id=writer.id())
        writer.event(draft, NOW - 3 * DAY, kind="posted", tags=[], at=NOW - 3 * DAY)
        writer.event(draft, NOW - 3 * DAY, kind="posted", tags=[], at=NOW - 3 * DAY, sequence=sequence)
    await store(engine, writer.rows)
    assert await roll_up_days(database, lambda: NOW) >= 2
    async with database.session() as session:
        row = (
            await session.execute(text("SELECT sum(received) AS received, sum(lost) AS lost FROM daily_event"))
        ).one()
        assert (row.received, row.lost) == (6, 0)
        assert await session.scalar(text("SELECT count(*) FROM skipped")) == 0


async def spoil(database: Database, day: date) -> None:
    """Make one day impossible to sum up, as a row would that no statement can count."""
    async with database.session() as session:
        await session.execute(text(f"ALTER TABLE daily_draft ADD CONSTRAINT spoilt CHECK (day <> '{day}')"))


async def mend(database: Database) -> None:
    async with database.session() as session:
        await session.execute(text("ALTER TABLE daily_draft DROP CONSTRAINT spoilt"))


async def summed(database: Database) -> set[date]:
    async with database.session() as session:
        return set(await session.scalars(text("SELECT day FROM summed_day")))


def old_traffic() -> tuple[Writer, dict[int, dict[str, Any]]]:
    """Posted drafts of the first days beyond the horizon, by how many days, each of an install of its own."""
    writer, drafts = Writer(), {}
    for days in (1, 2, 3, 4):
        at = HORIZON - days * DAY + timedelta(hours=9)
        drafts[days] = writer.draft(at, install_id=writer.id(), posted_at=at, posted_tags=["sql"])
        suggestion = writer.suggestion(drafts[days], ["sql"])
        writer.item(suggestion, "sql", at)
        writer.event(drafts[days], at, suggestion_id=suggestion["id"], tag="sql", position=1)
        writer.event(drafts[days], at, kind="posted", tags=["sql"], site="stackoverflow.com")
    return writer, drafts


async def test_d1_a_day_that_cannot_be_summed_up_holds_up_no_other_and_is_tried_again(
    engine: AsyncEngine, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    writer, drafts = old_traffic()
    await store(engine, writer.rows)
    bad = drafts[2]["started_at"].date()
    await spoil(database, bad)
    with caplog.at_level(logging.ERROR):
        done = await roll_up_days(database, lambda: NOW)
    assert bad not in await summed(database)
    assert len(await summed(database)) == done >= 5
    assert "'sum up' failed" in caplog.text
    assert "CheckViolationError 23514 daily_draft spoilt" in caplog.text
    async with database.session() as session:
        (row,) = (await session.execute(text("SELECT job, subject, attempts FROM skipped"))).all()
        assert tuple(row) == ("sum up", bad.isoformat(), 1)
    # Not before its time, and not by itself.
    assert await roll_up_days(database, lambda: NOW) == 0
    later = datetime.now(UTC) + RETRY_AFTER
    assert await roll_up_days(database, lambda: later) == 0
    await mend(database)
    assert await roll_up_days(database, lambda: later + RETRY_AFTER) == 1
    assert bad in await summed(database)
    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM skipped")) == 0


async def test_d1_what_belongs_to_a_bad_day_is_spared_and_the_rest_is_forgotten(
    engine: AsyncEngine, database: Database
) -> None:
    writer, drafts = old_traffic()
    # Seen on the bad day, and begun on another.
    at = drafts[2]["started_at"]
    seen = writer.draft(drafts[4]["started_at"], install_id=writer.id())
    suggestion = writer.suggestion(seen, ["sql"])
    writer.item(suggestion, "sql", at)
    writer.event(seen, at, suggestion_id=suggestion["id"], tag="sql", position=1)
    await store(engine, writer.rows)
    await spoil(database, at.date())
    await roll_up_days(database, lambda: NOW)
    assert await delete_expired(database, lambda: NOW) == 3
    async with database.session() as session:
        left = set(await session.scalars(text("SELECT id FROM draft")))
        assert left == {drafts[2]["id"], seen["id"]}
        difference = await recount_items(session)
        assert (difference.missing, difference.surplus) == (0, 0)
    await mend(database)
    assert await roll_up_days(database, lambda: datetime.now(UTC) + RETRY_AFTER) == 1
    assert await delete_expired(database, lambda: NOW) == 2


async def test_d1_a_day_that_was_not_tried_yet_still_keeps_everything(engine: AsyncEngine, database: Database) -> None:
    writer, _ = old_traffic()
    await store(engine, writer.rows)
    async with database.session() as session:
        assert await finish_days(session, HORIZON.date()) is None
    assert await delete_expired(database, lambda: NOW) == 0


@pytest.fixture
def bad_draft(database: Database) -> Any:
    """Makes a draft that nothing can change or delete."""

    async def spoil_draft(draft: UUID) -> None:
        async with database.session() as session:
            await session.execute(
                text(
                    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                    f"$$ BEGIN IF OLD.id = '{draft}' THEN RAISE 'spoilt'; END IF; "
                    "RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END; END $$"
                )
            )
            await session.execute(
                text("CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON draft FOR EACH ROW EXECUTE FUNCTION refuse()")
            )

    return spoil_draft


async def test_d1_a_draft_that_cannot_be_forgotten_or_settled_holds_up_no_other(
    engine: AsyncEngine, database: Database, bad_draft: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, drafts = old_traffic()
    for draft in drafts.values():
        draft["question_id"] = 4711 + len(str(draft["id"]))
    await store(engine, writer.rows)
    await roll_up_days(database, lambda: NOW)
    await bad_draft(drafts[3]["id"])
    monkeypatch.setattr(anonymise, "BATCH", 3)
    monkeypatch.setattr(retention, "BATCH", 3)
    assert await anonymise_questions(database) == 3
    assert await delete_expired(database, lambda: NOW) == 3
    async with database.session() as session:
        (left,) = (await session.execute(text("SELECT id, question_id FROM draft"))).all()
        assert left.id == drafts[3]["id"]
        assert left.question_id is not None
        skipped = (await session.execute(text("SELECT job, subject FROM skipped ORDER BY job"))).all()
        assert [tuple(row) for row in skipped] == [(job, str(left.id)) for job in ("forget", "settle")]
        await session.execute(text("DROP TRIGGER refuse ON draft"))
    assert (await anonymise_questions(database), await delete_expired(database, lambda: NOW)) == (1, 1)


async def test_d1_a_page_that_cannot_be_counted_is_no_error_of_ours(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(session: Any, *_: Any, **__: Any) -> None:
        await session.execute(text("SELECT CAST(9223372036854775807 AS numeric) * 2 :: bigint, (2 ^ 70)::bigint"))

    monkeypatch.setattr("backend.admin.routes.list_choices", fail)
    response = await service.client.get("/metrics", headers={"Accept": "text/html"}, auth=("admin", "correct horse"))
    assert response.status_code == 503
    assert "Choose another period" in response.text


async def test_d4_a_full_draft_takes_no_more_and_resends_are_answered_the_same(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.feedback.service.MAX_EVENTS_OF_DRAFT", 30)
    draft, item = await begin(service)
    other, others_item = await begin(service)
    events = [an_event("viewed", n, draft, **item, position=1) for n in range(1, 41)]
    first = await service.send(draft["install_id"], events[:25])
    assert (first["new"], first["refused"]) == (25, [])
    second = await service.send(draft["install_id"], events[20:])
    assert (second["new"], second["known"], len(second["refused"])) == (5, 5, 10)
    assert {refusal["reason"] for refusal in second["refused"]} == {DRAFT_FULL}
    again = await service.send(draft["install_id"], events)
    assert (again["new"], again["known"], again["refused"]) == (0, 30, second["refused"])
    others = await service.send(other["install_id"], [an_event("viewed", 1, other, **others_item, position=1)])
    assert others["new"] == 1
    # Refused, and counted; nothing is missing.
    books = await bookkeeping(service)
    assert (books["lost"], books[DRAFT_FULL]) == (0, 10)


async def test_d4_a_draft_that_was_filled_before_the_limit_is_answered_and_holds_up_no_other(
    service: Service,
) -> None:
    draft, item = await begin(service)
    async with service.database.session() as session:
        await session.execute(
            text(
                "INSERT INTO event (id, install_id, sequence, kind, draft_id, suggestion_id, tag, position, "
                "occurred_at, sent_at, received_at, at) "
                "SELECT gen_random_uuid(), CAST(:install AS uuid), n, 'viewed', CAST(:draft AS uuid), "
                "CAST(:suggestion AS uuid), 'python', 1, now(), now(), now(), now() "
                "FROM generate_series(1, CAST(:events AS integer)) AS n"
            ),
            {
                "install": draft["install_id"],
                "draft": draft["draft_id"],
                "suggestion": item["suggestion_id"],
                "events": 10 * MAX_EVENTS_OF_DRAFT,
            },
        )
    events = [an_event("accepted", 20_000 + n, draft, **item) for n in range(100)]
    receipt = await service.send(draft["install_id"], events)
    assert {refusal["reason"] for refusal in receipt["refused"]} == {DRAFT_FULL}
    assert not service.database.away
