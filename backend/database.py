"""The database: one session a request, migrations under a lock, and what happens while it is away."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent.parent / "migrations"

# Any number that no other user of the database takes as an advisory lock.
MIGRATION_LOCK = 8600_0001

# After a failure, nothing is asked of the database for this long: every request would wait for a time-out
# of its own. Seconds.
PAUSE_AFTER_FAILURE = 1.0

# Beginnings of SQLSTATE that speak of the server, not of our statement: connection lost, login refused, no such
# database, out of resources (disk full, too many connections), shutting down or starting up, its disk failing. A
# table or column of ours that is missing speaks of it too: it has not been migrated yet, or by another version.
SERVER_FAULTS = ("08", "28", "3D", "42P01", "42703", "53", "57P", "58")


class DatabaseAway(Exception):
    """The database can't be reached, or can't work; the transaction was not committed."""


class Database:
    """A pool of connections that fails at once, and heals by itself.

    Args:
        url: as SQLAlchemy writes it, with asyncpg as its driver.
        pool_size: connections kept; as many again are opened under load.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=3,
            pool_pre_ping=True,
            connect_args={"timeout": 3, "command_timeout": 10},
        )
        self._session = async_sessionmaker(self.engine, expire_on_commit=False)
        self._away_until = 0.0
        self.away = False

    @asynccontextmanager
    async def session(self, *, within: float = 10.0) -> AsyncIterator[AsyncSession]:
        """One transaction: committed at the end of the block, rolled back if the block raises.

        Args:
            within: the longest that the block and its commit may take, in seconds.

        Raises:
            DatabaseAway: the database can't be reached, or could not finish in time.
        """
        if time.monotonic() < self._away_until:
            raise DatabaseAway("the database was away a moment ago")
        # Closing a connection that has stalled takes seconds more; nobody else shall run into it meanwhile.
        overdue = asyncio.get_running_loop().call_later(within, self._pause, TimeoutError(f"no end within {within} s"))
        try:
            async with asyncio.timeout(within), self._session.begin() as session:
                yield session
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            if not speaks_of_server(error):
                raise
            self._pause(error)
            raise DatabaseAway(str(error)) from error
        finally:
            overdue.cancel()
        if self.away:
            self.away = False
            log.warning("the database is back")

    def _pause(self, error: BaseException) -> None:
        self._away_until = time.monotonic() + PAUSE_AFTER_FAILURE
        if not self.away:
            self.away = True
            log.error("the database is away: %s", str(error).splitlines()[0] if str(error) else repr(error))

    async def ping(self) -> bool:
        """Whether the database answers now."""
        try:
            async with self.session(within=3) as session:
                await session.execute(text("SELECT 1"))
        except DatabaseAway:
            return False
        return True

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def speaks_of_server(error: BaseException) -> bool:
    """Whether an error says that the database is away, rather than that a statement was wrong."""
    if isinstance(error, PoolTimeout):
        return True
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        return error.connection_invalidated or state.startswith(SERVER_FAULTS) or not state
    return isinstance(error, OSError | TimeoutError)


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration for our migrations, to run on ``connection``."""
    config = Config()
    # A percent sign would be read as interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    current = MigrationContext.configure(connection).get_current_heads()
    if unknown := set(current) - known:
        raise NewerSchema(
            f"the database is at revision {', '.join(sorted(unknown))}, which this version of Tagalong does "
            "not know. Run the version that made it, or a newer one."
        )
    command.upgrade(alembic_config(connection), "head")


class NewerSchema(Exception):
    """The database was migrated by a newer version of Tagalong."""


async def migrate(url: str) -> None:
    """Bring the database to the newest schema, in one transaction; of several at once, one does the work.

    Raises:
        DatabaseAway: it can't be reached.
        NewerSchema: a newer version of Tagalong has been here.
    """
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": 10})
    try:
        async with engine.begin() as connection:
            # A table that somebody holds locked must not hang the start for ever.
            await connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            await connection.run_sync(_upgrade)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        if not speaks_of_server(error):
            raise
        raise DatabaseAway(str(error)) from error
    finally:
        await engine.dispose()
