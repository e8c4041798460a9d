"""Settings apply to open pages, pauses end, and whatever is stored is read as valid settings."""

import time
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.extension.browser import ask_page, chips, eventually, expect_chips, inspector_page, stored, write
from tests.extension.recording_server import RecordingServer

SEND = "(message) => chrome.runtime.sendMessage(message)"


def change_settings(context: BrowserContext, **changes: Any) -> dict[str, Any]:
    """Change settings as the options page does, and return all settings after it."""
    message = {"type": "changeSettings", "changes": changes}
    answer: dict[str, Any] = inspector_page(context).evaluate(
        "(message) => chrome.runtime.sendMessage(message)", message
    )
    return dict(answer["answer"])


def normalize(context: BrowserContext, value: Any) -> dict[str, Any]:
    """Return the settings that the extension reads from a stored value."""
    settings: dict[str, Any] = inspector_page(context).evaluate(
        """async (stored) => {
            const settings = await import(chrome.runtime.getURL("background/settings.js"));
            return settings.normalizeSettings(stored);
        }""",
        value,
    )
    return settings


SETTINGS = {
    "source": "service_then_device",
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


def test_valid_settings_are_read_unchanged(chromium: BrowserContext) -> None:
    assert normalize(chromium, SETTINGS) == SETTINGS


@pytest.mark.parametrize("value", [None, "", 7, [], {}, {"server": None}, {"enabled": True}])
def test_without_valid_settings_nothing_is_allowed(chromium: BrowserContext, value: Any) -> None:
    settings = normalize(chromium, value)
    assert (settings["drafts"], settings["counts"], settings["install_id"]) == (False, False, None)
    assert settings["server"] == "http://127.0.0.1:8600"


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("source", "cloud", "service"),
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
def test_an_invalid_field_gets_its_default(chromium: BrowserContext, field: str, value: Any, expected: Any) -> None:
    assert normalize(chromium, {**SETTINGS, field: value})[field] == expected


@pytest.mark.parametrize("server", ["", "tags.example.org", "ftp://example.org", "http://tags.example.org", 8600])
def test_a_consent_ends_with_the_server_it_was_given_for(chromium: BrowserContext, server: Any) -> None:
    assert not normalize(chromium, {**SETTINGS, "server": server})["drafts"]


def test_another_server_gets_another_install_and_no_key(consented: BrowserContext, service: RecordingServer) -> None:
    before = change_settings(consented, api_key="open sesame")
    after = change_settings(consented, server=service.url.replace("127.0.0.1", "localhost"))
    assert after["install_id"] not in (None, before["install_id"])
    assert after["api_key"] == ""


def test_a_pause_hides_chips_until_it_ends(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    change_settings(consented, paused_until=None)
    expect(page.locator("[data-tagalong]")).to_have_count(0)
    requests = len(service.drafts)
    write(page, " and more")
    page.wait_for_timeout(300)
    assert len(service.drafts) == requests
    change_settings(consented, paused_until=round(time.time() * 1000) + 1500)
    page.wait_for_timeout(500)
    expect(page.locator("[data-tagalong]")).to_have_count(0)
    # Without any action of the writer.
    expect_chips(page)
    assert stored(consented, "settings")["paused_until"] == 0


def test_a_site_can_be_switched_off(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    change_settings(consented, sites_off=["stackoverflow.com"])
    expect(chips(page)).to_have_count(0)
    requests = len(service.drafts)
    write(page, " and more")
    page.wait_for_timeout(300)
    assert len(service.drafts) == requests
    change_settings(consented, sites_off=["other.example"])
    expect_chips(page)


def test_blocked_tags_have_no_duplicates(consented: BrowserContext) -> None:
    inspector = inspector_page(consented)
    for tag, blocked in (("python", True), ("csv", True), ("python", True), ("csv", False)):
        inspector.evaluate(
            "(message) => chrome.runtime.sendMessage(message)",
            {"type": "setTagBlocked", "tag": tag, "blocked": blocked},
        )
    assert eventually(lambda: stored(consented, "settings")["never"]) == ["python"]
