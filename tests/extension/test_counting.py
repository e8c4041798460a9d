"""What is counted: each event when it is true, once, and nothing else."""

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
def seen(consented: BrowserContext, service: RecordingServer) -> Page:
    """An ask page whose three chips were looked at."""
    page = ask_page(consented)
    write(page)
    assert eventually(lambda: len(service.events) == 3)
    assert service.received_events() == ALL_VIEWED
    return page


def after(service: RecordingServer, *expected: tuple[str, str | None]) -> None:
    """The events told after the three views are exactly ``expected``."""
    eventually(lambda: len(service.events) >= 3 + len(expected))
    assert service.received_events() == [*ALL_VIEWED, *expected]


def submitted(page: Page) -> list[str]:
    """What the extension keeps of questions that were submitted, and are not seen posted yet."""
    room = inspector_page(page.context)
    keys: list[str] = room.evaluate("async () => Object.keys(await chrome.storage.local.get(null))")
    return [key for key in keys if key.startswith("posting.")]


def test_a_view_carries_its_position_and_suggestion(seen: Page, service: RecordingServer) -> None:
    views = sorted(service.events.values(), key=lambda event: event["sequence"])
    assert [(view["tag"], view["position"]) for view in views] == [
        ("pandas", 1), ("python", 2), ("dataframe", 3),
    ]  # fmt: skip
    assert len({view["suggestion_id"] for view in views}) == 1
    assert {view["draft_id"] for view in views} == {service.drafts[-1]["draft_id"]}


