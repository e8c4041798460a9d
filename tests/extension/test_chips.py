"""Typing shows chips; a chip adds its tag through the page's own field, or says that the page did not take it."""

import re
from functools import partial

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
def empty_page(consented: BrowserContext) -> Page:
    return ask_page(consented)


@pytest.fixture
def page(empty_page: Page) -> Page:
    """Return an ask page with a title and its chips."""
    write(empty_page)
    expect_chips(empty_page)
    return empty_page


def test_typing_shows_confident_tags_best_first(page: Page, service: RecordingServer) -> None:
    assert chips(page).all_inner_texts() == ["pandas", "python", "dataframe"]
    expect(chip(page, "pandas")).to_have_accessible_name("Add pandas")
    draft = service.drafts[-1]
    assert (draft["title"], draft["site"], draft["page"], draft["kind"]) == (
        TITLE, "stackoverflow.com", "classic", "ask",
    )  # fmt: skip
    assert (draft["body_format"], draft["record"]) == ("markdown", True)


def test_the_service_is_asked_at_a_pause_not_at_every_key(consented: BrowserContext, service: RecordingServer) -> None:
    store(consented, settings={**stored(consented, "settings"), "debounce_ms": 400})
    page = ask_page(consented)
    write(page, delay=0)
    expect_chips(page)
    assert [draft["title"] for draft in service.drafts] == [TITLE]


def test_a_title_under_15_characters_asks_nothing(empty_page: Page, service: RecordingServer) -> None:
    write(empty_page, "Fourteen chars")
    empty_page.wait_for_timeout(500)
    assert service.drafts == []
    write(empty_page, "!")
    expect_chips(empty_page)
    empty_page.locator("#title").fill("short")
    expect(chips(empty_page)).to_have_count(0)


def test_a_superseded_answer_is_never_painted(empty_page: Page, service: RecordingServer) -> None:
    slow, quick = "An older draft of the title", "An older draft of the title, now about SQL"
    service.delay = lambda body: 1.0 if body["title"] == slow else 0.0
    service.decide = lambda body: [("old-tag" if body["title"] == slow else "postgresql", 0.9)]
    expect(empty_page.locator("[data-tagalong]")).to_be_attached()
    empty_page.evaluate(
        """() => {
            window.painted = new Set();
            const root = document.querySelector("[data-tagalong]").shadowRoot;
            new MutationObserver(() => root.querySelectorAll(".chip").forEach((c) => painted.add(c.dataset.tag)))
                .observe(root, {childList: true, subtree: true});
        }"""
    )
    write(empty_page, slow)
    assert eventually(lambda: service.drafts)
    write(empty_page, quick.removeprefix(slow))
    expect(chip(empty_page, "postgresql")).to_be_visible()
    empty_page.wait_for_timeout(1200)
    assert [draft["title"] for draft in service.drafts] == [slow, quick]
    assert empty_page.evaluate("[...painted]") == ["postgresql"]


def test_toolbar_edits_of_the_body_reach_the_service(page: Page, service: RecordingServer) -> None:
    """The toolbar fires no input event; only the preview changes."""
    page.locator("#wmd-bold-button").click()
    assert eventually(lambda: service.drafts[-1]["body"] == "****")


def test_accepting_adds_the_tag_as_the_page_does(page: Page, service: RecordingServer) -> None:
    chip(page, "pandas").click()
    expect(chosen(page)).to_have_text(["pandas"])
    expect(page.locator("#tagnames")).to_have_value("pandas")
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    # It stays while the next answer comes, which does not hold it any more: so it can be taken back.
    assert eventually(lambda: service.drafts[-1]["chosen_tags"] == ["pandas"])
    page.wait_for_timeout(200)
    assert chips(page).all_inner_texts() == ["pandas", "python", "dataframe"]


@pytest.mark.parametrize("query", ["?keys-only", "?slowly=600"])
def test_a_page_that_wants_keys_or_time_still_takes_the_tag(consented: BrowserContext, query: str) -> None:
    page = ask_page(consented, query)
    write(page)
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    expect(chosen(page)).to_have_text(["pandas"])
    expect(page.locator(INPUT)).to_have_value("")


def test_a_chip_pressed_while_another_is_added_waits_its_turn(consented: BrowserContext) -> None:
    page = ask_page(consented, "?slowly=400")
    write(page)
    for tag in ("pandas", "python"):
        # A second press of the same one is a slip, not an undo.
        chip(page, tag).dblclick()
    expect(look(page, "python")).to_have_attribute("data-look", "adding")
    expect(chosen(page)).to_have_text(["pandas", "python"])
    expect(look(page, "python")).to_have_attribute("data-look", "chosen")


