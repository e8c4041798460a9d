"""What the commands share at the terminal: the settings, the database, and errors that say what to do."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.database import Database, DatabaseAway, NewerSchema, migrate
from backend.embedded import EmbeddedFailure, EmbeddedPostgres
from backend.settings import Settings

T = TypeVar("T")


def read_settings() -> Settings:
    """The settings, or an error that names the variable which is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        faults = [f"TAGALONG_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
        raise click.ClickException("wrong settings:\n  " + "\n  ".join(faults)) from None


def with_session(work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Run ``work`` in one transaction of the migrated database, the embedded one started where none is set."""

    async def connect_and_work(url: str) -> T:
        await migrate(url)
        database = Database(url)
        try:
            async with database.session(within=3600) as session:
                return await work(session)
        finally:
            await database.close()

    return with_url(connect_and_work)


def with_url(work: Callable[[str], Coroutine[Any, Any, T]]) -> T:
    """Run ``work`` with the database's URL, and tell what went wrong without a traceback."""
    settings = read_settings()
    try:
        with database_url(settings) as url:
            return asyncio.run(work(url))
    except DatabaseAway as error:
        raise click.ClickException(f"the database can't be reached: {error}") from None
    except (NewerSchema, EmbeddedFailure) as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The database's URL; an embedded one is started for the block, unless a service already runs it."""
    if settings.database_url:
        yield settings.database_url
        return
    embedded = EmbeddedPostgres(settings.data_dir)
    if running := embedded.running_url():
        yield running
        return
    try:
        yield embedded.start()
    finally:
        embedded.stop()
