"""A question counts as posted only if its submission led to it; no changed setting loses a submission."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.extension.browser import ASK, BODY, TITLE, chips, eventually, expect_chips, inspector_page
from tests.extension.generations import CLASSIC, EDIT, SVELTE, WIZARD, Generation, get_name
from tests.extension.recording_server import RecordingServer

OTHER_QUESTION = "https://stackoverflow.com/questions/4711/another-question"
QUESTION_LIST = "https://stackoverflow.com/questions?tab=newest"
LONG_BODY = BODY * 4


class PendingPost:
    """A submission whose response the test controls."""

    def __init__(self, page: Page) -> None:
        self._routes: list[Route] = []
        page.route("**/*submit", lambda route: self._routes.append(route))

    def is_on_its_way(self) -> bool:
        return bool(self._routes)

    def answer(self) -> None:
        self._routes.pop().fulfill(body="")


def submit_question(
    context: BrowserContext, generation: Generation, query: str = "", before: str = ""
) -> tuple[Page, PendingPost]:
    """Submit a question, on a page that was opened after ``before``, if given; return the page and the submission."""
    page = context.new_page()
    if before:
        page.goto(before)
    generation.open(page, query)
    post = PendingPost(page)
    generation.write(page, TITLE, LONG_BODY)
    expect_chips(page)
    if not generation.initial_tags:
        generation.type_tag(page, "python")
        expect(generation.chosen_tags(page)).to_have_count(1)
    generation.review(page)
    generation.post(page)
    assert eventually(post.is_on_its_way)
    assert eventually(lambda: stored_submissions(context))
    return page, post


def stored_submissions(context: BrowserContext) -> list[str]:
    """Return the storage keys of questions that were submitted and not seen posted yet."""
    find = "async () => Object.keys(await chrome.storage.local.get(null)).filter((key) => key.startsWith('posting.'))"
    keys: list[str] = inspector_page(context).evaluate(find)
    return keys


def posted_questions(context: BrowserContext, service: RecordingServer) -> list[int | None]:
    """Return the numbers of the questions recorded as posted, once the outbox is empty."""
    flush = "chrome.runtime.sendMessage({type: 'flushOutbox'})"
    assert eventually(lambda: inspector_page(context).evaluate(flush)["answer"]["waiting"] == 0)
    return [event["question_id"] for event in service.events.values() if event["kind"] == "posted"]


def assert_not_posted(context: BrowserContext, service: RecordingServer, page: Page) -> None:
    """Wait until the tab shows another question and its script could report it; none may count as posted."""
    assert eventually(lambda: page.url.startswith(OTHER_QUESTION))
    page.wait_for_timeout(400)
    assert posted_questions(context, service) == []


def navigate_by_script(page: Page) -> None:
    page.evaluate(f"location.href = '{OTHER_QUESTION}'")


def enter_address(page: Page) -> None:
    page.goto(OTHER_QUESTION)


def go_back_in_history(page: Page) -> None:
    page.go_back()


def visit_list_first(page: Page) -> None:
    page.goto(QUESTION_LIST)
    page.evaluate(f"location.href = '{OTHER_QUESTION}'")


# What a page does when the site does not take the question, each as other pages of the site do it.
ERRORS = {
    "the page's own line": "document.querySelector('.d-error, .fc-error').hidden = false,"
    "document.querySelector('.d-error, .fc-error').textContent = 'Body must be at least 220 characters.'",
    "a toast": "document.body.insertAdjacentHTML('beforeend', '<div role=\"alert\">Once an hour</div>')",
    "a notice": "document.body.insertAdjacentHTML('afterbegin', '<p class=\"s-notice s-notice__danger\">No</p>')",
    "a field marked": "document.querySelector('#title, #post-title-input').setAttribute('aria-invalid', 'true')",
    "a block marked": "document.querySelector('.box').classList.add('has-error')",
}


@pytest.mark.parametrize(
    ("generation", "error"),
    [*((CLASSIC, error) for error in ERRORS), *((generation, "a notice") for generation in (WIZARD, SVELTE, EDIT))],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_b5_after_an_error_no_navigation_counts_as_posted(
    consented: BrowserContext, service: RecordingServer, generation: Generation, error: str
) -> None:
    page, _ = submit_question(consented, generation)
    page.evaluate(ERRORS[error])
    assert eventually(lambda: stored_submissions(consented) == [])
    navigate_by_script(page)
    assert_not_posted(consented, service, page)


@pytest.mark.parametrize("navigate", [enter_address, go_back_in_history, visit_list_first])
def test_b5_other_navigation_does_not_count_as_posted(
    consented: BrowserContext, service: RecordingServer, navigate: Callable[[Page], None]
) -> None:
    page, _ = submit_question(consented, CLASSIC, before=OTHER_QUESTION)
    navigate(page)
    assert_not_posted(consented, service, page)


def test_b5_an_error_shown_before_submitting_is_ignored(consented: BrowserContext, service: RecordingServer) -> None:
    page = consented.new_page()
    CLASSIC.open(page)
    post = PendingPost(page)
    CLASSIC.write(page, TITLE, LONG_BODY)
    expect_chips(page)
    CLASSIC.type_tag(page, "python")
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<p class=\"fc-error\">The site is read-only at 5</p>')"
    )
    CLASSIC.post(page)
    assert eventually(post.is_on_its_way)
    page.evaluate("document.querySelector('#submit-button').textContent = 'Posting …'")
    post.answer()
    page.wait_for_url(CLASSIC.posted_url)
    assert eventually(lambda: posted_questions(consented, service) == [79_000_001])


@pytest.mark.parametrize(
    "navigation",
    [
        f"history.pushState(null, '', '{QUESTION_LIST}'), history.pushState(null, '', '{OTHER_QUESTION}')",
        "history.back()",
    ],
    ids=["another page first", "back"],
)
def test_b5_a_router_that_goes_elsewhere_has_not_posted(
    consented: BrowserContext, service: RecordingServer, navigation: str
) -> None:
    page = consented.new_page()
    page.goto(OTHER_QUESTION)
    route_to_ask_page(page)
    post = PendingPost(page)
    page.locator("#title").fill(TITLE)
    page.locator("#wmd-input").fill(LONG_BODY)
    expect_chips(page)
    CLASSIC.type_tag(page, "python")
    CLASSIC.post(page)
    assert eventually(post.is_on_its_way)
    assert eventually(lambda: stored_submissions(consented))
    page.evaluate(navigation)
    assert_not_posted(consented, service, page)
    assert stored_submissions(consented) == []


def route_to_ask_page(page: Page) -> None:
    """Change address and content as the site's router does, in the same document."""
    page.evaluate(
        """async (address) => {
            const html = await (await fetch(address)).text();
            history.pushState(null, "", address);
            document.body.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.children);
            for (const { src } of document.querySelectorAll("script")) await import(src);
        }""",
        ASK,
    )


