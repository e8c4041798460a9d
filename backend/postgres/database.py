"""The database: one session a request, migrations under a lock, and what happens while it is away."""

import asyncio
import logging
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from backend.postgres.database_url import connect, create_engine
from backend.postgres.locks import AdvisoryLock, wait_for_lock

log = logging.getLogger(__name__)

T = TypeVar("T")

MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"

# After a failure, nothing is asked of the database for this long: every request would wait for a time-out
# of its own. Seconds.
PAUSE_AFTER_FAILURE = 1.0

# The longest that the transaction of a request may take. Seconds.
REQUEST_WITHIN = 10.0

# For a connection to be made, and for a statement. Seconds.
LIMITS = {"timeout": 3, "command_timeout": 10}

# Beginnings of SQLSTATE that speak of the server, not of our statement: connection lost, login refused, no such
# database, out of resources (disk full, too many connections), shutting down or starting up, its disk failing. A
# table or column of ours that is missing speaks of it too: it has not been migrated yet, or by another version.
SERVER_FAULTS = ("08", "28", "3D", "42P01", "42703", "53", "57P", "58", "XX")

# Of those, what speaks of damage: a page or an index that is not as it was written, a file that is gone or can't be
# read. What does not need that part goes on working.
DAMAGE = ("58030", "58P01", "XX")

# For how long after it was last met damage is told. Seconds.
TELL_DAMAGE_FOR = 3600.0

WHAT_TO_DO = (
    "Its disk may be failing. Put the newest backup on a sound one, with the service stopped: "
    "tagalong-server restore --replace FILE"
)

LOCK_NOT_AVAILABLE = "55P03"

# Transactions stood in each other's way (serialization failure, deadlock, a lock that took too long), or one asked for
# more than its time (canceled by `STATEMENT_TIMEOUT`).
CONFLICTS = ("40001", "40P01", LOCK_NOT_AVAILABLE)
TOO_SLOW = "57014"

# Shorter than the times after which the database counts as away: a statement that is slow by what it asks for shall
# fail alone.
STATEMENT_TIMEOUT = "6s"

# The same for work that is given more time than requests are: just below the driver's own limit, after which it would
# count as away.
LONG_STATEMENT_TIMEOUT = "9500ms"

# A row that somebody holds shall spoil no other one that is written with it.
DIRECT_LOCK_TIMEOUT = "200ms"

# How often a transaction is tried in all that others stood in the way of, and how long until the next time. Seconds.
TRIES, PAUSE_BETWEEN_TRIES = 4, 0.05


class DatabaseUnavailable(Exception):
    """The transaction was not committed, through no fault of its own."""


class DatabaseAway(DatabaseUnavailable):
    """The database can't be reached, or can't work; the transaction was not committed."""


class DatabaseDamaged(DatabaseAway):
    """A part of the database is damaged, which this transaction needed; it was not committed."""


class DatabaseBusy(DatabaseUnavailable):
    """This transaction was not committed: others stood in its way, or it took too long. The database is well."""


class Conflict(DatabaseBusy):
    """Another transaction stood in the way; the same again will most likely succeed."""


