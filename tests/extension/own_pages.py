"""The extension's own pages in every state that they can be in, for tests and pictures."""

import time
from typing import Any

from playwright.sync_api import BrowserContext, Page, expect

from tests.extension.browser import (
    ask_page,
    consented_settings,
    open_extension_page,
    reset_extension,
    service_settings,
    store,
)

WELCOME, POPUP, OPTIONS = "welcome/welcome.html", "popup/popup.html", "options/options.html"
UNREACHABLE = "http://127.0.0.1:9"  # no service listens there
STATS = {"viewed": 24, "accepted": 9, "dismissed": 2, "posted": 20, "kept": 7}
HOUR_MS = 3_600_000

# By name: the page, its settings beyond the service's address (None: no consent), the clicks that lead there, and
# what is visible then.
ON_DEVICE = {"source": "device", "drafts": False, "counts": False, "install_id": None}
STATES: dict[str, tuple[str, dict[str, Any] | None, tuple[str, ...], str]] = {
    "welcome-device": (WELCOME, ON_DEVICE, (), "#service-offer"),
    "welcome-device-counted": (WELCOME, ON_DEVICE, ("#counts", "summary >> nth=1", "button.primary"), "#ask-link"),
    "welcome": (WELCOME, None, ("summary >> nth=1",), "#counts-example"),
    "welcome-saved": (WELCOME, None, ("#drafts", "#counts", "button.primary"), "#ask-link"),
    "popup-before-yes": (POPUP, None, (), "#welcome"),
    "popup-device": (POPUP, ON_DEVICE, (), "#device-details"),
    "popup": (POPUP, {}, (), "#service-details"),
    "popup-here": (POPUP, {}, (), "#site-block"),
    "popup-unknown": (POPUP, {}, (), "#unknown-page"),
    "popup-paused": (POPUP, {"paused_until": HOUR_MS}, (), "#resume"),
    "popup-away": (POPUP, {"server": UNREACHABLE}, (), "#service.bad"),
    "options-before-yes": (OPTIONS, None, (), "#drafts"),
    "options-device": (OPTIONS, ON_DEVICE, (), "#service-offer"),
    "options-both": (
        OPTIONS,
        {"source": "service_then_device", "server": UNREACHABLE},
        ("#counts",),
        "#consents-status.bad",
    ),
    "options": (OPTIONS, {"never": ["java", "pandas"]}, ("#test",), "#service-status.good"),
    "options-sure": (OPTIONS, {}, ("#erase-here",), "#confirm"),
}
# The query of the ask page that the popup is opened over, where that matters.
ASK_PAGE_QUERIES = {"popup-here": "", "popup-unknown": "?page=unknown"}


def open_popup_over(page: Page) -> Page:
    """Open the popup while ``page`` is in front."""
    popup = open_extension_page(page.context, POPUP)
    page.bring_to_front()
    popup.reload()
    return popup


def open_in_state(context: BrowserContext, url: str, name: str) -> Page:
    """Open the page of a state, with the service at ``url``."""
    path, changes, clicks, visible = STATES[name]
    settings = service_settings(url)
    if changes is not None:
        settings = {**consented_settings(url), **changes}
    if "paused_until" in settings:
        settings["paused_until"] += int(time.time() * 1000)
    reset_extension(context, settings)
    store(context, tally=STATS)
    page = (
        open_popup_over(ask_page(context, ASK_PAGE_QUERIES[name]))
        if name in ASK_PAGE_QUERIES
        else open_extension_page(context, path)
    )
    page.locator("html[dir]").wait_for()
    for selector in clicks:
        page.locator(selector).click()
    expect(page.locator(visible)).to_be_visible()
    return page
