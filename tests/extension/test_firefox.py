"""The same extension in Firefox, as packed for its store: install, consent, chips, accept, events in the database."""

import json
from pathlib import Path
from typing import Any

import pytest

from store.packages import pack_all
from tests.end_to_end.process import get, serving
from tests.extension import firefox
from tests.extension.browser import ASK, TITLE, consented_settings, eventually
from tests.extension.recording_server import RecordingServer

SHADOW = "document.querySelector('[data-tagalong]')?.shadowRoot"
TAGS = f"[...({SHADOW}?.querySelectorAll('.chip') ?? [])].map((chip) => chip.dataset.tag)"
SETTINGS = (
    "import('/background/storage.js').then((storage) => storage.get('settings')).then(({ settings }) => settings)"
)
KINDS = "browser.permissions.getAll().then(({ data_collection }) => data_collection.toSorted())"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return next(path for path in pack_all(tmp_path_factory.mktemp("dist")) if path.suffix == ".xpi")


def store(browser: firefox.Firefox, own: str, settings: dict[str, Any]) -> None:
    """Keeps settings as the extension does; pages get the scripts that are agreed to."""
    put = f"import('/background/storage.js').then((storage) => storage.set({{settings: {json.dumps(settings)}}}))"
    browser.evaluate(own, put)
    browser.evaluate(own, "import('/background/content-scripts.js').then((scripts) => scripts.updateContentScripts())")


def use_server(browser: firefox.Firefox, own: str, url: str) -> None:
    store(browser, own, {"server": url})


def settings(browser: firefox.Firefox, own: str) -> dict[str, Any]:
    return browser.evaluate(own, SETTINGS)


def say_yes(browser: firefox.Firefox, welcome: str, *switches: str) -> None:
    browser.do("browsingContext.activate", context=welcome)
    # What the page said of the yes before is no answer to this one.
    browser.evaluate(welcome, "document.querySelector('#news').className = ''")
    for selector in (*switches, "button.primary"):
        browser.click(welcome, selector)
    assert browser.until(welcome, "document.querySelector('#news').className") == "good"


def kinds_are(browser: firefox.Firefox, welcome: str, *kinds: str) -> Any:
    """Waits until Firefox has granted these kinds of data, sorted, and no others."""
    return browser.until(welcome, f"{KINDS}.then((granted) => granted.join() === '{','.join(kinds)}')")


def open_popup(browser: firefox.Firefox, own: str) -> str:
    """Opens the popup over the tab in front; what it shows is to be had from ``own``, a page of the extension."""
    browser.evaluate(own, "browser.action.openPopup()")
    popup = "browser.extension.getViews({ type: 'popup' })[0]?.document"
    assert browser.until(own, f"{popup}?.querySelector('#service')?.textContent || {popup}?.querySelector('#welcome')")
    return popup


def test_install_consent_chips_accept_and_post(short_folder: Path, package: Path) -> None:
    profile = short_folder / "profile"
    profile.mkdir()
    with serving(short_folder / "data") as (_, address, _), firefox.launch(profile, package) as browser:
        # The welcome page opens by itself, with everything off; before a yes nothing is shown or sent.
        welcome = browser.tab("welcome/welcome.html")
        assert browser.until(welcome, "document.querySelector('#where').textContent !== ''")
        assert browser.evaluate(welcome, "[...document.querySelectorAll('input')].map((each) => each.checked)") == [
            False,
            False,
        ]
        use_server(browser, welcome, address)
        page = browser.open(ASK)
        browser.type(page, "#title", "A title long enough, before any consent")
        assert not browser.evaluate(page, f"{SHADOW} !== undefined")
        say_yes(browser, welcome, "#drafts", "#counts")
        install = settings(browser, welcome)["install_id"]

        page = browser.open(ASK + "?fresh")
        browser.type(page, "#title", "How do I merge two pandas DataFrames on an index?")
        assert browser.until(page, f"{TAGS}.includes('pandas')")
        browser.evaluate(page, "scrollTo(0, 9999)")
        stored = lambda: get(f"{address}/api/v1/installs/{install}")  # noqa: E731
        kinds = lambda: [event["kind"] for event in sorted(stored()["events"], key=lambda each: each["sequence"])]  # noqa: E731
        shown = browser.evaluate(page, TAGS)
        assert eventually(lambda: kinds().count("viewed") == len(shown), 30)
        # B23: not a script of the page, but the writer takes a tag; B4: and two clicks take it once.
        browser.evaluate(page, f"{SHADOW}.querySelector('[data-tag=pandas] .tag').click()")
        browser.evaluate(page, "new Promise((done) => setTimeout(done, 300))")
        assert browser.evaluate(page, "document.querySelector('#tagnames').value") == ""
        browser.click(page, "[data-tag=pandas] .tag", times=2, root=SHADOW.replace("?", ""))
        assert browser.until(page, "document.querySelector('#tagnames').value") == "pandas"
        assert eventually(lambda: "accepted" in kinds(), 30)

        popup = open_popup(browser, welcome)
        assert browser.evaluate(welcome, f"{popup}.querySelector('#site').textContent") == "stackoverflow.com"
        assert browser.evaluate(welcome, f"{popup}.querySelector('#service').textContent") == "ready"
        assert browser.until(welcome, f"{popup}.querySelector('#taken').textContent").endswith("and added 1.")
        browser.evaluate(welcome, f"{popup}.querySelector('#options').click()")
        options = browser.tab("options/options.html")
        assert browser.until(options, f"document.querySelector('#install').textContent === '{install}'")
        assert browser.evaluate(options, "document.querySelector('#shortcut').textContent") == "Alt+Shift+G"

        browser.do("browsingContext.activate", context=page)
        browser.evaluate(page, "document.querySelector('#wmd-input').value = 'A body long enough for the page.'")
        browser.evaluate(page, "document.querySelector('#submit-button').click()")
        assert eventually(lambda: "posted" in kinds(), 30)
        # The page from before the yes has asked by now, too.
        posted = [draft["posted_tags"] for draft in stored()["drafts"] if draft["posted_tags"]]
        assert posted == [["pandas"]]
        assert kinds() == [*["viewed"] * len(shown), "accepted", "posted"]
        sequence = sorted(event["sequence"] for event in stored()["events"])
        assert sequence == list(range(1, len(shown) + 3))


