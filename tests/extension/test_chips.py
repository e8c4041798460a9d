"""Typing brings chips; a chip adds its tag as the page itself would, or says that the page did not take it."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.extension.browser import (
    TITLE,
    ask_page,
    chip,
    chips,
    chosen,
    eventually,
    expect_chips,
    look,
    side,
    store,
    stored,
    write,
)
from tests.extension.recording_server import Failure, RecordingServer

NOTE = "[data-tagalong] .note span"
INPUT = "#tageditor-replacing-tagnames--input"


@pytest.fixture
def page(consented: BrowserContext) -> Page:
    return ask_page(consented)


@pytest.fixture
def written(page: Page) -> Page:
    """An ask page with a title and its chips."""
    write(page)
    expect_chips(page)
    return page


def test_typing_brings_confident_tags_best_first(written: Page, service: RecordingServer) -> None:
    assert chips(written).all_inner_texts() == ["pandas", "python", "dataframe"]
    expect(chip(written, "pandas")).to_have_accessible_name("Add pandas")
    draft = service.drafts[-1]
    assert (draft["title"], draft["site"], draft["page"], draft["kind"]) == (
        TITLE, "stackoverflow.com", "classic", "ask",
    )  # fmt: skip
    assert (draft["body_format"], draft["record"]) == ("markdown", True)


def test_a_pause_is_waited_for_not_every_key_asked(consented: BrowserContext, service: RecordingServer) -> None:
    store(consented, settings={**stored(consented, "settings"), "debounce_ms": 400})
    page = ask_page(consented)
    write(page, delay=0)
    expect_chips(page)
    assert [draft["title"] for draft in service.drafts] == [TITLE]


def test_a_title_under_15_characters_asks_nothing(page: Page, service: RecordingServer) -> None:
    write(page, "Fourteen chars")
    page.wait_for_timeout(500)
    assert service.drafts == []
    write(page, "!")
    expect_chips(page)
    page.locator("#title").fill("short")
    expect(chips(page)).to_have_count(0)


def test_an_overtaken_answer_is_never_painted(page: Page, service: RecordingServer) -> None:
    slow, quick = "An older draft of the title", "An older draft of the title, now about SQL"
    service.delay = lambda body: 1.0 if body["title"] == slow else 0.0
    service.decide = lambda body: [("old-tag" if body["title"] == slow else "postgresql", 0.9)]
    expect(page.locator("[data-tagalong]")).to_be_attached()
    page.evaluate(
        """() => {
            window.painted = new Set();
            const root = document.querySelector("[data-tagalong]").shadowRoot;
            new MutationObserver(() => root.querySelectorAll(".chip").forEach((c) => painted.add(c.dataset.tag)))
                .observe(root, {childList: true, subtree: true});
        }"""
    )
    write(page, slow)
    assert eventually(lambda: service.drafts)
    write(page, quick.removeprefix(slow))
    expect(chip(page, "postgresql")).to_be_visible()
    page.wait_for_timeout(1200)
    assert [draft["title"] for draft in service.drafts] == [slow, quick]
    assert page.evaluate("[...painted]") == ["postgresql"]


def test_toolbar_edits_of_the_body_reach_the_service(written: Page, service: RecordingServer) -> None:
    """They fire no input event; only the preview changes."""
    written.locator("#wmd-bold-button").click()
    assert eventually(lambda: service.drafts[-1]["body"] == "****")


def test_accepting_adds_the_tag_as_the_page_does(written: Page, service: RecordingServer) -> None:
    chip(written, "pandas").click()
    expect(chosen(written)).to_have_text(["pandas"])
    expect(written.locator("#tagnames")).to_have_value("pandas")
    expect(look(written, "pandas")).to_have_attribute("data-look", "chosen")
    # It stays while the next answer comes, which does not hold it any more: so it can be taken back.
    assert eventually(lambda: service.drafts[-1]["chosen_tags"] == ["pandas"])
    written.wait_for_timeout(200)
    assert chips(written).all_inner_texts() == ["pandas", "python", "dataframe"]


@pytest.mark.parametrize("query", ["?keys-only", "?slowly=600"])
def test_a_page_that_wants_keys_or_time_still_takes_the_tag(consented: BrowserContext, query: str) -> None:
    page = ask_page(consented, query)
    write(page)
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    expect(chosen(page)).to_have_text(["pandas"])
    expect(page.locator(INPUT)).to_have_value("")


def test_a_chip_pressed_while_another_is_added_has_its_turn(consented: BrowserContext) -> None:
    page = ask_page(consented, "?slowly=400")
    write(page)
    for tag in ("pandas", "python"):
        # A second press of the same one is a slip, not an undo.
        chip(page, tag).dblclick()
    expect(look(page, "python")).to_have_attribute("data-look", "adding")
    expect(chosen(page)).to_have_text(["pandas", "python"])
    expect(look(page, "python")).to_have_attribute("data-look", "chosen")


def test_half_typed_text_and_focus_stay_with_the_writer(written: Page) -> None:
    written.locator(INPUT).press_sequentially("nump")
    chip(written, "pandas").click()
    expect(chosen(written)).to_have_text(["pandas"])
    expect(written.locator(INPUT)).to_have_value("nump")
    expect(written.locator(INPUT)).to_be_focused()


def test_accepting_leaves_the_writer_in_the_body(written: Page) -> None:
    written.locator("#wmd-input").click()
    chip(written, "pandas").click()
    expect(chosen(written)).to_have_text(["pandas"])
    expect(written.locator("#wmd-input")).to_be_focused()


def test_a_refused_tag_is_said_and_offered_to_copy(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented, "?unknown=dataframe")
    write(page)
    page.locator(INPUT).press_sequentially("nump")
    chip(page, "dataframe").click()
    expect(page.locator(NOTE)).to_have_text("The page did not accept “dataframe”.")
    expect(look(page, "dataframe")).to_have_attribute("data-look", "offered")
    expect(chosen(page)).to_have_count(0)
    expect(page.locator(INPUT)).to_have_value("nump")
    consented.grant_permissions(["clipboard-read", "clipboard-write"], origin="https://stackoverflow.com")
    page.get_by_role("button", name="Copy it").click()
    expect(page.locator(NOTE)).to_have_text("Copied “dataframe”.")
    assert page.evaluate("navigator.clipboard.readText()") == "dataframe"
    eventually(lambda: service.events)
    assert "accepted" not in {kind for kind, _ in service.received_events()}


def test_why_the_service_is_away_is_said(page: Page, service: RecordingServer) -> None:
    service.api_key = "open sesame"
    write(page)
    expect(page.locator(NOTE)).to_have_text(
        "Tag suggestions are not available. The service requires an API key, and this is not the right one."
    )


def test_a_service_that_names_a_time_is_asked_then(page: Page, service: RecordingServer) -> None:
    service.fail("/api/v1/suggestions", Failure(429, retry_after="1"))
    write(page)
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    write(page, " And so on")
    # By itself: nobody has to type for it.
    expect_chips(page)
    assert [draft["title"] for draft in service.drafts] == [TITLE, f"{TITLE} And so on"]
    first, second = service.requests_to("/api/v1/suggestions")
    assert second.at - first.at >= 1


def test_who_waits_does_not_keep_a_busy_service_down(page: Page, service: RecordingServer) -> None:
    service.fail("/api/v1/suggestions", *[Failure(503, retry_after="1")] * 2)
    write(page)
    expect_chips(page)
    times = [request.at for request in service.requests_to("/api/v1/suggestions")]
    assert len(times) == 3
    assert times[1] - times[0] >= 1
    assert times[2] - times[1] >= 2


def test_a_sixth_tag_is_not_tried(written: Page) -> None:
    written.locator(INPUT).press_sequentially("a b c d e ")
    chip(written, "pandas").click()
    expect(written.locator(NOTE)).to_have_text("A question can have at most 5 tags.")
    expect(chosen(written)).to_have_text(["a", "b", "c", "d", "e"])


def test_a_tag_typed_by_hand_shows_as_chosen(written: Page, service: RecordingServer) -> None:
    written.locator(INPUT).press_sequentially("python ")
    assert eventually(lambda: service.drafts[-1]["chosen_tags"] == ["python"])
    written.wait_for_timeout(200)
    expect(look(written, "python")).to_have_attribute("data-look", "chosen")


def test_undo_takes_the_tag_out_by_the_page_itself(written: Page) -> None:
    chip(written, "pandas").click()
    expect(look(written, "pandas")).to_have_attribute("data-look", "chosen")
    side(written, "pandas").click()
    expect(chosen(written)).to_have_count(0)
    expect(written.locator("#tagnames")).to_have_value("")
    expect(look(written, "pandas")).to_have_attribute("data-look", "offered")


def test_keyboard_alone_does_it_all(written: Page) -> None:
    written.locator(INPUT).click()
    written.keyboard.press("Tab")
    expect(chip(written, "pandas")).to_be_focused()
    written.keyboard.press("ArrowRight")
    expect(chip(written, "python")).to_be_focused()
    written.keyboard.press("Enter")
    expect(chosen(written)).to_have_text(["python"])
    expect(chip(written, "python")).to_be_focused()
    written.keyboard.press("End")
    expect(chip(written, "dataframe")).to_be_focused()
    written.keyboard.press("Delete")
    expect(look(written, "dataframe")).to_have_attribute("data-look", "dismissed")
    written.keyboard.press("Space")
    expect(look(written, "dataframe")).to_have_attribute("data-look", "offered")
    written.keyboard.press("Home")
    written.keyboard.press("Space")
    expect(chosen(written)).to_have_text(["python", "pandas"])
    written.keyboard.press("Delete")
    expect(chosen(written)).to_have_text(["python"])
    written.keyboard.press("Escape")
    expect(written.locator(INPUT)).to_be_focused()


def test_chips_that_stay_keep_their_element(written: Page, service: RecordingServer) -> None:
    chip(written, "python").evaluate("(element) => (window.kept = element)")
    service.offers = [("merge", 0.95), ("python", 0.9), ("pandas", 0.5)]
    write(written, " Now with more words")
    # What is new stands where its score belongs, and so does what has got another score.
    expect(chips(written)).to_have_text(["merge", "python", "pandas"])
    assert chip(written, "python").evaluate("(element) => element === window.kept")


def test_a_dismissed_tag_stays_away_for_this_draft(written: Page, service: RecordingServer) -> None:
    side(written, "python").click()
    written.reload()
    expect(chips(written)).to_have_text(["pandas", "dataframe"])
    expect(written.locator(NOTE)).to_have_text("1 dismissed")
    written.get_by_role("button", name="Show").click()
    chip(written, "python").click()
    expect(look(written, "python")).to_have_attribute("data-look", "offered")


def test_no_confident_tag_is_said(page: Page, service: RecordingServer) -> None:
    service.offers = [("csv", 0.1)]
    write(page)
    expect(page.locator(NOTE)).to_have_text("No confident suggestion yet.")
    expect(chips(page)).to_have_count(0)


def test_a_service_that_fails_is_said_and_tried_again(page: Page, service: RecordingServer) -> None:
    write(page, TITLE[:-1])
    expect_chips(page)
    for failure in (
        Failure(500),
        Failure(503),
        Failure(429),
        Failure(200, text="<p>hello"),
        Failure(200, text='{"items": 7}'),
        Failure(lost=True),
    ):
        # A connection that ends without an answer is tried a second time by the browser itself.
        service.fail("/api/v1/suggestions", *[failure] * (2 if failure.lost else 1))
        write(page, "?")
        expect(page.locator(NOTE)).to_have_text(re.compile(r"^Tag suggestions are not available\. ."))
        service.failures.clear()
        page.get_by_role("button", name="Try again").click()
        expect_chips(page)


def test_nothing_moves_whatever_happens_to_the_chips(page: Page, service: RecordingServer) -> None:
    expect(page.locator("[data-tagalong]")).to_be_visible()
    # The panel takes its room once, while the page loads; that frame has to be painted before typing is measured.
    page.evaluate(
        """async () => {
            for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
            await new Promise((resolve) => setTimeout(resolve, 100));
            window.shift = 0;
            new PerformanceObserver((list) => list.getEntries().forEach((entry) => (shift += entry.value)))
                .observe({type: "layout-shift"});
        }"""
    )
    write(page, delay=0)
    expect_chips(page)
    # The browser's own measure, without its mercy for what follows a keystroke closely.
    assert page.evaluate("shift") == 0
    places = [chips(page).nth(index).bounding_box() for index in range(3)]
    side(page, "python").click()
    expect(look(page, "python")).to_have_attribute("data-look", "dismissed")
    page.get_by_role("button", name="Never suggest it").first.click()
    chip(page, "dataframe").hover()
    expect(page.locator("[data-tagalong] .about")).to_be_visible()
    assert [chips(page).nth(index).bounding_box() for index in range(3)] == places
    service.offers = [("postgresql-performance", 0.95), ("dataframe", 0.9), ("r", 0.8)]
    page.mouse.move(0, 0)
    page.locator("#title").press_sequentially(" and more")
    # The one just dismissed stays where it is; the others go around it by their scores.
    expect(chips(page)).to_have_text(["python", "postgresql-performance", "dataframe", "r"])
    assert look(page, "python").bounding_box() == places[1]
    service.offers = []
    page.locator("#title").press_sequentially(" and")
    expect(page.locator(NOTE)).to_be_visible()
    service.fail("/api/v1/suggestions", Failure(500))
    page.locator("#title").press_sequentially(" more")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    page.locator("#title").fill("short")
    expect(chips(page)).to_have_count(0)
    page.wait_for_timeout(200)
    assert page.evaluate("shift") == 0


def test_taking_a_tag_moves_no_chip(written: Page) -> None:
    places = [chips(written).nth(index).bounding_box() for index in range(3)]
    chip(written, "pandas").click()
    expect(look(written, "pandas")).to_have_attribute("data-look", "chosen")
    assert [chips(written).nth(index).bounding_box() for index in range(3)] == places


def test_what_was_taken_or_dismissed_can_be_undone(written: Page) -> None:
    chip(written, "pandas").click()
    expect(written.locator(NOTE)).to_have_text("pandas added")
    written.get_by_role("button", name="Undo").click()
    expect(chosen(written)).to_have_count(0)
    expect(look(written, "pandas")).to_have_attribute("data-look", "offered")
    expect(written.locator("[data-tagalong] .note")).to_be_hidden()
    side(written, "python").click()
    expect(written.locator(NOTE)).to_have_text("python dismissed")
    written.get_by_role("button", name="Undo").click()
    expect(look(written, "python")).to_have_attribute("data-look", "offered")


def test_undone_by_keyboard_it_stays_with_the_chips(written: Page) -> None:
    side(written, "python").click()
    written.get_by_role("button", name="Undo").focus()
    written.keyboard.press("Enter")
    expect(look(written, "python")).to_have_attribute("data-look", "offered")
    expect(chip(written, "pandas")).to_be_focused()


def test_arrows_follow_the_order_on_screen(written: Page, service: RecordingServer) -> None:
    service.offers = [("merge", 0.95), ("python", 0.9), ("dataframe", 0.5)]
    write(written, " Now with more words")
    expect(chips(written)).to_have_text(["merge", "python", "dataframe"])
    written.locator(INPUT).focus()
    written.keyboard.press("Tab")
    order = []
    for _ in range(3):
        order.append(written.evaluate("document.activeElement.shadowRoot.activeElement.innerText"))
        written.keyboard.press("ArrowRight")
    assert order == ["merge", "python", "dataframe"]


def test_the_shortcut_leads_to_the_chips_and_back(written: Page, consented: BrowserContext) -> None:
    written.locator("#wmd-input").press_sequentially("Half a sen")
    press_shortcut(consented)
    expect(chip(written, "pandas")).to_be_focused()
    written.keyboard.press("Enter")
    expect(chosen(written)).to_have_text(["pandas"])
    expect(chip(written, "pandas")).to_be_focused()
    press_shortcut(consented)
    expect(written.locator("#wmd-input")).to_be_focused()
    written.keyboard.type("tence")
    expect(written.locator("#wmd-input")).to_have_value("Half a sentence")
    press_shortcut(consented)
    # Not to the one that was taken: Enter there would take it out again.
    expect(chip(written, "python")).to_be_focused()
    written.keyboard.press("Escape")
    expect(written.locator("#wmd-input")).to_be_focused()


def test_the_shortcut_without_chips_says_how_it_stands(page: Page, consented: BrowserContext) -> None:
    expect(page.locator("[data-tagalong]")).to_be_visible()
    page.locator("#title").press_sequentially("Too short")
    press_shortcut(consented)
    expect(page.locator("[data-tagalong]").get_by_role("status")).to_contain_text("15 characters")
    expect(page.locator("#title")).to_be_focused()


def press_shortcut(context: BrowserContext) -> None:
    """As the browser does for Alt+Shift+G: keys that a test presses reach the page only."""
    (context.service_workers or [context.wait_for_event("serviceworker")])[0].evaluate(
        """async () => {
            const [tab] = await chrome.tabs.query({ active: true });
            chrome.commands.onCommand.dispatch("chips", tab);
        }"""
    )


def test_an_answer_with_the_same_tags_touches_no_chip(written: Page, service: RecordingServer) -> None:
    """Nothing flickers: not the chips, not the note."""
    side(written, "dataframe").click()
    written.mouse.move(5, 5)
    written.wait_for_timeout(400)
    written.evaluate(
        """() => {
            window.changes = [];
            const root = document.querySelector("[data-tagalong]").shadowRoot;
            new MutationObserver((records) => changes.push(...records.map((record) => record.target.outerHTML)))
                .observe(root.querySelector(".panel"), {childList: true, subtree: true, characterData: true});
        }"""
    )
    for words in (" More", " and more", " words"):
        write(written, words)
        assert eventually(lambda words=words: service.drafts[-1]["title"].endswith(words))
    written.wait_for_timeout(300)
    assert written.evaluate("changes") == []


def test_news_is_said_once_and_acts_at_once(written: Page, service: RecordingServer) -> None:
    said = written.locator("[data-tagalong]").get_by_role("status")
    expect(said).to_have_text("Suggested tags: pandas, python, dataframe")
    side(written, "python").click()
    expect(said).to_have_text("python dismissed")
    asked = len(service.drafts)
    write(written, " The same tags again")
    assert eventually(lambda: len(service.drafts) > asked)
    written.wait_for_timeout(1000)
    expect(said).to_have_text("python dismissed")
    chip(written, "pandas").click()
    expect(said).to_have_text("pandas added")
    service.offers = [*service.offers, ("merge", 0.8)]
    write(written, " And one more")
    expect(said).to_have_text("Suggested tags: dataframe, merge")


def test_what_began_off_the_record_stays_there(page: Page, service: RecordingServer) -> None:
    """Half of an item's life would be an order of events that no writer can produce."""
    service.recording = False
    write(page)
    chip(page, "pandas").click()
    side(page, "python").click()
    expect(chosen(page)).to_have_text(["pandas"])
    service.recording = True
    write(page, " Now it is on the record")
    assert eventually(lambda: service.events)
    page.wait_for_timeout(1000)
    side(page, "pandas").click()
    expect(chosen(page)).to_have_count(0)
    side(page, "python").click()
    page.wait_for_timeout(500)
    assert service.received_events() == [("viewed", "dataframe")]
