"""Backups: the rows of all tables as of one moment, in the form that COPY writes, under gzip.

Nothing in the file is ever run. The tables are made by our own migrations, and the file's rows are copied into them; so
the dumps of `pg_dump`, which older versions wrote, are read too, past all their SQL.
"""

import gzip
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import IO

import asyncpg
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from backend.postgres.database import LOCK_NOT_AVAILABLE, DatabaseAway, as_database_away, is_server_fault, sqlstate
from backend.postgres.database_url import connect, create_engine
from backend.postgres.migrate import alembic_config

HEADER = b"-- Tagalong database dump: rows only, the tables are made by `tagalong-server restore`\n\n"
LAST_LINE = b"-- Tagalong database dump complete\n"
END = re.compile(rb"-- \w+ database dump complete\n")
COPY = re.compile(rb'COPY public\.(\w+) \(("?\w+"?(?:, "?\w+"?)*)\) FROM stdin;\n')

# What else `pg_dump` writes of our tables. A file with anything else is not ours.
KNOWN_STATEMENTS = re.compile(
    rb"SET |SELECT pg_catalog\.(set_config|setval)\(|CREATE (TABLE|FUNCTION|SEQUENCE) public\.|CREATE (UNIQUE )?INDEX "
    rb"|CREATE SCHEMA public;|CREATE TRIGGER |ALTER (TABLE|SEQUENCE|FUNCTION) (ONLY )?public\.|COMMENT ON "
)
META_COMMAND = re.compile(rb"\\(un)?restrict \w+\n")  # since 18 around the whole of it

# The tables of every revision.
REQUIRED_TABLES = frozenset({"draft", "suggestion", "item", "event"})

# No row of ours is longer. Bytes.
MAX_LINE = 64 << 20

# The schema in which the tables are made and filled before they replace the existing ones.
NEW_SCHEMA = "tagalong_restore"


class NotABackup(Exception):
    """The file is no whole backup of Tagalong, or one that this version can't read; the message says why."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A table's part of a backup; the lines must be read before the next table's."""

    table: str
    columns: tuple[str, ...]
    lines: Iterator[bytes]


async def write_backup(url: str, output: IO[bytes]) -> None:
    """Write a consistent snapshot of the database, whose last line shows that it is whole.

    Raises:
        DatabaseAway: it can't be reached, or not be read.
        OSError: the file can't be written.
    """
    try:
        connection = await connect(url)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise as_database_away(error) from error
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            tables = await connection.fetch(
                "SELECT relname, array_agg(attname::text ORDER BY attnum) FROM pg_class "
                "JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped "
                "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attgenerated = '' "
                "GROUP BY relname ORDER BY relname"
            )
            with gzip.GzipFile(fileobj=output, mode="wb", filename="") as file:
                file.write(HEADER)
                for table, columns in tables:
                    names = ", ".join(f'"{column}"' for column in columns)
                    file.write(f"COPY public.{table} ({names}) FROM stdin;\n".encode())
                    await connection.copy_from_table(table, schema_name="public", columns=columns, output=file)
                    file.write(b"\\.\n\n")
                file.write(LAST_LINE)
    except asyncpg.PostgresError as error:
        raise as_database_away(error) from error
    finally:
        connection.terminate()


def read_backup(file: IO[bytes]) -> Iterator[Rows]:
    """Yield each table of a backup.

    Raises:
        NotABackup: the file is cut off, damaged, or something else.
    """
    complete = False
    lines = read_lines(file)
    statement = b""
    for line in lines:
        if not statement and (not line.strip() or line.startswith(b"--")):
            complete = complete or END.fullmatch(line) is not None
            continue
        if not statement and META_COMMAND.fullmatch(line):
            continue
        if complete or line.lstrip().startswith(b"\\"):
            raise NotABackup("it has commands that no backup has")
        statement += line
        if not line.endswith(b";\n") or statement.count(b"$$") % 2:
            continue
        if copy := COPY.fullmatch(statement):
            columns = tuple(column.strip('"') for column in copy[2].decode().split(", "))
            yield Rows(copy[1].decode(), columns, read_rows(lines))
        elif not KNOWN_STATEMENTS.match(statement) or (b"FUNCTION" not in statement and statement.count(b";") > 1):
            raise NotABackup("it has commands that no backup has")
        statement = b""
    if not complete or statement:
        raise NotABackup("it does not end as a backup ends")


def read_lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a compressed file."""
    try:
        file.seek(0)
        with gzip.open(file) as content:
            while line := content.readline(MAX_LINE):
                if not line.endswith(b"\n"):
                    raise NotABackup("it is cut off")
                yield line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise NotABackup(str(error)) from None


def read_rows(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines of one table."""
    for line in lines:
        if line == b"\\.\n":
            return
        yield line
    raise NotABackup("it is cut off")


