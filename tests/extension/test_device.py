"""Tags from the model on this device: from the first minute, without a service, and nothing leaves the browser."""

import hashlib
import json
import re
import shutil
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Playwright, expect

from tests.extension.browser import (
    EXTENSION,
    TITLE,
    ask_page,
    chip,
    chips,
    chosen,
    consented_settings,
    device_settings,
    eventually,
    kill_worker,
    launch,
    look,
    open_extension_page,
    reset_extension,
    side,
    store,
    stored,
    suggested,
    write,
)
from tests.extension.recording_server import Failure, RecordingServer

BODY = "I have two frames with the same index and want the columns of both, side by side, in Python.\n"
ORIGIN = "[data-tagalong] .origin"


def origin(page: Page) -> Locator:
    """Return where the panel says that its tags come from."""
    return page.locator(ORIGIN)


def change_source(context: BrowserContext, source: str) -> None:
    """Choose in the options where tags come from."""
    options = open_extension_page(context, "options/options.html")
    options.locator(f"#source-{source}").check()
    expect(options.locator("#source-status")).to_have_class("good")
    options.close()


def requested_urls(log: Path) -> set[str]:
    """Return all addresses beyond the site in Chromium's log of its network, whoever asked; not the browser's own."""
    events = json.loads(log.read_text())["events"]
    urls = {event.get("params", {}).get("url", "") for event in events}
    return {
        url
        for url in urls
        if url.startswith(("http", "ws"))
        and not re.search(r"(^|\.)(stackoverflow|google|googleapis)\.com$", urlsplit(url).hostname or "")
    }


def rename_version(model: bytes, version: bytes) -> bytes:
    """Return a model file that calls itself another version, and is whole: its digest covers all behind itself."""
    renamed = re.sub(rb"light-[0-9a-f]{8}", version, model, count=1)
    return renamed[:16] + hashlib.sha256(renamed[48:]).digest() + renamed[48:]


def look_for_models(context: BrowserContext, page: Page) -> None:
    """Let a new worker look at the service's model, and wait until it has: after a failure it does so an hour later."""

    def has_looked() -> bool:
        return bool((stored(context, "model_check") or {}).get("next", 0) > (time.time() + 7200) * 1000)

    for _ in range(3):
        store(context, model_check={**(stored(context, "model_check") or {}), "next": 0})
        kill_worker(context)
        page.evaluate("chrome.runtime.sendMessage({type: 'getStatus'})")
        if eventually(has_looked, 20):
            return
    raise AssertionError(f"no look at the service's model: {stored(context, 'model_check')}")


def used_version(context: BrowserContext, page: Page) -> str:
    """Return the version of the model with which a new worker answers."""
    kill_worker(context)
    answer = page.evaluate("chrome.runtime.sendMessage({type: 'checkDevice'})")
    return str(answer["answer"]["model"])


def post(page: Page) -> None:
    """Post the question, and arrive at it."""
    page.mouse.move(0, 0)
    page.locator("#submit-button").click()
    page.wait_for_url("**/questions/79000001/**")