class Database:
    """A pool of connections that fails at once, and heals by itself.

    Args:
        url: as SQLAlchemy writes it, with asyncpg as its driver.
        pool_size: connections kept; as many again are opened under load.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.engine = create_engine(
            url, pool_size=pool_size, max_overflow=pool_size, pool_timeout=3, connect_args=LIMITS
        )
        self._url = url
        event.listen(self.engine.sync_engine, "connect", _limit_statements)
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        self._session = async_sessionmaker(self.engine, expire_on_commit=False)
        self._direct: asyncpg.Connection | None = None
        self._away_until = self._away_within = 0.0
        self.away = False
        self._damage, self._damage_met_at = "", 0.0

    @property
    def damage(self) -> str:
        """What is damaged and what to do, if a transaction met damage lately; else empty."""
        recent = time.monotonic() < self._damage_met_at + TELL_DAMAGE_FOR
        return f"The database is damaged: {self._damage}. {WHAT_TO_DO}" if self._damage and recent else ""

    @asynccontextmanager
    async def session(self, *, within: float = REQUEST_WITHIN) -> AsyncIterator[AsyncSession]:
        """One transaction: committed at the end of the block, rolled back if the block raises.

        Args:
            within: the longest that the block and its commit may take, in seconds.

        Raises:
            DatabaseAway: the database can't be reached, or could not finish in time.
            DatabaseBusy: a statement took too long, or another transaction stood in the way.
        """
        async with self._reaching(within), self._session.begin() as session:
            if within > REQUEST_WITHIN:
                await session.execute(text(f"SET LOCAL statement_timeout = '{LONG_STATEMENT_TIMEOUT}'"))
            yield session

    async def run(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Return what ``work`` returns in a transaction of its own, tried again while others stand in its way.

        Raises:
            DatabaseAway, DatabaseBusy: as of `session`.
        """
        for tried in range(1, TRIES + 1):
            try:
                async with self.session() as session:
                    return await work(session)
            except Conflict:
                if tried == TRIES:
                    raise
            # At random, so that the two do not meet again.
            await asyncio.sleep(tried * PAUSE_BETWEEN_TRIES * (0.5 + random.random()))  # noqa: S311
        raise AssertionError("unreachable")

    async def fetch_many(
        self, statement: str, rows: Sequence[Sequence[Any]], *, within: float
    ) -> list[tuple[Any, ...]]:
        """Run a statement once for each row, in one transaction and one way to the database and back.

        On a connection of its own without SQLAlchemy, which would cost more than the statement. One call at a time.

        Args:
            statement: its parameters are $1, $2 and so on.
            rows: the parameters, for each time.
            within: as of `session`.

        Returns:
            The rows that the statement gave.

        Raises:
            DatabaseAway: as of `session`.
        """
        async with self._reaching(within):
            if self._direct is None or self._direct.is_closed():
                self._direct = await connect(self._url, **LIMITS)
                await self._direct.execute(f"SET lock_timeout = '{DIRECT_LOCK_TIMEOUT}'")
            try:
                found: list[tuple[Any, ...]] = await self._direct.fetchmany(statement, rows)
            except BaseException as error:
                # After what PostgreSQL says the connection can be used again; after a time-out nobody knows.
                if not isinstance(error, asyncpg.PostgresError):
                    self._direct.terminate()
                raise
            return found

    @asynccontextmanager
    async def _reaching(self, within: float) -> AsyncIterator[None]:
        """Use the database in the block: fail at once while it is away, notice when it goes and when it is back."""
        if time.monotonic() < self._away_until and within <= self._away_within:
            raise DatabaseAway("the database was away a moment ago")
        # Closing a connection that has stalled takes seconds more; nobody else shall run into it meanwhile.
        late = TimeoutError(f"no end within {within:g} s")
        overdue = asyncio.get_running_loop().call_later(within, self._pause, late, within)
        try:
            async with asyncio.timeout(within):
                yield
        except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            if sqlstate(error) in CONFLICTS:
                raise Conflict("another transaction stood in the way") from error
            if sqlstate(error) == TOO_SLOW:
                raise DatabaseBusy("a statement took too long") from error
            if not speaks_of_server(error):
                raise
            if sqlstate(error).startswith(DAMAGE):
                self._note_damage(words(error))
                raise DatabaseDamaged(words(error)) from error
            self._pause(error, within if isinstance(error, TimeoutError) else math.inf)
            raise DatabaseAway(words(error)) from error
        finally:
            overdue.cancel()
        if self.away:
            self.away = False
            log.warning("the database is back")

    def _note_damage(self, damage: str) -> None:
        """Keep what is damaged for whoever asks after the service, and log it once."""
        if damage != self._damage:
            log.error("the database is damaged: %s. %s", damage, WHAT_TO_DO)
        self._damage, self._damage_met_at = damage, time.monotonic()

    def _pause(self, error: BaseException, within: float) -> None:
        """Ask nothing for a while. After a time-out, those who have more time may still try: it may just be slow."""
        now = time.monotonic()
        self._away_within = max(within, self._away_within) if now < self._away_until else within
        self._away_until = now + PAUSE_AFTER_FAILURE
        if not self.away:
            self.away = True
            log.error("the database is away: %s", words(error))

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
        if self._direct is not None:
            self._direct.terminate()
        await self.engine.dispose()


