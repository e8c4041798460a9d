"""Nothing leaves the browser before the writer said yes, and no more than was said yes to."""

from playwright.sync_api import BrowserContext, expect

from tests.extension.browser import (
    ask_page,
    chip,
    chosen,
    consent,
    eventually,
    expect_chips,
    isolated,
    own_page,
    side,
    store,
    stored,
    write,
)
from tests.extension.recording_server import RecordingServer


def test_nothing_is_sent_before_yes(new_install: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(new_install)
    write(page, body="A body long enough to be worth a request of its own.")
    page.locator("#submit-button").click()
    popup = own_page(new_install, "popup/popup.html")
    expect(popup.locator("#service")).to_have_text("waits for your yes")
    page.wait_for_timeout(600)
    expect(page.locator("[data-tagalong]")).to_have_count(0)
    assert service.requests == []
    assert stored(new_install, "settings").get("install_id") is None


def test_a_no_on_the_welcome_page_sends_nothing(new_install: BrowserContext, service: RecordingServer) -> None:
    welcome = own_page(new_install, "welcome/welcome.html")
    welcome.locator("button.primary").click()
    expect(welcome.get_by_role("status")).to_have_text("Saved. Nothing is sent.")
    write(ask_page(new_install))
    welcome.wait_for_timeout(500)
    assert service.requests == []


def test_switches_are_off_and_counts_hang_on_drafts(new_install: BrowserContext) -> None:
    welcome = own_page(new_install, "welcome/welcome.html")
    drafts, counts = welcome.get_by_role("switch").all()
    expect(drafts).not_to_be_checked()
    expect(counts).to_be_disabled()
    drafts.check()
    counts.check()
    drafts.uncheck()
    expect(counts).to_be_disabled()
    expect(counts).not_to_be_checked()


def test_chips_come_after_yes_without_a_reload(new_install: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(new_install)
    write(page)
    assert service.requests == []
    consent(new_install)
    expect_chips(page)


def test_without_the_second_yes_nothing_is_recorded(new_install: BrowserContext, service: RecordingServer) -> None:
    service.heeds_record = False
    consent(new_install, counts=False)
    page = ask_page(new_install)
    write(page, body="A body that is long enough for the page to post it.")
    chip(page, "pandas").click()
    expect(chosen(page)).to_have_text(["pandas"])
    side(page, "python").click()
    page.wait_for_timeout(900)
    page.locator("#submit-button").click()
    page.wait_for_url("**/questions/79000001/**")
    page.wait_for_timeout(300)
    assert service.drafts
    assert {draft["record"] for draft in service.drafts} == {False}
    assert service.sent("/api/v1/events") == []
    assert not (stored(new_install, "outbox") or {}).get("events")


def test_taking_the_yes_back_takes_chips_and_waiting_events_away(
    consented: BrowserContext, service: RecordingServer
) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    service.stop()
    side(page, "python").click()
    assert eventually(lambda: (stored(consented, "outbox") or {}).get("events"))
    options = own_page(consented, "options/options.html")
    options.locator("#drafts").uncheck()
    expect(options.get_by_role("status")).to_have_text("Saved.")
    expect(page.locator("[data-tagalong]")).to_have_count(0)
    assert stored(consented, "outbox")["events"] == []
    settings = stored(consented, "settings")
    assert (settings["drafts"], settings["counts"]) == (False, False)
    service.start()


def test_a_web_page_cannot_change_consent(new_install: BrowserContext) -> None:
    """The background takes settings from the extension's own pages only."""
    page = ask_page(new_install)
    expect(page.locator("#title")).to_be_visible()
    said = 'chrome.runtime.sendMessage({type: "change", changes: {drafts: true}}).then(JSON.stringify, String)'
    assert "drafts" not in str(isolated(page, said))
    assert "drafts" not in (stored(new_install, "settings") or {})


def test_switched_off_in_the_popup_it_asks_nothing(consented: BrowserContext, service: RecordingServer) -> None:
    store(consented, settings={**stored(consented, "settings"), "enabled": False})
    page = ask_page(consented)
    write(page)
    page.wait_for_timeout(500)
    assert service.requests == []
    popup = own_page(consented, "popup/popup.html")
    expect(popup.locator("#service")).to_have_text("switched off")
    popup.get_by_role("switch").check()
    expect(popup.locator("#service")).to_have_text("ready")
    expect_chips(page)
