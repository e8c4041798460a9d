"""The admin's pages with demo traffic in a real Chromium: for tests of their appearance, and for pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, HttpCredentials, Page, Playwright

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


@contextmanager
def serve_demo(folder: Path, *, days: int, drafts: int) -> Iterator[str]:
    """Run a service with demo traffic and yield its address."""
    done = run(folder, "demo", "--days", str(days), "--drafts", str(drafts), **SETTINGS)
    assert done.returncode == 0, done.stderr
    with serving(folder, **SETTINGS) as (_, address, _):
        yield address


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
