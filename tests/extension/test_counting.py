"""Counting: each event is counted when it is true, once, and nothing else is."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.extension import stack_overflow
from tests.extension.browser import (
    ASK,
    QUESTION_ID,
    TITLE,
    ask_page,
    chip,
    chips,
    chosen,
    eventually,
    expect_chips,
    inspector_page,
    look,
    run_in_content_script,
    side,
    store,
    stored,
    write,
)
from tests.extension.recording_server import RecordingServer

INPUT = "#tageditor-replacing-tagnames--input"
ALL_VIEWED = [("viewed", "pandas"), ("viewed", "python"), ("viewed", "dataframe")]
BODY = "A body that is long enough for the page to post it."


@pytest.fixture
def viewed(consented: BrowserContext, service: RecordingServer) -> Page:
    """An ask page whose three chips were viewed."""
    page = ask_page(consented)
    write(page)
    assert eventually(lambda: len(service.events) == 3)
    assert service.received_events() == ALL_VIEWED
    return page


def expect_events(service: RecordingServer, *expected: tuple[str, str | None]) -> None:
    """Check that the events after the three views are exactly ``expected``."""
    eventually(lambda: len(service.events) >= 3 + len(expected))
    assert service.received_events() == [*ALL_VIEWED, *expected]


def pending_submissions(page: Page) -> list[str]:
    """Return the keys of questions that were submitted and not yet seen posted."""
    read = "async () => Object.keys(await chrome.storage.local.get(null))"
    keys: list[str] = inspector_page(page.context).evaluate(read)
    return [key for key in keys if key.startswith("posting.")]


def test_a_view_carries_its_position_and_suggestion(viewed: Page, service: RecordingServer) -> None:
    views = sorted(service.events.values(), key=lambda event: event["sequence"])
    assert [(view["tag"], view["position"]) for view in views] == [
        ("pandas", 1), ("python", 2), ("dataframe", 3),
    ]  # fmt: skip
    assert len({view["suggestion_id"] for view in views}) == 1
    assert {view["draft_id"] for view in views} == {service.drafts[-1]["draft_id"]}


def test_a_short_glance_is_not_a_view(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    page.wait_for_timeout(300)
    page.locator("#title").fill("")
    page.wait_for_timeout(900)
    assert service.received_events() == []


def test_chips_out_of_sight_are_not_viewed(consented: BrowserContext, service: RecordingServer) -> None:
    page = consented.new_page()
    page.set_viewport_size({"width": 1280, "height": 500})
    page.goto(ASK)
    write(page)
    expect_chips(page)
    page.wait_for_timeout(1000)
    assert service.received_events() == []
    page.mouse.wheel(0, 2000)
    assert eventually(lambda: len(service.events) == 3)


def test_chips_in_a_background_tab_are_not_viewed(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    run_in_content_script(
        page, "Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})"
    )
    write(page)
    expect_chips(page)
    page.wait_for_timeout(1000)
    assert service.received_events() == []
    run_in_content_script(
        page, "delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))"
    )
    assert eventually(lambda: len(service.events) == 3)


def test_an_item_is_viewed_once_however_often_it_is_offered(viewed: Page, service: RecordingServer) -> None:
    first = service.events[next(iter(service.events))]["suggestion_id"]
    write(viewed, " More words make another answer")
    requests = len(service.drafts)
    assert eventually(lambda: len(service.drafts) > requests or requests > 1)
    viewed.wait_for_timeout(1000)
    chip(viewed, "pandas").click()
    expect_events(service, ("accepted", "pandas"))
    accepted = next(event for event in service.events.values() if event["kind"] == "accepted")
    assert accepted["suggestion_id"] == first


def test_an_action_counts_as_a_view(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    chip(page, "python").click()
    assert eventually(lambda: len(service.events) >= 2)
    assert service.received_events()[:2] == [("viewed", "python"), ("accepted", "python")]


def test_accepted_only_once_the_page_has_the_tag(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented, "?slowly=700&unknown=dataframe")
    write(page)
    eventually(lambda: len(service.events) == 3)
    chip(page, "pandas").click()
    page.wait_for_timeout(400)
    assert service.received_events() == ALL_VIEWED
    expect_events(service, ("accepted", "pandas"))


def test_removing_a_tag_on_the_page_is_removed(viewed: Page, service: RecordingServer) -> None:
    chip(viewed, "pandas").click()
    expect(look(viewed, "pandas")).to_have_attribute("data-look", "chosen")
    chosen(viewed).locator(".js-delete-tag").click()
    expect_events(service, ("accepted", "pandas"), ("removed", "pandas"))
    chip(viewed, "pandas").click()
    expect_events(service, ("accepted", "pandas"), ("removed", "pandas"), ("accepted", "pandas"))


def test_backspace_and_undo_are_removed_too(viewed: Page, service: RecordingServer) -> None:
    chip(viewed, "pandas").click()
    expect(look(viewed, "pandas")).to_have_attribute("data-look", "chosen")
    viewed.locator(INPUT).press("Backspace")
    expect_events(service, ("accepted", "pandas"), ("removed", "pandas"))
    viewed.locator(INPUT).fill("")
    chip(viewed, "python").click()
    expect(look(viewed, "python")).to_have_attribute("data-look", "chosen")
    side(viewed, "python").click()
    expect_events(service, ("accepted", "pandas"), ("removed", "pandas"), ("accepted", "python"), ("removed", "python"))


def test_dismissed_and_restored(viewed: Page, service: RecordingServer) -> None:
    side(viewed, "python").click()
    expect_events(service, ("dismissed", "python"))
    side(viewed, "python").click()
    expect_events(service, ("dismissed", "python"), ("restored", "python"))


def test_removing_a_tag_while_another_is_added_is_removed(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented, "?slowly=500")
    write(page)
    eventually(lambda: len(service.events) == 3)
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    chip(page, "python").click()
    # Just before the page shows the other one.
    chosen(page).locator(".js-delete-tag").evaluate("(button) => setTimeout(() => button.click(), 350)")
    expect(chosen(page)).to_have_text(["python"])
    eventually(lambda: len(service.events) == 6)
    assert service.received_events()[:4] == [*ALL_VIEWED, ("accepted", "pandas")]
    assert sorted(service.received_events()[4:]) == [("accepted", "python"), ("removed", "pandas")]


def test_a_tag_typed_by_hand_is_no_event(viewed: Page, service: RecordingServer) -> None:
    viewed.locator(INPUT).press_sequentially("python ")
    expect(look(viewed, "python")).to_have_attribute("data-look", "chosen")
    viewed.wait_for_timeout(400)
    chosen(viewed).locator(".js-delete-tag").click()
    expect(look(viewed, "python")).to_have_attribute("data-look", "offered")
    viewed.wait_for_timeout(500)
    expect_events(service)


def test_posted_when_the_tab_shows_the_question(viewed: Page, service: RecordingServer) -> None:
    chip(viewed, "pandas").click()
    expect_events(service, ("accepted", "pandas"))
    viewed.locator(INPUT).press_sequentially("join ")
    viewed.locator("#wmd-input").fill(BODY)
    viewed.locator("#submit-button").click()
    viewed.wait_for_url("**/questions/79000001/**")
    expect_events(service, ("accepted", "pandas"), ("posted", None))
    posted = next(event for event in service.events.values() if event["kind"] == "posted")
    assert posted["tags"] == ["pandas", "join"]
    assert (posted["question_id"], posted["site"]) == (QUESTION_ID, "stackoverflow.com")
    assert posted["draft_id"] == service.drafts[0]["draft_id"]
    # The next question in this tab is another draft, even if its page is reloaded.
    viewed.goto(ASK)
    viewed.reload()
    write(viewed)
    expect_chips(viewed)
    assert service.drafts[-1]["draft_id"] != posted["draft_id"]


def test_a_validation_error_is_not_posted(viewed: Page, service: RecordingServer) -> None:
    chip(viewed, "pandas").click()
    viewed.locator("#submit-button").click()
    expect(viewed.locator("#body-message")).to_be_visible()
    assert eventually(lambda: pending_submissions(viewed) == [])
    # The writer gives up and reads another question in the same tab.
    viewed.get_by_role("link", name="A similar question").click()
    viewed.wait_for_url("**/questions/4711/**")
    viewed.wait_for_timeout(300)
    expect_events(service, ("accepted", "pandas"))


def test_a_page_that_comes_back_with_errors_is_not_posted(viewed: Page, service: RecordingServer) -> None:
    chip(viewed, "pandas").click()
    expect(look(viewed, "pandas")).to_have_attribute("data-look", "chosen")
    # The site, not the page, finds the error, and answers with the page again.
    viewed.evaluate("document.addEventListener('submit', (event) => event.stopPropagation(), true)")
    answer = stack_overflow.get_response(ASK)
    assert answer
    viewed.route(
        "**/questions/ask/submit", lambda route: route.fulfill(body=answer.text, content_type=answer.content_type)
    )
    viewed.locator("#submit-button").click()
    viewed.wait_for_url("**/questions/ask/submit")
    expect_chips(viewed, 2)
    assert eventually(lambda: pending_submissions(viewed) == [])
    viewed.get_by_role("link", name="A similar question").click()
    viewed.wait_for_url("**/questions/4711/**")
    viewed.wait_for_timeout(300)
    expect_events(service, ("accepted", "pandas"))


def test_a_corrected_question_is_posted_with_its_last_tags(viewed: Page, service: RecordingServer) -> None:
    chip(viewed, "pandas").click()
    viewed.locator("#submit-button").click()
    expect(viewed.locator("#body-message")).to_be_visible()
    viewed.locator("#wmd-input").press_sequentially(BODY)
    assert eventually(lambda: not pending_submissions(viewed))
    viewed.locator(INPUT).press_sequentially("merge ")
    viewed.locator("#submit-button").click()
    expect_events(service, ("accepted", "pandas"), ("posted", None))
    posted = next(event for event in service.events.values() if event["kind"] == "posted")
    assert posted["tags"] == ["pandas", "merge"]


def test_reviewing_and_reading_other_questions_post_nothing(viewed: Page, service: RecordingServer) -> None:
    viewed.locator(".js-begin-review-button").click()
    viewed.goto("https://stackoverflow.com/questions/4711/another-question")
    viewed.wait_for_timeout(300)
    expect_events(service)


def test_a_question_in_the_staging_ground_is_posted_too(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented, "?staging&number=4712")
    write(page, body=BODY)
    assert eventually(lambda: len(service.events) == 3)
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    page.locator("#submit-button").click()
    page.wait_for_url("**/staging-ground/4712")
    expect_events(service, ("accepted", "pandas"), ("posted", None))
    posted = next(event for event in service.events.values() if event["kind"] == "posted")
    assert posted["question_id"] is None, "its number is not a question's"


def test_a_reload_keeps_the_draft_and_counts_no_view_twice(viewed: Page, service: RecordingServer) -> None:
    chip(viewed, "pandas").click()
    expect_events(service, ("accepted", "pandas"))
    requests = len(service.drafts)
    viewed.reload()
    expect_chips(viewed, 2)
    viewed.wait_for_timeout(1000)
    assert len(service.drafts) > requests
    assert len({draft["draft_id"] for draft in service.drafts}) == 1
    expect_events(service, ("accepted", "pandas"))
    chosen(viewed).locator(".js-delete-tag").click()
    expect_events(service, ("accepted", "pandas"), ("removed", "pandas"))


def test_a_reload_that_loses_the_text_keeps_the_draft(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented, "?fresh")
    write(page)
    expect_chips(page)
    page.reload()
    write(page, "The same question in other words")
    expect_chips(page)
    assert len({draft["draft_id"] for draft in service.drafts}) == 1


def test_a_page_that_restores_its_draft_late_has_removed_nothing(
    consented: BrowserContext, service: RecordingServer
) -> None:
    page = ask_page(consented, "?late")
    page.wait_for_timeout(400)
    write(page)
    eventually(lambda: len(service.events) == 3)
    chip(page, "pandas").click()
    expect_events(service, ("accepted", "pandas"))
    page.reload()
    expect(chosen(page)).to_have_text(["pandas"])
    expect_chips(page, 2)
    page.wait_for_timeout(500)
    expect_events(service, ("accepted", "pandas"))
    assert len({draft["draft_id"] for draft in service.drafts}) == 1


def test_a_restored_draft_in_a_new_tab_is_the_same_draft(viewed: Page, service: RecordingServer) -> None:
    context = viewed.context
    viewed.close()
    page = ask_page(context)
    expect_chips(page)
    assert len({draft["draft_id"] for draft in service.drafts}) == 1


def test_after_seven_days_a_restored_draft_is_a_new_one(viewed: Page, service: RecordingServer) -> None:
    context = viewed.context
    viewed.close()
    week = 7 * 24 * 60 * 60 * 1000
    old = {key: {**draft, "touched": draft["touched"] - week} for key, draft in stored(context, "drafts").items()}
    store(context, drafts=old)
    expect_chips(ask_page(context))
    assert len({draft["draft_id"] for draft in service.drafts}) == 2


def test_an_edit_is_a_different_draft_from_a_question_with_its_title(viewed: Page, service: RecordingServer) -> None:
    for post in (4711, 4712):
        viewed.goto(f"https://stackoverflow.com/posts/{post}/edit")
        viewed.locator("#title").fill(TITLE)
        expect_chips(viewed)
        assert eventually(lambda: service.drafts[-1]["title"] == TITLE and service.drafts[-1]["kind"] == "edit")
    assert len({draft["draft_id"] for draft in service.drafts}) == 3


def test_two_tabs_are_two_drafts_even_with_one_title(consented: BrowserContext, service: RecordingServer) -> None:
    pages = [ask_page(consented, "?fresh") for _ in range(2)]
    for page in pages:
        page.bring_to_front()
        write(page)
        expect_chips(page)
    assert len({draft["draft_id"] for draft in service.drafts}) == 2
    assert eventually(lambda: len(service.events) == 6)
    assert sorted(event["sequence"] for event in service.events.values()) == [1, 2, 3, 4, 5, 6]


def test_after_discarding_there_is_a_new_draft(viewed: Page, service: RecordingServer) -> None:
    viewed.locator(".js-discard-question").click()
    expect(chips(viewed)).to_have_count(0)
    write(viewed, "Something else entirely, in Rust this time")
    expect_chips(viewed)
    assert service.drafts[-1]["draft_id"] != service.drafts[0]["draft_id"]
    assert eventually(lambda: len(service.events) == 6)


def test_unrecorded_suggestions_are_not_counted(consented: BrowserContext, service: RecordingServer) -> None:
    service.recording = False
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    page.wait_for_timeout(1000)
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    side(page, "python").click()
    page.wait_for_timeout(300)
    assert service.requests_to("/api/v1/events") == []
    # From the first recorded answer on, what is in sight is counted.
    service.recording = True
    write(page, " Now the database is back")
    assert eventually(lambda: ("viewed", "dataframe") in service.received_events())
