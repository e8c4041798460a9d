"""What the writer has set holds: for pages that are open, after a pause, and whatever an earlier version left."""

import time
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.extension.browser import ask_page, chips, eventually, expect_chips, inspector_page, stored, write
from tests.extension.recording_server import RecordingServer


def change(context: BrowserContext, **changes: Any) -> dict[str, Any]:
    """As the options page does; the settings after it."""
    said = {"type": "changeSettings", "changes": changes}
    answer: dict[str, Any] = inspector_page(context).evaluate("(said) => chrome.runtime.sendMessage(said)", said)
    return dict(answer["answer"])


def sound(context: BrowserContext, kept: Any) -> dict[str, Any]:
    """How the extension understands what it finds stored."""
    found: dict[str, Any] = inspector_page(context).evaluate(
        """async (stored) => {
            const settings = await import(chrome.runtime.getURL("background/settings.js"));
            return settings.normalizeSettings(stored);
        }""",
        kept,
    )
    return found


SET = {
    "server": "https://tags.example.org/here",
    "api_key": "open sesame",
    "drafts": True,
    "counts": True,
    "install_id": "6b0f8c4e-6c0f-4f6e-9d64-0a8f4a1f2a11",
    "sites_off": ["stackoverflow.com"],
    "paused_until": None,
    "debounce_ms": 300,
    "never": ["c", "java"],
}


def test_what_is_set_is_read_as_set(chromium: BrowserContext) -> None:
    assert sound(chromium, SET) == SET


@pytest.mark.parametrize("kept", [None, "", 7, [], {}, {"server": None}, {"enabled": True}])
def test_without_settings_nothing_is_allowed(chromium: BrowserContext, kept: Any) -> None:
    read = sound(chromium, kept)
    assert (read["drafts"], read["counts"], read["install_id"]) == (False, False, None)
    assert read["server"] == "http://127.0.0.1:8600"


@pytest.mark.parametrize(
    ("field", "kept", "read"),
    [
        ("drafts", "yes", False),
        ("counts", 1, False),
        ("install_id", 5, None),
        ("sites_off", "stackoverflow.com", []),
        ("never", ["b", 3, "a", "", "b"], ["a", "b"]),
        ("paused_until", "soon", 0),
        ("debounce_ms", 1, 100),
        ("debounce_ms", 9e9, 1500),
        ("debounce_ms", "fast", 250),
        ("api_key", {}, ""),
    ],
)
def test_a_field_that_makes_no_sense_has_its_default(
    chromium: BrowserContext, field: str, kept: Any, read: Any
) -> None:
    assert sound(chromium, {**SET, field: kept})[field] == read


@pytest.mark.parametrize("server", ["", "tags.example.org", "ftp://example.org", "http://tags.example.org", 8600])
def test_a_consent_does_not_outlive_the_server_it_was_given_for(chromium: BrowserContext, server: Any) -> None:
    assert not sound(chromium, {**SET, "server": server})["drafts"]


def test_another_server_gets_another_install_and_no_key(consented: BrowserContext, service: RecordingServer) -> None:
    before = change(consented, api_key="open sesame")
    after = change(consented, server=service.url.replace("127.0.0.1", "localhost"))
    assert after["install_id"] not in (None, before["install_id"])
    assert after["api_key"] == ""


def test_a_pause_takes_chips_away_and_its_end_brings_them_back(
    consented: BrowserContext, service: RecordingServer
) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    change(consented, paused_until=None)
    expect(page.locator("[data-tagalong]")).to_have_count(0)
    asked = len(service.drafts)
    write(page, " and more")
    page.wait_for_timeout(300)
    assert len(service.drafts) == asked
    change(consented, paused_until=round(time.time() * 1000) + 1500)
    page.wait_for_timeout(500)
    expect(page.locator("[data-tagalong]")).to_have_count(0)
    # Without any act of the writer's.
    expect_chips(page)
    assert stored(consented, "settings")["paused_until"] == 0


def test_a_site_can_be_switched_off(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    change(consented, sites_off=["stackoverflow.com"])
    expect(chips(page)).to_have_count(0)
    asked = len(service.drafts)
    write(page, " and more")
    page.wait_for_timeout(300)
    assert len(service.drafts) == asked
    change(consented, sites_off=["other.example"])
    expect_chips(page)


def test_tags_never_to_show_are_a_list_without_doubles(consented: BrowserContext) -> None:
    room = inspector_page(consented)
    for tag, on in (("python", True), ("csv", True), ("python", True), ("csv", False)):
        room.evaluate(
            "(said) => chrome.runtime.sendMessage(said)", {"type": "setTagBlocked", "tag": tag, "blocked": on}
        )
    assert eventually(lambda: stored(consented, "settings")["never"]) == ["python"]
