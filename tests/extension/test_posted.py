"""A question is posted if the post itself led to it, not by what else happens in the tab; no setting loses it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.extension.browser import ASK, BODY, TITLE, chips, eventually, expect_chips, inspector_page
from tests.extension.generations import CLASSIC, EDITING, SVELTE, WIZARD, Generation
from tests.extension.recording_server import RecordingServer

OTHER = "https://stackoverflow.com/questions/4711/another-question"
LIST = "https://stackoverflow.com/questions?tab=newest"
LONG = BODY * 4


class Post:
    """A question on its way to the site, which answers when a test says so."""

    def __init__(self, page: Page) -> None:
        self._routes: list[Route] = []
        page.route("**/*submit", lambda route: self._routes.append(route))

    def is_on_its_way(self) -> bool:
        return bool(self._routes)

    def answer(self) -> None:
        self._routes.pop().fulfill(body="")


def submit(context: BrowserContext, generation: Generation, query: str = "", before: str = "") -> tuple[Page, Post]:
    """A question that was just submitted, from a page that was come to from another one, if given."""
    page = context.new_page()
    if before:
        page.goto(before)
    generation.open(page, query)
    post = Post(page)
    generation.write(page, TITLE, LONG)
    expect_chips(page)
    if not generation.had_tags:
        generation.type_tag(page, "python")
        expect(generation.chosen_tags(page)).to_have_count(1)
    generation.review(page)
    generation.post(page)
    assert eventually(post.is_on_its_way)
    assert eventually(lambda: submitted(context))
    return page, post


def submitted(context: BrowserContext) -> list[str]:
    """What pages keep of questions that were submitted, and are not seen posted yet."""
    find = "async () => Object.keys(await chrome.storage.local.get(null)).filter((key) => key.startsWith('posting.'))"
    keys: list[str] = inspector_page(context).evaluate(find)
    return keys


def posted(context: BrowserContext, service: RecordingServer) -> list[int | None]:
    """Numbers of the questions that were told as posted, once all that waits is sent."""
    flush = "chrome.runtime.sendMessage({type: 'flushOutbox'})"
    assert eventually(lambda: inspector_page(context).evaluate(flush)["answer"]["waiting"] == 0)
    return [event["question_id"] for event in service.events.values() if event["kind"] == "posted"]


def assert_never_posted(context: BrowserContext, service: RecordingServer, page: Page) -> None:
    """The tab shows another's question, and its script has had its time to tell."""
    assert eventually(lambda: page.url.startswith(OTHER))
    page.wait_for_timeout(400)
    assert posted(context, service) == []


def goes_by_script(page: Page) -> None:
    page.evaluate(f"location.href = '{OTHER}'")


def types_the_address(page: Page) -> None:
    page.goto(OTHER)


def goes_back(page: Page) -> None:
    page.go_back()


def reads_a_list_first(page: Page) -> None:
    page.goto(LIST)
    page.evaluate(f"location.href = '{OTHER}'")


# What a page does when the site does not take the question, each as other pages of the site do it.
FAULTS = {
    "the page's own line": "document.querySelector('.d-error, .fc-error').hidden = false,"
    "document.querySelector('.d-error, .fc-error').textContent = 'Body must be at least 220 characters.'",
    "a toast": "document.body.insertAdjacentHTML('beforeend', '<div role=\"alert\">Once an hour</div>')",
    "a notice": "document.body.insertAdjacentHTML('afterbegin', '<p class=\"s-notice s-notice__danger\">No</p>')",
    "a field marked": "document.querySelector('#title, #post-title-input').setAttribute('aria-invalid', 'true')",
    "a block marked": "document.querySelector('.box').classList.add('has-error')",
}


@pytest.mark.parametrize(
    ("generation", "fault"),
    [*((CLASSIC, fault) for fault in FAULTS), *((generation, "a notice") for generation in (WIZARD, SVELTE, EDITING))],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_b5_an_error_on_the_page_is_no_post_wherever_the_tab_goes(
    consented: BrowserContext, service: RecordingServer, generation: Generation, fault: str
) -> None:
    page, _ = submit(consented, generation)
    page.evaluate(FAULTS[fault])
    assert eventually(lambda: submitted(consented) == [])
    goes_by_script(page)
    assert_never_posted(consented, service, page)


@pytest.mark.parametrize("goes", [types_the_address, goes_back, reads_a_list_first])
def test_b5_what_the_post_did_not_lead_to_is_not_posted(
    consented: BrowserContext, service: RecordingServer, goes: Callable[[Page], None]
) -> None:
    page, _ = submit(consented, CLASSIC, before=OTHER)
    goes(page)
    assert_never_posted(consented, service, page)


def test_b5_an_error_that_was_there_before_the_post_says_nothing(
    consented: BrowserContext, service: RecordingServer
) -> None:
    page = consented.new_page()
    CLASSIC.open(page)
    post = Post(page)
    CLASSIC.write(page, TITLE, LONG)
    expect_chips(page)
    CLASSIC.type_tag(page, "python")
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<p class=\"fc-error\">The site is read-only at 5</p>')"
    )
    CLASSIC.post(page)
    assert eventually(post.is_on_its_way)
    page.evaluate("document.querySelector('#submit-button').textContent = 'Posting …'")
    post.answer()
    page.wait_for_url(CLASSIC.posted_at)
    assert eventually(lambda: posted(consented, service) == [79_000_001])


