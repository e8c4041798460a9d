"""What one client sends to do harm: refused in few words, answered in order, and never repeated to anyone."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from backend.postgres import database as database_module
from backend.postgres.database import Conflict, Database, DatabaseBusy
from backend.web import logs
from backend.web.schemas import Name, Tag, Version
from tests.backend.service import Service, a_batch, a_draft, an_event

pytestmark = pytest.mark.anyio

SECRET = "Xyzzyplugh"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged, as JSON."""
    root, lines = logging.getLogger(), logs._lines
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("json", "warning", stream)
    yield stream
    logging.captureWarnings(False)
    root.handlers[:], logs._lines = handlers, lines
    root.setLevel(level)


def nested(depth: int) -> str:
    return '{"a":' * depth + f'"{SECRET}"' + "}" * depth


@pytest.mark.parametrize(
    "body",
    [
        {"events": [{"kind": SECRET * 9_000, "id": SECRET}] * 9},
        {"events": [{"kind": "viewed", "id": SECRET, "tag": SECRET * 90, "occurred_at": SECRET}] * 100},
        {"events": [SECRET] * 10_000},
        {"events": {SECRET * n: SECRET for n in range(1, 300)}},
        {SECRET * 1_000: SECRET * 80_000},
        [SECRET] * 60_000,
        SECRET * 90_000,
        {"install_id": SECRET * 90_000, "sent_at": SECRET * 500},
    ],
    ids=["kinds", "fields", "words", "names", "one name", "list", "text", "id"],
)
async def test_d12_nonsense_of_any_shape_gets_a_short_answer_without_it(service: Service, body: object) -> None:
    response = await service.client.post("/api/v1/events", content=json.dumps(body), headers=JSON)
    assert response.status_code == 422
    assert len(response.content) < 16_000
    assert SECRET not in response.text
    assert len(response.json()["errors"]) <= 20


async def test_d12_a_draft_nested_deeply_in_an_unknown_field_is_answered_in_few_words(service: Service) -> None:
    body = json.dumps(a_draft())[:-1] + f', "title": {nested(900)}}}'
    response = await service.client.post("/api/v1/suggestions", content=body, headers=JSON)
    assert response.status_code == 422
    assert len(response.content) < 2_000
    assert SECRET not in response.text


async def test_d12_faults_that_are_left_out_are_counted(service: Service) -> None:
    response = await service.client.post("/api/v1/events", json=a_batch(uuid4(), [{"kind": "posted"}] * 10))
    assert "50 more faults are left out" in response.json()["detail"]


INVISIBLE = [
    *("\u0000", "\u0007", "\u001b", "\u007f", "\u0085", "\u009b", "\u00a0", "\u00ad", "\u061c", "\u115f", "\u180e"),
    *("\u200b", "\u200d", "\u200e", "\u2028", "\u2029", "\u202a", "\u202e", "\u2060", "\u2066", "\u2069", "\u3164"),
    *("\ufe0f", "\ufeff", "\ufff9", "\uffa0", "\U000e0041"),
]


@pytest.mark.parametrize("char", INVISIBLE, ids=ascii)
@pytest.mark.parametrize("kind", [Version, Name, Tag], ids=["version", "name", "tag"])
def test_d13_no_word_that_is_stored_holds_what_nobody_sees(kind: Any, char: str) -> None:
    for word in (char, f"a{char}", f"{char}a", f"a{char}b"):
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(word)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            Version,
            ["0.1.0", "2.0.0-beta.1+7", "1" * 32],
            ["", "1" * 33, "1 0", "1_0", "\u0661.\u0662", "é", "=1", "1;2"],
        ),
        (Name, ["classic", "svelte-2", "a.b_c"], ["", "x" * 51, "a b", "<b>", "=a"]),
        (
            Tag,
            ["c++", "c#", ".net", "node.js", "java-8", "базы-данных", "構文", "x" * 50],
            ["", "=1", "-1", "+1", "@a", "\uff1d1", "a,b", "a;b", "a|b", "<a>", "a'b", 'a"b', "x" * 51, "#a", "👍"],
        ),
    ],
    ids=["version", "name", "tag"],
)
def test_d13_words_that_are_stored_have_an_alphabet(kind: Any, good: list[str], bad: list[str]) -> None:
    for word in good:
        assert TypeAdapter(kind).validate_python(word) == word
    for word in bad:
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(word)


async def test_d13_odd_words_are_refused_by_the_routes(service: Service) -> None:
    for name in ("extension_version", "page", "site"):
        response = await service.client.post("/api/v1/suggestions", json=a_draft(**{name: "1.0\u2028"}))
        assert response.status_code == 422
        assert response.json()["errors"][0]["at"] == ["body", name]


def test_d13_no_line_of_a_log_ends_within_or_obeys(written: io.StringIO) -> None:
    logging.getLogger("backend").warning("told \u009b31m of \u2028 it \u0085 \u202e")
    (line,) = written.getvalue().splitlines()
    assert line.isascii()
    stream = io.StringIO()
    logs.configure("text", "warning", stream)
    logging.getLogger("backend").warning("told \u009b31m of \u2028 it \u0085 \u202e")
    assert stream.getvalue().strip().isprintable()


