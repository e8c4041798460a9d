"""Nothing leaves the browser without consent, and no more than was consented to."""

from playwright.sync_api import BrowserContext, expect

from tests.extension.browser import (
    ask_page,
    chip,
    chosen,
    consent,
    eventually,
    expect_chips,
    extension_id,
    open_extension_page,
    run_in_content_script,
    side,
    store,
    stored,
    write,
)
from tests.extension.recording_server import RecordingServer


def test_nothing_is_sent_without_consent(new_install: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(new_install)
    write(page, body="A body long enough to be worth a request of its own.")
    page.locator("#submit-button").click()
    popup = open_extension_page(new_install, "popup/popup.html")
    expect(popup.get_by_text("Nothing is sent until you say yes.")).to_be_visible()
    expect(popup.get_by_role("switch")).to_have_count(0)
    page.wait_for_timeout(600)
    expect(page.locator("[data-tagalong]")).to_have_count(0)
    assert service.requests == []
    assert stored(new_install, "settings").get("install_id") is None


def test_declining_on_the_welcome_page_sends_nothing(new_install: BrowserContext, service: RecordingServer) -> None:
    welcome = open_extension_page(new_install, "welcome/welcome.html")
    welcome.locator("button.primary").click()
    expect(welcome.get_by_role("status")).to_have_text("Saved. Nothing is sent.")
    write(ask_page(new_install))
    welcome.wait_for_timeout(500)
    assert service.requests == []


def test_switches_are_off_and_counts_need_drafts(new_install: BrowserContext) -> None:
    welcome = open_extension_page(new_install, "welcome/welcome.html")
    switches = welcome.get_by_role("switch")
    drafts, counts = switches.nth(0), switches.nth(1)
    expect(drafts).not_to_be_checked()
    expect(counts).to_be_disabled()
    drafts.check()
    counts.check()
    drafts.uncheck()
    expect(counts).to_be_disabled()
    expect(counts).not_to_be_checked()


def test_chips_appear_after_consent_without_a_reload(new_install: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(new_install)
    write(page)
    assert service.requests == []
    consent(new_install)
    expect_chips(page)


def test_without_the_second_consent_nothing_is_recorded(new_install: BrowserContext, service: RecordingServer) -> None:
    service.honors_record = False
    consent(new_install, counts=False)
    page = ask_page(new_install)
    write(page, body="A body that is long enough for the page to post it.")
    chip(page, "pandas").click()
    expect(chosen(page)).to_have_text(["pandas"])
    side(page, "python").click()
    page.wait_for_timeout(900)
    # A person's pointer leaves the chip, and what opened for it closes.
    page.mouse.move(0, 0)
    page.locator("#submit-button").click()
    page.wait_for_url("**/questions/79000001/**")
    page.wait_for_timeout(300)
    assert service.drafts
    assert {draft["record"] for draft in service.drafts} == {False}
    assert service.requests_to("/api/v1/events") == []
    assert not (stored(new_install, "outbox") or {}).get("events")


def test_withdrawing_consent_removes_chips_and_waiting_events(
    consented: BrowserContext, service: RecordingServer
) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    service.stop()
    side(page, "python").click()
    assert eventually(lambda: (stored(consented, "outbox") or {}).get("events"))
    options = open_extension_page(consented, "options/options.html")
    options.locator("#drafts").click()
    expect(options.locator("#consents-status")).to_have_text("Saved. Nothing is sent.")
    expect(page.locator("[data-tagalong]")).to_have_count(0)
    assert stored(consented, "outbox")["events"] == []
    settings = stored(consented, "settings")
    assert (settings["drafts"], settings["counts"]) == (False, False)
    service.start()


def test_a_web_page_cannot_change_consent(new_install: BrowserContext) -> None:
    """The background takes settings from the extension's own pages only."""
    page = ask_page(new_install)
    expect(page.locator("#title")).to_be_visible()
    send = 'chrome.runtime.sendMessage({type: "changeSettings", changes: {drafts: true}}).then(JSON.stringify, String)'
    assert "drafts" not in str(run_in_content_script(page, send))
    assert "drafts" not in (stored(new_install, "settings") or {})


def test_the_popup_opens_the_consent_page(new_install: BrowserContext) -> None:
    popup = open_extension_page(new_install, "popup/popup.html")
    with new_install.expect_page() as opened:
        popup.get_by_role("button", name="Choose what to send").click()
    expect(opened.value.get_by_role("switch", name="Send my drafts")).not_to_be_checked()


def test_the_second_consent_can_be_withdrawn_alone(consented: BrowserContext, service: RecordingServer) -> None:
    options = open_extension_page(consented, "options/options.html")
    options.locator("#counts").click()
    expect(options.locator("#consents-status")).to_have_text("Saved.")
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    side(page, "python").click()
    page.wait_for_timeout(900)
    assert {draft["record"] for draft in service.drafts} == {False}
    assert service.requests_to("/api/v1/events") == []


def test_declining_at_the_browsers_own_prompt_changes_nothing(new_install: BrowserContext) -> None:
    """As in Firefox: this browser is patched to claim consents by kind of data, and to decline."""
    before = stored(new_install, "settings")
    for path, click, line in (
        ("welcome/welcome.html", "button.primary", "#status"),
        ("options/options.html", "", "#consents-status"),
    ):
        page = new_install.new_page()
        page.add_init_script(
            """chrome.permissions.getAll = async () => ({ data_collection: [] });
               chrome.permissions.request = async (permissions) => { window.requested = permissions; return false; };
               chrome.permissions.remove = async () => true;"""
        )
        page.goto(f"chrome-extension://{extension_id(new_install)}/{path}")
        expect(page.locator("#drafts")).to_be_visible()
        page.wait_for_timeout(200)
        page.locator("#drafts").click()
        if click:
            page.locator(click).click()
        expect(page.locator(line)).to_have_class("bad")
        assert page.evaluate("window.requested") == {"data_collection": ["websiteContent"]}
        assert stored(new_install, "settings") == before
    expect(page.locator("#drafts")).not_to_be_checked()


def test_a_site_switched_off_is_off_in_every_tab(consented: BrowserContext, service: RecordingServer) -> None:
    store(consented, settings={**stored(consented, "settings"), "sites_off": ["stackoverflow.com"]})
    for _ in range(2):
        write(ask_page(consented))
    consented.pages[-1].wait_for_timeout(500)
    assert service.requests == []
