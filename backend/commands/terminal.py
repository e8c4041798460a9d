"""What the commands share at the terminal: the settings, the database, and errors that say what to do."""

import asyncio
import gzip
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import ValidationError
from pydantic_settings import SettingsError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.deployments.registry import find_version
from backend.deployments.service import read_running
from backend.postgres.database import REPAIR_ADVICE, Database, DatabaseAway, DatabaseBusy, DatabaseDamaged
from backend.postgres.embedded.errors import EmbeddedFailure
from backend.postgres.embedded.service import EmbeddedPostgres
from backend.postgres.migrate import MayNotMigrate, NewerSchema, migrate
from backend.settings import Settings
from model.serving import Classifier, RegistryError, ReleaseError

T = TypeVar("T")


def read_settings() -> Settings:
    """Return the settings; an error names the variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"TAGALONG_{str(e['loc'][0]).upper()}: {e['msg']}" if e["loc"] else e["msg"] for e in error.errors()]
        raise click.ClickException("wrong settings:\n  " + "\n  ".join(lines)) from None
    except SettingsError as error:
        raise click.ClickException(f"wrong settings:\n  {error}") from None


def with_session(work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Run ``work`` in one transaction of the migrated database; the embedded one is started if no other is set."""

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
    """Run ``work`` with the database's URL, and turn its errors into messages without a traceback."""
    settings = read_settings()
    try:
        with database_url(settings) as url:
            return asyncio.run(work(url))
    except DatabaseDamaged as error:
        raise click.ClickException(f"the database is damaged: {error}. {REPAIR_ADVICE}") from None
    except DatabaseAway as error:
        raise click.ClickException(f"the database can't be reached: {error}") from None
    except DatabaseBusy as error:
        raise click.ClickException(f"nothing was changed: {error}. Try again.") from None
    except (NewerSchema, MayNotMigrate, EmbeddedFailure) as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """Yield the database's URL; the embedded one is started for the block, unless a service runs it already."""
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


async def served_model(session: AsyncSession) -> Classifier:
    """Return the model that is champion, or else the shipped one."""
    settings = read_settings()
    champion = (await read_running(session)).champion
    try:
        folder = find_version(settings.registry, champion.model_version).folder if champion else settings.model_folder
        return Classifier.load(folder)
    except (RegistryError, ReleaseError) as error:
        raise click.ClickException(str(error)) from None


async def write_lines(lines: AsyncIterator[str], out: Path) -> int:
    """Write lines to a file, whole or not at all, compressed if its name ends in .gz, or to the terminal (``-``).

    Returns:
        How many lines there were.
    """
    written = 0
    if out == Path("-"):
        async for line in lines:
            click.echo(line, nl=False)
            written += 1
        return written
    try:
        descriptor, temporary = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    except OSError as error:
        raise click.ClickException(f"{out} can't be written: {error.strerror}") from None
    try:
        os.close(descriptor)
        opened = gzip.open if out.suffix == ".gz" else open
        with opened(temporary, "wt", encoding="utf-8") as file:
            async for line in lines:
                file.write(line)
                written += 1
        Path(temporary).replace(out)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return written