async def two_batches(service: Service) -> tuple[dict[str, Any], dict[str, Any]]:
    """Batches of two installs with the same ids in opposite order."""
    batches = []
    ids = [str(uuid4()) for _ in range(60)]
    for order in (ids, ids[::-1]):
        draft = a_draft()
        more = {"suggestion_id": await service.offer(draft, ["python"]), "tag": "python", "position": 1}
        events = [an_event("viewed", n, draft, **more) | {"id": id} for n, id in enumerate(order, 1)]
        batches.append(a_batch(draft["install_id"], events))
    return batches[0], batches[1]


async def test_d7_batches_with_the_same_ids_in_opposite_order_are_all_taken(service: Service) -> None:
    for _ in range(5):
        first, second = await two_batches(service)
        answers = await asyncio.gather(
            *(service.client.post("/api/v1/events", json=batch) for batch in (first, second) * 4)
        )
        assert {answer.status_code for answer in answers} <= {200, 503}
        ids = [event["id"] for event in first["events"]]
        (row,) = await service.rows("SELECT count(*) AS n FROM event WHERE id = ANY(CAST(:ids AS uuid[]))", ids=ids)
        assert row["n"] == len(ids)


async def test_d7_work_that_another_transaction_stood_in_the_way_of_is_tried_again(database: Database) -> None:
    statements = ["SELECT pg_advisory_xact_lock(70001)", "SELECT pg_advisory_xact_lock(70002)"]
    both_hold_one, tries = asyncio.Barrier(2), []

    async def lock(first: str, second: str) -> None:
        async def work(session: Any) -> None:
            tries.append(first)
            await session.execute(text(first))
            if len(tries) <= 2:
                await both_hold_one.wait()
            await session.execute(text(second))

        await database.run(work)

    await asyncio.gather(lock(*statements), lock(*statements[::-1]))
    assert len(tries) == 3
    assert not database.away


async def test_d7_what_never_succeeds_is_told_to_come_back(
    service: Service, monkeypatch: pytest.MonkeyPatch, written: io.StringIO
) -> None:
    tries = []

    async def fail(*_: Any, **__: Any) -> None:
        tries.append(1)
        raise Conflict("another transaction stood in the way")

    monkeypatch.setattr(database_module, "RETRY_PAUSE", 0.0)
    monkeypatch.setattr("backend.feedback.service.lock_drafts", fail)
    response = await service.client.post("/api/v1/events", json=a_batch(uuid4(), []))
    assert (response.status_code, len(tries)) == (503, database_module.MAX_ATTEMPTS)
    assert int(response.headers["retry-after"]) >= 1
    assert (await service.client.get("/health/ready")).json()["database"] == "present"


async def test_d7_a_statement_that_takes_too_long_fails_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "STATEMENT_TIMEOUT", "50ms")
    with pytest.raises(DatabaseBusy):
        async with database.session() as session:
            await session.execute(text("SELECT pg_sleep(60)"))
    assert not database.away
    async with database.session() as session:
        assert await session.scalar(text("SELECT 1")) == 1


async def test_d4_a_value_that_fits_no_column_does_not_make_the_database_count_as_away(database: Database) -> None:
    with pytest.raises(DBAPIError):
        async with database.session() as session:
            await session.execute(text("SELECT CAST(:number AS integer)"), {"number": 2**40})
    assert not database.away


async def test_d7_no_error_carries_the_values_of_a_row_into_a_log(database: Database, written: io.StringIO) -> None:
    def broken() -> None:
        raise RequestValidationError([{"input": SECRET, "msg": SECRET, "loc": (SECRET,), "type": "x"}])

    for statement in (
        "INSERT INTO total (day, name, n) VALUES ('2026-01-01', :word, 1), ('2026-01-01', :word, 2)",
        "SELECT CAST(CAST(:word AS text) AS integer)",
        "INSERT INTO total (day, name, n) VALUES ('2026-01-01', :word, NULL)",
    ):
        try:
            async with database.session() as session:
                await session.execute(text(statement), {"word": SECRET})
        except DBAPIError:
            logging.getLogger("backend").exception("work failed")
    try:
        broken()
    except RequestValidationError:
        logging.getLogger("backend").exception("work failed")
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert len(lines) == 4
    assert SECRET not in written.getvalue()
    assert "IntegrityError" in lines[0]["exception"]
    assert "UniqueViolationError 23505 total pk_total" in lines[0]["exception"]


def test_d7_an_error_in_a_group_and_one_behind_another_are_told_without_their_values() -> None:
    try:
        try:
            raise asyncpg.DataError(SECRET)
        except asyncpg.DataError as error:
            raise ExceptionGroup(SECRET, [ValueError(SECRET), OSError(28, "No space left on device")]) from error
    except ExceptionGroup as group:
        told = logs.traceback_without_values((type(group), group, group.__traceback__))
    assert SECRET not in told
    for word in ("DataError", "ValueError", "OSError: No space left on device", "ExceptionGroup"):
        assert word in told


async def test_d7_an_error_of_the_database_keeps_its_parameters_to_itself(database: Database) -> None:
    assert database.engine.sync_engine.hide_parameters
    assert "hidden" in str(IntegrityError("INSERT", {"word": SECRET}, Exception(), hide_parameters=True))
