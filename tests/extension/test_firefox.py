"""The extension in Firefox, as packed for its store: install, consent, chips, accept, events in the database."""

import json
from pathlib import Path
from typing import Any

import pytest

from store.packages import write_all_packages
from tests.end_to_end.process import get, serving
from tests.extension import firefox
from tests.extension.browser import ASK, TITLE, consented_settings, eventually, service_settings
from tests.extension.recording_server import RecordingServer

SHADOW = "document.querySelector('[data-tagalong]')?.shadowRoot"
TAGS = f"[...({SHADOW}?.querySelectorAll('.chip') ?? [])].map((chip) => chip.dataset.tag)"
SETTINGS = (
    "import('/background/storage.js').then((storage) => storage.get('settings')).then(({ settings }) => settings)"
)
KINDS = "browser.permissions.getAll().then(({ data_collection }) => data_collection.toSorted())"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return next(path for path in write_all_packages(tmp_path_factory.mktemp("dist")) if path.suffix == ".xpi")


def store(browser: firefox.Firefox, own: str, settings: dict[str, Any]) -> None:
    """Store settings as the extension does, and register the allowed content scripts."""
    put = f"import('/background/storage.js').then((storage) => storage.set({{settings: {json.dumps(settings)}}}))"
    browser.evaluate(own, put)
    browser.evaluate(own, "import('/background/content-scripts.js').then((scripts) => scripts.updateContentScripts())")


def use_server(browser: firefox.Firefox, own: str, url: str) -> None:
    store(browser, own, service_settings(url))


def settings(browser: firefox.Firefox, own: str) -> dict[str, Any]:
    values: dict[str, Any] = browser.evaluate(own, SETTINGS)
    return values


def give_consent(browser: firefox.Firefox, welcome: str, *switches: str) -> None:
    browser.run("browsingContext.activate", context=welcome)
    # The status of the consent before is no answer to this one.
    browser.evaluate(welcome, "document.querySelector('#status').className = ''")
    for selector in (*switches, "button.primary"):
        browser.click(welcome, selector)
    assert browser.wait_for(welcome, "document.querySelector('#status').className") == "good"


def wait_for_kinds(browser: firefox.Firefox, welcome: str, *kinds: str) -> Any:
    """Wait until Firefox has granted exactly these kinds of data, sorted."""
    return browser.wait_for(welcome, f"{KINDS}.then((granted) => granted.join() === '{','.join(kinds)}')")


def open_popup(browser: firefox.Firefox, own: str) -> str:
    """Open the popup over the tab in front; return how ``own``, a page of the extension, reaches its document."""
    browser.evaluate(own, "browser.action.openPopup()")
    popup = "browser.extension.getViews({ type: 'popup' })[0]?.document"
    assert browser.wait_for(
        own, f"{popup}?.querySelector('#service')?.textContent || {popup}?.querySelector('#welcome')"
    )
    return popup


