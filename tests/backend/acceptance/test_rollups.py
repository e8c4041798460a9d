"""Daily rollups: whatever changes rolled-up days, the figures equal those of an independent recount."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.acceptance.bookkeeping import count_bookkeeping
from backend.acceptance.filters import Filters
from backend.acceptance.rollup_refresh import compare_rollups, roll_up_days
from backend.acceptance.rollups import last_closed_day
from backend.demo.service import delete_traffic
from backend.deployments.device_versions import Vocabulary
from backend.feedback.anonymise import anonymise_questions
from backend.feedback.schemas import EventBatch
from backend.feedback.service import ingest_events
from backend.installs.service import erase_install
from backend.postgres.database import Database
from backend.suggestions.recording import record_answer
from backend.suggestions.schemas import DraftState
from model.serving.classifier import Suggested
from tests.backend.acceptance.equality import compare_everything, read_rows
from tests.backend.acceptance.recount import Question
from tests.backend.acceptance.traffic import KNOWN, SITES, VERSIONS, Writer, store

pytestmark = pytest.mark.anyio

# Which days get a note of their changes goes by the database's own clock.
NOW = datetime.now(UTC).replace(microsecond=0)
TODAY = NOW.date()
DAYS = 9


VOCABULARIES = {VERSIONS[1]: Vocabulary(frozenset(SITES), frozenset(KNOWN))}


class Life:
    """Writers whose drafts and events reach the service in any order, late, twice, and past midnight."""

    def __init__(self, seed: int, database: Database) -> None:
        self.pick = random.Random(seed)
        self.database = database
        self.installs = [self.id() for _ in range(8)]
        self.demo_installs = [self.id() for _ in range(2)]
        self.drafts: list[dict[str, Any]] = []
        self.sequences: dict[UUID, int] = {}
        self.sent: list[tuple[UUID, dict[str, Any]]] = []
        self.held_up: list[tuple[UUID, dict[str, Any]]] = []
        self.late = False
        self.by_service: set[UUID] = set()

    def id(self) -> UUID:
        return UUID(int=self.pick.getrandbits(128), version=4)

    def moment(self) -> datetime:
        """Return a moment of the last days, often at midnight."""
        day = datetime.combine(TODAY - timedelta(days=self.pick.randint(0, DAYS)), datetime.min.time(), UTC)
        second = self.pick.choice((0, 86_399, self.pick.randint(0, 86_399)))
        return min(day + timedelta(seconds=second), NOW - timedelta(minutes=1))

    def later(self, moment: datetime) -> datetime:
        if self.late:
            return NOW
        days = self.pick.choice((0, 0, 0, 1, 3))
        return min(moment + timedelta(days=days, seconds=self.pick.randint(0, 3000)), NOW)

    async def begin(self) -> None:
        """Begin a draft with its first answer."""
        kind = self.pick.choices(("ask", "edit", "demo"), (6, 1, 2))[0]
        draft = {
            "kind": kind,
            "draft_id": str(self.id()),
            "install_id": str(self.pick.choice(self.demo_installs if kind == "demo" else self.installs)),
            "site": self.pick.choice(SITES[:2]),
            "title": "How?",
            "body": "?" * self.pick.choice((0, 100, 2000)),
            "body_format": "text",
        }
        self.drafts.append({"state": draft, "begun": self.moment(), "answers": []})
        # A draft that the device alone has answered is known to the service by events only.
        await self.pick.choice((self.answer, self.answer, self.answer_on_device))(self.drafts[-1])

    async def answer(self, draft: dict[str, Any]) -> None:
        """Answer a draft, perhaps days after the last answer."""
        tags = self.pick.sample(KNOWN, self.pick.randint(1, 4))
        given = [Suggested(tag, self.pick.random(), self.pick.random() < 0.7, 1, ()) for tag in tags]
        given.sort(key=lambda each: (not each.confident, -each.score))
        at = draft["begun"] if not draft["answers"] else self.later(draft["begun"])
        async with self.database.session() as session:
            version, took = self.pick.choice(VERSIONS[:2]), self.pick.uniform(1, 90)
            state = DraftState.model_validate(draft["state"])
            suggestion = await record_answer(session, state, given, version, took, at)
        self.by_service.add(suggestion)
        draft["answers"].append((suggestion, at, [each.tag for each in given if each.confident]))

    async def answer_on_device(self, draft: dict[str, Any]) -> None:
        """Let the device answer a draft, known to the service or not; its report may come days later, or never."""
        state = draft["state"]
        tags = self.pick.sample(KNOWN, self.pick.randint(1, 4))
        confident = self.pick.randint(0, len(tags))
        at = draft["begun"] + timedelta(minutes=self.pick.randint(-90, 90))
        install, suggestion = UUID(state["install_id"]), self.id()
        answer = {
            "suggestion_id": str(suggestion),
            "draft_kind": state["kind"],
            "site": state["site"],
            "model_version": VERSIONS[1],
            "tags": tags,
            "scores": sorted((self.pick.random() for _ in tags), reverse=True),
            "confident": confident,
            "title_chars": 4,
            "body_chars": len(state["body"]),
            "latency_ms": self.pick.uniform(1, 90),
            "origin": "device",
        }
        event = self.event(install, draft, "suggested", at, **answer) | {"occurred_at": at.isoformat()}
        draft["answers"].append((suggestion, at, tags[:confident]))
        if self.pick.random() < 0.6:
            await self.send(install, event, self.later(at))
        elif self.pick.random() < 0.8:
            self.held_up.append((install, event))

    async def act(self, draft: dict[str, Any]) -> None:
        """Send events of a draft in any order, possible or not; some never arrive, some at once, some days later."""
        install = UUID(draft["state"]["install_id"])
        events = []
        suggestion, at, confident = self.pick.choice(draft["answers"])
        for tag in confident:
            kinds = ["viewed", *self.pick.sample(("accepted", "removed", "dismissed", "restored"), 2)]
            for kind in kinds[: self.pick.randint(0, 3)] if self.pick.random() < 0.8 else kinds[1:2]:
                more = {"suggestion_id": str(suggestion), "tag": tag} | ({"position": 1} if kind == "viewed" else {})
                events.append(self.event(install, draft, kind, at, **more))
        if self.pick.random() < 0.5:
            tags = self.pick.sample([*KNOWN[:6], "htmx", "new"], self.pick.randint(0, 3))
            posting = {"tags": tags, "question_id": self.pick.choice((None, self.pick.randint(1, 10**9)))}
            events.append(self.event(install, draft, "posted", at, site=draft["state"]["site"], **posting))
        if self.pick.random() < 0.2:
            events.append(self.event(install, draft, "viewed", at, suggestion_id=str(self.id()), tag="a", position=1))
        self.pick.shuffle(events)
        for event in events:
            if self.pick.random() < 0.8:
                await self.send(install, event, self.later(at))
            elif self.pick.random() < 0.7:
                self.held_up.append((install, event))

    def origin(self, draft: dict[str, Any]) -> str:
        """Return what an event says of its draft: whether the device has answered it."""
        answers = {suggestion for suggestion, *_ in draft.get("answers", ())}
        return "service" if answers <= self.by_service else "device"

    def event(self, install: UUID, draft: dict[str, Any], kind: str, at: datetime, **more: Any) -> dict[str, Any]:
        self.sequences[install] = self.sequences.get(install, 0) + 1
        happened = at + timedelta(seconds=self.pick.randint(1, 40_000))
        return {
            "id": str(self.id()),
            "sequence": self.sequences[install],
            "kind": kind,
            "draft_id": draft["state"]["draft_id"],
            "occurred_at": happened.isoformat(),
            "origin": self.origin(draft),
        } | more

    async def send(self, install: UUID, event: dict[str, Any], received: datetime) -> None:
        self.sent.append((install, event))
        batch = EventBatch.model_validate(
            {"install_id": str(install), "sent_at": received.isoformat(), "events": [event]}
        )
        async with self.database.session() as session:
            await ingest_events(session, batch, received, vocabularies=VOCABULARIES)

    async def answer_late(self) -> None:
        await self.answer(self.pick.choice(self.drafts))

    async def act_late(self) -> None:
        await self.act(self.pick.choice(self.drafts))

    async def send_held_up(self) -> None:
        if self.held_up:
            await self.send(*self.held_up.pop(self.pick.randrange(len(self.held_up))), NOW)

    async def go_on(self, times: int) -> None:
        for _ in range(times):
            if not self.drafts or self.pick.random() < 0.4:
                await self.begin()
            draft = self.pick.choice(self.drafts)
            if self.pick.random() < 0.2:
                await self.answer(draft)
            if self.pick.random() < 0.2:
                await self.answer_on_device(draft)
            await self.act(draft)
            if self.sent and self.pick.random() < 0.3:
                await self.send(*self.pick.choice(self.sent), NOW)


async def compare(engine: AsyncEngine, days: int = DAYS + 1) -> None:
    rows = await read_rows(engine)
    for change in ({}, {"kind": "demo"}, {"site": SITES[1]}, {"model": VERSIONS[0]}, {"origin": "device"}):
        asked: dict[str, Any] = {"since": TODAY - timedelta(days=days), "until": TODAY, "now": NOW, "vocabulary": KNOWN}
        await compare_everything(engine, rows, Question(**asked | change))


async def lost(engine: AsyncEngine) -> int:
    filters = Filters(TODAY - timedelta(days=DAYS), TODAY)
    async with AsyncSession(engine) as session:
        return (await count_bookkeeping(session, filters, NOW)).lost


async def changed_days(database: Database) -> int:
    async with database.session() as session:
        statement = "SELECT count(DISTINCT day) FROM changed_day JOIN summed_day USING (day)"
        count: int = await session.scalar(text(statement))
        return count


@pytest.mark.parametrize("seed", [1, 3])
async def test_figures_stay_right_while_rolled_up_days_change(
    engine: AsyncEngine, database: Database, seed: int
) -> None:
    life = Life(seed, database)
    await life.go_on(30)
    await compare(engine)
    assert await roll_up_days(database, lambda: NOW) >= DAYS - 2
    await compare(engine)

    # What comes from now on comes late: answers to drafts of days ago, and events that were held up meanwhile.
    life.late = True
    for choose_actions in (life.answer_late, life.send_held_up, life.act_late):
        for _ in range(6):
            await choose_actions()
        assert await changed_days(database) > 0, "late traffic changes days that were rolled up"
        await compare(engine)
        await roll_up_days(database, lambda: NOW)
    assert await changed_days(database) == 0
    await compare(engine)

    async with database.session() as session:
        await erase_install(session, life.installs[0])
    await anonymise_questions(database)
    await compare(engine)

    async with database.session() as session:
        assert await delete_traffic(session) > 0
    await compare(engine)
    await roll_up_days(database, lambda: NOW)
    await compare(engine)
    async with database.session() as session:
        found = await compare_rollups(session, NOW)
    assert (found.differing, found.changed, found.final) == ([], 0, 0)
    assert found.days >= DAYS - 2


async def test_a_posting_received_days_later_counts_on_its_day(engine: AsyncEngine, database: Database) -> None:
    life = Life(7, database)
    await life.begin()
    (draft,) = life.drafts
    await roll_up_days(database, lambda: NOW)
    happened = NOW - timedelta(days=2)
    event = life.event(UUID(draft["state"]["install_id"]), draft, "posted", happened, site=draft["state"]["site"])
    event |= {"tags": ["python"], "question_id": None, "occurred_at": happened.isoformat()}
    draft_is_older = draft["begun"] < happened - timedelta(days=1)
    assert draft_is_older, "or the day of posting changes for another reason, too"
    await life.send(UUID(draft["state"]["install_id"]), event, NOW)
    await compare(engine)


@pytest.mark.parametrize("begun", [timedelta(days=5), timedelta(0)], ids=["old draft", "draft of today"])
async def test_an_event_that_fills_a_gap_late_changes_the_day_that_counted_the_loss(
    engine: AsyncEngine, database: Database, begun: timedelta
) -> None:
    writer = Writer()
    install = writer.id()
    first = writer.draft(NOW - timedelta(days=5), install_id=install)
    writer.event(first, NOW - timedelta(days=5))
    later = writer.draft(NOW - timedelta(days=3), install_id=install)
    writer.event(later, NOW - timedelta(days=3), lost=1)
    # Begun when nothing else happened that is told on the day of the loss: only the number leads there.
    held_up = writer.draft(NOW - begun, install_id=install)
    given = writer.suggestion(held_up, ["python"])
    await store(engine, writer.rows)
    await roll_up_days(database, lambda: NOW)
    assert await lost(engine) == 1
    life = Life(8, database)
    state = {"draft_id": str(held_up["id"]), "install_id": str(install)}
    event = life.event(install, {"state": state}, "viewed", NOW - begun, suggestion_id=str(given["id"]), tag="python")
    await life.send(install, event | {"sequence": 2, "position": 1}, NOW)
    assert await lost(engine) == 0
    await compare(engine)


async def test_tags_of_whole_months_stay_right_when_one_of_their_days_changes(
    engine: AsyncEngine, database: Database
) -> None:
    month = datetime.combine((TODAY.replace(day=1) - timedelta(days=40)).replace(day=1), datetime.min.time(), UTC)
    writer = Writer()
    install = writer.id()
    drafts = [writer.draft(month + timedelta(days=days), install_id=install) for days in (-2, 9, 9, 12)]
    given = [writer.suggestion(draft, ["python", "pandas"]) for draft in drafts]
    await store(engine, writer.rows)
    await roll_up_days(database, lambda: NOW)
    life = Life(9, database)
    days = (TODAY - month.date()).days + 3
    # Told weeks later: each time the month is summed up anew.
    for kind, more in (("viewed", {"tag": "python", "position": 1}), ("posted", {"tags": ["python", "htmx"]})):
        for draft, suggestion in zip(drafts, given, strict=True):
            state = {"draft_id": str(draft["id"]), "install_id": str(install)}
            of_kind = {"suggestion_id": str(suggestion["id"])} if kind == "viewed" else {"site": draft["site"]}
            event = life.event(install, {"state": state}, kind, draft["started_at"], **of_kind, **more)
            await life.send(install, event | ({} if kind == "viewed" else {"question_id": None}), NOW)
        await compare(engine, days)
        await roll_up_days(database, lambda: NOW)
        async with database.session() as session:
            seen = "SELECT sum(viewed) FROM monthly_tag WHERE month = :month"
            assert await session.scalar(text(seen), {"month": month.date()}) == 3
        await compare(engine, days)


async def test_a_transaction_that_commits_after_a_rollup_is_not_missed(engine: AsyncEngine, database: Database) -> None:
    life = Life(4, database)
    await life.go_on(10)
    draft = next(each for each in life.drafts if each["begun"] < NOW - timedelta(days=3))
    async with database.session() as session:
        # As a request that has written, and commits only after the summing.
        given = [Suggested("python", 0.9, True, 1, ())]
        await record_answer(session, DraftState.model_validate(draft["state"]), given, VERSIONS[0], 5.0, draft["begun"])
        await roll_up_days(database, lambda: NOW)
    await compare(engine)
    await roll_up_days(database, lambda: NOW)
    await compare(engine)


async def test_of_many_replicas_one_rolls_up(engine: AsyncEngine, database: Database) -> None:
    import asyncio

    life = Life(5, database)
    await life.go_on(5)
    await asyncio.gather(*(roll_up_days(database, lambda: NOW) for _ in range(4)))
    async with database.session() as session:
        found = await compare_rollups(session, NOW)
    assert found.differing == []
    await compare(engine)


async def test_days_that_may_still_change_by_time_are_not_rolled_up(database: Database) -> None:
    life = Life(6, database)
    await life.go_on(10)
    await roll_up_days(database, lambda: NOW)
    async with database.session() as session:
        last = await session.scalar(text("SELECT max(day) FROM summed_day"))
    assert last == last_closed_day(NOW)
    assert datetime.combine(last, datetime.min.time(), UTC) + timedelta(days=1, hours=3) <= NOW


async def test_wrong_rollups_are_found(engine: AsyncEngine, database: Database) -> None:
    writer = Writer()
    moment = NOW - timedelta(days=4)
    draft = writer.draft(moment, posted_at=moment, posted_tags=["python", "htmx"])
    writer.item(writer.suggestion(draft, ["python"]), "python", moment, accepted_at=moment)
    await store(engine, writer.rows)
    await roll_up_days(database, lambda: NOW)
    tables = {"item": "viewed", "offer": "kept", "tag": "missed_tags", "draft": "f1_sum", "latency": "n"}
    for table, column in tables.items():
        async with database.session() as session:
            await session.execute(text(f"UPDATE daily_{table} SET {column} = {column} + 1"))
            assert (await compare_rollups(session, NOW)).differing == [moment.date()], table
            await session.rollback()