def test_half_typed_text_and_focus_stay_with_the_writer(page: Page) -> None:
    page.locator(INPUT).press_sequentially("nump")
    chip(page, "pandas").click()
    expect(chosen(page)).to_have_text(["pandas"])
    expect(page.locator(INPUT)).to_have_value("nump")
    expect(page.locator(INPUT)).to_be_focused()


def test_accepting_keeps_the_focus_in_the_body(page: Page) -> None:
    page.locator("#wmd-input").click()
    chip(page, "pandas").click()
    expect(chosen(page)).to_have_text(["pandas"])
    expect(page.locator("#wmd-input")).to_be_focused()


def test_a_note_on_a_refused_tag_offers_to_copy_it(consented: BrowserContext, service: RecordingServer) -> None:
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


def test_a_note_says_why_the_service_is_unavailable(empty_page: Page, service: RecordingServer) -> None:
    service.api_key = "open sesame"
    write(empty_page)
    expect(empty_page.locator(NOTE)).to_have_text(
        "Tag suggestions are not available. The service requires an API key, and this is not the right one."
    )


def test_retry_after_is_respected(empty_page: Page, service: RecordingServer) -> None:
    service.fail("/api/v1/suggestions", Failure(429, retry_after="1"))
    write(empty_page)
    expect(empty_page.get_by_role("button", name="Try again")).to_be_visible()
    write(empty_page, " And so on")
    # By itself: nobody has to type for it.
    expect_chips(empty_page)
    assert [draft["title"] for draft in service.drafts] == [TITLE, f"{TITLE} And so on"]
    first, second = service.requests_to("/api/v1/suggestions")
    assert second.at - first.at >= 1


def test_retries_back_off(empty_page: Page, service: RecordingServer) -> None:
    service.fail("/api/v1/suggestions", *[Failure(503, retry_after="1")] * 2)
    write(empty_page)
    expect_chips(empty_page)
    times = [request.at for request in service.requests_to("/api/v1/suggestions")]
    assert len(times) == 3
    assert times[1] - times[0] >= 1
    assert times[2] - times[1] >= 2


def test_a_sixth_tag_is_not_added(page: Page) -> None:
    page.locator(INPUT).press_sequentially("a b c d e ")
    chip(page, "pandas").click()
    expect(page.locator(NOTE)).to_have_text("A question can have at most 5 tags.")
    expect(chosen(page)).to_have_text(["a", "b", "c", "d", "e"])


def test_a_tag_typed_by_hand_shows_as_chosen(page: Page, service: RecordingServer) -> None:
    page.locator(INPUT).press_sequentially("python ")
    assert eventually(lambda: service.drafts[-1]["chosen_tags"] == ["python"])
    page.wait_for_timeout(200)
    expect(look(page, "python")).to_have_attribute("data-look", "chosen")


def test_undo_removes_the_tag_through_the_page(page: Page) -> None:
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    side(page, "pandas").click()
    expect(chosen(page)).to_have_count(0)
    expect(page.locator("#tagnames")).to_have_value("")
    expect(look(page, "pandas")).to_have_attribute("data-look", "offered")


