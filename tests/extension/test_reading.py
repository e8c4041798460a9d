"""Pages are recognised by their markup and read as their writer sees them; unknown pages are left alone."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, expect

from tests.extension.browser import (
    ASK,
    QUESTION_ID,
    TITLE,
    chip,
    chips,
    consented_settings,
    eventually,
    expect_chips,
    inspector_page,
    launch,
    look,
    side,
    store,
    stored,
    update_extension,
)
from tests.extension.generations import CLASSIC, EDIT, GENERATIONS, SVELTE, WIZARD, Generation, get_name
from tests.extension.recording_server import RecordingServer

BODY = "I have two frames with the same index. How do I get the columns of both?"
WITH_EDITOR = [WIZARD, SVELTE]
MERGE = "Use `pd.merge` & **not** <join>"
PANEL = "[data-tagalong]"


def open_page(context: BrowserContext, generation: Generation, query: str = "") -> Page:
    """Open the page in a new tab."""
    page = context.new_page()
    generation.open(page, query)
    return page


def assert_last_draft(service: RecordingServer, **expected: object) -> None:
    """Check that the last draft that the service was asked about becomes as expected."""

    def newest() -> dict[str, object]:
        return {name: service.drafts[-1][name] for name in expected} if service.drafts else {}

    eventually(lambda: newest() == expected, 3)
    assert newest() == expected


def assert_nothing_posted(context: BrowserContext, service: RecordingServer) -> None:
    """Check that no question is stored as submitted, and that no event of a post was sent or waits."""
    find = "async () => Object.keys(await chrome.storage.local.get()).filter((key) => key.startsWith('posting.'))"
    assert eventually(lambda: inspector_page(context).evaluate(find) == [])
    inspector_page(context).wait_for_timeout(300)
    waiting = [event["kind"] for event in (stored(context, "outbox") or {}).get("events", [])]
    assert "posted" not in {*waiting, *(kind for kind, _ in service.received_events())}


def get_tab_state(page: Page) -> dict[str, str | None]:
    """Ask the page's content script for its state, as the popup does."""
    page.bring_to_front()
    ask = """async () => {
        const tabs = await chrome.tabs.query({active: true, lastFocusedWindow: true});
        return chrome.tabs.sendMessage(tabs[0].id, {type: "getTabState"});
    }"""
    state: dict[str, str | None] = inspector_page(page.context).evaluate(ask)
    return state


@pytest.mark.parametrize("generation", GENERATIONS, ids=get_name)
def test_the_generation_is_recognised_by_its_markup(
    consented: BrowserContext, service: RecordingServer, generation: Generation
) -> None:
    page = open_page(consented, generation)
    expect(page.locator(generation.title)).to_be_attached()
    generation.write(page, TITLE, BODY)
    expect_chips(page)
    # What stood on the page before gets chips of its own.
    assert eventually(lambda: service.drafts[-1]["title"] == TITLE and BODY in service.drafts[-1]["body"])
    draft = service.drafts[-1]
    assert (draft["page"], draft["kind"]) == (generation.name, generation.kind)
    assert draft["body_format"] == "markdown"
    assert draft["chosen_tags"] == list(generation.initial_tags)
    assert get_tab_state(page) == {"site": "stackoverflow.com", "page": generation.name}


@pytest.mark.parametrize("generation", GENERATIONS, ids=get_name)
@pytest.mark.parametrize("query", ["keys-only", "slowly=600"])
def test_a_page_that_wants_keys_or_time_still_takes_the_tag(
    consented: BrowserContext, generation: Generation, query: str
) -> None:
    page = open_page(consented, generation, query)
    generation.write(page, TITLE, BODY)
    expect_chips(page)
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    expect(generation.chosen_tags(page)).to_have_count(len(generation.initial_tags) + 1)
    expect(page.locator(generation.tag_input)).to_have_value("")


