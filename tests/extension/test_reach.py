"""Isolation: no page has our scripts without consent, and no content script reaches more than its own."""

import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, expect

from tests.extension.browser import (
    EXTENSION,
    TITLE,
    apply_settings,
    ask_page,
    chip,
    consent,
    consented_settings,
    eventually,
    expect_chips,
    inspector_page,
    kill_worker,
    launch,
    run_in_content_script,
    store,
    stored,
    use_server,
    write,
)
from tests.extension.recording_server import RecordingServer

QUESTION = "https://stackoverflow.com/questions/4711/another-question"
STAGED = "https://stackoverflow.com/staging-ground/4712"
KEY = "open sesame"


@pytest.fixture
def fresh(playwright: Playwright, tmp_path: Path, service: RecordingServer) -> Iterator[BrowserContext]:
    """A browser of its own, for tests that restart it."""
    with launch(playwright, tmp_path) as context:
        use_server(context, service.url)
        yield context


def registered_scripts(context: BrowserContext) -> set[str]:
    """Return the ids of the content scripts that are registered beside those of the manifest."""
    read = "chrome.scripting.getRegisteredContentScripts().then((scripts) => scripts.map(({ id }) => id))"
    return set(inspector_page(context).evaluate(read))


class WorkerMonitor:
    """Follows whether the extension's worker runs, and stops it."""

    def __init__(self, context: BrowserContext) -> None:
        self._status = ""
        self._session = context.new_cdp_session(inspector_page(context))
        self._session.on("ServiceWorker.workerVersionUpdated", self._update)
        self._session.send("ServiceWorker.enable")

    def _update(self, event: dict[str, Any]) -> None:
        for version in event["versions"]:
            self._status = version["runningStatus"]

    def kill(self) -> None:
        self._session.send("ServiceWorker.stopAllWorkers")
        assert eventually(self.is_stopped)

    def is_stopped(self) -> bool:
        return self._status == "stopped"


def assert_starts_no_worker(context: BrowserContext, *addresses: str) -> None:
    worker = WorkerMonitor(context)
    for address in addresses:
        worker.kill()
        page = context.new_page()
        page.goto(address)
        page.locator("h1").first.wait_for()
        page.wait_for_timeout(500)
        assert worker.is_stopped(), address
        page.close()


def test_b11_reading_a_page_starts_no_worker(new_install: BrowserContext, service: RecordingServer) -> None:
    assert registered_scripts(new_install) == set()
    assert_starts_no_worker(new_install, QUESTION, STAGED, "https://stackoverflow.com/questions/ask")
    # With both consents, only where a question may have been posted.
    store(new_install, settings=consented_settings(service.url))
    assert_starts_no_worker(new_install, QUESTION, STAGED)


def test_b11_each_script_is_registered_while_it_is_wanted(fresh: BrowserContext) -> None:
    assert registered_scripts(fresh) == set()
    consent(fresh, counts=False)
    assert registered_scripts(fresh) == {"write"}
    inspector = inspector_page(fresh)
    for changes, expected in (
        ({"counts": True}, {"write", "arrived"}),
        ({"counts": False}, {"write"}),
        ({"counts": True}, {"write", "arrived"}),
        ({"drafts": False}, set()),
        ({"drafts": True, "counts": True}, {"write", "arrived"}),
        ({"source": "service_then_device", "drafts": False, "counts": False}, {"write"}),
        # The writer's own figures are of posted questions as well.
        ({"source": "device"}, {"write", "arrived"}),
        ({"source": "service"}, set()),
    ):
        inspector.evaluate("(changes) => chrome.runtime.sendMessage({type: 'changeSettings', changes})", changes)
        assert registered_scripts(fresh) == expected
    inspector.evaluate("chrome.runtime.sendMessage({type: 'eraseData', location: 'here'})")
    assert registered_scripts(fresh) == {"write", "arrived"}


def copy_extension(tmp_path: Path) -> Path:
    """Copy the extension into a folder of its own, so that it can become another version."""
    return Path(shutil.copytree(EXTENSION, tmp_path / "extension"))


def bump_version(extension: Path) -> None:
    manifest = json.loads((extension / "manifest.json").read_text())
    (extension / "manifest.json").write_text(json.dumps({**manifest, "version": "99.0"}))


