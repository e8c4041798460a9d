"""How Alembic reaches the database: on the connection that `backend.postgres.migrate` hands over.

Run by hand (`alembic check`, `alembic revision --autogenerate`), it connects to TAGALONG_DATABASE_URL.
"""

import asyncio

from alembic import context
from sqlalchemy import Connection, NullPool

from backend.postgres.database_url import create_engine
from backend.schema import METADATA
from backend.settings import Settings


def run(connection: Connection) -> None:
    """Run Alembic's command on an open connection."""
    context.configure(connection=connection, target_metadata=METADATA, compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_run() -> None:
    """Connect as the settings say, for Alembic's own command line."""
    url = Settings().database_url
    if not url:
        raise SystemExit("Set TAGALONG_DATABASE_URL: Alembic's own commands need a running database.")
    engine = create_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


open_connection = context.config.attributes.get("connection")
if open_connection is not None:
    run(open_connection)
else:
    asyncio.run(connect_and_run())