def check_backup(file: IO[bytes]) -> str:
    """Read a backup from its beginning to its end, and return the revision of its schema.

    Raises:
        NotABackup: it can't be restored.
    """
    revisions: list[str] = []
    tables: list[str] = []
    for rows in read_backup(file):
        tables.append(rows.table)
        for line in rows.lines:
            if rows.table == "alembic_version":
                revisions.append(line.decode(errors="replace").strip())
    if len(revisions) != 1 or len(tables) != len(set(tables)) or not set(tables) >= REQUIRED_TABLES:
        raise NotABackup("it is not one of Tagalong's")
    if revisions[0] not in {
        script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()
    }:
        raise NotABackup("it was written by a newer version of Tagalong: restore it with that one")
    return revisions[0]


async def restore_backup(url: str, file: IO[bytes]) -> None:
    """Replace all tables by those of a backup, brought up to date, in one transaction.

    Raises:
        NotABackup: it can't be restored; nothing was changed.
        DatabaseAway: the database went away; nothing was changed.
    """
    revision = check_backup(file)
    options = {"server_settings": {"search_path": NEW_SCHEMA}, "timeout": 10}
    engine = create_engine(url, poolclass=NullPool, connect_args=options)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            await connection.execute(text("SET LOCAL lock_timeout = '10s'"))
            await connection.execute(text(f"CREATE SCHEMA {NEW_SCHEMA}"))
            await connection.run_sync(upgrade, revision)
            await fill(connection, file)
            await connection.run_sync(upgrade, "head")
            # Everything is dropped, not just the tables in the file: it may be older than the database.
            for statement in (
                "DROP SCHEMA public CASCADE",
                f"ALTER SCHEMA {NEW_SCHEMA} RENAME TO public",
                "GRANT USAGE ON SCHEMA public TO PUBLIC",
            ):
                await connection.execute(text(statement))
    except (DBAPIError, asyncpg.PostgresError, OSError, TimeoutError) as error:
        if sqlstate(error) == LOCK_NOT_AVAILABLE:
            raise DatabaseAway("another transaction holds one of its tables. Stop the service first") from None
        if is_server_fault(error):
            raise as_database_away(error) from error
        # The server's message may quote a row.
        raise NotABackup(f"its rows do not fit together, as PostgreSQL says with SQLSTATE {sqlstate(error)}") from None
    finally:
        await engine.dispose()


def upgrade(connection: Connection, revision: str) -> None:
    """Bring the new schema to a revision."""
    command.upgrade(alembic_config(connection), revision)


async def fill(connection: AsyncConnection, file: IO[bytes]) -> None:
    """Copy the rows of a backup into empty tables, with their triggers off and foreign keys dropped meanwhile."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert isinstance(driver, asyncpg.Connection)
    tables = {row[0] for row in await driver.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", NEW_SCHEMA)}
    keys = await driver.fetch(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE contype = 'f' AND connamespace = $1::text::regnamespace",
        NEW_SCHEMA,
    )
    for table, name, _ in keys:
        await driver.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    for table in tables:
        await driver.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')
    for rows in read_backup(file):
        if rows.table in tables - {"alembic_version"}:
            await copy_rows(driver, rows)
        else:
            for _ in rows.lines:
                pass  # rows that the migrations wrote, or of a table that is not ours
        tables.discard(rows.table)
    if tables:
        raise NotABackup(f"it lacks the table {min(tables)}")
    for table, name, definition in keys:
        await driver.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
    await reset_sequences(driver)


async def copy_rows(driver: asyncpg.Connection, rows: Rows) -> None:
    """Copy one table's rows, and switch its triggers on again.

    Raises:
        NotABackup: they do not fit the table.
    """
    try:
        await driver.copy_to_table(rows.table, source=in_chunks(rows.lines), columns=rows.columns)
    except asyncpg.PostgresError as error:
        raise NotABackup(f"the rows of {rows.table} do not fit, with SQLSTATE {error.sqlstate}") from None
    await driver.execute(f'ALTER TABLE "{rows.table}" ENABLE TRIGGER USER')


async def in_chunks(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield lines, many at a time."""
    chunk = bytearray()
    for line in lines:
        chunk += line
        if len(chunk) >= 1 << 18:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)


async def reset_sequences(driver: asyncpg.Connection) -> None:
    """Let identity columns continue after the numbers that are taken."""
    columns = await driver.fetch(
        "SELECT attrelid::regclass::text, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
        "WHERE attidentity <> '' AND relnamespace = $1::text::regnamespace",
        NEW_SCHEMA,
    )
    for table, column in columns:
        await driver.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table}"
        )
