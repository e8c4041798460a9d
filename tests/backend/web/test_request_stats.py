"""The vital signs: what this process did, minute by minute, and nothing lost while the database is away."""

from datetime import UTC, datetime, timedelta

import pytest

from backend.postgres.database import Database
from backend.web.request_stats import Vitals, signs_since
from tests.backend.service import Service

pytestmark = pytest.mark.anyio


async def test_requests_and_suggestions_are_counted_once(service: Service) -> None:
    await service.empty()
    vitals = Vitals(service.database)
    for _ in range(3):
        await service.suggest()
    await service.client.post("/api/v1/suggestions", content="{")
    await service.client.get("/nowhere")
    for _ in range(2):
        await vitals.flush()
    async with service.database.session() as session:
        signs = await signs_since(session, datetime.now(UTC) - timedelta(minutes=2))
    assert (signs.requests, signs.failed, signs.suggestions) == (5, 0, 3)
    assert signs.slow <= 3


async def test_what_could_not_be_written_is_written_later(service: Service) -> None:
    await service.empty()
    nowhere = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    vitals = Vitals(nowhere)
    await service.suggest()
    await vitals.flush()
    await nowhere.close()
    vitals._database = service.database
    await vitals.flush()
    (row,) = await service.rows("SELECT requests, suggestions FROM vital")
    assert row == {"requests": 1, "suggestions": 1}