def test_b11_scripts_are_registered_again_after_a_restart_and_an_update(
    playwright: Playwright, tmp_path: Path, service: RecordingServer
) -> None:
    extension = copy_extension(tmp_path)
    with launch(playwright, tmp_path / "profile", extension=extension) as context:
        use_server(context, service.url)
        consent(context)
    for update in (lambda _: None, bump_version):
        update(extension)
        with launch(playwright, tmp_path / "profile", extension=extension) as context:
            assert eventually(lambda: registered_scripts(context) == {"write", "arrived"})
            page = context.new_page()
            page.goto("https://stackoverflow.com/questions")
            assert run_in_content_script(page, "globalThis.tagalong") is True


def test_an_earlier_versions_data_move_out_of_reach_of_pages(
    playwright: Playwright, tmp_path: Path, service: RecordingServer
) -> None:
    extension = copy_extension(tmp_path)
    settings = consented_settings(service.url, api_key=KEY, never=["csv"])
    old = {"settings": settings, "outbox": {"sequence": 7, "lost": 2}, "tally": {"viewed": 12}, "drafts": {}}
    with launch(playwright, tmp_path / "profile", extension=extension) as context:
        # As an earlier version left it.
        restore_old = """async (old) => {
            const deletion = indexedDB.deleteDatabase("tagalong");
            await new Promise((resolve, reject) => ([deletion.onsuccess, deletion.onerror] = [resolve, reject]));
            await chrome.storage.local.set(old);
        }"""
        kill_worker(context)
        inspector_page(context).evaluate(restore_old, old)
    bump_version(extension)
    with launch(playwright, tmp_path / "profile", extension=extension) as context:
        assert stored(context, "settings") == settings
        assert stored(context, "outbox")["sequence"] == 7
        assert stored(context, "tally") == {"viewed": 12}
        assert eventually(lambda: registered_scripts(context) == {"write", "arrived"})
        assert set(inspector_page(context).evaluate("chrome.storage.local.get(null)")) == {"agreed"}
        planted = {**settings, "server": "https://example.org"}
        inspector_page(context).evaluate("(settings) => chrome.storage.local.set({ settings })", planted)
    with launch(playwright, tmp_path / "profile", extension=extension) as context:
        assert stored(context, "settings") == settings, "from then on, nothing there is read as settings"


@pytest.fixture
def page(consented: BrowserContext, service: RecordingServer) -> Page:
    """An ask page with chips, of an install with an API key."""
    store(consented, settings=consented_settings(service.url, debounce_ms=100, api_key=KEY))
    page = ask_page(consented, "?fresh")
    write(page)
    expect_chips(page)
    return page


def send_from_content_script(page: Page, message: dict[str, Any]) -> str:
    """Return the answer, or the error, that a content script gets for a message."""
    send = f"chrome.runtime.sendMessage({json.dumps(message)}).then(JSON.stringify, String)"
    return str(run_in_content_script(page, send))


def test_b25_a_content_script_reads_neither_key_nor_install_nor_consent(page: Page) -> None:
    settings = stored(page.context, "settings")
    read = """Promise.all(["local", "sync", "session"].map((area) => chrome.storage[area].get(null).catch(String)))
        .then(JSON.stringify)"""
    output = run_in_content_script(page, read)
    output += run_in_content_script(page, "indexedDB.databases().then((all) => JSON.stringify(all))")
    for message in (
        {"type": "getPageSettings", "entered": False},
        {"type": "getStatus"},
        {"type": "exportData", "location": "here"},
    ):
        output += send_from_content_script(page, message)
    for secret in (KEY, settings["install_id"], settings["server"], '"counts"'):
        assert secret not in output


def test_b25_a_content_script_changes_no_setting(page: Page, service: RecordingServer) -> None:
    context, settings = page.context, stored(page.context, "settings")
    planted = {**settings, "server": "http://127.0.0.1:9", "api_key": "", "counts": False}
    run_in_content_script(page, f"chrome.storage.local.set({json.dumps({'settings': planted})})")
    for message in (
        {"type": "changeSettings", "changes": {"server": planted["server"]}},
        {"type": "testService", "server": planted["server"], "api_key": ""},
        {"type": "eraseData", "location": "here"},
        {"type": "eraseData", "location": "service"},
        {"type": "flushOutbox"},
        {"type": "checkService"},
    ):
        assert "answer" not in send_from_content_script(page, message), message
    kill_worker(context)
    page.bring_to_front()
    requests = len(service.drafts)
    write(page, " and more of it")
    assert eventually(lambda: len(service.drafts) > requests)
    assert stored(context, "settings") == settings
    assert service.requests[-1].key == f"Bearer {KEY}"
    assert service.erased == []