@pytest.mark.parametrize("generation", GENERATIONS, ids=get_name)
def test_a_tag_that_is_a_prefix_of_another_is_added_itself(
    consented: BrowserContext, service: RecordingServer, generation: Generation
) -> None:
    """The page's own suggestions have the other one first."""
    service.offers = [("java", 0.9)]
    page = open_page(consented, generation)
    generation.write(page, TITLE, BODY)
    expect_chips(page, 1)
    chip(page, "java").click()
    expect(look(page, "java")).to_have_attribute("data-look", "chosen")
    expect(generation.chosen_tags(page).last).to_have_text(re.compile(r"^\s*java\b(?!script)"))
    assert_last_draft(service, chosen_tags=[*generation.initial_tags, "java"])


@pytest.mark.parametrize("generation", WITH_EDITOR, ids=get_name)
def test_an_editor_is_read_after_it_changes_its_mode(
    consented: BrowserContext, service: RecordingServer, generation: Generation
) -> None:
    page = open_page(consented, generation)
    generation.write(page, TITLE, MERGE)
    expect_chips(page)
    assert_last_draft(service, body=MERGE, body_format="markdown")
    generation.switch_mode(page, "rich")
    html = "<p>Use <code>pd.merge</code> &amp; <strong>not</strong> &lt;join></p>"
    assert_last_draft(service, body=html, body_format="html")
    generation.write_body(page, " never")
    assert_last_draft(service, body=html.replace("</p>", " never</p>"), body_format="html")
    generation.switch_mode(page, "markdown")
    generation.write_body(page, " again")
    assert eventually(lambda: service.drafts[-1]["body"].endswith(" never again"))
    assert service.drafts[-1]["body_format"] == "markdown"
    expect_chips(page)


def test_the_rich_editors_own_elements_are_not_read(consented: BrowserContext, service: RecordingServer) -> None:
    """Buttons, lists of languages, and what other extensions put beside the text, are not read."""
    page = open_page(consented, SVELTE, "mode=rich")
    SVELTE.write(page, TITLE, "First words")
    expect_chips(page)
    page.evaluate(
        """() => {
            const foreign = document.createElement("grammar-checker");
            foreign.textContent = "3 faults";
            document.querySelector(".js-editor").parentElement.append(foreign, foreign.cloneNode(true));
        }"""
    )
    SVELTE.write_body(page, "\n")
    page.keyboard.type("```\nprint(1 < 2)")
    assert eventually(lambda: "print(1 &lt; 2)</code></pre>" in service.drafts[-1]["body"])
    body = service.drafts[-1]["body"]
    assert "First words" in body
    assert not [word for word in ("faults", "language", "Search", "button") if word in body]


MARKDOWN_WITH_HTML = """Intro

<ul><li>first of a list</li></ul>

<pre><code>if a &lt; b:
</code></pre>

<p>a paragraph of HTML</p>

<blockquote>

quoted **text**

</blockquote>
"""


def test_b10_blocks_of_html_in_a_rich_editor_are_read(consented: BrowserContext, service: RecordingServer) -> None:
    page = open_page(consented, SVELTE, "mode=markdown")
    SVELTE.write(page, TITLE, MARKDOWN_WITH_HTML)
    expect_chips(page)
    SVELTE.switch_mode(page, "rich")
    assert eventually(lambda: service.drafts[-1]["body_format"] == "html")
    assert page.locator(".js-editor .ProseMirror-widget").count() >= 4
    body = service.drafts[-1]["body"]
    for part in (
        "<p>Intro</p>",
        "<ul><li>first of a list</li></ul>",
        "<pre><code>if a &lt; b:",
        "<p>a paragraph of HTML</p>",
        "<p>quoted <strong>text</strong></p>",
    ):
        assert part in body


