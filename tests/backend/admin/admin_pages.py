"""The admin's pages over demo traffic, in a real Chromium: for tests of what they look like, and for pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Playwright

from tests.end_to_end.process import run, serving
from tests.extension.browser import find_chromium

PASSWORD = "correct horse"
SETTINGS = {"TAGALONG_ADMIN_PASSWORD": PASSWORD, "TAGALONG_MODEL_TIER": "light"}
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": WIDE},
    "dark": {"viewport": WIDE, "color_scheme": "dark"},
    "narrow": {"viewport": NARROW},
}


@contextmanager
def demonstrated(folder: Path, *, days: int, drafts: int) -> Iterator[str]:
    """The address of a service with demo traffic in it."""
    done = run(folder, "demo", "--days", str(days), "--drafts", str(drafts), **SETTINGS)
    assert done.returncode == 0, done.stderr
    with serving(folder, **SETTINGS) as (_, address, _):
        yield address


@contextmanager
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """A browser that leaves nothing behind."""
    browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
    try:
        yield browser
    finally:
        browser.close()


def opened(browser: Browser, address: str, look: str, path: str, **more: Any) -> Page:
    """A page of the admin's, signed in, in one of the looks."""
    credentials = {"username": "admin", "password": PASSWORD}
    context = browser.new_context(http_credentials=credentials, reduced_motion="reduce", **LOOKS[look] | more)
    page = context.new_page()
    page.goto(f"{address}{path}")
    return page
