"""Request statistics: what this process did by minute, and nothing lost while the database is away."""

from datetime import UTC, datetime, timedelta

import pytest

from backend.postgres.database import Database
from backend.web.request_stats import RequestStatsWriter, read_request_stats
from tests.backend.service import Service

pytestmark = pytest.mark.anyio


async def test_requests_and_suggestions_are_counted_once(service: Service) -> None:
    await service.empty()
    writer = RequestStatsWriter(service.database)
    for _ in range(3):
        await service.suggest()
    await service.client.post("/api/v1/suggestions", content="{")
    await service.client.get("/nowhere")
    for _ in range(2):
        await writer.flush()
    async with service.database.session() as session:
        stats = await read_request_stats(session, datetime.now(UTC) - timedelta(minutes=2))
    assert (stats.requests, stats.failed, stats.suggestions) == (5, 0, 3)
    assert stats.slow <= 3


async def test_statistics_that_could_not_be_written_are_written_later(service: Service) -> None:
    await service.empty()
    nowhere = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    writer = RequestStatsWriter(nowhere)
    await service.suggest()
    await writer.flush()
    await nowhere.close()
    writer._database = service.database
    await writer.flush()
    (row,) = await service.rows("SELECT requests, suggestions FROM vital")
    assert row == {"requests": 1, "suggestions": 1}
