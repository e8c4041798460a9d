"""`backup` and `restore`: the whole database as one file."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import IO

import click
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.service import record_act
from backend.commands.terminal import with_url
from backend.postgres.backups import NotABackup, check_backup, restore_backup, write_backup
from backend.postgres.database import Database


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
def backup(file: Path) -> None:
    """Write a snapshot of the whole database to FILE, while the service goes on. FILE may be - for a pipe.

    The file is written whole or not at all. Keep it as private as the database.
    """

    async def dump(url: str) -> None:
        if str(file) == "-":
            await write_backup(url, sys.stdout.buffer)
            return
        unfinished = file.with_name(f".{file.name}.unfinished")
        try:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
                await write_backup(url, output)
                os.fsync(output.fileno())
            unfinished.rename(file)
        except OSError as error:
            raise click.ClickException(f"can't write {file}: {error.strerror}") from None
        finally:
            unfinished.unlink(missing_ok=True)
        click.echo(f"{file}: {file.stat().st_size:,} bytes.")

    with_url(dump)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--replace", is_flag=True, help="Discard what is in the database now.")
def restore(file: Path, replace: bool) -> None:
    """Fill the database from FILE, as `backup` wrote it, and bring it up to date. FILE may be - for a pipe.

    The whole file is read before anything changes, and nothing in it is run. If anything fails, the database stays as
    it was. Stop the service first.
    """

    async def fill(url: str) -> None:
        database = Database(url)
        try:
            async with database.session() as session:
                await refuse_if_in_use(session, replace)
            await restore_backup(url, content)
            async with database.session() as session:
                await session.execute(text("ANALYZE"))
                await record_act(session, "restore", "" if str(file) == "-" else file.name)
                drafts, events = (
                    await session.execute(text("SELECT (SELECT count(*) FROM draft), (SELECT count(*) FROM event)"))
                ).one()
        finally:
            await database.close()
        click.echo(f"Restored: {drafts:,} drafts, {events:,} events.")

    with click.open_file(str(file), "rb") as source, tempfile.TemporaryFile() as spooled:
        content: IO[bytes] = source if source.seekable() else spooled
        if content is spooled:
            shutil.copyfileobj(source, spooled)
        try:
            check_backup(content)
            with_url(fill)
        except NotABackup as error:
            raise click.ClickException(f"this is no whole backup: {error}. The database is as it was.") from None


async def refuse_if_in_use(session: AsyncSession, replace: bool) -> None:
    """Refuse to fill a database that is in use, or not empty without ``--replace``.

    Raises:
        ClickException: the message says what to do.
    """
    others = await session.scalar(
        text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
    )
    if others:
        raise click.ClickException(f"{others} other clients are connected to this database: stop the service first.")
    tables = await session.scalars(
        text(
            "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
            "AND relname <> 'alembic_version' ORDER BY relname"
        )
    )
    for table in tables.all():
        if not replace and await session.scalar(text(f"SELECT EXISTS (SELECT FROM {table})")):
            raise click.ClickException(
                f"the table {table} is not empty: --replace discards all that is in this database."
            )