def test_a_new_install_works_without_any_service_and_asks_nobody(playwright: Playwright, tmp_path: Path) -> None:
    """Install, chips, reasons, accept, dismiss, undo, post: all requests of the browser are in its log."""
    log = tmp_path / "network.json"
    with launch(playwright, tmp_path / "profile", arguments=[f"--log-net-log={log}"]) as context:
        page = ask_page(context)
        write(page, body=BODY)
        expect(chips(page)).not_to_have_count(0)
        assert {"python", "pandas"} <= set(suggested(page))
        expect(origin(page)).to_have_text("on this device")
        chip(page, "pandas").hover()
        expect(page.locator("[data-tagalong] .about dd").first).to_contain_text("pandas")
        chip(page, "pandas").click()
        expect(chosen(page)).to_have_text(["pandas"])
        side(page, "python").click()
        expect(look(page, "python")).to_have_attribute("data-look", "dismissed")
        page.locator("[data-tagalong] .note button").first.click()
        expect(look(page, "python")).to_have_attribute("data-look", "offered")
        popup = open_extension_page(context, "popup/popup.html")
        expect(popup.locator("#source")).to_have_text("this device")
        expect(popup.locator("#device-details")).to_contain_text("Model light-")
        expect(popup.locator("#acceptance")).not_to_be_empty()
        expect(popup.locator("#service")).to_be_hidden()
        page.bring_to_front()
        post(page)
        expect(popup.locator("#stats-details")).to_contain_text("In posted questions: 1 of")
        kill_worker(context)
        write(ask_page(context, "?fresh"), "How do I center a div in CSS?")
        expect(chips(context.pages[-1])).not_to_have_count(0)
        assert stored(context, "settings")["source"] == "device"
        assert stored(context, "outbox")["events"] == []
    # The welcome page, while it was open: whether a service is on this computer.
    assert requested_urls(log) <= {"http://127.0.0.1:8600/health/ready"}


def test_the_welcome_page_begins_with_what_works(on_device: BrowserContext, service: RecordingServer) -> None:
    service.stop()
    page = open_extension_page(on_device, "welcome/welcome.html")
    expect(page.locator("#now")).to_contain_text("It works already, on this device")
    expect(page.get_by_role("link", name="Ask a question")).to_be_visible()
    expect(page.locator("#source-device")).to_be_checked()
    expect(page.locator("#drafts-card")).to_be_hidden()
    expect(page.locator("#service-offer")).to_be_hidden()
    page.locator("button.primary").click()
    expect(page.locator("#status")).to_have_text("Saved. Tags come from this device, and nothing is sent.")
    settings = stored(on_device, "settings")
    assert (settings["source"], settings["drafts"], settings["counts"]) == ("device", False, False)
    service.start()


@pytest.mark.parametrize("path", ["welcome/welcome.html", "options/options.html"])
def test_a_service_on_this_computer_is_offered(on_device: BrowserContext, service: RecordingServer, path: str) -> None:
    page = open_extension_page(on_device, path)
    expect(page.locator("#service-offer-text")).to_have_text(
        f"A Tagalong service is running on this computer, at {service.url}."
    )
    assert {(request.method, request.path) for request in service.requests} == {("GET", "/health/ready")}
    page.get_by_role("button", name="Use it").click()
    expect(page.locator("#source-service_then_device")).to_be_checked()
    expect(page.locator("#drafts")).not_to_be_checked()
    page.locator("#drafts").check()
    if path.startswith("welcome"):
        page.locator("button.primary").click()
    assert eventually(lambda: stored(on_device, "settings").get("drafts"))
    assert stored(on_device, "settings")["source"] == "service_then_device"
    question = ask_page(on_device)
    write(question)
    expect(origin(question)).to_have_text("by the service")


def test_a_new_source_takes_effect_at_once_in_open_tabs(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page, "How do I center a div in CSS?")
    expect(origin(page)).to_have_text("by the service")
    assert set(suggested(page)) == {"pandas", "python", "dataframe"}
    change_source(consented, "device")
    expect(origin(page)).to_have_text("on this device")
    expect(chip(page, "css")).to_be_visible()
    requests = len(service.drafts)
    write(page, " With flexbox")
    page.wait_for_timeout(400)
    assert len(service.drafts) == requests
    change_source(consented, "service")
    expect(origin(page)).to_have_text("by the service")
    expect(chip(page, "css")).to_have_count(0)


