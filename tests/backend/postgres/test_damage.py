"""D11: with a damaged page in the database answers go on, and health, `check` and commands say what to do."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from backend.cli import main
from backend.postgres.database import Database, DatabaseDamaged
from backend.postgres.embedded.service import EmbeddedPostgres
from backend.postgres.migrate import migrate
from tests.backend.service import ADMIN, a_batch, a_draft, an_event, running

pytestmark = pytest.mark.anyio


class Cluster:
    """An embedded server of the test's own, whose files can be spoilt while it is stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = EmbeddedPostgres(folder, durable=False)
        self.url = self.server.start()

    async def spoil(self, relation: str, how: Callable[[Path], object]) -> None:
        """Spoil a relation's file, and start the server again."""
        engine = create_async_engine(self.url)
        async with engine.begin() as connection:
            path = await connection.scalar(text("SELECT pg_relation_filepath(:name)"), {"name": relation})
        await engine.dispose()
        await asyncio.to_thread(self.server.stop)
        how(self.folder / "postgres" / path)
        await asyncio.to_thread(self.server.start)


Filled = tuple[Cluster, dict[str, Any], dict[str, Any]]


def garbage(path: Path) -> None:
    size = path.stat().st_size
    assert size
    path.write_bytes(b"\xa5" * size)


@pytest.fixture(scope="module")
async def original(short_module_folder: Path) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """A stopped server's folder with one draft whose item was viewed; the draft, and that view's event."""
    cluster = Cluster(short_module_folder / "data")
    await migrate(cluster.url)
    draft = a_draft()
    async with running(cluster.url, model_tier="light") as service:
        suggestion = await service.offer(draft, ["python"])
        event = an_event("viewed", 1, draft, suggestion_id=suggestion, tag="python", position=1)
        await service.send(draft["install_id"], [event])
    cluster.server.stop()
    return cluster.folder, draft, event


@pytest.fixture
def filled(original: tuple[Path, dict[str, Any], dict[str, Any]], short_folder: Path) -> Iterator[Filled]:
    """A running copy of it."""
    folder, draft, event = original
    subprocess.run(["cp", "-Rp", str(folder), str(short_folder / "data")], check=True)
    cluster = Cluster(short_folder / "data")
    yield cluster, draft, event
    cluster.server.stop()


@pytest.mark.parametrize(
    ("relation", "how"),
    [
        pytest.param("suggestion", garbage, id="answers"),
        pytest.param("item", Path.unlink, id="a file that is gone"),
        pytest.param("event", garbage, id="events", marks=pytest.mark.slow),
        pytest.param("draft", garbage, id="drafts", marks=pytest.mark.slow),
        pytest.param("pk_event", garbage, id="an index", marks=pytest.mark.slow),
    ],
)
async def test_d11_damage_is_reported_and_answers_go_on(
    filled: Filled, relation: str, how: Callable[[Path], object]
) -> None:
    cluster, draft, event = filled
    await cluster.spoil(relation, how)
    async with running(cluster.url, model_tier="light") as service:
        for changes in ({}, {"draft_id": draft["draft_id"], "install_id": draft["install_id"]}):
            response = await service.client.post("/api/v1/suggestions", json=a_draft(**changes))
            assert response.status_code == 200
            assert response.json()["items"]
        again = an_event("accepted", 2, draft, suggestion_id=event["suggestion_id"], tag="python")
        events = await service.client.post("/api/v1/events", json=a_batch(draft["install_id"], [event, again]))
        assert events.status_code in (200, 503)
        if events.status_code == 503:
            assert events.json()["title"] == "Database damaged"
            assert int(events.headers["retry-after"]) > 0
        for path in ("/metrics", "/metrics/overview.json"):
            assert (await service.client.get(path, auth=ADMIN)).status_code in (200, 503)
        ready = await service.client.get("/health/ready")
        assert (ready.status_code, ready.json()["database"]) == (200, "away")
        assert "tagalong-server restore" in ready.json()["damage"]
        assert not service.database.away  # what is sound goes on


async def test_d11_check_names_the_damaged_table(
    filled: Filled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cluster, _, _ = filled
    monkeypatch.setenv("TAGALONG_DATABASE_URL", cluster.url)
    monkeypatch.setenv("TAGALONG_MODEL_TIER", "light")
    await cluster.spoil("suggestion", garbage)
    checked = await asyncio.to_thread(CliRunner().invoke, main, ["check"])
    assert checked.exit_code == 1
    assert "the table suggestion: it is damaged: invalid page" in checked.output
    assert "tagalong-server restore" in checked.output
    saved = await asyncio.to_thread(CliRunner().invoke, main, ["backup", str(tmp_path / "file")])
    assert saved.exit_code == 1
    assert "the database is damaged: invalid page" in saved.output
    assert not (tmp_path / "file").exists()
    database = Database(cluster.url)
    with pytest.raises(DatabaseDamaged):
        async with database.session() as session:
            await session.execute(text("SELECT * FROM suggestion"))
    assert database.damage
    monkeypatch.setattr("backend.postgres.database.SHOW_DAMAGE_FOR", 0.0)
    assert not database.damage
    await database.close()


async def test_d11_damage_of_the_schemas_revision_is_reported_too(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, _, _ = filled
    await cluster.spoil("alembic_version", garbage)
    with pytest.raises(DatabaseDamaged):
        await migrate(cluster.url)
    monkeypatch.setenv("TAGALONG_DATABASE_URL", cluster.url)
    failed = await asyncio.to_thread(CliRunner().invoke, main, ["migrate"])
    assert failed.exit_code == 1
    assert "is damaged" in failed.output
    async with running(cluster.url, model_tier="light") as service:
        assert (await service.suggest())["items"]
        ready = await service.client.get("/health/ready")
        assert ready.status_code == 503
        assert "tagalong-server restore" in ready.json()["detail"]
