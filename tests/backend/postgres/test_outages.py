"""A database that is cut off, stalls, restarts or was never there: suggestions go on, nothing acknowledged is lost."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from backend import app as application
from backend.postgres import migrate as migrate_module
from backend.postgres.database import DatabaseAway
from backend.postgres.migrate import NewerSchema, alembic_config, migrate
from tests.backend.postgres.cuttable_proxy import CuttableProxy
from tests.backend.service import MakeService, Service, a_batch, a_draft, an_event, running

pytestmark = pytest.mark.anyio


async def test_without_its_database_the_service_still_suggests(database_url: str) -> None:
    async with CuttableProxy(database_url) as proxy, running(proxy.url) as service:
        draft = a_draft()
        suggestion = await service.offer(draft, ["python"])
        event = an_event("viewed", 1, draft, suggestion_id=suggestion, tag="python", position=1)

        await proxy.cut()
        answer = await service.suggest()
        assert answer["items"]
        assert answer["suggestion_id"] is None
        response = await service.client.post("/api/v1/events", json=a_batch(draft["install_id"], [event]))
        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
        assert int(response.headers["retry-after"]) > 0
        for path in (f"/api/v1/installs/{draft['install_id']}",):
            assert (await service.client.get(path)).status_code == 503
        ready = await service.client.get("/health/ready")
        assert (ready.status_code, ready.json()["database"]) == (200, "away")

        await proxy.restore()
        assert await eventually(lambda: send(service, draft, event))
        assert (await service.suggest())["suggestion_id"]
        assert (await service.client.get("/health/ready")).json()["database"] == "present"
        await service.app.state.totals.flush()
        (row,) = await service.rows("SELECT n FROM total WHERE name = 'suggestions unrecorded'")
        assert row["n"] >= 1


async def send(service: Service, draft: dict[str, Any], event: dict[str, Any]) -> bool:
    response = await service.client.post("/api/v1/events", json=a_batch(draft["install_id"], [event]))
    return response.status_code == 200 and response.json()["new"] == 1


async def eventually(attempt: Callable[[], Awaitable[object]], *, within: float = 60) -> bool:
    """Whether an attempt succeeds before the time is up."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if await attempt():
            return True
        await asyncio.sleep(0.2)
    return False


async def test_a_stalled_database_delays_one_suggestion_and_not_the_next(database_url: str) -> None:
    async with CuttableProxy(database_url) as proxy, running(proxy.url) as service:
        await service.suggest()
        proxy.stall()
        started = time.monotonic()
        assert (await service.suggest())["suggestion_id"] is None
        first = time.monotonic() - started
        assert first < 20
        started = time.monotonic()
        for _ in range(5):
            assert (await service.suggest())["suggestion_id"] is None
        assert time.monotonic() - started < first
        await proxy.restore()

        async def recorded() -> bool:
            return (await service.suggest())["suggestion_id"] is not None

        assert await eventually(recorded)


async def test_a_service_starts_without_its_database_and_finds_it_later(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "WATCH_EVERY", 0.2)
    async with CuttableProxy(database_url) as proxy:
        await proxy.cut()
        async with running(proxy.url) as service:
            ready = await service.client.get("/health/ready")
            assert ready.status_code == 503
            assert ready.headers["content-type"] == "application/problem+json"
            assert (await service.client.get("/health/live")).status_code == 200
            assert (await service.suggest())["items"]
            await proxy.restore()

            async def is_ready() -> bool:
                return (await service.client.get("/health/ready")).status_code == 200

            assert await eventually(is_ready)


async def test_a_database_without_its_schema_counts_as_away(make_service: MakeService) -> None:
    async with make_service() as service:
        async with service.database.session() as session:
            await session.execute(text("ALTER TABLE suggestion RENAME TO elsewhere"))
        answer = await service.suggest()
        assert answer["items"]
        assert answer["suggestion_id"] is None


async def test_background_work_goes_on_after_a_failure() -> None:
    done: list[int] = []

    async def work() -> None:
        done.append(len(done))
        if len(done) == 1:
            raise RuntimeError("once")

    task = asyncio.create_task(application.run_periodically(work, 0.01))

    async def twice() -> bool:
        return len(done) > 1

    assert await eventually(twice)
    await application.cancel(task)


async def test_an_event_whose_answer_was_lost_is_not_stored_twice(service: Service) -> None:
    draft = a_draft()
    suggestion = await service.offer(draft, ["python"])
    event = an_event("viewed", 1, draft, suggestion_id=suggestion, tag="python", position=1)
    assert (await service.send(draft["install_id"], [event]))["new"] == 1
    assert await service.send(draft["install_id"], [event]) == {"new": 0, "known": 1, "refused": []}


