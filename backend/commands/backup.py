"""`backup` and `restore`: the whole database as one file, by PostgreSQL's own programs, which come with the service."""

import gzip
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

import click
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.service import note
from backend.commands.terminal import with_url
from backend.database import Database, alembic_config
from backend.database import migrate as migrate_database
from backend.database_url import for_programs
from backend.embedded import program

# Everything is dropped, not just what the file holds: it may be older than what is there.
EMPTY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC;"


# How pg_dump ends: a file without it was cut off, even if what compressed it ended in order.
LAST_WORDS = b"-- PostgreSQL database dump complete"


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
def backup(file: Path) -> None:
    """Write the whole database to FILE, as of one moment, while the service goes on. FILE may be - for a pipe.

    The file is there whole or not at all. It holds all that is stored; keep it as private as the database.
    """

    async def dump(url: str) -> None:
        if str(file) == "-":
            dump_to(url, sys.stdout.buffer)
            return
        unfinished = file.with_name(f".{file.name}.unfinished")
        try:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
                dump_to(url, output)
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
@click.option("--replace", is_flag=True, help="Throw away what is in the database now.")
def restore(file: Path, replace: bool) -> None:
    """Fill the database from FILE, as `backup` wrote it, and bring it up to date. FILE may be - for a pipe.

    All in one transaction: if anything fails, the database stays as it was. Stop the service first.
    """

    async def fill(url: str) -> None:
        database = Database(url)
        try:
            async with database.session() as session:
                await refuse_if_in_use(session, replace)
            if str(file) == "-":
                restore_from(url, sys.stdin.buffer)
            else:
                with file.open("rb") as dumped:
                    restore_from(url, dumped)
            await migrate_database(url)
            async with database.session() as session:
                await note(session, "restore", "" if str(file) == "-" else file.name)
                drafts, events = (
                    await session.execute(text("SELECT (SELECT count(*) FROM draft), (SELECT count(*) FROM event)"))
                ).one()
        finally:
            await database.close()
        click.echo(f"Restored: {drafts:,} drafts, {events:,} events.")

    with_url(fill)


async def refuse_if_in_use(session: AsyncSession, replace: bool) -> None:
    """Refuse to fill a database that somebody uses, or that holds something which nobody gave up.

    Raises:
        ClickException: and says what to do.
    """
    others = await session.scalar(
        text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
    )
    if others:
        raise click.ClickException(f"{others} others are connected to this database: stop the service first.")
    tables = await session.scalars(
        text(
            "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
            "AND relname <> 'alembic_version' ORDER BY relname"
        )
    )
    for table in tables.all():
        if not replace and await session.scalar(text(f"SELECT EXISTS (SELECT FROM {table})")):
            raise click.ClickException(
                f"the table {table} is not empty: --replace throws away all that is in this database."
            )


def dump_to(url: str, output: IO[bytes]) -> None:
    """Write one consistent picture of the database as SQL, under gzip, whose checksum tells whether it is whole."""
    place, secrets = for_programs(url)
    command = [program("pg_dump"), "--compress=gzip", "--no-owner", "--no-privileges", f"--dbname={place}"]
    done = subprocess.run(command, env=environment(secrets), stdout=output, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise click.ClickException(f"pg_dump failed: {words(done.stderr)}")


def restore_from(url: str, dumped: IO[bytes]) -> None:
    """Replace all tables by those of a dump, in one transaction, which is committed only if all of it was read."""
    known = ", ".join(f"'{each.revision}'" for each in ScriptDirectory.from_config(alembic_config()).walk_revisions())
    # The dump leaves the search path empty, so the table is named in full.
    complete = f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM public.alembic_version WHERE version_num NOT IN ({known})) THEN
                RAISE 'it was written by a newer version of Tagalong: restore it with that one';
            END IF;
        END $$;
        COMMIT;
        ANALYZE;
    """
    place, secrets = for_programs(url)
    command = [program("psql"), "-X", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={place}"]
    # What psql says goes to a file: in a pipe that nobody reads yet, it could get stuck.
    with tempfile.TemporaryFile() as said:
        psql = subprocess.Popen(
            command, env=environment(secrets), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        )
        assert psql.stdin
        unread = ""
        with suppress(BrokenPipeError), psql.stdin as script:  # psql has met an error, and tells it below
            script.write(f"BEGIN; SET client_min_messages = warning; SET lock_timeout = '10s'; {EMPTY}".encode())
            end = b""
            try:
                with gzip.open(dumped) as content:
                    while piece := content.read(1 << 20):
                        script.write(piece)
                        end = (end + piece)[-1000:]
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                unread = str(error)
            else:
                if LAST_WORDS in end:
                    script.write(complete.encode())
                else:
                    unread = "it does not end as pg_dump ends"
        psql.wait()
        said.seek(0)
        fault = words(said.read())
    if unread:
        raise click.ClickException(f"this is no whole backup ({unread}). The database is as it was.")
    if psql.returncode:
        raise click.ClickException(f"{fault}. The database is as it was.")


def environment(secrets: dict[str, str]) -> Mapping[str, str]:
    """Return our environment with the secrets, and without what would send a program elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | secrets


def words(output: bytes) -> str:
    """What a program complained about, on one line."""
    return " ".join(output.decode(errors="replace").split())[:500]