BAD_MESSAGES = [
    {"type": "getPageSettings"},
    {"type": "getPageSettings", "entered": "yes"},
    {"type": "openDraft", "title": 7, "kind": "ask", "reloaded": False},
    {"type": "openDraft", "title": "x" * 301, "kind": "ask", "reloaded": False},
    {"type": "openDraft", "title": TITLE, "kind": "demo", "reloaded": False},
    {"type": "questionOpened", "question_id": "4711", "from": "/questions/ask"},
    {"type": "questionOpened", "question_id": -1, "from": "/questions/ask"},
    {"type": "questionOpened", "question_id": 4711},
    {"type": "setTagBlocked", "tag": "<b>", "blocked": True},
    {"type": "setTagBlocked", "tag": ["csv"], "blocked": True},
    {"type": "eventsStored", "unsaved": {"settings": {"drafts": False}}},
    {"type": "eventsStored", "unsaved": {f"told.{number}": {} for number in range(1001)}},
    {"type": "constructor"},
    {"type": "__proto__"},
    {"type": None},
    {},
]


@pytest.mark.parametrize("message", BAD_MESSAGES, ids=lambda message: json.dumps(message)[:40])
def test_b25_an_invalid_message_is_not_answered(consented: BrowserContext, message: dict[str, Any]) -> None:
    assert "answer" not in send_from_content_script(ask_page(consented), message)


def test_b25_a_content_script_reaches_only_its_tabs_draft(page: Page, service: RecordingServer) -> None:
    other = ask_page(page.context, "?fresh")
    write(other, "Another question that is written beside it")
    expect_chips(other)
    draft = {
        name: value for name, value in service.drafts[0].items() if name not in {"draft_id", "install_id", "record"}
    }
    draft.pop("extension_version")
    foreign, own = service.drafts[0]["draft_id"], service.drafts[-1]["draft_id"]
    assert foreign != own
    requests = len(service.drafts)
    for draft_id, changes in (
        (foreign, {}), (str(uuid.uuid4()), {}), ("../1", {}),
        (own, {"body": "x" * 50_001}), (own, {"body": 7}), (own, {"kind": "demo"}), (own, {"chosen_tags": ["<b>"]}),
    ):  # fmt: skip
        answer = send_from_content_script(
            other, {"type": "suggest", "draft_id": draft_id, "draft": {**draft, **changes}}
        )
        assert "answered" not in answer
    assert len(service.drafts) == requests
    message = {"type": "suggest", "draft_id": own, "draft": {**draft, "site": "example.org"}}
    assert "answered" in send_from_content_script(other, message)
    # Whatever the message says, the site is that of the page.
    assert service.drafts[-1]["site"] == "stackoverflow.com"

    event = {
        "id": str(uuid.uuid4()), "occurred_at": "2026-03-02T09:14:05.120Z", "kind": "dismissed",
        "draft_id": foreign, "suggestion_id": str(uuid.uuid4()), "tag": "forged",
    }  # fmt: skip
    send_from_content_script(other, {"type": "eventsStored", "unsaved": {"told.1": event}})
    planted = {
        "told.2": {**event, "draft_id": str(uuid.uuid4())},
        "told.3": {**event, "draft_id": own, "tag": "x" * 5000},
        "told.4": {**event, "draft_id": own, "kind": "posted"},
        "told.5": "nonsense",
        "told.6": None,
    }
    run_in_content_script(other, f"chrome.storage.local.set({json.dumps(planted)})")
    chip(other, "pandas").click()
    assert eventually(lambda: ("accepted", "pandas") in service.received_events())
    assert {tag for _, tag in service.received_events()} <= {"pandas", "python", "dataframe"}


def test_a_page_opened_before_consent_gets_its_chips(new_install: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(new_install)
    write(page)
    store(new_install, settings=consented_settings(service.url, debounce_ms=100))
    apply_settings(new_install)
    expect_chips(page)
    expect(page.locator("[data-tagalong]")).to_have_count(1)