def test_a_glance_is_no_view(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    page.wait_for_timeout(300)
    page.locator("#title").fill("")
    page.wait_for_timeout(900)
    assert service.received_events() == []


def test_out_of_sight_is_no_view(consented: BrowserContext, service: RecordingServer) -> None:
    page = consented.new_page()
    page.set_viewport_size({"width": 1280, "height": 500})
    page.goto(ASK)
    write(page)
    expect_chips(page)
    page.wait_for_timeout(1000)
    assert service.received_events() == []
    page.mouse.wheel(0, 2000)
    assert eventually(lambda: len(service.events) == 3)


def test_a_tab_in_the_background_is_no_view(consented: BrowserContext, service: RecordingServer) -> None:
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


def test_an_item_is_viewed_once_however_often_it_is_offered(seen: Page, service: RecordingServer) -> None:
    first = service.events[next(iter(service.events))]["suggestion_id"]
    write(seen, " More words make another answer")
    asked = len(service.drafts)
    assert eventually(lambda: len(service.drafts) > asked or asked > 1)
    seen.wait_for_timeout(1000)
    chip(seen, "pandas").click()
    after(service, ("accepted", "pandas"))
    accepted = next(event for event in service.events.values() if event["kind"] == "accepted")
    assert accepted["suggestion_id"] == first


def test_an_action_is_a_view(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    chip(page, "python").click()
    assert eventually(lambda: len(service.events) >= 2)
    assert service.received_events()[:2] == [("viewed", "python"), ("accepted", "python")]


def test_accepted_only_when_the_page_took_it(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented, "?slowly=700&unknown=dataframe")
    write(page)
    eventually(lambda: len(service.events) == 3)
    chip(page, "pandas").click()
    page.wait_for_timeout(400)
    assert service.received_events() == ALL_VIEWED
    after(service, ("accepted", "pandas"))


def test_taken_out_by_the_pages_own_means_is_removed(seen: Page, service: RecordingServer) -> None:
    chip(seen, "pandas").click()
    expect(look(seen, "pandas")).to_have_attribute("data-look", "chosen")
    chosen(seen).locator(".js-delete-tag").click()
    after(service, ("accepted", "pandas"), ("removed", "pandas"))
    chip(seen, "pandas").click()
    after(service, ("accepted", "pandas"), ("removed", "pandas"), ("accepted", "pandas"))


def test_backspace_and_undo_remove_as_well(seen: Page, service: RecordingServer) -> None:
    chip(seen, "pandas").click()
    expect(look(seen, "pandas")).to_have_attribute("data-look", "chosen")
    seen.locator(INPUT).press("Backspace")
    after(service, ("accepted", "pandas"), ("removed", "pandas"))
    seen.locator(INPUT).fill("")
    chip(seen, "python").click()
    expect(look(seen, "python")).to_have_attribute("data-look", "chosen")
    side(seen, "python").click()
    after(service, ("accepted", "pandas"), ("removed", "pandas"), ("accepted", "python"), ("removed", "python"))


def test_dismissed_and_restored(seen: Page, service: RecordingServer) -> None:
    side(seen, "python").click()
    after(service, ("dismissed", "python"))
    side(seen, "python").click()
    after(service, ("dismissed", "python"), ("restored", "python"))


def test_taken_out_while_another_is_added_is_removed(consented: BrowserContext, service: RecordingServer) -> None:
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


def test_typed_by_hand_is_no_event(seen: Page, service: RecordingServer) -> None:
    seen.locator(INPUT).press_sequentially("python ")
    expect(look(seen, "python")).to_have_attribute("data-look", "chosen")
    seen.wait_for_timeout(400)
    chosen(seen).locator(".js-delete-tag").click()
    expect(look(seen, "python")).to_have_attribute("data-look", "offered")
    seen.wait_for_timeout(500)
    after(service)


def test_posted_when_the_tab_shows_the_question(seen: Page, service: RecordingServer) -> None:
    chip(seen, "pandas").click()
    after(service, ("accepted", "pandas"))
    seen.locator(INPUT).press_sequentially("join ")
    seen.locator("#wmd-input").fill(BODY)
    seen.locator("#submit-button").click()
    seen.wait_for_url("**/questions/79000001/**")
    after(service, ("accepted", "pandas"), ("posted", None))
    posted = next(event for event in service.events.values() if event["kind"] == "posted")
    assert posted["tags"] == ["pandas", "join"]
    assert (posted["question_id"], posted["site"]) == (QUESTION_ID, "stackoverflow.com")
    assert posted["draft_id"] == service.drafts[0]["draft_id"]
    # The next question in this tab is another draft, even if its page is reloaded.
    seen.goto(ASK)
    seen.reload()
    write(seen)
    expect_chips(seen)
    assert service.drafts[-1]["draft_id"] != posted["draft_id"]


def test_a_validation_error_is_not_posted(seen: Page, service: RecordingServer) -> None:
    chip(seen, "pandas").click()
    seen.locator("#submit-button").click()
    expect(seen.locator("#body-message")).to_be_visible()
    assert eventually(lambda: submitted(seen) == [])
    # The writer gives up and reads another question in the same tab.
    seen.get_by_role("link", name="A similar question").click()
    seen.wait_for_url("**/questions/4711/**")
    seen.wait_for_timeout(300)
    after(service, ("accepted", "pandas"))


def test_a_page_that_comes_back_with_errors_is_not_posted(seen: Page, service: RecordingServer) -> None:
    chip(seen, "pandas").click()
    expect(look(seen, "pandas")).to_have_attribute("data-look", "chosen")
    # Not the page finds the fault, but the site, which answers with the page once more.
    seen.evaluate("document.addEventListener('submit', (event) => event.stopPropagation(), true)")
    again = stack_overflow.answer(ASK)
    assert again
    seen.route("**/questions/ask/submit", lambda route: route.fulfill(body=again.text, content_type=again.content_type))
    seen.locator("#submit-button").click()
    seen.wait_for_url("**/questions/ask/submit")
    expect_chips(seen, 2)
    assert eventually(lambda: submitted(seen) == [])
    seen.get_by_role("link", name="A similar question").click()
    seen.wait_for_url("**/questions/4711/**")
    seen.wait_for_timeout(300)
    after(service, ("accepted", "pandas"))


def test_an_error_put_right_is_posted_with_the_last_tags(seen: Page, service: RecordingServer) -> None:
    chip(seen, "pandas").click()
    seen.locator("#submit-button").click()
    expect(seen.locator("#body-message")).to_be_visible()
    seen.locator("#wmd-input").press_sequentially(BODY)
    assert eventually(lambda: not submitted(seen))
    seen.locator(INPUT).press_sequentially("merge ")
    seen.locator("#submit-button").click()
    after(service, ("accepted", "pandas"), ("posted", None))
    posted = next(event for event in service.events.values() if event["kind"] == "posted")
    assert posted["tags"] == ["pandas", "merge"]


def test_reviewing_and_reading_other_questions_post_nothing(seen: Page, service: RecordingServer) -> None:
    seen.locator(".js-begin-review-button").click()
    seen.goto("https://stackoverflow.com/questions/4711/another-question")
    seen.wait_for_timeout(300)
    after(service)


def test_the_staging_ground_is_a_posting_too(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented, "?staging&number=4712")
    write(page, body=BODY)
    assert eventually(lambda: len(service.events) == 3)
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    page.locator("#submit-button").click()
    page.wait_for_url("**/staging-ground/4712")
    after(service, ("accepted", "pandas"), ("posted", None))
    posted = next(event for event in service.events.values() if event["kind"] == "posted")
    assert posted["question_id"] is None, "its number is not that of a question"


def test_a_reload_keeps_the_draft_and_counts_no_view_twice(seen: Page, service: RecordingServer) -> None:
    chip(seen, "pandas").click()
    after(service, ("accepted", "pandas"))
    asked = len(service.drafts)
    seen.reload()
    expect_chips(seen, 2)
    seen.wait_for_timeout(1000)
    assert len(service.drafts) > asked
    assert len({draft["draft_id"] for draft in service.drafts}) == 1
    after(service, ("accepted", "pandas"))
    chosen(seen).locator(".js-delete-tag").click()
    after(service, ("accepted", "pandas"), ("removed", "pandas"))


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
    after(service, ("accepted", "pandas"))
    page.reload()
    expect(chosen(page)).to_have_text(["pandas"])
    expect_chips(page, 2)
    page.wait_for_timeout(500)
    after(service, ("accepted", "pandas"))
    assert len({draft["draft_id"] for draft in service.drafts}) == 1


def test_a_restored_draft_in_a_new_tab_is_the_same_draft(seen: Page, service: RecordingServer) -> None:
    context = seen.context
    seen.close()
    page = ask_page(context)
    expect_chips(page)
    assert len({draft["draft_id"] for draft in service.drafts}) == 1


def test_after_seven_days_a_restored_draft_is_a_new_one(seen: Page, service: RecordingServer) -> None:
    context = seen.context
    seen.close()
    week = 7 * 24 * 60 * 60 * 1000
    old = {key: {**draft, "touched": draft["touched"] - week} for key, draft in stored(context, "drafts").items()}
    store(context, drafts=old)
    expect_chips(ask_page(context))
    assert len({draft["draft_id"] for draft in service.drafts}) == 2


def test_an_edit_is_another_draft_than_a_question_with_its_title(seen: Page, service: RecordingServer) -> None:
    for post in (4711, 4712):
        seen.goto(f"https://stackoverflow.com/posts/{post}/edit")
        seen.locator("#title").fill(TITLE)
        expect_chips(seen)
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


def test_a_discarded_draft_is_over(seen: Page, service: RecordingServer) -> None:
    seen.locator(".js-discard-question").click()
    expect(chips(seen)).to_have_count(0)
    write(seen, "Something else entirely, in Rust this time")
    expect_chips(seen)
    assert service.drafts[-1]["draft_id"] != service.drafts[0]["draft_id"]
    assert eventually(lambda: len(service.events) == 6)


def test_what_could_not_be_recorded_is_not_counted(consented: BrowserContext, service: RecordingServer) -> None:
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
