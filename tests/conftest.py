"""Fixtures that all rooms share: a real PostgreSQL, a running service, and a folder that Unix sockets fit in."""

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from playwright.sync_api import Playwright, sync_playwright
from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from backend.postgres.database import Database
from backend.postgres.embedded.cluster import PORT, ROLE, SUPERUSER
from backend.postgres.embedded.service import EmbeddedPostgres
from backend.postgres.migrate import migrate
from model.commands.export_device import PACKAGED
from model.commands.terminal import RELEASED
from model.runs.files import write_atomically
from model.serving import MANIFEST_FILE, device_file
from tests.backend.service import MakeService, Service, running

TEMPLATE = "migrated"
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def current_device_model() -> None:
    """The extension has the shipped model on the device, as `make test` makes it."""
    made_of = [RELEASED / "light" / MANIFEST_FILE, *(ROOT / "model" / "serving").glob("*.py")]
    if not PACKAGED.exists() or PACKAGED.stat().st_mtime < max(path.stat().st_mtime for path in made_of):
        write_atomically(PACKAGED.parent, {PACKAGED.name: device_file(RELEASED / "light")})


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Drives Chromium; stopped at a module's end, since while it runs no test can have an event loop of its own."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def clusters() -> Path:
    """Where the data folders are made, each some 40 MB: in memory, where there is room.

    Not among pytest's own folders: too deep for a socket, and closed again whenever another run of pytest starts.
    """
    memory = Path("/dev/shm")
    if "TMPDIR" not in os.environ and memory.is_dir() and shutil.disk_usage(memory).free > 2 << 30:
        return memory
    return Path(tempfile.gettempdir())


@pytest.fixture(scope="session")
def postgres_server(clusters: Path) -> Iterator[URL]:
    """The URL of an embedded server, as the service would get it; not durable, gone after the run."""
    folder = Path(tempfile.mkdtemp(prefix="tagalong-", dir=clusters))
    server = EmbeddedPostgres(folder, durable=False)
    try:
        yield make_url(server.start())
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def migrated_template(postgres_server: URL) -> str:
    """The name of a database that the real migrations have made, to copy from."""
    administer(postgres_server, f"CREATE DATABASE {TEMPLATE} OWNER {ROLE}")
    apart(migrate(postgres_server.set(database=TEMPLATE).render_as_string(hide_password=False)))
    return TEMPLATE


@contextmanager
def copied(server: URL, template: str) -> Iterator[str]:
    """The URL of a copy of a database, for the block."""
    name = f"test_{uuid.uuid4().hex}"
    administer(server, f"CREATE DATABASE {name} TEMPLATE {template} OWNER {ROLE}")
    yield server.set(database=name).render_as_string(hide_password=False)
    administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(postgres_server: URL, migrated_template: str) -> Iterator[str]:
    """The URL of a migrated, empty database of this test's own."""
    with copied(postgres_server, migrated_template) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(postgres_server: URL, migrated_template: str) -> Iterator[str]:
    """The URL of a migrated, empty database of this module's own."""
    with copied(postgres_server, migrated_template) as url:
        yield url


@pytest.fixture(scope="session")
def shared_database_url(postgres_server: URL) -> str:
    """The URL of an empty database that the whole run shares."""
    administer(postgres_server, f"CREATE DATABASE shared OWNER {ROLE}")
    return postgres_server.set(database="shared").render_as_string(hide_password=False)


@pytest.fixture
def as_superuser(postgres_server: URL) -> Callable[[str], None]:
    """Runs a statement on the server as its superuser."""
    return partial(administer, postgres_server)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The database as the service sees it, without the service."""
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def make_service(database_url: str) -> MakeService:
    """Starts the application with other settings than the usual ones, on a database of its own."""
    return partial(running, database_url)


@pytest.fixture(scope="session")
async def shared_service(shared_database_url: str) -> AsyncIterator[Service]:
    """One application for the whole run: loading the model and migrating takes longer than most tests."""
    async with running(shared_database_url) as started:
        yield started


@pytest.fixture
async def service(shared_service: Service) -> Service:
    """The running application, its database empty."""
    await shared_service.empty()
    return shared_service


@pytest.fixture
def short_folder(clusters: Path) -> Iterator[Path]:
    """A folder with a short path, for what makes Unix sockets in it: pytest's own may be too deep for that."""
    folder = Path(tempfile.mkdtemp(prefix="tagalong-", dir=clusters))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def short_module_folder(clusters: Path) -> Iterator[Path]:
    """The same, for a whole module."""
    folder = Path(tempfile.mkdtemp(prefix="tagalong-", dir=clusters))
    yield folder
    shutil.rmtree(folder)


def administer(server: URL, statement: str) -> None:
    """Run one statement as the superuser, outside a transaction."""

    async def run() -> None:
        connection = await asyncpg.connect(host=server.query["host"], port=PORT, user=SUPERUSER, database="postgres")
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    apart(run())


def apart(work: Coroutine[Any, Any, Any]) -> None:
    """Run some work in a thread of its own, since Playwright may have this one's event loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