async def test_batches_of_one_draft_at_once_lose_nothing(service: Service) -> None:
    draft = a_draft()
    suggestion = await service.offer(draft, ["python", "pandas"])
    events = [
        an_event(kind, n * 10 + m, draft, suggestion_id=suggestion, tag=tag, **more)
        for n, tag in enumerate(("python", "pandas"))
        for m, (kind, more) in enumerate(
            [("viewed", {"position": 1}), ("accepted", {}), ("removed", {}), ("accepted", {})], start=1
        )
    ]
    receipts = await asyncio.gather(*(service.send(draft["install_id"], [event]) for event in events * 2))
    assert sum(receipt["new"] for receipt in receipts) == len(events)
    items = await service.rows("SELECT accepted_at, removed_at, impossible FROM item")
    assert len(items) == 2
    assert all(item["accepted_at"] and not item["removed_at"] and not item["impossible"] for item in items)


async def test_a_database_of_a_newer_version_is_left_alone(make_service: MakeService, database_url: str) -> None:
    async with make_service() as service:
        await service.rows("UPDATE alembic_version SET version_num = '9999' RETURNING version_num")
    with pytest.raises(NewerSchema, match="9999"):
        await migrate(database_url)
    async with make_service() as service:
        ready = await service.client.get("/health/ready")
        assert ready.status_code == 503
        assert "9999" in ready.json()["detail"]


async def test_a_role_without_the_right_to_migrate_gets_the_way_out(
    make_service: MakeService, database_url: str
) -> None:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        for statement in (
            "DROP SCHEMA public CASCADE",
            "CREATE SCHEMA public",
            "REVOKE CREATE ON SCHEMA public FROM tagalong",
        ):
            await connection.execute(text(statement))
    await engine.dispose()
    async with make_service(model_tier="light") as service:
        assert (await service.suggest(**a_draft()))["suggestion_id"] is None
        ready = await service.client.get("/health/ready")
        assert ready.status_code == 503
        assert 'ALTER DATABASE "' in ready.json()["detail"]


async def test_a_database_whose_disk_is_full_counts_as_away_until_it_has_room(make_service: MakeService) -> None:
    async with make_service() as service:
        draft = a_draft()
        suggestion = await service.offer(draft, ["python"])
        event = an_event("viewed", 1, draft, suggestion_id=suggestion, tag="python", position=1)
        async with service.database.session() as session:
            await session.execute(
                text(
                    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                    "$$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$"
                )
            )
            for table in ("event", "suggestion"):
                await session.execute(text(f"CREATE TRIGGER refuse BEFORE INSERT ON {table} EXECUTE FUNCTION refuse()"))
        response = await service.client.post("/api/v1/events", json=a_batch(draft["install_id"], [event]))
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        answer = await service.suggest()
        assert answer["items"]
        assert answer["suggestion_id"] is None

        async def has_room_again() -> bool:
            try:
                async with service.database.session() as session:
                    await session.execute(text("DROP FUNCTION refuse CASCADE"))
            except DatabaseAway:
                return False
            return True

        assert await eventually(has_room_again)
        assert await eventually(lambda: send(service, draft, event))
        assert (await service.suggest())["suggestion_id"]


async def test_a_server_without_a_free_connection_counts_as_away_until_it_has_one(
    make_service: MakeService, database_url: str, as_superuser: Callable[[str], None]
) -> None:
    async with make_service() as service:
        await service.suggest()
        name = make_url(database_url).database
        statements = [
            f"ALTER DATABASE {name} CONNECTION LIMIT 0",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
        ]
        for statement in statements:
            await asyncio.to_thread(as_superuser, statement)
        for _ in range(3):
            assert (await service.suggest())["suggestion_id"] is None
        assert (await service.client.get("/health/ready")).json()["database"] == "away"
        await asyncio.to_thread(as_superuser, f"ALTER DATABASE {name} CONNECTION LIMIT -1")

        async def recorded() -> bool:
            return (await service.suggest())["suggestion_id"] is not None

        assert await eventually(recorded)


async def test_a_migration_gives_way_to_a_transaction_that_holds_a_table_and_tries_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate_module, "TABLE_LOCK_TIMEOUT", 1)
    engine = create_async_engine(database_url)

    def before_deployments(connection: Connection) -> None:
        command.downgrade(alembic_config(connection), "0003")

    async with engine.begin() as connection:
        await connection.run_sync(before_deployments)
    async with engine.connect() as reader:
        await reader.execute(text("SELECT count(*) FROM draft"))  # in a transaction that stays open
        migrating = asyncio.create_task(migrate(database_url))
        await asyncio.sleep(1.5)
        # Whoever comes now is not held up by the migration that waits for the reader.
        async with asyncio.timeout(30), engine.connect() as another:
            await another.execute(text("SELECT count(*) FROM draft"))
        assert not migrating.done()
    await asyncio.wait_for(migrating, 60)
    async with engine.begin() as connection:
        await connection.run_sync(lambda each: command.check(alembic_config(each)))
    await engine.dispose()