def test_the_device_stands_in_for_a_service_that_is_away(consented: BrowserContext, service: RecordingServer) -> None:
    store(consented, settings={**stored(consented, "settings"), "source": "service_then_device"})
    page = ask_page(consented)
    write(page)
    expect(origin(page)).to_have_text("by the service")
    service.stop()
    write(page, " In Python")
    expect(origin(page)).to_have_text("on this device")
    assert "python" in suggested(page)
    service.start()
    # A worker that starts anew knows nothing of the failure.
    kill_worker(consented)
    page.bring_to_front()
    write(page, " or R")
    expect(origin(page)).to_have_text("by the service")
    service.fail("/api/v1/suggestions", Failure(503))
    write(page, " or Julia")
    expect(origin(page)).to_have_text("on this device")
    drafts = {event.get("draft_id") for event in service.events.values()}
    assert len(drafts) == 1


def test_without_consent_a_service_is_not_sent_drafts_and_the_device_answers(
    chromium: BrowserContext, service: RecordingServer
) -> None:
    reset_extension(chromium, {"source": "service_then_device", "server": service.url})
    page = ask_page(chromium)
    write(page)
    expect(origin(page)).to_have_text("on this device")
    assert service.requests == []


def test_what_counts_on_the_device_is_sent_in_order(on_device: BrowserContext, service: RecordingServer) -> None:
    settings = consented_settings(service.url, source="device", drafts=False, debounce_ms=100)
    store(on_device, settings=settings)
    page = ask_page(on_device)
    write(page, body=BODY)
    expect(chip(page, "pandas")).to_be_visible()
    tags = suggested(page)
    chip(page, "pandas").click()
    expect(chosen(page)).to_have_text(["pandas"])
    post(page)
    assert eventually(lambda: ("posted", None) in service.received_events())
    assert service.drafts == []
    events = sorted(service.events.values(), key=lambda event: event["sequence"])
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    answers = [event for event in events if event["kind"] == "suggested"]
    first = answers[0]
    assert events[0] == first
    assert first["tags"][: first["confident"]] == tags
    assert len(first["tags"]) == len(first["scores"]) == 5
    assert (first["draft_kind"], first["site"], first["page"]) == ("ask", "stackoverflow.com", "classic")
    assert (first["title_chars"], first["order"]) == (len(TITLE), "model")
    assert first["body_chars"] == len(BODY)
    assert BODY.strip() not in json.dumps(events)
    # Accepting changes the draft's tags, so there is another answer; each state has one.
    assert [answer["chosen_tags"] for answer in answers] in ([[]], [[], ["pandas"]])
    items = [event for event in events if "tag" in event]
    assert {event["suggestion_id"] for event in items} <= {answer["suggestion_id"] for answer in answers}
    assert {event["origin"] for event in items} == {"device"}
    assert next(event for event in events if event["kind"] == "posted")["origin"] == "device"
    assert {event["draft_id"] for event in events} == {first["draft_id"]}


def test_the_same_state_of_a_draft_is_recorded_once(on_device: BrowserContext, service: RecordingServer) -> None:
    store(on_device, settings=consented_settings(service.url, source="device", drafts=False, debounce_ms=100))
    page = ask_page(on_device)
    write(page)
    expect(chip(page, "pandas")).to_be_visible()
    for _ in range(2):
        kill_worker(on_device)
        page.bring_to_front()
        page.reload()
        expect(chip(page, "pandas")).to_be_visible()
    popup = open_extension_page(on_device, "popup/popup.html")
    popup.evaluate("chrome.runtime.sendMessage({type: 'flushOutbox'})")
    assert eventually(lambda: [kind for kind, _ in service.received_events()].count("suggested") == 1)


