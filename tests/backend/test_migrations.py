"""The schema: migrations make just what the tables say, also when several start at once."""

import asyncio

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.database import alembic_config, migrate

pytestmark = pytest.mark.anyio


async def test_migrations_make_what_the_tables_say(engine: AsyncEngine) -> None:
    def check(connection: Connection) -> None:
        command.check(alembic_config(connection))

    async with engine.begin() as connection:
        await connection.run_sync(check)


async def test_migrations_can_be_taken_back(engine: AsyncEngine) -> None:
    def down(connection: Connection) -> None:
        command.downgrade(alembic_config(connection), "base")

    async with engine.begin() as connection:
        await connection.run_sync(down)
        left = await connection.scalars(
            text("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        )
        assert {name for name in left if "alembic" not in name} == set()


async def test_three_migrations_at_once_all_succeed(engine: AsyncEngine, database_url: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await asyncio.gather(*(migrate(database_url) for _ in range(3)))
    async with engine.begin() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1
        assert await connection.scalar(text("SELECT count(*) FROM draft")) == 0