def test_install_consent_chips_accept_and_post(short_folder: Path, package: Path) -> None:
    profile = short_folder / "profile"
    profile.mkdir()
    with serving(short_folder / "data") as (_, address, _), firefox.launch(profile, package) as browser:
        # The welcome page opens by itself, with both consents off; where a service was chosen, nothing is shown or sent
        # before them.
        welcome = browser.wait_for_tab("welcome/welcome.html")
        assert browser.wait_for(welcome, "document.querySelector('#server').textContent !== ''")
        consents = "[...document.querySelectorAll('[role=switch]')].map((input) => input.checked)"
        assert browser.evaluate(welcome, consents) == [False, False]
        use_server(browser, welcome, address)
        page = browser.open(ASK)
        browser.type(page, "#title", "A title long enough, before any consent")
        assert not browser.evaluate(page, f"{SHADOW} !== undefined")
        give_consent(browser, welcome, "#source-service", "#drafts", "#counts")
        install = settings(browser, welcome)["install_id"]

        page = browser.open(ASK + "?fresh")
        browser.type(page, "#title", "How do I merge two pandas DataFrames on an index?")
        assert browser.wait_for(page, f"{TAGS}.includes('pandas')")
        browser.evaluate(page, "scrollTo(0, 9999)")

        def stored() -> dict[str, Any]:
            return get(f"{address}/api/v1/installs/{install}")

        def kinds() -> list[str]:
            return [event["kind"] for event in sorted(stored()["events"], key=lambda event: event["sequence"])]

        shown = browser.evaluate(page, TAGS)
        assert eventually(lambda: kinds().count("viewed") == len(shown), 30)
        # B23: a script of the page accepts no tag, only the writer does; B4: and two clicks accept it once.
        browser.evaluate(page, f"{SHADOW}.querySelector('[data-tag=pandas] .tag').click()")
        browser.evaluate(page, "new Promise((done) => setTimeout(done, 300))")
        assert browser.evaluate(page, "document.querySelector('#tagnames').value") == ""
        browser.click(page, "[data-tag=pandas] .tag", times=2, root=SHADOW.replace("?", ""))
        assert browser.wait_for(page, "document.querySelector('#tagnames').value") == "pandas"
        assert eventually(lambda: "accepted" in kinds(), 30)

        popup = open_popup(browser, welcome)
        assert browser.evaluate(welcome, f"{popup}.querySelector('#site').textContent") == "stackoverflow.com"
        assert browser.evaluate(welcome, f"{popup}.querySelector('#service').textContent") == "ready"
        assert browser.wait_for(welcome, f"{popup}.querySelector('#stats-summary').textContent").endswith(
            "and added 1."
        )
        browser.evaluate(welcome, f"{popup}.querySelector('#options').click()")
        options = browser.wait_for_tab("options/options.html")
        assert browser.wait_for(options, f"document.querySelector('#install-id').textContent === '{install}'")
        assert browser.evaluate(options, "document.querySelector('#shortcut').textContent") == "Alt+Shift+G"

        browser.run("browsingContext.activate", context=page)
        browser.evaluate(page, "document.querySelector('#wmd-input').value = 'A body long enough for the page.'")
        browser.evaluate(page, "document.querySelector('#submit-button').click()")
        assert eventually(lambda: "posted" in kinds(), 30)
        # The page from before the consent has asked by now, too.
        posted = [draft["posted_tags"] for draft in stored()["drafts"] if draft["posted_tags"]]
        assert posted == [["pandas"]]
        assert kinds() == [*["viewed"] * len(shown), "accepted", "posted"]
        sequence = sorted(event["sequence"] for event in stored()["events"])
        assert sequence == list(range(1, len(shown) + 3))


def test_tags_come_from_this_device_without_a_service(service: RecordingServer, tmp_path: Path, package: Path) -> None:
    """Install, chips, reasons, accept, dismiss, undo, post; nothing is sent. Counting has a consent of its own."""
    with firefox.launch(tmp_path, package) as browser:
        welcome = browser.wait_for_tab("welcome/welcome.html")
        assert browser.wait_for(welcome, "document.querySelector('#now').textContent").startswith("It works already")
        store(browser, welcome, {"source": "device", "server": service.url, "debounce_ms": 100})
        page = browser.open(ASK)
        browser.type(page, "#title", "How do I merge two pandas DataFrames on an index in Python?")
        assert browser.wait_for(page, f"{TAGS}.includes('pandas') && {TAGS}.includes('python')")
        assert browser.evaluate(page, f"{SHADOW}.querySelector('.origin').textContent") == "on this device"
        root = SHADOW.replace("?", "")
        browser.click(page, "[data-tag=pandas] .tag", times=0, root=root)
        assert browser.wait_for(page, f"{SHADOW}.querySelector('.because')?.textContent.includes('pandas')")
        browser.click(page, "[data-tag=pandas] .tag", root=root)
        assert browser.wait_for(page, "document.querySelector('#tagnames').value") == "pandas"
        browser.click(page, "[data-tag=python] .side", root=root)
        assert browser.wait_for(page, f"{SHADOW}.querySelector('[data-tag=python]').dataset.look === 'dismissed'")
        browser.click(page, ".note button", root=root)
        assert browser.wait_for(page, f"{SHADOW}.querySelector('[data-tag=python]').dataset.look === 'offered'")
        tally = "import('/background/storage.js').then((storage) => storage.get('tally')).then(({ tally }) => tally)"
        # All that was done is stored: a page that goes at once takes with it what it is just storing.
        assert browser.wait_for(welcome, f"{tally}.then((stats) => stats?.accepted === 1 && stats.dismissed === 0)")
        browser.evaluate(page, "document.querySelector('#wmd-input').value = 'A body long enough for the page.'")
        browser.evaluate(page, "document.querySelector('#submit-button').click()")
        assert browser.wait_for(welcome, f"{tally}.then((stats) => stats?.kept === 1)")
        assert service.requests == []

        give_consent(browser, welcome, "#counts")
        assert wait_for_kinds(browser, welcome, "technicalAndInteraction", "websiteActivity")
        page = browser.open(ASK + "?fresh")
        browser.type(page, "#title", "How do I center a div in CSS?")
        assert browser.wait_for(page, f"{TAGS}.includes('css')")
        browser.evaluate(page, "scrollTo(0, 9999)")
        assert eventually(lambda: ("viewed", "css") in service.received_events(), 30)
        assert service.received_events()[0] == ("suggested", None)
        assert service.drafts == []


