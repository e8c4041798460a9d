"""Migrations: they make the schema of the models, also when several start at once."""

import asyncio

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.alerts.channels import Notification
from backend.postgres.migrate import alembic_config, migrate

pytestmark = pytest.mark.anyio


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


async def test_three_migrations_at_once_all_succeed(engine: AsyncEngine, database_url: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await asyncio.gather(*(migrate(database_url) for _ in range(3)))
    async with engine.begin() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1
        assert await connection.scalar(text("SELECT count(*) FROM draft")) == 0