@pytest.mark.parametrize("before", [OTHER_QUESTION, "https://stackoverflow.com/staging-ground/4712"])
def test_b12_chips_appear_when_a_router_opens_the_ask_page(
    consented: BrowserContext, service: RecordingServer, before: str
) -> None:
    page = consented.new_page()
    page.goto(before)
    route_to_ask_page(page)
    page.locator("#title").fill(TITLE)
    expect_chips(page)
    page.locator("#wmd-input").fill(LONG_BODY)
    CLASSIC.type_tag(page, "python")
    CLASSIC.post(page)
    page.wait_for_url(CLASSIC.posted_url)
    assert eventually(lambda: posted_questions(consented, service) == [79_000_001])


def test_b12_a_router_may_leave_the_ask_page_and_return(consented: BrowserContext, service: RecordingServer) -> None:
    page = consented.new_page()
    page.goto(OTHER_QUESTION)
    for _ in range(2):
        route_to_ask_page(page)
        page.locator("#title").fill(TITLE)
        expect_chips(page)
        page.evaluate(f"history.pushState(null, '', '{OTHER_QUESTION}')")
        expect(chips(page)).to_have_count(0)


SETTING_CHANGES = {
    "the pause": {"debounce_ms": 400},
    "this site off": {"sites_off": ["stackoverflow.com"]},
    "paused": {"paused_until": None},
    "a tag never": {"never": ["pandas"]},
}


@pytest.mark.parametrize("generation", [CLASSIC, SVELTE], ids=get_name)
@pytest.mark.parametrize("changes", SETTING_CHANGES.values(), ids=SETTING_CHANGES)
def test_b6_a_setting_changed_while_submitting_loses_nothing(
    consented: BrowserContext, service: RecordingServer, generation: Generation, changes: dict[str, object]
) -> None:
    page, post = submit_question(consented, generation, "router" if generation == SVELTE else "")
    change_settings(consented, changes)
    post.answer()
    page.wait_for_url(generation.posted_url)
    assert eventually(lambda: posted_questions(consented, service) == [79_000_001])


def change_settings(context: BrowserContext, changes: dict[str, object]) -> None:
    """Change settings as the popup and the options do."""
    inspector_page(context).evaluate(
        "(changes) => chrome.runtime.sendMessage({type: 'changeSettings', changes})", changes
    )


def test_b6_withdrawing_consent_while_submitting_drops_the_submission(
    consented: BrowserContext, service: RecordingServer
) -> None:
    page, post = submit_question(consented, CLASSIC)
    change_settings(consented, {"counts": False})
    assert stored_submissions(consented) == []
    change_settings(consented, {"counts": True})
    post.answer()
    page.wait_for_url(CLASSIC.posted_url)
    page.wait_for_timeout(300)
    assert posted_questions(consented, service) == []
