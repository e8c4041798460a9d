"""Migrations: the database brought to the newest schema, under a lock, by one replica of several."""

import asyncio
from contextlib import suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.postgres.database import (
    LOCK_NOT_AVAILABLE,
    DatabaseAway,
    as_database_away,
    error_message,
    is_server_fault,
    sqlstate,
)
from backend.postgres.database_url import create_engine
from backend.postgres.locks import AdvisoryLock, wait_for_lock

MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"

# A migration that waits for a table holds up everybody behind it: rather give way and try again. Seconds.
TABLE_LOCK_TIMEOUT = 2
MAX_ATTEMPTS = 20

INSUFFICIENT_PRIVILEGE = "42501"


class NewerSchema(Exception):
    """The database was migrated by a newer version of Tagalong."""


class MayNotMigrate(Exception):
    """The service's role has no right to change the schema."""


class TableLocked(Exception):
    """Another transaction holds a table that the migration changes."""


async def _migrate_once(engine: AsyncEngine) -> None:
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            await wait_for_lock(connection, AdvisoryLock.MIGRATE)
            await connection.execute(text(f"SET LOCAL lock_timeout = '{TABLE_LOCK_TIMEOUT}s'"))
            await connection.run_sync(_upgrade)
    except DBAPIError as error:
        state = sqlstate(error)
        if state == LOCK_NOT_AVAILABLE:
            raise TableLocked from error
        if state == INSUFFICIENT_PRIVILEGE:
            role, name = engine.url.username, engine.url.database
            raise MayNotMigrate(
                f"the role {role} may not change the schema of the database {name} ({error_message(error)}). "
                f'As its superuser: ALTER DATABASE "{name}" OWNER TO "{role}"'
            ) from error
        raise


async def migrate(url: str) -> None:
    """Bring the database to the newest schema, in one transaction; of several callers at once, one does the work.

    Raises:
        DatabaseAway: it can't be reached.
        NewerSchema: a newer version of Tagalong has been here.
        MayNotMigrate: the role in the URL does not own the database.
    """
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": 10})
    try:
        for attempt in range(MAX_ATTEMPTS):
            if attempt:
                await asyncio.sleep(1)
            with suppress(TableLocked):
                await _migrate_once(engine)
                return
        raise DatabaseAway(
            "a table stayed locked by another transaction, so the schema could not be brought up to date"
        )
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        if not is_server_fault(error):
            raise
        raise as_database_away(error) from error
    finally:
        await engine.dispose()


def alembic_config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for our migrations, to run on ``connection``."""
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