def test_b10_html_blocks_are_read_however_the_editor_wraps_them(
    consented: BrowserContext, service: RecordingServer
) -> None:
    """What other extensions put beside them is not: containers, custom elements, what is not editable."""
    page = open_page(consented, SVELTE)
    page.locator("#editor-container-question .s-textarea").click()
    page.locator("#editor-container-question").evaluate(
        """(container) => {
            container.innerHTML = `<div class="js-editor" role="textbox" contenteditable="true">
                <p>Own words</p>
                <details class="ProseMirror-widget" contenteditable="false"><summary>Trace</summary>it fails</details>
                <ul class="ProseMirror-widget" contenteditable="false"><li>a step</li></ul>
                <div class="html_block ProseMirror-widget" contenteditable="false"><dl><dt>term</dt></dl></div>
                <div>typed line</div>
                <grammar-checker>foreign</grammar-checker>
                <div class="lt-overlay">foreign</div>
                <span id="ext-badge" contenteditable="false">foreign</span>
                <p contenteditable="false">foreign</p>
                <span class="ProseMirror-widget" contenteditable="false"><div>foreign</div></span>
                <p><font><font>page</font></font> end<b aria-hidden="true">foreign</b></p>
            </div>`;
        }"""
    )
    page.locator(SVELTE.title).fill(TITLE)
    expect_chips(page)
    body = service.drafts[-1]["body"]
    assert "foreign" not in body
    for part in (
        "<p>Own words</p>",
        "<details><summary>Trace</summary>it fails</details>",
        "<ul><li>a step</li></ul>",
        "<dl><dt>term</dt></dl>",
        "<div>typed line</div>",
        "<p>page end</p>",
    ):
        assert part in body


def test_b10_in_markdown_only_the_text_is_read(consented: BrowserContext, service: RecordingServer) -> None:
    page = open_page(consented, SVELTE)
    SVELTE.write(page, TITLE, BODY)
    expect_chips(page)
    page.locator("#editor-container-question").evaluate(
        """(container) => {
            container.innerHTML = `<div class="js-editor ProseMirror" contenteditable="true">` +
                `<pre class="s-code-block markdown"><code><span class="hljs-strong">**bold**</span> text` +
                `<grammar-checker>foreign</grammar-checker>` +
                `<span class="ProseMirror-widget" contenteditable="false">foreign</span></code></pre></div>`;
        }"""
    )
    assert_last_draft(service, body="**bold** text", body_format="markdown")


def test_a_backing_textarea_is_preferred(consented: BrowserContext, service: RecordingServer) -> None:
    """Where the page has the Markdown in a textarea, that is what is posted, whatever the editor shows."""
    page = open_page(consented, EDIT, "mode=rich")
    EDIT.write_body(page, " What about NaN?")
    page.locator("#title").fill(TITLE)
    text = "I have a table and want the sum of each of its columns. What about NaN?"
    assert_last_draft(service, title=TITLE, body=text, body_format="markdown")


def test_an_edit_page_may_have_the_plain_textarea(consented: BrowserContext, service: RecordingServer) -> None:
    page = open_page(consented, EDIT, "plain")
    page.locator("#wmd-input-4711").fill(BODY)
    assert_last_draft(service, page="edit", body=BODY, body_format="markdown")


def test_both_editors_of_the_wizard_make_one_body(consented: BrowserContext, service: RecordingServer) -> None:
    page = open_page(consented, WIZARD)
    WIZARD.write(page, TITLE, "The problem")
    page.locator("#problem-results .js-editor").focus()
    page.keyboard.insert_text("What I tried")
    assert_last_draft(service, body="The problem\n\nWhat I tried", body_format="markdown")
    WIZARD.switch_mode(page, "rich")
    assert_last_draft(service, body="<p>The problem</p><p>What I tried</p>", body_format="html")


def test_the_wizard_is_left_alone_until_its_tags_can_be_written(
    consented: BrowserContext, service: RecordingServer
) -> None:
    page = open_page(consented, WIZARD)
    page.locator(".js-modal-primary-btn").click()
    page.locator("#title").fill(TITLE)
    page.locator(".js-next-title").click()
    WIZARD.write_body(page, BODY)
    page.locator(".js-next-problem-details").click()
    page.wait_for_timeout(500)
    expect(page.locator(PANEL)).to_have_count(0)
    assert service.drafts == []
    assert get_tab_state(page)["page"] == "wizard"
    page.locator(".js-next-problem-results").click()
    expect_chips(page)


