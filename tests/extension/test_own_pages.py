"""The extension's own pages: settings that hold, data that can be had and erased."""

import json
import uuid

from playwright.sync_api import BrowserContext, expect

from tests.extension.browser import ask_page, chip, eventually, expect_chips, own_page, store, stored, write
from tests.extension.recording_server import Failure, RecordingServer


def test_the_welcome_page_says_where_drafts_go(new_install: BrowserContext, service: RecordingServer) -> None:
    page = own_page(new_install, "welcome/welcome.html")
    expect(page.locator("#where")).to_have_text(service.url)
    expect(page.locator("#own")).to_be_visible()
    page.get_by_text("Example").first.click()
    expect(page.locator("#drafts-example")).to_contain_text('"title"')


def test_the_popup_tells_how_things_are(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    service.stop()
    chip(page, "pandas").click()
    popup = own_page(consented, "popup/popup.html")
    expect(popup.locator("#service")).to_have_text("away")
    expect(popup.locator("#why")).to_have_text(f"No answer from {service.url}.")
    expect(popup.locator("#waiting")).not_to_have_text("0")
    service.start()
    popup.locator("#flush").click()
    expect(popup.locator("#waiting")).to_have_text("0")
    expect(popup.locator("#service")).to_have_text("ready")


def test_what_the_service_holds_can_be_exported(consented: BrowserContext) -> None:
    page = own_page(consented, "options/options.html")
    with page.expect_download() as download:
        page.locator("#export").click()
    told = json.loads(download.value.path().read_text())
    assert told["install_id"] == stored(consented, "settings")["install_id"]


def test_after_erasing_it_is_a_new_install(consented: BrowserContext, service: RecordingServer) -> None:
    ask = ask_page(consented)
    write(ask)
    chip(ask, "pandas").click()
    assert eventually(lambda: len(service.events) >= 2)
    before = stored(consented, "settings")["install_id"]
    page = own_page(consented, "options/options.html")
    page.locator("#erase").click()
    page.locator("#yes").click()
    expect(page.get_by_role("status")).to_have_class("good")
    assert service.erased == [before]
    after = stored(consented, "settings")["install_id"]
    assert after != before
    assert uuid.UUID(after)
    assert page.locator("#install").inner_text() == after
    # The page that is still open asks under the new ids, and counts from one.
    old = service.drafts[0]["draft_id"]
    ask.bring_to_front()
    write(ask, " And more words")
    assert eventually(lambda: service.drafts[-1]["install_id"] == after)
    assert service.drafts[-1]["draft_id"] != old
    told = lambda: [event for event in service.events.values() if event["install_id"] == after]  # noqa: E731
    assert eventually(told)
    assert min(event["sequence"] for event in told()) == 1
    assert old not in {event["draft_id"] for event in told()}


def test_if_the_service_cannot_erase_nothing_is_erased(consented: BrowserContext, service: RecordingServer) -> None:
    before = stored(consented, "settings")["install_id"]
    service.fail(f"/api/v1/installs/{before}", Failure(503))
    page = own_page(consented, "options/options.html")
    page.locator("#erase").click()
    page.locator("#yes").click()
    expect(page.get_by_role("status")).to_have_text("Nothing is erased. fails 503")
    assert stored(consented, "settings")["install_id"] == before


def test_another_server_is_another_start(consented: BrowserContext, service: RecordingServer) -> None:
    before = stored(consented, "settings")
    store(consented, outbox={"sequence": 7, "events": []})
    page = own_page(consented, "options/options.html")
    page.locator("#server").fill(service.url.replace("127.0.0.1", "localhost") + "/")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    after = stored(consented, "settings")
    assert after["server"] == f"http://localhost:{service.port}"
    assert after["install_id"] not in {None, before["install_id"]}
    assert stored(consented, "outbox")["sequence"] == 0
