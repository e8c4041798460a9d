"""The admin's routes on a database of the test's own, with a clock and a vocabulary that the test knows."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from backend.admin.routes import admin_router
from backend.alerts.rules import read_rules
from backend.postgres.database import Database
from backend.web import problems
from tests.backend.acceptance.traffic import KNOWN

PASSWORD = "correct horse: battery"
AUTH = ("admin", PASSWORD)
HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}

# Not a round hour, so that something is always half a day away from midnight.
NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


@dataclass
class Admin:
    """A client of the admin's routes, signed in or not as each test says."""

    app: FastAPI
    client: httpx2.AsyncClient

    async def get(self, path: str, *, auth: Any = AUTH, **more: Any) -> httpx2.Response:
        return await self.client.get(path, auth=auth, **more)

    async def page(self, **filters: Any) -> str:
        response = await self.get("/metrics", params=filters, headers=HTML)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        return response.text

    async def rows(self, panel: str, **filters: Any) -> list[dict[str, Any]]:
        response = await self.get(f"/metrics/{panel}.json", params=filters)
        assert response.status_code == 200, response.text
        rows: list[dict[str, Any]] = response.json()["rows"]
        return rows


@asynccontextmanager
async def admin_at(
    url: str, *, vocabulary: Collection[str] = KNOWN, password: str = PASSWORD, **more: Any
) -> AsyncIterator[Admin]:
    """Serve the admin's routes over a database, as the application includes them."""
    database = Database(url)
    app = FastAPI()
    problems.install_handlers(app)
    app.include_router(
        admin_router(
            password=password,
            sessions=database.session,
            vocabulary=lambda: vocabulary,
            now=lambda: NOW,
            **({"rules": read_rules()} | more),
        )
    )
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8600") as client:
        yield Admin(app, client)
    await database.close()


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[Admin]:
    async with admin_at(database_url) as admin:
        yield admin


@pytest.fixture
def make_admin(database_url: str) -> Callable[..., Any]:
    """Serve the admin's routes with another vocabulary, or over another database."""

    def make(url: str = database_url, **more: Any) -> Any:
        return admin_at(url, **more)

    return make
