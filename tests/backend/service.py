"""A real service for tests: the application with the shipped model on a database of the test's own."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
from fastapi import FastAPI
from sqlalchemy import text

from backend.app import create_app
from backend.postgres.database import Database
from backend.postgres.locks import AdvisoryLock, wait_for_lock
from backend.schema import METADATA
from backend.settings import RELEASED, Settings
from backend.suggestions.recording import record_answer
from backend.suggestions.schemas import DraftState
from model.serving.classifier import Suggested

ADDRESS = "http://127.0.0.1:8600"
ADMIN = ("admin", "correct horse")
BACKGROUND_LOCKS = (
    AdvisoryLock.ANONYMISE,
    AdvisoryLock.ROLL_UP,
    AdvisoryLock.FORGET,
    AdvisoryLock.EVALUATE_ALERTS,
    AdvisoryLock.EVALUATE_EXPERIMENT,
)
"""What work in the background holds while it reads many tables, in the order in which to wait for it."""

DEVICE_VERSION: str = json.loads((RELEASED / "light" / "manifest.json").read_bytes())["version"]
"""The shipped version that the extension has with it."""

DEMO_WEEK = ("demo", "--days", "8")
"""Demo traffic with seven whole days before today: about as much of it on every weekday and at every hour."""


@dataclass
class Service:
    """A running application, a client of it, and its database."""

    app: FastAPI
    client: httpx2.AsyncClient

    @property
    def database(self) -> Database:
        database: Database = self.app.state.database
        return database

    async def empty(self) -> None:
        """Remove every row, and every count that waits for the database."""
        await self.app.state.totals.flush()
        # Drafts first, as the service's own statements lock them: another order could meet one in a deadlock.
        tables = ", ".join(sorted(METADATA.tables, key=lambda name: name != "draft"))
        async with self.database.session() as session:
            # Work in the background that reads many tables must not be half-way.
            for lock in BACKGROUND_LOCKS:
                await wait_for_lock(session, lock)
            await session.execute(text(f"TRUNCATE {tables}"))

    async def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """What the database answers to a statement."""
        async with self.database.session() as session:
            return [dict(row._mapping) for row in await session.execute(text(statement), values)]

    async def suggest(self, **changes: Any) -> dict[str, Any]:
        response = await self.client.post("/api/v1/suggestions", json=a_draft(**changes))
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def send(self, install_id: str, events: Sequence[dict[str, Any]]) -> dict[str, Any]:
        response = await self.client.post("/api/v1/events", json=a_batch(install_id, events))
        assert response.status_code == 200, response.text
        receipt: dict[str, Any] = response.json()
        return receipt

    async def metrics(self, panel: str, **filters: Any) -> Any:
        """A panel's figures, as the admin's JSON gives them."""
        response = await self.client.get(f"/metrics/{panel}.json", params=filters, auth=ADMIN)
        assert response.status_code == 200, response.text
        return response.json()["rows"]

    async def offer(
        self, draft: dict[str, Any], tags: Sequence[str], *, confident: int | None = None, version: str = "light-test"
    ) -> str:
        """Record an answer with just these tags, as if the model had given them."""
        count = len(tags) if confident is None else confident
        suggested = [
            Suggested(tag=tag, score=0.9 - rank / 100, confident=rank < count, uses=1, because=())
            for rank, tag in enumerate(tags)
        ]
        async with self.database.session() as session:
            state = DraftState.model_validate(draft)
            return str(await record_answer(session, state, suggested, version, 1.0, datetime.now(UTC)))


MakeService = Callable[..., AbstractAsyncContextManager[Service]]


@asynccontextmanager
async def running(database_url: str, **settings: Any) -> AsyncIterator[Service]:
    """The application, started and stopped around the block."""
    values: dict[str, Any] = {"admin_password": ADMIN[1], "rate_limit": 0, "random_order_share": 0.0} | settings
    app = create_app(Settings(database_url=database_url, **values))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS) as client:
            yield Service(app, client)


def a_draft(**changes: Any) -> dict[str, Any]:
    """A message with one state of a draft."""
    return {
        "draft_id": str(uuid4()),
        "install_id": str(uuid4()),
        "extension_version": "0.1.0",
        "page": "classic",
        "site": "stackoverflow.com",
        "title": "How do I merge two pandas DataFrames on a date column in Python?",
        "body": "I have two frames:\n\n```python\nimport pandas as pd\na = pd.DataFrame()\n```\n",
        "body_format": "markdown",
    } | changes


def an_event(kind: str, sequence: int, draft: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A message with one event of a draft, that happened just now."""
    return {
        "id": str(uuid4()),
        "sequence": sequence,
        "occurred_at": now(),
        "kind": kind,
        "draft_id": draft["draft_id"],
    } | more


def a_device_answer(draft: dict[str, Any], sequence: int, tags: Sequence[str], **changes: Any) -> dict[str, Any]:
    """A message with an answer that the model on the device gave just now, all its tags confident."""
    return (
        an_event(
            "suggested",
            sequence,
            draft,
            suggestion_id=str(uuid4()),
            draft_kind=draft.get("kind", "ask"),
            site=draft["site"],
            page=draft["page"],
            extension_version=draft["extension_version"],
            model_version=DEVICE_VERSION,
            tags=list(tags),
            scores=[0.9 - rank / 100 for rank in range(len(tags))],
            confident=len(tags),
            title_chars=len(draft["title"]),
            body_chars=len(draft["body"]),
            latency_ms=2.5,
            order="model",
            chosen_tags=[],
        )
        | changes
    )


def a_batch(install_id: str | UUID, events: Sequence[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A message with a batch of events."""
    return {"install_id": str(install_id), "sent_at": now(), "events": list(events)} | changes


def now(seconds: float = 0) -> str:
    """A moment from now, as messages write it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
