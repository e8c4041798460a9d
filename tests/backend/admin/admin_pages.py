"""The admin's pages with demo traffic in a real Chromium: for tests of their appearance, and for pictures."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from playwright.sync_api import Browser, HttpCredentials, Page, Playwright
from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import create_async_engine

from backend.alerts.tables import AlertRow
from backend.postgres.embedded.cluster import url_at
from tests.end_to_end.process import run, serving
from tests.extension.browser import find_chromium

PASSWORD = "correct horse"
SETTINGS: dict[str, Any] = {"TAGALONG_ADMIN_PASSWORD": PASSWORD, "TAGALONG_MODEL_TIER": "light"}
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
APPEARANCES: dict[str, dict[str, Any]] = {
    "light": {"viewport": WIDE},
    "dark": {"viewport": WIDE, "color_scheme": "dark"},
    "narrow": {"viewport": NARROW},
}
# What is seen without scrolling, of a window on a desk and on a phone.
FIRST_SCREENS = {"desk": {"width": 1280, "height": 800}, "phone": NARROW}

# None of them is resolved for want of traffic.
ALERTS = (
    ("acceptance_fell", "", "Acceptance 31.2 % of 4,812 items in the last 7 whole days, 38.4 % in the 28 days before."),
    ("tag_dismissed", "docker-compose", "docker-compose was dismissed 7 times in 5 minutes, by 6 installs."),
    ("requests_fail", "", "212 of 3,100 requests failed in the last 10 minutes; the bound is 2 %."),
)


@contextmanager
def serve_demo(folder: Path, *, days: int, drafts: int) -> Iterator[str]:
    """Run a service with demo traffic and yield its address."""
    done = run(folder, "demo", "--days", str(days), "--drafts", str(drafts), **SETTINGS)
    assert done.returncode == 0, done.stderr
    with serving(folder, **SETTINGS) as (_, address, _):
        yield address


def fire_alerts(folder: Path) -> None:
    """Let three alerts fire, and no others, in the database of the service that runs on a data folder."""

    async def write() -> None:
        engine = create_async_engine(url_at(folder / "postgres"))
        since = datetime.now(UTC) - timedelta(hours=5)
        rows = [
            {"id": uuid4(), "rule": rule, "subject": subject, "words": words}
            | {"state": "firing", "since": since, "fired_at": since}
            for rule, subject, words in ALERTS
        ]
        async with engine.begin() as connection:
            await connection.execute(delete(AlertRow))
            await connection.execute(insert(AlertRow).values(rows))
        await engine.dispose()

    # Playwright has an event loop in this thread.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, write()).result()


@contextmanager
def launch_chromium(playwright: Playwright) -> Iterator[Browser]:
    """Launch a browser and close it at the end."""
    browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
    try:
        yield browser
    finally:
        browser.close()


def open_page(browser: Browser, address: str, appearance: str, path: str, **more: Any) -> Page:
    """Open one of the admin's pages, signed in, with one of the appearances."""
    credentials: HttpCredentials = {"username": "admin", "password": PASSWORD}
    context = browser.new_context(
        http_credentials=credentials, reduced_motion="reduce", **APPEARANCES[appearance] | more
    )
    page = context.new_page()
    page.goto(f"{address}{path}")
    return page