def test_the_answer_to_ones_own_question_is_not_read(consented: BrowserContext, service: RecordingServer) -> None:
    page = open_page(consented, CLASSIC)
    page.locator("#title").fill(TITLE)
    expect_chips(page)
    assert service.drafts[-1]["body"] == ""
    # Nor is the tag field of the site's filters, further down.
    assert service.drafts[-1]["chosen_tags"] == []


@pytest.mark.parametrize("generation", [SVELTE], ids=get_name)
def test_submitting_to_the_staging_ground_counts_as_posted(
    consented: BrowserContext, service: RecordingServer, generation: Generation
) -> None:
    page = open_page(consented, generation, "staging")
    generation.write(page, TITLE, BODY)
    expect_chips(page)
    generation.type_tag(page, "python")
    page.get_by_role("button", name="Review your question").click()
    page.get_by_role("button", name="Submit to Staging Ground").click()
    page.wait_for_url("**/staging-ground/**")
    assert eventually(lambda: "posted" in {kind for kind, _ in service.received_events()})
    (posted,) = [event for event in service.events.values() if event["kind"] == "posted"]
    assert (posted["tags"], posted["question_id"]) == (["python"], None)


def test_a_router_that_opens_the_question_has_posted(consented: BrowserContext, service: RecordingServer) -> None:
    page = open_page(consented, SVELTE, "router")
    SVELTE.write(page, TITLE, BODY)
    expect_chips(page)
    SVELTE.type_tag(page, "python")
    SVELTE.review(page)
    SVELTE.post(page)
    assert eventually(lambda: "posted" in {kind for kind, _ in service.received_events()})
    (posted,) = [event for event in service.events.values() if event["kind"] == "posted"]
    assert (posted["tags"], posted["question_id"]) == (["python"], QUESTION_ID)
    expect(page.locator(PANEL)).to_have_count(0)


@pytest.mark.parametrize("generation", [WIZARD, SVELTE], ids=get_name)
def test_reviewing_posts_nothing(consented: BrowserContext, service: RecordingServer, generation: Generation) -> None:
    page = open_page(consented, generation)
    generation.write(page, TITLE, BODY)
    expect_chips(page)
    generation.type_tag(page, "python")
    generation.review(page)
    assert_nothing_posted(consented, service)
    page.goto("https://stackoverflow.com/questions/4712/another-question")
    page.wait_for_timeout(300)
    assert_nothing_posted(consented, service)


@pytest.mark.parametrize("generation", [WIZARD, SVELTE, EDIT], ids=get_name)
def test_leaving_after_a_failed_submission_posts_nothing(
    consented: BrowserContext, service: RecordingServer, generation: Generation
) -> None:
    page = open_page(consented, generation)
    generation.write(page, TITLE, BODY)
    expect_chips(page)
    generation.review(page)
    for tag in generation.initial_tags:
        generation.remove_tag(page, tag)
    generation.post(page)
    expect(page.locator(generation.error)).to_contain_text("tag")
    page.get_by_role("link", name=re.compile("similar question|Cancel")).click()
    page.wait_for_url("**/questions/4711/**")
    assert_nothing_posted(consented, service)


def test_an_edit_is_never_the_draft_of_a_question(consented: BrowserContext, service: RecordingServer) -> None:
    page = open_page(consented, CLASSIC)
    page.locator("#title").fill(TITLE)
    expect_chips(page)
    side(page, "python").click()
    page.goto(EDIT.address)
    page.locator("#title").fill(TITLE)
    expect(chips(page)).to_have_text(["pandas", "python", "dataframe"])
    by_kind = {draft["kind"]: draft["draft_id"] for draft in service.drafts if draft["title"] == TITLE}
    assert by_kind["ask"] != by_kind["edit"]