def test_everything_works_by_keyboard(page: Page) -> None:
    page.locator(INPUT).click()
    page.keyboard.press("Tab")
    expect(chip(page, "pandas")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(chip(page, "python")).to_be_focused()
    page.keyboard.press("Enter")
    expect(chosen(page)).to_have_text(["python"])
    expect(chip(page, "python")).to_be_focused()
    page.keyboard.press("End")
    expect(chip(page, "dataframe")).to_be_focused()
    page.keyboard.press("Delete")
    expect(look(page, "dataframe")).to_have_attribute("data-look", "dismissed")
    page.keyboard.press("Space")
    expect(look(page, "dataframe")).to_have_attribute("data-look", "offered")
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    expect(chosen(page)).to_have_text(["python", "pandas"])
    page.keyboard.press("Delete")
    expect(chosen(page)).to_have_text(["python"])
    page.keyboard.press("Escape")
    expect(page.locator(INPUT)).to_be_focused()


def test_chips_that_stay_keep_their_element(page: Page, service: RecordingServer) -> None:
    chip(page, "python").evaluate("(element) => (window.kept = element)")
    service.offers = [("merge", 0.95), ("python", 0.9), ("pandas", 0.5)]
    write(page, " Now with more words")
    # What is new stands where its score belongs, and so does what has got another score.
    expect(chips(page)).to_have_text(["merge", "python", "pandas"])
    assert chip(page, "python").evaluate("(element) => element === window.kept")


def test_a_dismissed_tag_stays_away_for_this_draft(page: Page, service: RecordingServer) -> None:
    side(page, "python").click()
    page.reload()
    expect(chips(page)).to_have_text(["pandas", "dataframe"])
    expect(page.locator(NOTE)).to_have_text("1 dismissed")
    page.get_by_role("button", name="Show").click()
    chip(page, "python").click()
    expect(look(page, "python")).to_have_attribute("data-look", "offered")


def test_a_note_says_that_no_tag_is_confident(empty_page: Page, service: RecordingServer) -> None:
    service.offers = [("csv", 0.1)]
    write(empty_page)
    expect(empty_page.locator(NOTE)).to_have_text("No confident suggestion yet.")
    expect(chips(empty_page)).to_have_count(0)


def test_a_note_on_a_failing_service_offers_a_retry(empty_page: Page, service: RecordingServer) -> None:
    write(empty_page, TITLE[:-1])
    expect_chips(empty_page)
    for failure in (
        Failure(500),
        Failure(503),
        Failure(429),
        Failure(200, text="<p>hello"),
        Failure(200, text='{"items": 7}'),
        Failure(lost=True),
    ):
        # It fails until the button is pressed: the extension retries by itself, and the browser a lost connection.
        service.fail("/api/v1/suggestions", *[failure] * 50)
        write(empty_page, "?")
        expect(empty_page.locator(NOTE)).to_have_text(re.compile(r"^Tag suggestions are not available\. ."))
        service.failures.clear()
        empty_page.get_by_role("button", name="Try again").click()
        expect_chips(empty_page)


def test_the_page_does_not_shift_whatever_happens_to_the_chips(empty_page: Page, service: RecordingServer) -> None:
    expect(empty_page.locator("[data-tagalong]")).to_be_visible()
    # The panel takes its room once, while the page loads; that frame has to be painted before typing is measured.
    empty_page.evaluate(
        """async () => {
            for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
            await new Promise((resolve) => setTimeout(resolve, 100));
            window.shift = 0;
            new PerformanceObserver((list) => list.getEntries().forEach((entry) => (shift += entry.value)))
                .observe({type: "layout-shift"});
        }"""
    )
    write(empty_page, delay=0)
    expect_chips(empty_page)
    # The browser's own measure, without its mercy for what follows a keystroke closely.
    assert empty_page.evaluate("shift") == 0
    places = [chips(empty_page).nth(index).bounding_box() for index in range(3)]
    side(empty_page, "python").click()
    expect(look(empty_page, "python")).to_have_attribute("data-look", "dismissed")
    empty_page.get_by_role("button", name="Never suggest it").first.click()
    chip(empty_page, "dataframe").hover()
    expect(empty_page.locator("[data-tagalong] .about")).to_be_visible()
    assert [chips(empty_page).nth(index).bounding_box() for index in range(3)] == places
    service.offers = [("postgresql-performance", 0.95), ("dataframe", 0.9), ("r", 0.8)]
    empty_page.mouse.move(0, 0)
    empty_page.locator("#title").press_sequentially(" and more")
    # The one just dismissed stays where it is; the others go around it by their scores.
    expect(chips(empty_page)).to_have_text(["python", "postgresql-performance", "dataframe", "r"])
    assert look(empty_page, "python").bounding_box() == places[1]
    service.offers = []
    empty_page.locator("#title").press_sequentially(" and")
    expect(empty_page.locator(NOTE)).to_be_visible()
    service.fail("/api/v1/suggestions", Failure(500))
    empty_page.locator("#title").press_sequentially(" more")
    expect(empty_page.get_by_role("button", name="Try again")).to_be_visible()
    empty_page.locator("#title").fill("short")
    expect(chips(empty_page)).to_have_count(0)
    empty_page.wait_for_timeout(200)
    assert empty_page.evaluate("shift") == 0


def test_adding_a_tag_moves_no_chip(page: Page) -> None:
    places = [chips(page).nth(index).bounding_box() for index in range(3)]
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    assert [chips(page).nth(index).bounding_box() for index in range(3)] == places


def test_adding_and_dismissing_can_be_undone(page: Page) -> None:
    chip(page, "pandas").click()
    expect(page.locator(NOTE)).to_have_text("pandas added")
    page.get_by_role("button", name="Undo").click()
    expect(chosen(page)).to_have_count(0)
    expect(look(page, "pandas")).to_have_attribute("data-look", "offered")
    expect(page.locator("[data-tagalong] .note")).to_be_hidden()
    side(page, "python").click()
    expect(page.locator(NOTE)).to_have_text("python dismissed")
    page.get_by_role("button", name="Undo").click()
    expect(look(page, "python")).to_have_attribute("data-look", "offered")


def test_undo_by_keyboard_keeps_the_focus_in_the_chips(page: Page) -> None:
    side(page, "python").click()
    page.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    expect(look(page, "python")).to_have_attribute("data-look", "offered")
    expect(chip(page, "pandas")).to_be_focused()


def test_arrows_follow_the_order_on_screen(page: Page, service: RecordingServer) -> None:
    service.offers = [("merge", 0.95), ("python", 0.9), ("dataframe", 0.5)]
    write(page, " Now with more words")
    expect(chips(page)).to_have_text(["merge", "python", "dataframe"])
    page.locator(INPUT).focus()
    page.keyboard.press("Tab")
    order = []
    for _ in range(3):
        order.append(page.evaluate("document.activeElement.shadowRoot.activeElement.innerText"))
        page.keyboard.press("ArrowRight")
    assert order == ["merge", "python", "dataframe"]


def test_the_shortcut_leads_to_the_chips_and_back(page: Page, consented: BrowserContext) -> None:
    page.locator("#wmd-input").press_sequentially("Half a sen")
    press_shortcut(consented)
    expect(chip(page, "pandas")).to_be_focused()
    page.keyboard.press("Enter")
    expect(chosen(page)).to_have_text(["pandas"])
    expect(chip(page, "pandas")).to_be_focused()
    press_shortcut(consented)
    expect(page.locator("#wmd-input")).to_be_focused()
    page.keyboard.type("tence")
    expect(page.locator("#wmd-input")).to_have_value("Half a sentence")
    press_shortcut(consented)
    # Not to the one that was taken: Enter there would take it out again.
    expect(chip(page, "python")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#wmd-input")).to_be_focused()


def test_the_shortcut_without_chips_announces_the_state(empty_page: Page, consented: BrowserContext) -> None:
    expect(empty_page.locator("[data-tagalong]")).to_be_visible()
    empty_page.locator("#title").press_sequentially("Too short")
    press_shortcut(consented)
    expect(empty_page.locator("[data-tagalong]").get_by_role("status")).to_contain_text("15 characters")
    expect(empty_page.locator("#title")).to_be_focused()


def press_shortcut(context: BrowserContext) -> None:
    """Trigger the shortcut as the browser does: keys that a test presses reach the page only."""
    (context.service_workers or [context.wait_for_event("serviceworker")])[0].evaluate(
        """async () => {
            const [tab] = await chrome.tabs.query({ active: true });
            chrome.commands.onCommand.dispatch("chips", tab);
        }"""
    )


def test_an_answer_with_the_same_tags_touches_no_chip(page: Page, service: RecordingServer) -> None:
    """Neither chips nor note flicker."""
    side(page, "dataframe").click()
    page.mouse.move(5, 5)
    page.wait_for_timeout(400)
    page.evaluate(
        """() => {
            window.changes = [];
            const root = document.querySelector("[data-tagalong]").shadowRoot;
            new MutationObserver((records) => changes.push(...records.map((record) => record.target.outerHTML)))
                .observe(root.querySelector(".panel"), {childList: true, subtree: true, characterData: true});
        }"""
    )

    def is_received(words: str) -> bool:
        return str(service.drafts[-1]["title"]).endswith(words)

    for words in (" More", " and more", " words"):
        write(page, words)
        assert eventually(partial(is_received, words))
    page.wait_for_timeout(300)
    assert page.evaluate("changes") == []


def test_suggestions_are_announced_once_and_actions_at_once(page: Page, service: RecordingServer) -> None:
    said = page.locator("[data-tagalong]").get_by_role("status")
    expect(said).to_have_text("Suggested tags: pandas, python, dataframe")
    side(page, "python").click()
    expect(said).to_have_text("python dismissed")
    asked = len(service.drafts)
    write(page, " The same tags again")
    assert eventually(lambda: len(service.drafts) > asked)
    page.wait_for_timeout(1000)
    expect(said).to_have_text("python dismissed")
    chip(page, "pandas").click()
    expect(said).to_have_text("pandas added")
    service.offers = [*service.offers, ("merge", 0.8)]
    write(page, " And one more")
    expect(said).to_have_text("Suggested tags: dataframe, merge")


def test_an_item_that_began_unrecorded_stays_unrecorded(empty_page: Page, service: RecordingServer) -> None:
    """Recorded from the middle on, its events would be in an order that no writer can produce."""
    service.recording = False
    write(empty_page)
    chip(empty_page, "pandas").click()
    side(empty_page, "python").click()
    expect(chosen(empty_page)).to_have_text(["pandas"])
    service.recording = True
    write(empty_page, " Now it is on the record")
    assert eventually(lambda: service.events)
    empty_page.wait_for_timeout(1000)
    side(empty_page, "pandas").click()
    expect(chosen(empty_page)).to_have_count(0)
    side(empty_page, "python").click()
    empty_page.wait_for_timeout(500)
    assert service.received_events() == [("viewed", "dataframe")]