def test_firefox_keeps_each_consent_by_its_kind_of_data(
    service: RecordingServer, tmp_path: Path, package: Path
) -> None:
    with firefox.launch(tmp_path, package) as browser:
        welcome = browser.tab("welcome/welcome.html")
        assert browser.until(welcome, "document.querySelector('#where').textContent !== ''")
        use_server(browser, welcome, service.url)
        assert browser.evaluate(welcome, KINDS) == []
        say_yes(browser, welcome, "#drafts")
        assert kinds_are(browser, welcome, "websiteContent")
        page = browser.open(ASK)
        browser.type(page, "#title", TITLE)
        assert browser.until(page, f"{TAGS}.length === 3")
        assert {draft["record"] for draft in service.drafts} == {False}
        assert all(
            request.origin.startswith("moz-extension://") for request in service.requests_to("/api/v1/suggestions")
        )

        say_yes(browser, welcome, "#counts")
        everything = ["technicalAndInteraction", "websiteActivity", "websiteContent"]
        assert kinds_are(browser, welcome, *everything)
        say_yes(browser, welcome, "#counts")
        assert kinds_are(browser, welcome, "websiteContent")
        say_yes(browser, welcome, "#counts")
        assert kinds_are(browser, welcome, *everything)
        # Taken back where Firefox lists the extension's permissions: what is sent ends with it.
        browser.evaluate(welcome, "browser.permissions.remove({ data_collection: ['technicalAndInteraction'] })")
        assert browser.until(welcome, f"{SETTINGS}.then(({{counts}}) => !counts)")
        browser.evaluate(welcome, "browser.permissions.remove({ data_collection: ['websiteContent'] })")
        assert browser.until(welcome, f"{SETTINGS}.then(({{drafts}}) => !drafts)")
        browser.do("browsingContext.activate", context=page)
        assert browser.until(page, f"!({SHADOW})")
        asked = len(service.requests)
        browser.type(page, "#title", " and more words")
        browser.evaluate(page, "new Promise((done) => setTimeout(done, 600))")
        assert len(service.requests) == asked


def test_in_a_french_browser_it_speaks_french(service: RecordingServer, tmp_path: Path, package: Path) -> None:
    with firefox.launch(tmp_path, package, language="fr") as browser:
        welcome = browser.tab("welcome/welcome.html")
        heading = "document.querySelector('h1').textContent"
        assert browser.until(welcome, heading) == "Des tags pendant que vous écrivez"
        assert browser.evaluate(welcome, "document.documentElement.lang") == "fr"
        yes = {**consented_settings(service.url), "debounce_ms": 100}
        store(browser, welcome, yes)
        page = browser.open(ASK)
        browser.type(page, "#title", TITLE)
        assert browser.until(page, f"{SHADOW}?.textContent.includes('Tags suggérés')")
        popup = open_popup(browser, welcome)
        assert browser.evaluate(welcome, f"{popup}.querySelector('#service').textContent") == "prêt"
        browser.evaluate(welcome, f"{popup}.querySelector('#options').click()")
        options = browser.tab("options/options.html")
        assert browser.until(options, heading) == "Réglages de Tagalong"