def test_a_draft_begun_before_the_consent_does_not_count(on_device: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(on_device)
    write(page, body=BODY)
    chip(page, "pandas").click()
    expect(chosen(page)).to_have_text(["pandas"])
    assert eventually(lambda: (stored(on_device, "tally") or {}).get("accepted") == 1)
    options = open_extension_page(on_device, "options/options.html")
    options.locator("#counts").check()
    expect(options.locator("#consents-status")).to_have_text("Saved. Tags come from this device.")
    page.bring_to_front()
    side(page, "python").click()
    assert eventually(lambda: ("dismissed", "python") in service.received_events())
    # What the writer has seen before is still theirs.
    assert stored(on_device, "tally")["accepted"] == 1
    events = list(service.events.values())
    assert ("accepted", "pandas") not in service.received_events()
    answers = {event["suggestion_id"] for event in events if event["kind"] == "suggested"}
    assert {event["suggestion_id"] for event in events} == answers


def test_without_its_file_the_extension_says_how_to_make_it(playwright: Playwright, tmp_path: Path) -> None:
    folder = tmp_path / "extension"
    shutil.copytree(EXTENSION, folder, ignore=shutil.ignore_patterns("*.bin"))
    with launch(playwright, tmp_path / "profile", extension=folder) as context:
        page = ask_page(context)
        write(page)
        expect(page.locator("[data-tagalong] .note")).to_contain_text("Run “make extension”")
        welcome = open_extension_page(context, "welcome/welcome.html")
        expect(welcome.locator("#device-problem")).to_contain_text("Run “make extension”")
        popup = open_extension_page(context, "popup/popup.html")
        expect(popup.locator("#device-details")).to_contain_text("or choose a service")


def test_the_service_brings_newer_models_and_takes_them_back(
    on_device: BrowserContext, service: RecordingServer
) -> None:
    packaged = (EXTENSION / "device" / "model.bin").read_bytes()
    page = open_extension_page(on_device, "popup/popup.html")
    own = used_version(on_device, page)
    service.device_model = rename_version(packaged, b"light-0123abcd")
    # Without consent to anything that goes to the service, it is not asked.
    kill_worker(on_device)
    page.evaluate("chrome.runtime.sendMessage({type: 'getStatus'})")
    assert used_version(on_device, page) == own
    assert service.requests == []
    store(on_device, settings=consented_settings(service.url, source="device", drafts=False))
    look_for_models(on_device, page)
    assert used_version(on_device, page) == "light-0123abcd"
    # A file that is damaged is refused, once; the one before goes on.
    service.device_model = service.device_model[:-1] + b"?"
    look_for_models(on_device, page)
    assert stored(on_device, "model_check")["refused"]
    assert used_version(on_device, page) == "light-0123abcd"
    # The service goes back to the version that is packaged: nothing is fetched for it.
    service.device_model = packaged
    look_for_models(on_device, page)
    assert used_version(on_device, page) == own


@pytest.mark.parametrize("consented_before", [True, False])
def test_an_update_changes_neither_source_nor_consent(
    chromium: BrowserContext, service: RecordingServer, consented_before: bool
) -> None:
    before = consented_settings(service.url, debounce_ms=100, drafts=consented_before, counts=consented_before)
    del before["source"]
    reset_extension(chromium, before)
    page = ask_page(chromium)
    write(page)
    if consented_before:
        expect(origin(page)).to_have_text("by the service")
    else:
        page.wait_for_timeout(500)
        expect(page.locator("[data-tagalong]")).to_have_count(0)
        assert service.requests == []
    popup = open_extension_page(chromium, "popup/popup.html")
    expect(popup.locator("#welcome")).to_be_visible(visible=not consented_before)
    if not consented_before:
        popup.get_by_role("button", name="Suggest tags on this device").click()
        expect(origin(page)).to_have_text("on this device")
        assert service.requests == []


def test_device_settings_send_nothing_whatever_was_agreed_to(
    on_device: BrowserContext, service: RecordingServer
) -> None:
    """The consent to sending drafts is for a service; without one, it waits."""
    store(
        on_device,
        settings=device_settings(server=service.url, drafts=True, install_id=consented_settings("")["install_id"]),
    )
    page = ask_page(on_device)
    write(page)
    expect(origin(page)).to_have_text("on this device")
    page.wait_for_timeout(1000)
    assert service.requests == []
