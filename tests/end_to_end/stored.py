"""What the embedded database of a service holds that runs no more."""

import asyncio
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from backend.postgres.embedded.service import EmbeddedPostgres


async def stored_events(data_dir: Path) -> list[str]:
    """The ids of all events."""
    embedded = EmbeddedPostgres(data_dir)
    engine = create_async_engine(await asyncio.to_thread(embedded.start))
    try:
        async with engine.connect() as connection:
            return [str(each) for each in await connection.scalars(text("SELECT id FROM event"))]
    finally:
        await engine.dispose()
        await asyncio.to_thread(embedded.stop)
