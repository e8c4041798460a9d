"""The database: one transaction a request, and what happens while it is away, damaged or busy."""

import asyncio
import logging
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from backend.postgres.database_url import connect, create_engine

log = logging.getLogger(__name__)

T = TypeVar("T")

# After a failure, the database is left alone for this long: every request would wait for a timeout of its own.
# Seconds.
PAUSE_AFTER_FAILURE = 1.0

# The longest that the transaction of a request may take. Seconds.
REQUEST_TRANSACTION_TIMEOUT = 10.0

# For a connection to be made, and for a statement. Seconds.
LIMITS = {"timeout": 3, "command_timeout": 10}

# Prefixes of SQLSTATE that blame the server, not our statement: connection lost, login refused, no such database, out
# of resources (disk full, too many connections), shutting down or starting up, its disk failing. A table or column of
# ours that is missing counts too: the database has not been migrated yet, or by another version.
SERVER_FAULTS = ("08", "28", "3D", "42P01", "42703", "53", "57P", "58", "XX")

# Of those, the ones for damage: a page or an index that is not as it was written, a file that is gone or can't be
# read. What does not need that part goes on working.
DAMAGE = ("58030", "58P01", "XX")

# For how long after it was last met damage is reported. Seconds.
SHOW_DAMAGE_FOR = 3600.0

REPAIR_ADVICE = (
    "Its disk may be failing. Put the newest backup on a sound one, with the service stopped: "
    "tagalong-server restore --replace FILE"
)

LOCK_NOT_AVAILABLE = "55P03"

# Transactions conflicted (serialization failure, deadlock, a lock that took too long), or a statement was canceled by
# `STATEMENT_TIMEOUT`.
CONFLICTS = ("40001", "40P01", LOCK_NOT_AVAILABLE)
TOO_SLOW = "57014"

# Shorter than the timeouts after which the database counts as away: a statement that is slow by itself must fail
# alone.
STATEMENT_TIMEOUT = "6s"

# The same for work that has more time than requests: just below the driver's own limit, after which the database would
# count as away.
LONG_STATEMENT_TIMEOUT = "9500ms"

# A row that another transaction has locked must not hold up the others that are written with it.
DIRECT_LOCK_TIMEOUT = "200ms"

# How often a transaction is tried that others stand in the way of, and the pause before the next attempt. Seconds.
MAX_ATTEMPTS, RETRY_PAUSE = 4, 0.05


class DatabaseUnavailable(Exception):
    """The transaction was not committed, and nothing is wrong with it."""


class DatabaseAway(DatabaseUnavailable):
    """The database can't be reached, or can't work; the transaction was not committed."""


class DatabaseDamaged(DatabaseAway):
    """A part of the database that this transaction needed is damaged; it was not committed."""


class DatabaseBusy(DatabaseUnavailable):
    """This transaction was not committed: it conflicted with others, or took too long. The database itself is fine."""


class Conflict(DatabaseBusy):
    """Another transaction stood in the way; a retry will most likely succeed."""


