"""No key of the writer is lost or reaches another field, whatever the page does while it adds a tag."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.extension import firefox
from tests.extension.browser import chip, chips, consented_settings, eventually, expect_chips, look
from tests.extension.generations import CLASSIC, GENERATIONS, SVELTE, WIZARD, Generation, get_name
from tests.extension.recording_server import RecordingServer
from tests.extension.test_firefox import store
from tests.extension.typists import (
    BODY,
    DRAFTS,
    OFFERS,
    READ_LOOKS,
    RECORD_POINTER,
    SHOWN_AS,
    SITE_QUERY,
    TITLE,
    Typist,
    type_concurrently,
)


class ChromiumDevice:
    """Keyboard and mouse of a person at a Chromium."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def evaluate(self, expression: str) -> object:
        return self.page.evaluate(expression)

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(x, y)


FIREFOX_KEYS = {"Space": " ", "Backspace": "\ue003", "ArrowLeft": "\ue012", "End": "\ue010", "Control": "\ue009"}


class FirefoxDevice:
    """Keyboard and mouse of a person at a Firefox."""

    def __init__(self, browser: firefox.Firefox, window: str) -> None:
        self.browser, self.window = browser, window

    def evaluate(self, expression: str) -> object:
        return self.browser.evaluate(self.window, expression)

    def press(self, key: str) -> None:
        keys = [FIREFOX_KEYS.get(part, part) for part in (key.split("+") if len(key) > 1 else [key])]
        steps = [{"type": "keyDown", "value": value} for value in keys]
        steps += [{"type": "keyUp", "value": value} for value in reversed(keys)]
        self._perform({"type": "key", "id": "keys", "actions": steps})

    def click(self, x: float, y: float) -> None:
        steps: list[dict[str, object]] = [{"type": "pointerMove", "x": round(x), "y": round(y)}]
        steps += [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self._perform({"type": "pointer", "id": "mouse", "actions": steps})

    def _perform(self, actions: dict[str, object]) -> None:
        self.browser.run("input.performActions", context=self.window, actions=[actions])


def open_typist(context: BrowserContext, generation: Generation, seed: int) -> Typist:
    """Open a page with a question and its chips; return a typist at it."""
    page = context.new_page()
    typist = Typist(ChromiumDevice(page), generation, seed)
    generation.open(page, typist.query)
    draft = json.dumps(json.dumps(DRAFTS[generation.name]))
    page.evaluate(f"localStorage.setItem('{generation.name}-draft', {draft})")
    page.reload()
    chips(page).nth(len(OFFERS) - 1).wait_for()
    page.evaluate(RECORD_POINTER)
    return typist


def assert_state(typist: Typist) -> None:
    eventually(lambda: typist.read_state() == typist.expected_state(), 30)
    assert typist.read_state() == typist.expected_state(), f"seed {typist.seed}, page with {typist.query}"


def assert_events_match(service: RecordingServer, typists: list[Typist]) -> None:
    """The tags that were pressed and that the page took are accepted once, and nothing is removed."""
    expected = Counter(("accepted", tag) for typist in typists for tag in typist.accepted if tag in SHOWN_AS)

    def told() -> Counter[tuple[str, str | None]]:
        return Counter(event for event in service.received_events() if event[0] != "viewed")

    eventually(lambda: told() == expected)
    assert told() == expected


SOME = pytest.param(range(5), id="five")
MANY = [pytest.param(range(first, first + 5), id=f"from {first}", marks=pytest.mark.slow) for first in range(5, 50, 5)]


@pytest.mark.parametrize("generation", GENERATIONS, ids=get_name)
@pytest.mark.parametrize("seeds", [SOME, *MANY])
def test_b1_random_typists_lose_no_key(
    consented: BrowserContext, service: RecordingServer, generation: Generation, seeds: range
) -> None:
    service.offers = OFFERS
    typists = [open_typist(consented, generation, seed) for seed in seeds]
    page = consented.pages[0]
    type_concurrently(typists, lambda seconds: page.wait_for_timeout(seconds * 1000))
    for typist in typists:
        assert_state(typist)
    assert all(typist.accepted for typist in typists)
    assert_events_match(service, typists)


def open_typist_in_firefox(browser: firefox.Firefox, generation: Generation, seed: int) -> Typist:
    window = browser.run("browsingContext.create", type="tab")["context"]
    typist = Typist(FirefoxDevice(browser, window), generation, seed, max_delay_ms=1000)
    address = f"{generation.address}{'&' if '?' in generation.address else '?'}{typist.query}"
    browser.run("browsingContext.navigate", context=window, url=address, wait="complete")
    assert browser.wait_for(window, f"{READ_LOOKS}.length === {len(OFFERS)}")
    browser.evaluate(window, RECORD_POINTER)
    return typist


def test_b1_random_typists_lose_no_key_in_firefox(service: RecordingServer, tmp_path: Path) -> None:
    """Two typists at each page."""
    service.offers = OFFERS
    with firefox.launch(tmp_path) as browser:
        welcome = browser.wait_for_tab("welcome/welcome.html")
        store(browser, welcome, consented_settings(service.url, debounce_ms=100))
        site = browser.open("https://stackoverflow.com/questions/4711/another-question")
        drafts = {f"{name}-draft": json.dumps(draft) for name, draft in DRAFTS.items()}
        browser.evaluate(site, f"Object.assign(localStorage, {json.dumps(drafts)})")
        typists = [open_typist_in_firefox(browser, generation, seed) for generation in GENERATIONS for seed in range(2)]
        for typist in typists:
            assert isinstance(typist.device, FirefoxDevice)
            # Firefox slows a tab in the background, and fires no blur event in it.
            browser.run("browsingContext.activate", context=typist.device.window)
            type_concurrently([typist], time.sleep)
            assert_state(typist)
        assert_events_match(service, typists)


def open_page_with_chips(context: BrowserContext, service: RecordingServer, generation: Generation, query: str) -> Page:
    service.offers = OFFERS
    page = context.new_page()
    generation.open(page, query)
    generation.write(page, TITLE, BODY)
    expect_chips(page)
    return page


@pytest.mark.parametrize(
    "query", ["", "search=1500&slowly=700", f"{SITE_QUERY}&judged=300&redraw"], ids=["quick", "slow", "odd"]
)
@pytest.mark.parametrize("generation", [CLASSIC, SVELTE], ids=get_name)
def test_b2_half_typed_text_and_caret_are_restored(
    consented: BrowserContext, service: RecordingServer, generation: Generation, query: str
) -> None:
    page = open_page_with_chips(consented, service, generation, query)
    page.locator(generation.tag_input).click()
    page.keyboard.type("sqver")
    for _ in "ver":
        page.keyboard.press("ArrowLeft")
    chip(page, "merge").click()
    page.keyboard.type("l-ser")
    expect(look(page, "merge")).to_have_attribute("data-look", "chosen")
    expect(page.locator(generation.tag_input)).to_have_value("sql-server")
    page.keyboard.type("!")
    expect(page.locator(generation.tag_input)).to_have_value("sql-ser!ver")


@pytest.mark.parametrize("mode", ["markdown", "rich"])
def test_b1_an_editor_keeps_its_caret(consented: BrowserContext, service: RecordingServer, mode: str) -> None:
    page = open_page_with_chips(consented, service, WIZARD, f"mode={mode}&slowly=700&refocus")
    editor = page.locator(f"{WIZARD.editor} .js-editor")
    editor.click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("one")
    chip(page, "merge").click()
    page.keyboard.type(" two")
    # The page focuses its own field when it shows the tag.
    expect(WIZARD.chosen_tags(page)).to_have_count(1)
    page.keyboard.type(" three")
    expect(editor).to_contain_text("one two threeI have")
    expect(page.locator(WIZARD.tag_input)).to_have_value("")


def test_b1_a_typed_tag_is_never_taken_for_a_synonym(consented: BrowserContext, service: RecordingServer) -> None:
    """On a slow page, for what was typed before the press and after it."""
    page = open_page_with_chips(consented, service, CLASSIC, f"{SITE_QUERY}&slowly=700")
    page.locator(CLASSIC.tag_input).click()
    page.keyboard.type("first ")
    chip(page, "dataframe").click()
    page.keyboard.type("second ")
    expect(page.locator("[data-tagalong] .note span")).to_have_text("The page did not accept “dataframe”.")
    expect(CLASSIC.chosen_tags(page)).to_have_text(["first", "second"])
    assert [kind for kind, _ in service.received_events() if kind != "viewed"] == []


@pytest.mark.parametrize("generation", [CLASSIC, SVELTE], ids=get_name)
def test_b1_a_composition_is_finished_first(
    consented: BrowserContext, service: RecordingServer, generation: Generation
) -> None:
    page = open_page_with_chips(consented, service, generation, "")
    page.locator(generation.title).click()
    page.keyboard.press("End")
    session = page.context.new_cdp_session(page)
    session.send("Input.imeSetComposition", {"text": "ni", "selectionStart": 2, "selectionEnd": 2})
    chip(page, "merge").click()
    session.send("Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5})
    session.send("Input.insertText", {"text": "\u4f60\u597d"})
    expect(look(page, "merge")).to_have_attribute("data-look", "chosen")
    expect(page.locator(generation.title)).to_have_value(f"{TITLE}\u4f60\u597d")
