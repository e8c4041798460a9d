"""The admin's pages in a browser: no rule of accessibility broken, nothing cut off, all within reach of a keyboard."""

import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright

from tests.backend.admin.admin_pages import (
    ALERTS,
    APPEARANCES,
    FIRST_SCREENS,
    fire_alerts,
    launch_chromium,
    open_page,
    serve_demo,
)
from tests.extension.axe import find_violations

PAGES = {
    "metrics": "/metrics?kind=demo",
    "empty": "/metrics",
    "all": "/metrics?kind=demo&period=all&sort=worst&tag=p",
    "report": f"/metrics/report?kind=demo&month={datetime.now(UTC):%Y-%m}",
    "problem": "/metrics?period=never",
}


@pytest.fixture(scope="module")
def folder(clusters: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tagalong-", dir=clusters))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with serve_demo(folder, days=20, drafts=8) as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    with launch_chromium(playwright) as started:
        yield started


@pytest.mark.parametrize("appearance", APPEARANCES)
def test_axe_finds_nothing_and_nothing_is_cut_off(browser: Browser, address: str, appearance: str) -> None:
    found = {}
    for name, path in PAGES.items():
        page = open_page(browser, address, appearance, path, bypass_csp=True)
        for details in page.locator("details").all():
            details.evaluate("each => each.open = true")
        found[name] = find_violations(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than its window"
        page.context.close()
    assert found == {name: [] for name in PAGES}


def test_the_policy_lets_the_page_be_what_it_is(browser: Browser, address: str) -> None:
    page = open_page(browser, address, "light", "/metrics?kind=demo")
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.reload()
    page.wait_for_load_state("networkidle")
    assert messages == [], "a style or a picture was held back"
    assert page.evaluate("getComputedStyle(document.querySelector('.figures')).display") == "grid"
    assert page.locator("script").count() == 0
    page.context.close()


def test_on_a_phone_no_table_scrolls_unseen(browser: Browser, address: str) -> None:
    page = open_page(browser, address, "narrow", "/metrics?kind=demo")
    for details in page.locator("details").all():
        details.evaluate("details => details.open = true")
    tables = page.locator(".scroll").evaluate_all(
        """tables => tables.map(table => ({
            label: table.getAttribute("aria-label"),
            scrolls: table.scrollWidth > table.clientWidth + 1,
            says: getComputedStyle(table, "::before").content.includes("More columns"),
        }))"""
    )
    assert [table["label"] for table in tables if table["scrolls"] and not table["says"]] == []
    assert any(table["scrolls"] for table in tables)
    wide = page.locator(".scroll.wide").first
    wide.evaluate("table => table.scrollTo(table.scrollWidth, 0)")
    name = wide.locator("tbody th").first.bounding_box()
    assert name
    assert name["x"] >= 0, "the first column stays in sight"
    page.context.close()


def focused(page: Page) -> str:
    name: str = page.evaluate("document.activeElement.textContent.trim() || document.activeElement.name")
    return name


def test_a_keyboard_is_enough(browser: Browser, address: str) -> None:
    page = open_page(browser, address, "light", "/metrics?kind=demo")
    met = []
    for _ in range(40):
        page.keyboard.press("Tab")
        met.append(focused(page))
    for name in ("7 days", "90 days", "since", "Show", "Monthly report"):
        assert any(name in each for each in met), name
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details").first.evaluate("each => each.open")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "what is focused can be seen"
    page.context.close()


def test_the_report_fits_paper(browser: Browser, address: str) -> None:
    page = open_page(browser, address, "light", PAGES["report"])
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 718, "height": 1000})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".unprinted").first.is_hidden()
    page.context.close()


def assert_answers_on_first_screen(browser: Browser, address: str) -> None:
    for name, size in FIRST_SCREENS.items():
        for scheme in ("light", "dark"):
            page = open_page(browser, address, "light", "/metrics?kind=demo", viewport=size, color_scheme=scheme)
            for answer in (page.locator(".sentence"), page.locator(".plots svg:visible").first):
                box = answer.bounding_box()
                assert box
                assert box["y"] + box["height"] <= size["height"], (name, scheme)
                assert 0 <= box["x"] <= box["x"] + box["width"] <= size["width"], (name, scheme)
            page.context.close()


def test_both_answers_are_on_the_first_screen_with_and_without_alerts(
    browser: Browser, address: str, folder: Path
) -> None:
    assert_answers_on_first_screen(browser, address)
    fire_alerts(folder)
    assert_answers_on_first_screen(browser, address)
    page = open_page(browser, address, "narrow", "/metrics?kind=demo")
    alerts = page.locator(".alert")
    assert alerts.count() == len(ALERTS)
    # Closed, each is a line or two; a press says what it found and what to do.
    words = page.get_by_text(ALERTS[2][2])
    assert words.is_hidden()
    alert = page.locator(".alert", has=words)
    alert.locator("summary").press("Enter")
    assert words.is_visible()
    page.context.close()


def test_an_alert_is_silenced_until_a_day_of_choice_without_a_script(
    browser: Browser, address: str, folder: Path
) -> None:
    page = open_page(browser, address, "narrow", "/metrics?kind=demo", java_script_enabled=False)
    fire_alerts(folder)
    page.reload()
    until = datetime.now(UTC).date() + timedelta(days=9)
    page.locator(".alert summary").first.click()
    page.locator(".alert").first.locator("input[name=until]").fill(until.isoformat())
    page.locator(".alert").first.get_by_role("button", name="Silence …").click()
    page.get_by_role("button", name="Silence").click()
    page.wait_for_url("**/metrics")
    assert page.get_by_text(f"nobody is notified before {until.day} {until:%b %Y}").count() == 1
    page.context.close()