@pytest.mark.parametrize("generation", GENERATIONS, ids=get_name)
def test_a_redrawn_form_gets_its_chips_again_once(consented: BrowserContext, generation: Generation) -> None:
    page = open_page(consented, generation)
    generation.write(page, TITLE, BODY)
    expect_chips(page)
    part = page.locator(generation.tag_input)
    part.evaluate("(input) => (window.home = input.parentElement, input.remove())")
    expect(page.locator(PANEL)).to_have_count(0)
    page.evaluate("home.append(document.createElement('i'))")
    page.wait_for_timeout(300)
    expect(page.locator(PANEL)).to_have_count(0)
    page.evaluate(
        """id => {
            const input = document.createElement("input");
            [input.id, input.className] = [id, "js-tageditor-replacing"];
            home.append(input);
        }""",
        generation.tag_input.removeprefix("#"),
    )
    expect_chips(page)
    expect(page.locator(PANEL)).to_have_count(1)


def test_chips_disappear_when_the_extension_is_updated(
    playwright: Playwright, tmp_path: Path, service: RecordingServer
) -> None:
    with launch(playwright, tmp_path) as context:
        store(context, settings=consented_settings(service.url, debounce_ms=100))
        pages = [open_page(context, CLASSIC) for _ in range(2)]
        for page in pages:
            CLASSIC.write(page, TITLE, BODY)
            expect_chips(page)
        update_extension(context)
        chip(pages[1], "pandas").click()
        pages[0].bring_to_front()
        CLASSIC.write_body(pages[0], "And so on.")
        for page in pages:
            expect(page.locator(PANEL)).to_have_count(0)


def test_an_unknown_page_gets_no_chips_and_is_reported_as_unknown(
    consented: BrowserContext, service: RecordingServer
) -> None:
    page = consented.new_page()
    errors: list[object] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(f"{ASK}?page=unknown")
    page.locator("#title").press_sequentially("A title that is long enough to ask with")
    page.wait_for_timeout(500)
    expect(page.locator(PANEL)).to_have_count(0)
    assert get_tab_state(page) == {"site": "stackoverflow.com", "page": None}
    page.get_by_role("button", name="Post your question").click()
    assert service.requests == []
    assert errors == []
    assert stored(consented, "drafts") is None


def test_a_site_unknown_to_the_model_gets_no_chips(consented: BrowserContext, service: RecordingServer) -> None:
    service.sites = {"superuser.com"}
    page = open_page(consented, CLASSIC)
    page.locator("#title").fill(TITLE)
    assert eventually(lambda: service.drafts)
    expect(page.locator(PANEL)).to_have_count(0)
    page.locator("#title").press_sequentially(" More words")
    page.wait_for_timeout(400)
    assert len(service.drafts) == 1, "the draft is not sent again for nothing"


def test_editing_inside_a_questions_page_is_left_alone(consented: BrowserContext, service: RecordingServer) -> None:
    """Its form is loaded by XHR into a page of which, as consent says, only the address is read."""
    page = consented.new_page()
    page.goto("https://stackoverflow.com/questions/4711/column-sums")
    page.evaluate(
        """async () => {
            const form = await (await fetch("/fixture/edit-form.html")).text();
            document.body.insertAdjacentHTML("beforeend", form);
        }"""
    )
    page.locator("#title").fill(TITLE)
    page.wait_for_timeout(500)
    expect(page.locator(PANEL)).to_have_count(0)
    assert service.requests == []


@pytest.mark.parametrize("generation", GENERATIONS, ids=get_name)
def test_only_the_adapter_of_the_page_is_loaded(consented: BrowserContext, generation: Generation) -> None:
    page = consented.new_page()
    session = consented.new_cdp_session(page)
    loaded: list[str] = []
    session.on("Debugger.scriptParsed", lambda script: loaded.append(script["url"]))
    session.send("Debugger.enable")
    generation.open(page)
    generation.write(page, TITLE, BODY)
    expect_chips(page)
    names = {url.rsplit("/", 1)[1] for url in loaded if "/content/pages/" in url}
    assert names & {f"{each.name}.js" for each in GENERATIONS} == {f"{generation.name}.js"}
    # What adds a tag comes with the first click.
    assert "simulate-input.js" not in names
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    assert any(url.endswith("/content/pages/parts/simulate-input.js") for url in loaded)
