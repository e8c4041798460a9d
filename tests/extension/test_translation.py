"""Pages that the browser translates, or that other scripts change, are read correctly."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.extension.browser import (
    TITLE,
    chip,
    consented_settings,
    eventually,
    expect_chips,
    look,
    reset_extension,
    store,
)
from tests.extension.generations import CLASSIC, EDIT, GENERATIONS, SVELTE, Generation, get_name
from tests.extension.recording_server import RecordingServer

# Long enough for every page.
BODY = "I have two frames with the same index. How do I get the columns of both? " * 4
# As browsers do: each text in two <font>, the document's language and class changed, what comes later translated too.
TRANSLATE = """(lateness) => {
    const translate = (text) => {
        const words = text.data.replace(/[a-z]+/gi, (word) => `le-${word}`);
        const [outer, inner] = ["font", "font"].map((name) => document.createElement(name));
        inner.append(words);
        outer.append(inner);
        text.replaceWith(outer);
    };
    const run = (root) => {
        const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
        const all = [];
        while (texts.nextNode()) all.push(texts.currentNode);
        for (const text of all) {
            const parent = text.parentElement;
            if (text.data.trim() && parent && !parent.closest("font, script, style, [translate=no]")) translate(text);
        }
    };
    document.documentElement.lang = "fr";
    document.documentElement.classList.add("translated-ltr");
    run(document.body);
    const later = () => lateness ? setTimeout(run, lateness, document.body) : run(document.body);
    new MutationObserver(later).observe(document.body, {childList: true, subtree: true, characterData: true});
}"""
# As others do: the texts themselves, in place.
TRANSLATE_IN_PLACE = """() => {
    document.documentElement.lang = "fr";
    const texts = document.createTreeWalker(document.querySelector("#question-form"), NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const text = texts.currentNode;
        if (text.data.trim() && !text.parentElement.closest("[translate=no]")) text.data = `serpent${text.data.trim()}`;
    }
}"""


def open_page_with_tag(context: BrowserContext, generation: Generation) -> Page:
    """Open a page with a question, its chips, and one typed tag."""
    page = context.new_page()
    generation.open(page)
    generation.write(page, TITLE, BODY)
    expect_chips(page)
    generation.type_tag(page, "numpy")
    return page


def continue_title(page: Page, service: RecordingServer, generation: Generation) -> None:
    """Write more of the title, and wait until the service was asked about it."""
    page.locator(generation.title).press("End")
    page.keyboard.insert_text(" Or both?")
    assert eventually(lambda: service.drafts[-1]["title"].endswith("both?"))


def posted_tags(service: RecordingServer) -> list[list[str]]:
    return [event["tags"] for event in service.events.values() if event["kind"] == "posted"]


def recorded_actions(service: RecordingServer) -> list[tuple[str, str | None]]:
    return [(kind, tag) for kind, tag in service.received_events() if kind != "viewed"]


@pytest.mark.parametrize("lateness", [0, 300], ids=["at once", "later"])
@pytest.mark.parametrize("generation", GENERATIONS, ids=get_name)
def test_b7_a_translated_page_changes_nothing_that_is_sent_or_counted(
    consented: BrowserContext, service: RecordingServer, generation: Generation, lateness: int
) -> None:
    page = open_page_with_tag(consented, generation)
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    page.evaluate(TRANSLATE, lateness)
    chip(page, "python").click()
    expect(look(page, "python")).to_have_attribute("data-look", "chosen")
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    tags = [*generation.initial_tags, "numpy", "pandas", "python"]
    assert eventually(lambda: service.drafts[-1]["chosen_tags"] == tags)
    assert BODY.strip() in service.drafts[-1]["body"]

    generation.review(page)
    generation.post(page)
    page.wait_for_url(generation.posted_url)
    assert eventually(lambda: posted_tags(service)) == [tags]
    assert recorded_actions(service) == [("accepted", "pandas"), ("accepted", "python"), ("posted", None)]


def test_b7_a_page_translated_in_place_keeps_its_tags(consented: BrowserContext, service: RecordingServer) -> None:
    page = open_page_with_tag(consented, SVELTE)
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    assert eventually(lambda: recorded_actions(service) == [("accepted", "pandas")])
    page.evaluate(TRANSLATE_IN_PLACE)
    continue_title(page, service, SVELTE)
    assert service.drafts[-1]["chosen_tags"] == ["numpy", "pandas"]
    page.wait_for_timeout(400)
    assert recorded_actions(service) == [("accepted", "pandas")]


def test_b7_a_page_translated_before_the_extension_loaded_is_posted(
    consented: BrowserContext, service: RecordingServer
) -> None:
    """Its button is known only by its place and style then."""
    reset_extension(consented, {"server": service.url})
    page = consented.new_page()
    SVELTE.open(page)
    page.evaluate(TRANSLATE, 0)
    page.evaluate("document.querySelector('#editor-container-question .s-textarea').click()")
    store(consented, settings=consented_settings(service.url, debounce_ms=100))
    page.bring_to_front()
    SVELTE.write_body(page, BODY)
    page.locator(SVELTE.title).fill(TITLE)
    expect_chips(page)
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    SVELTE.review(page)
    SVELTE.post(page)
    assert eventually(lambda: posted_tags(service)) == [["pandas"]]


@pytest.mark.parametrize("generation", [CLASSIC, SVELTE, EDIT], ids=get_name)
@pytest.mark.parametrize(
    "mark",
    [
        "chip.prepend('\\u00d712 ')",
        "chip.prepend('12 ')",
        "chip.prepend(Object.assign(document.createElement('b'), {textContent: 'x12'}))",
    ],
    ids=["sign", "number", "element"],
)
def test_b26_additions_of_other_scripts_are_not_part_of_a_tag(
    consented: BrowserContext, service: RecordingServer, generation: Generation, mark: str
) -> None:
    page = open_page_with_tag(consented, generation)
    # The input with the names that are posted is not on every page.
    page.evaluate("document.querySelector('#tagnames')?.remove()")
    generation.chosen_tags(page).evaluate_all(f"(chips) => chips.forEach((chip) => {mark})")
    continue_title(page, service, generation)
    assert service.drafts[-1]["chosen_tags"] == [*generation.initial_tags, "numpy"]


@pytest.mark.parametrize(
    ("chip_html", "tag"),
    [
        ('<span class="s-tag" data-tag="c++">Cé plus plus<button class="s-tag--dismiss"></button></span>', "c++"),
        ('<span class="s-tag"><a href="/questions/tagged/c%23">do dièse</a><button></button></span>', "c#"),
        ('<span class="s-tag"><span>node.js</span><button>Remove node.js</button></span>', "node.js"),
    ],
    ids=["data", "link", "nested text"],
)
def test_b7_a_tag_is_read_from_its_data_link_or_text(
    consented: BrowserContext, service: RecordingServer, chip_html: str, tag: str
) -> None:
    page = consented.new_page()
    SVELTE.open(page)
    page.locator("#filterInput").evaluate("(input, html) => input.insertAdjacentHTML('beforebegin', html)", chip_html)
    SVELTE.write(page, TITLE, BODY)
    expect_chips(page)
    assert service.drafts[-1]["chosen_tags"] == [tag]