class Database:
    """A pool of connections that fails fast, and recovers by itself.

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
        """What is damaged and what to do, if a transaction met damage recently; else empty."""
        recent = time.monotonic() < self._damage_met_at + SHOW_DAMAGE_FOR
        return f"The database is damaged: {self._damage}. {REPAIR_ADVICE}" if self._damage and recent else ""

    @asynccontextmanager
    async def session(self, *, within: float = REQUEST_TRANSACTION_TIMEOUT) -> AsyncIterator[AsyncSession]:
        """Run the block in one transaction: committed at its end, rolled back if it raises.

        Args:
            within: the longest that the block and its commit may take, in seconds.

        Raises:
            DatabaseAway: the database can't be reached, or could not finish in time.
            DatabaseBusy: a statement took too long, or another transaction stood in the way.
        """
        async with self._guard(within), self._session.begin() as session:
            if within > REQUEST_TRANSACTION_TIMEOUT:
                await session.execute(text(f"SET LOCAL statement_timeout = '{LONG_STATEMENT_TIMEOUT}'"))
            yield session

    async def run(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Return what ``work`` returns in a transaction of its own, tried again while others stand in its way.

        Raises:
            DatabaseAway, DatabaseBusy: as of `session`.
        """
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                async with self.session() as session:
                    return await work(session)
            except Conflict:
                if attempt == MAX_ATTEMPTS:
                    raise
            # At random, so that the two do not meet again.
            await asyncio.sleep(attempt * RETRY_PAUSE * (0.5 + random.random()))  # noqa: S311
        raise AssertionError("unreachable")

    async def fetch_many(
        self, statement: str, rows: Sequence[Sequence[Any]], *, within: float
    ) -> list[tuple[Any, ...]]:
        """Run a statement once for each row, in one transaction and one round trip.

        On a connection of its own without SQLAlchemy, which would cost more than the statement. One call at a time.

        Args:
            statement: its parameters are $1, $2 and so on.
            rows: the parameters, for each time.
            within: as of `session`.

        Returns:
            The rows that the statement returned.

        Raises:
            DatabaseAway: as of `session`.
        """
        async with self._guard(within):
            if self._direct is None or self._direct.is_closed():
                self._direct = await connect(self._url, **LIMITS)
                await self._direct.execute(f"SET lock_timeout = '{DIRECT_LOCK_TIMEOUT}'")
            try:
                results: list[tuple[Any, ...]] = await self._direct.fetchmany(statement, rows)
            except BaseException as error:
                # After an error of PostgreSQL's the connection can be used again; after a timeout it may not.
                if not isinstance(error, asyncpg.PostgresError):
                    self._direct.terminate()
                raise
            return results

    @asynccontextmanager
    async def _guard(self, within: float) -> AsyncIterator[None]:
        """Use the database in the block: raise at once while it is away, and note when it goes and comes back."""
        if time.monotonic() < self._away_until and within <= self._away_within:
            raise DatabaseAway("the database was away a moment ago")
        # Closing a connection that has stalled takes seconds more; no other transaction must wait for it meanwhile.
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
            if not is_server_fault(error):
                raise
            if sqlstate(error).startswith(DAMAGE):
                self._note_damage(error_message(error))
                raise DatabaseDamaged(error_message(error)) from error
            self._pause(error, within if isinstance(error, TimeoutError) else math.inf)
            raise DatabaseAway(error_message(error)) from error
        finally:
            overdue.cancel()
        if self.away:
            self.away = False
            log.warning("the database is back")

    def _note_damage(self, damage: str) -> None:
        """Keep what is damaged, for readiness and `check`, and log it once."""
        if damage != self._damage:
            log.error("the database is damaged: %s. %s", damage, REPAIR_ADVICE)
        self._damage, self._damage_met_at = damage, time.monotonic()

    def _pause(self, error: BaseException, within: float) -> None:
        """Leave the database alone for a while; after a timeout, longer transactions may still try."""
        now = time.monotonic()
        self._away_within = max(within, self._away_within) if now < self._away_until else within
        self._away_until = now + PAUSE_AFTER_FAILURE
        if not self.away:
            self.away = True
            log.error("the database is away: %s", error_message(error))

    async def ping(self) -> bool:
        """Return whether the database answers."""
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
    """Make the pool replace a connection that was cut.

    A ping of each, as the pool itself can do, takes three round trips; that its socket was closed is known here.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _limit_statements(connection: Any, _record: ConnectionPoolEntry) -> None:
    """Set the timeout of statements on a new connection; a transaction may set a longer one for itself."""
    connection.run_async(lambda driver: driver.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of an error; empty if it is not the server's."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlstate", None) or ""


def is_server_fault(error: BaseException) -> bool:
    """Return whether an error means that the database is away, rather than that a statement was wrong."""
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
            return False  # from the driver itself: a value that fits no parameter
        return error.connection_invalidated or state.startswith(SERVER_FAULTS) or not state
    return isinstance(error, OSError | TimeoutError)


def as_database_away(error: BaseException) -> DatabaseAway:
    """Return the exception to raise for a fault of the server."""
    kind = DatabaseDamaged if sqlstate(error).startswith(DAMAGE) else DatabaseAway
    return kind(error_message(error))


def error_message(error: BaseException) -> str:
    """Return the message of the server or the network, without what SQLAlchemy writes around it."""
    message = str(error.orig if isinstance(error, DBAPIError) else error)
    return message.splitlines()[0] if message else repr(error)
