"""What breaks at once is found within hours: no acceptance, no views, one page, no drafts, dismissals."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.alerts.channels import Notification
from backend.alerts.rule_status import read_rules_summary
from backend.alerts.rules import RULES, read_rules
from backend.alerts.service import Alerts
from backend.alerts.silences import SilenceError, silence
from backend.alerts.tables import AlertRow, RuleRow
from backend.audit.service import ADMIN, list_newest_acts
from backend.postgres.database import Database
from tests.backend.acceptance.traffic import Rows, Writer, store

pytestmark = pytest.mark.anyio

# A Friday.
NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def database(engine: AsyncEngine) -> Any:
    database = Database(engine.url.render_as_string(hide_password=False))
    yield database
    await database.close()


@pytest.fixture
def sent() -> list[Notification]:
    return []


@pytest.fixture
def alerts(database: Database, clock: Clock, sent: list[Notification]) -> Alerts:
    return Alerts(database, read_rules(), {"list": sent.append}, clock)


def write_drafts(
    writer: Writer,
    hours_ago: float,
    drafts: int,
    *,
    page: str = "classic",
    offered: bool = True,
    seen: bool = True,
    accepted: float = 0.6,
    hours: float = 1.0,
) -> None:
    """Write drafts of as many writers within an hour that began so long ago."""
    for number in range(drafts):
        begun = NOW - timedelta(hours=hours_ago) + timedelta(hours=hours) * number / drafts
        draft = writer.draft(begun, page=page)
        suggestion = writer.suggestion(draft, ["python", "pandas"], confident=2 if offered else 0)
        if offered and seen:
            for tag in suggestion["tags"]:
                taken = begun if writer.random.random() < accepted else None
                writer.item(suggestion, tag, begun, accepted_at=taken)


def write_usual(writer: Writer, until_hours_ago: float = 6, **more: Any) -> None:
    """Write a week of ten drafts an hour, up to some hours ago."""
    hours_ago = 8 * 24.0
    while hours_ago > until_hours_ago:
        write_drafts(writer, hours_ago, 3, **more)
        hours_ago -= 1


async def current(engine: AsyncEngine) -> set[tuple[str, str]]:
    async with engine.begin() as connection:
        rows = await connection.execute(
            select(AlertRow.rule, AlertRow.subject).where(AlertRow.state.in_(["pending", "firing"]))
        )
        return {(row.rule, row.subject) for row in rows}


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ({}, set()),
        ({"accepted": 0.0}, {("acceptance_zero", ""), ("page_fails", "classic")}),
        ({"seen": False}, {("views_zero", ""), ("page_fails", "classic")}),
        ({"offered": False}, {("page_fails", "classic")}),
    ],
)
async def test_what_happens_no_more_is_found_within_hours(
    alerts: Alerts, engine: AsyncEngine, broken: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    writer = Writer(1)
    write_usual(writer)
    write_drafts(writer, 5, 40, hours=4, **broken)
    await store(engine, writer.rows)
    await alerts.evaluate_frequent_rules()
    assert await current(engine) == expected


async def test_one_generation_of_the_page_fails_alone(alerts: Alerts, engine: AsyncEngine) -> None:
    writer = Writer(2)
    for page in ("classic", "svelte"):
        write_usual(writer, page=page)
    write_drafts(writer, 5, 40, hours=4, page="svelte", seen=False)
    write_drafts(writer, 5, 40, hours=4, page="classic")
    await store(engine, writer.rows)
    await alerts.evaluate_frequent_rules()
    assert await current(engine) == {("page_fails", "svelte")}


async def test_a_quiet_weekend_is_no_silence_and_a_quiet_friday_is(
    alerts: Alerts, engine: AsyncEngine, clock: Clock
) -> None:
    writer = Writer(3)
    for week in range(1, 5):
        write_drafts(writer, 7 * 24 * week + 3, 30, hours=3)
    # Until shortly before, all was well.
    write_drafts(writer, 4, 5)
    await store(engine, writer.rows)
    await alerts.evaluate_frequent_rules()
    assert await current(engine) == {("no_drafts", ""), ("page_silent", "classic")}
    # On the Saturdays before, nobody wrote: there is nothing to compare with.
    clock.now = NOW + timedelta(days=1)
    await alerts.evaluate_frequent_rules()
    async with engine.begin() as connection:
        assert await connection.scalar(select(RuleRow.broken).where(RuleRow.rule == "no_drafts")) is None


def dismiss(writer: Writer, draft: dict[str, Any], tag: str, at: datetime) -> None:
    suggestion = next(row for row in writer.rows.suggestion if row["draft_id"] == draft["id"])
    writer.item(suggestion, tag, at, dismissed_at=at)


async def test_five_wrong_in_five_minutes_over_all_tags_together(alerts: Alerts, engine: AsyncEngine) -> None:
    writer = Writer(4)
    for number, tag in enumerate(["java", "sql", "git", "css", "html"]):
        draft = writer.draft(NOW - timedelta(minutes=20))
        writer.suggestion(draft, [tag])
        dismiss(writer, draft, tag, NOW - timedelta(minutes=10, seconds=number))
    await store(engine, writer.rows)
    await alerts.evaluate_frequent_rules()
    assert await current(engine) == {("chips_dismissed", "")}


async def test_dismissals_count_by_the_writers_time_and_not_by_arrival(alerts: Alerts, engine: AsyncEngine) -> None:
    writer = Writer(5)
    for number in range(5):
        draft = writer.draft(NOW - timedelta(hours=3))
        suggestion = writer.suggestion(draft, ["java"])
        # Over half an hour; all arrive now, and one writer clicks many times on one chip.
        at = NOW - timedelta(minutes=7 * number)
        writer.item(suggestion, "java", at, dismissed_at=at)
        for _ in range(6 if number == 0 else 1):
            writer.event(draft, NOW, kind="dismissed", suggestion_id=suggestion["id"], tag="java", at=at)
    await store(engine, writer.rows)
    await alerts.evaluate_frequent_rules()
    assert await current(engine) == set()


async def test_how_many_rules_were_judged_is_known_and_why_some_were_not(
    alerts: Alerts, engine: AsyncEngine, database: Database, clock: Clock
) -> None:
    rules = read_rules()
    async with database.session() as session:
        summary = await read_rules_summary(session, rules)
    assert summary.describe(NOW) == f"None of {len(rules)} rules has been judged yet"
    await alerts.evaluate_due_rules()
    async with database.session() as session:
        summary = await read_rules_summary(session, rules)
    assert {status.rule for status in summary.rules} == set(rules)
    assert summary.judged < len(rules), "an empty database has nothing to judge most rules by"
    assert all(status.words for status in summary.not_judged)
    assert summary.describe(NOW + timedelta(minutes=1)) == (
        f"{summary.judged} of {len(rules)} rules judged, none broken, a minute ago"
    )
    # A rule that is gone is forgotten.
    few = Alerts(database, {"drift": rules["drift"]}, {}, clock)
    await few.evaluate_daily_rules()
    async with engine.begin() as connection:
        assert (await connection.scalars(select(RuleRow.rule))).all() == ["drift"]


async def test_a_silenced_alert_is_shown_and_nobody_is_notified_before_the_day(
    alerts: Alerts, engine: AsyncEngine, database: Database, clock: Clock, sent: list[Notification]
) -> None:
    rules, day = read_rules(), (NOW + timedelta(days=2)).date()
    async with database.session() as session:
        await silence(session, rules, "acceptance_zero", "", day, NOW, actor=ADMIN)
        with pytest.raises(SilenceError, match="there is no rule"):
            await silence(session, rules, "acceptance_nought", "", day, NOW, actor=ADMIN)
        with pytest.raises(SilenceError, match="more than a year"):
            await silence(session, rules, "acceptance_zero", "", NOW.date() + timedelta(days=400), NOW, actor=ADMIN)
    async with database.session() as session:
        (act,) = await list_newest_acts(session, 5)
    assert (act.act, act.subject, act.actor) == ("silence", "acceptance_zero", ADMIN)
    writer = Writer(1)
    write_usual(writer)
    write_drafts(writer, 5, 40, hours=4, accepted=0.0)
    await store(engine, writer.rows)
    await alerts.evaluate_frequent_rules()
    await alerts.notify()
    assert ("acceptance_zero", "") in await current(engine)
    assert [notification.rule for notification in sent] == ["page_fails"]
    # On the day, it is still broken, and said once.
    clock.now = datetime(2026, 11, 22, 0, 1, tzinfo=UTC)
    writer.rows = Rows()
    write_drafts(writer, -25, 40, hours=4, accepted=0.0)
    await store(engine, writer.rows)
    await alerts.evaluate_frequent_rules()
    await alerts.notify()
    assert sorted({notification.rule for notification in sent}) == ["acceptance_zero", "page_fails"]


async def test_ending_a_silence_sends_what_waited(
    alerts: Alerts, engine: AsyncEngine, database: Database, sent: list[Notification]
) -> None:
    writer = Writer(1)
    write_usual(writer)
    write_drafts(writer, 5, 40, hours=4, accepted=0.0)
    await store(engine, writer.rows)
    rules = read_rules()
    async with database.session() as session:
        await silence(session, rules, "page_fails", "classic", (NOW + timedelta(days=9)).date(), NOW, actor=ADMIN)
    await alerts.evaluate_frequent_rules()
    await alerts.notify()
    assert [notification.rule for notification in sent] == ["acceptance_zero"]
    async with database.session() as session:
        await silence(session, rules, "page_fails", "classic", NOW.date(), NOW, actor=ADMIN)
    await alerts.notify()
    assert [notification.rule for notification in sent] == ["acceptance_zero", "page_fails"]


async def test_a_missed_target_and_a_full_disk_are_alerts(
    database: Database, engine: AsyncEngine, clock: Clock, tmp_path: Path
) -> None:
    words = {"title": "A rule", "advice": "Look."}
    target = {"kind": "target", "figure": "acceptance", "goal": "at_least", "least": 100, **words}
    rules = RULES.validate_python(
        {
            "missed": {**target, "target": 0.9},
            "met": {**target, "target": 0.3},
            "full": {"kind": "disk", "bound": 1e-9, **words},
            "empty": {"kind": "disk", "bound": 1 - 1e-9, **words},
            "memory": {"kind": "memory", "bound": 1e-9, **words},
        }
    )
    writer = Writer(1)
    write_usual(writer)
    await store(engine, writer.rows)
    await Alerts(database, rules, {}, clock, tmp_path).evaluate_due_rules()
    assert await current(engine) == {("missed", ""), ("full", ""), ("memory", "")}
    async with database.session() as session:
        summary = await read_rules_summary(session, rules)
    assert summary.judged == 5
    assert "the target is at least 90 %" in summary.rules[0].words
