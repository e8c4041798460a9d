"""Migrations: they make the schema of the models, also when several start at once."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.acceptance.rollup_refresh import compare_rollups, roll_up_days
from backend.alerts.channels import Notification
from backend.postgres.database import Database
from backend.postgres.migrate import alembic_config, migrate
from tests.backend.acceptance.equality import compare_everything
from tests.backend.acceptance.recount import Question
from tests.backend.acceptance.traffic import KNOWN, mixed_traffic, store

pytestmark = pytest.mark.anyio

TRAFFIC_UNTIL = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


async def test_migrations_make_the_schema_of_the_models(engine: AsyncEngine) -> None:
    def check(connection: Connection) -> None:
        command.check(alembic_config(connection))

    async with engine.begin() as connection:
        await connection.run_sync(check)


async def test_migrations_can_be_downgraded(engine: AsyncEngine) -> None:
    def down(connection: Connection) -> None:
        command.downgrade(alembic_config(connection), "base")

    async with engine.begin() as connection:
        await connection.run_sync(down)
        left = await connection.scalars(
            text("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        )
        assert {name for name in left if "alembic" not in name} == set()


async def test_a_notice_that_waits_is_kept_by_the_step_to_its_own_words_and_back(engine: AsyncEngine) -> None:
    def step(connection: Connection, there: bool) -> None:
        (command.upgrade if there else command.downgrade)(alembic_config(connection), "0009" if there else "0008")

    async with engine.begin() as connection:
        await connection.run_sync(step, False)
        await connection.execute(
            text(
                "INSERT INTO alert (id, rule, subject, state, since, words) "
                "VALUES (gen_random_uuid(), 'tag_dismissed', 'java', 'firing', '2026-11-20T12:00Z', 'Five times.')"
            )
        )
        await connection.execute(
            text(
                "INSERT INTO notice (alert_id, occasion, channel, due_at, attempts) "
                "SELECT id, 'firing', 'email', now(), 3 FROM alert"
            )
        )
        await connection.run_sync(step, True)
        key, telling, attempts = (await connection.execute(text("SELECT key, telling, attempts FROM notice"))).one()
        assert key == f"{await connection.scalar(text('SELECT id FROM alert'))}-firing"
        told = Notification(**telling)
        assert (told.words, told.since, attempts) == ("Five times.", "2026-11-20 12:00 UTC", 3)
        await connection.run_sync(step, False)
        assert (
            await connection.scalar(text("SELECT occasion FROM notice JOIN alert ON alert.id = alert_id")) == "firing"
        )


async def test_what_was_counted_before_devices_answered_stays_as_it_was(
    engine: AsyncEngine, database: Database
) -> None:
    def step(connection: Connection, there: bool) -> None:
        (command.upgrade if there else command.downgrade)(alembic_config(connection), "head" if there else "0012")

    rows = mixed_traffic(3, 120, TRAFFIC_UNTIL)
    for row in (*rows.draft, *rows.suggestion):
        row["origin"] = "service"
    await store(engine, rows)
    assert await roll_up_days(database, lambda: TRAFFIC_UNTIL) > 5
    async with engine.begin() as connection:
        await connection.run_sync(step, False)
        await connection.run_sync(step, True)
    until = TRAFFIC_UNTIL.date()
    for origin in (None, "service"):
        question = Question(until - timedelta(days=12), until, TRAFFIC_UNTIL, KNOWN, origin=origin)
        await compare_everything(engine, rows, question, writers_known=False)
    # By install, these days are rolled up now, in the background.
    assert await roll_up_days(database, lambda: TRAFFIC_UNTIL) > 5
    await compare_everything(engine, rows, question)
    async with database.session() as session:
        assert (await compare_rollups(session, TRAFFIC_UNTIL)).differing == []


async def test_phases_of_running_experiments_are_taken_from_the_audit_log(engine: AsyncEngine) -> None:
    def step(connection: Connection, there: bool) -> None:
        (command.upgrade if there else command.downgrade)(alembic_config(connection), "0015" if there else "0014")

    async with engine.begin() as connection:
        await connection.run_sync(step, False)
        for statement in (
            "INSERT INTO model_version VALUES ('light-7', 7, '2026-11-01T12:00Z', '{}')",
            "INSERT INTO deployment (id, model_version, number, role, share, salt, promote_if_better, started_at, "
            "started_by) VALUES ('11111111-1111-4111-8111-111111111111', 'light-7', 7, 'challenger', 0.25, 'salt', "
            "false, '2026-11-01T12:00Z', 'operator')",
            "INSERT INTO audit (at, actor, act, subject, details) SELECT at, 'operator', act, 'light-7', "
            "jsonb_build_object('deployment', '11111111-1111-4111-8111-111111111111', 'share', share) "
            "FROM (VALUES ('2026-11-01T12:00Z'::timestamptz, 'deploy', 0.1), "
            "('2026-11-05T12:00Z', 'change share', 0.25), ('2026-11-06T12:00Z', 'roll back', 0)) "
            "AS acts (at, act, share)",
        ):
            await connection.execute(text(statement))
        await connection.run_sync(step, True)
        phases = await connection.execute(text("SELECT started_at, share FROM phase ORDER BY started_at"))
        assert [(f"{row.started_at:%m-%d}", row.share) for row in phases] == [("11-01", 0.1), ("11-05", 0.25)]


async def test_three_migrations_at_once_all_succeed(engine: AsyncEngine, database_url: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await asyncio.gather(*(migrate(database_url) for _ in range(3)))
    async with engine.begin() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1
        assert await connection.scalar(text("SELECT count(*) FROM draft")) == 0