@pytest.mark.parametrize(
    "leaves",
    [
        f"history.pushState(null, '', '{LIST}'), history.pushState(null, '', '{OTHER}')",
        "history.back()",
    ],
    ids=["another page first", "back"],
)
def test_b5_a_page_of_scripts_that_goes_elsewhere_has_not_posted(
    consented: BrowserContext, service: RecordingServer, leaves: str
) -> None:
    page = consented.new_page()
    page.goto(OTHER)
    become_ask_page(page)
    post = Post(page)
    page.locator("#title").fill(TITLE)
    page.locator("#wmd-input").fill(LONG)
    expect_chips(page)
    CLASSIC.type_tag(page, "python")
    CLASSIC.post(page)
    assert eventually(post.is_on_its_way)
    assert eventually(lambda: submitted(consented))
    page.evaluate(leaves)
    assert_never_posted(consented, service, page)
    assert submitted(consented) == []


def become_ask_page(page: Page) -> None:
    """As the site's own router does: another address and other content, and the document stays."""
    page.evaluate(
        """async (address) => {
            const html = await (await fetch(address)).text();
            history.pushState(null, "", address);
            document.body.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.children);
            for (const { src } of document.querySelectorAll("script")) await import(src);
        }""",
        ASK,
    )


@pytest.mark.parametrize("before", [OTHER, "https://stackoverflow.com/staging-ground/4712"])
def test_b12_chips_come_where_the_site_opens_its_page_without_loading_it(
    consented: BrowserContext, service: RecordingServer, before: str
) -> None:
    page = consented.new_page()
    page.goto(before)
    become_ask_page(page)
    page.locator("#title").fill(TITLE)
    expect_chips(page)
    page.locator("#wmd-input").fill(LONG)
    CLASSIC.type_tag(page, "python")
    CLASSIC.post(page)
    page.wait_for_url(CLASSIC.posted_at)
    assert eventually(lambda: posted(consented, service) == [79_000_001])


def test_b12_the_page_is_left_and_come_back_to_without_loading(
    consented: BrowserContext, service: RecordingServer
) -> None:
    page = consented.new_page()
    page.goto(OTHER)
    for _ in range(2):
        become_ask_page(page)
        page.locator("#title").fill(TITLE)
        expect_chips(page)
        page.evaluate(f"history.pushState(null, '', '{OTHER}')")
        expect(chips(page)).to_have_count(0)


CHANGES = {
    "the pause": {"debounce_ms": 400},
    "this site off": {"sites_off": ["stackoverflow.com"]},
    "paused": {"paused_until": None},
    "a tag never": {"never": ["pandas"]},
}


@pytest.mark.parametrize("generation", [CLASSIC, SVELTE], ids=lambda each: each.name)
@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_b6_a_setting_changed_while_the_post_is_on_its_way_loses_nothing(
    consented: BrowserContext, service: RecordingServer, generation: Generation, changes: dict[str, object]
) -> None:
    page, post = submit(consented, generation, "router" if generation == SVELTE else "")
    change(consented, changes)
    post.answer()
    page.wait_for_url(generation.posted_at)
    assert eventually(lambda: posted(consented, service) == [79_000_001])


def change(context: BrowserContext, changes: dict[str, object]) -> None:
    """As the popup and the options do."""
    inspector_page(context).evaluate(
        "(changes) => chrome.runtime.sendMessage({type: 'changeSettings', changes})", changes
    )


def test_b6_a_consent_taken_back_while_the_post_is_on_its_way_drops_it(
    consented: BrowserContext, service: RecordingServer
) -> None:
    page, post = submit(consented, CLASSIC)
    change(consented, {"counts": False})
    assert submitted(consented) == []
    change(consented, {"counts": True})
    post.answer()
    page.wait_for_url(CLASSIC.posted_at)
    page.wait_for_timeout(300)
    assert posted(consented, service) == []