def _refuse_closed(connection: Any, _record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
    """Make the pool open a new connection for one that was cut meanwhile.

    Asking each whether it is alive, as the pool itself can, takes three ways to the database and back; that its
    socket was closed is known here.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _limit_statements(connection: Any, _record: ConnectionPoolEntry) -> None:
    """Set how long a statement may take on a new connection; whoever needs longer sets it for its transaction."""
    connection.run_async(lambda driver: driver.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of what the server said; empty if it said nothing."""
    said = error.orig if isinstance(error, DBAPIError) else error
    return getattr(said, "sqlstate", None) or ""


def speaks_of_server(error: BaseException) -> bool:
    """Whether an error says that the database is away, rather than that a statement was wrong."""
    if isinstance(error, PoolTimeout | DisconnectionError):
        return True
    if isinstance(error, asyncpg.ClientConfigurationError):
        return True  # such as a certificate that has gone
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)  # a value that fits no parameter
    if isinstance(error, asyncpg.PostgresError):
        return sqlstate(error).startswith(SERVER_FAULTS)
    if isinstance(error, DBAPIError):
        state, cause = sqlstate(error), error.orig and error.orig.__cause__
        if not state and isinstance(cause, ValueError):
            return False  # the driver's own word on a value that fits no parameter
        return error.connection_invalidated or state.startswith(SERVER_FAULTS) or not state
    return isinstance(error, OSError | TimeoutError)


def away(error: BaseException) -> DatabaseAway:
    """Return what to raise for an error that speaks of the server."""
    kind = DatabaseDamaged if sqlstate(error).startswith(DAMAGE) else DatabaseAway
    return kind(words(error))


def words(error: BaseException) -> str:
    """What the server or the network said, without what SQLAlchemy writes around it."""
    said = str(error.orig if isinstance(error, DBAPIError) else error)
    return said.splitlines()[0] if said else repr(error)


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


# A migration that waits for a table holds up everybody who comes after it: rather give way and try again. Seconds.
TABLE_WITHIN = 2
TABLE_ATTEMPTS = 20
NO_RIGHTS = "42501"


class NewerSchema(Exception):
    """The database was migrated by a newer version of Tagalong."""


class MayNotMigrate(Exception):
    """The role that the service is given has no right to change the schema."""


class TableLocked(Exception):
    """Somebody's transaction holds a table that the migration changes."""


async def _migrate_once(engine: AsyncEngine) -> None:
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            await wait_for_lock(connection, AdvisoryLock.MIGRATE)
            await connection.execute(text(f"SET LOCAL lock_timeout = '{TABLE_WITHIN}s'"))
            await connection.run_sync(_upgrade)
    except DBAPIError as error:
        state = sqlstate(error)
        if state == LOCK_NOT_AVAILABLE:
            raise TableLocked from error
        if state == NO_RIGHTS:
            role, name = engine.url.username, engine.url.database
            raise MayNotMigrate(
                f"the role {role} may not change the schema of the database {name} ({words(error)}). As its superuser: "
                f'ALTER DATABASE "{name}" OWNER TO "{role}"'
            ) from error
        raise


async def migrate(url: str) -> None:
    """Bring the database to the newest schema, in one transaction; of several at once, one does the work.

    Raises:
        DatabaseAway: it can't be reached.
        NewerSchema: a newer version of Tagalong has been here.
        MayNotMigrate: the role in the URL does not own the database.
    """
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": 10})
    try:
        for attempt in range(TABLE_ATTEMPTS):
            if attempt:
                await asyncio.sleep(1)
            with suppress(TableLocked):
                await _migrate_once(engine)
                return
        raise DatabaseAway(
            "a table stayed locked by another transaction, so the schema could not be brought up to date"
        )
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        if not speaks_of_server(error):
            raise
        raise away(error) from error
    finally:
        await engine.dispose()