def test_firefox_stores_each_consent_by_its_kind_of_data(
    service: RecordingServer, tmp_path: Path, package: Path
) -> None:
    with firefox.launch(tmp_path, package) as browser:
        welcome = browser.wait_for_tab("welcome/welcome.html")
        assert browser.wait_for(welcome, "document.querySelector('#server').textContent !== ''")
        use_server(browser, welcome, service.url)
        assert browser.evaluate(welcome, KINDS) == []
        give_consent(browser, welcome, "#source-service", "#drafts")
        assert wait_for_kinds(browser, welcome, "websiteContent")
        page = browser.open(ASK)
        browser.type(page, "#title", TITLE)
        assert browser.wait_for(page, f"{TAGS}.length === 3")
        assert {draft["record"] for draft in service.drafts} == {False}
        assert all(
            (request.origin or "").startswith("moz-extension://")
            for request in service.requests_to("/api/v1/suggestions")
        )

        give_consent(browser, welcome, "#counts")
        everything = ["technicalAndInteraction", "websiteActivity", "websiteContent"]
        assert wait_for_kinds(browser, welcome, *everything)
        give_consent(browser, welcome, "#counts")
        assert wait_for_kinds(browser, welcome, "websiteContent")
        give_consent(browser, welcome, "#counts")
        assert wait_for_kinds(browser, welcome, *everything)
        # Withdrawn where Firefox lists the extension's permissions: sending ends with it.
        browser.evaluate(welcome, "browser.permissions.remove({ data_collection: ['technicalAndInteraction'] })")
        assert browser.wait_for(welcome, f"{SETTINGS}.then(({{counts}}) => !counts)")
        browser.evaluate(welcome, "browser.permissions.remove({ data_collection: ['websiteContent'] })")
        assert browser.wait_for(welcome, f"{SETTINGS}.then(({{drafts}}) => !drafts)")
        browser.run("browsingContext.activate", context=page)
        assert browser.wait_for(page, f"!({SHADOW})")
        requests = len(service.requests)
        browser.type(page, "#title", " and more words")
        browser.evaluate(page, "new Promise((done) => setTimeout(done, 600))")
        assert len(service.requests) == requests


def test_in_a_french_browser_it_speaks_french(service: RecordingServer, tmp_path: Path, package: Path) -> None:
    with firefox.launch(tmp_path, package, language="fr") as browser:
        welcome = browser.wait_for_tab("welcome/welcome.html")
        heading = "document.querySelector('h1').textContent"
        assert browser.wait_for(welcome, heading) == "Des tags pendant que vous écrivez"
        assert browser.evaluate(welcome, "document.documentElement.lang") == "fr"
        consented = {**consented_settings(service.url), "debounce_ms": 100}
        store(browser, welcome, consented)
        page = browser.open(ASK)
        browser.type(page, "#title", TITLE)
        assert browser.wait_for(page, f"{SHADOW}?.textContent.includes('Tags suggérés')")
        popup = open_popup(browser, welcome)
        assert browser.evaluate(welcome, f"{popup}.querySelector('#service').textContent") == "prêt"
        browser.evaluate(welcome, f"{popup}.querySelector('#options').click()")
        options = browser.wait_for_tab("options/options.html")
        assert browser.wait_for(options, heading) == "Réglages de Tagalong"
