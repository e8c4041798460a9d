"""How the service is asked: slow answers are shown as they come, one away is tried again, no nonsense is let in."""

import json
import uuid
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.extension.browser import (
    ask_page,
    chip,
    chips,
    eventually,
    expect_chips,
    inspector_page,
    run_in_content_script,
    suggested,
    write,
)
from tests.extension.recording_server import Failure, RecordingServer

SUGGESTIONS = "/api/v1/suggestions"
NOTE = "[data-tagalong] .note span"
HIDE = "Object.defineProperty(document, 'hidden', {value: true, configurable: true})"
SHOW = "delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))"


def tag_of(title: str) -> str:
    """A tag that tells for which state of the title it was given."""
    return f"n{len(title)}"


@pytest.fixture
def page(consented: BrowserContext) -> Page:
    return ask_page(consented)


def test_b9_a_slow_service_is_shown_while_the_writer_goes_on(page: Page, service: RecordingServer) -> None:
    """Every pause is shorter than an answer takes, and yet each answer that comes is shown."""
    service.delay = lambda _: 1.2
    service.decide = lambda body: [(tag_of(body["title"]), 0.9)]
    write(page)
    shown: list[str] = []
    for _ in range(12):
        write(page, "x")
        page.wait_for_timeout(300)
        shown += [tag for tag in suggested(page) if tag not in shown]
    assert len(shown) >= 2
    assert shown == sorted(shown), "never an older one after a newer one"
    title = page.locator("#title").input_value()
    expect(chip(page, tag_of(title))).to_be_visible()


def test_b9_no_more_than_two_requests_are_on_their_way(page: Page, service: RecordingServer) -> None:
    under_way, most = 0, 0

    def wait(body: dict[str, Any]) -> float:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        return 0.6

    def decide(body: dict[str, Any]) -> list[tuple[str, float]]:
        nonlocal under_way
        under_way -= 1
        return [(tag_of(body["title"]), 0.9)]

    service.delay, service.decide = wait, decide
    write(page)
    for _ in range(8):
        write(page, "x")
        page.wait_for_timeout(150)
    expect(chip(page, tag_of(page.locator("#title").input_value()))).to_be_visible()
    assert most <= 2


def test_b9_an_answer_is_shown_although_the_next_one_fails(page: Page, service: RecordingServer) -> None:
    service.delay = lambda body: 1.0 if len(body["title"]) < 40 else 0.0
    service.decide = lambda body: [(tag_of(body["title"]), 0.9)]
    write(page)
    assert eventually(lambda: service.drafts)
    service.fail(SUGGESTIONS, Failure(500))
    write(page, " and more of it")
    expect(chips(page)).to_have_count(1)
    # And the newest state is tried again by itself.
    expect(chip(page, tag_of(page.locator("#title").input_value()))).to_be_visible()


@pytest.mark.parametrize("failure", [Failure(500), Failure(502, text="<h1>Bad gateway"), Failure(200, text="{}")])
def test_b17_a_service_that_is_away_is_tried_again_by_itself(
    page: Page, service: RecordingServer, failure: Failure
) -> None:
    service.fail(SUGGESTIONS, failure)
    write(page)
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    expect_chips(page)
    first, second = service.requests_to(SUGGESTIONS)
    assert second.at - first.at >= 1, "not at once"


def test_b17_a_service_that_did_not_listen_is_found_when_it_does(page: Page, service: RecordingServer) -> None:
    service.stop()
    write(page)
    expect(page.locator(NOTE)).to_contain_text(service.url)
    service.start()
    expect_chips(page)


def test_b17_nobody_asks_again_while_nobody_looks(page: Page, service: RecordingServer) -> None:
    service.fail(SUGGESTIONS, Failure(500))
    write(page)
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    run_in_content_script(page, HIDE)
    page.wait_for_timeout(3300)
    assert len(service.drafts) == 1
    run_in_content_script(page, SHOW)
    expect_chips(page)


def test_b17_what_is_refused_for_good_is_not_asked_again(page: Page, service: RecordingServer) -> None:
    service.api_key = "open sesame"
    write(page)
    expect(page.locator(NOTE)).to_contain_text("API key")
    page.wait_for_timeout(3300)
    assert len(service.drafts) == 1


GOOD = {"tag": "c++", "score": 0.5, "confident": True, "uses": 7, "because": ["template"]}


def answer(*items: Any, suggestion_id: Any = None, **more: Any) -> dict[str, Any]:
    """An answer to a draft."""
    return {"suggestion_id": suggestion_id, "model_version": "light-00000000", "items": list(items), **more}


def varied(**changes: Any) -> dict[str, Any]:
    """An answer with one item that differs from a good one."""
    return answer({**GOOD, **changes})


GOOD_ANSWERS = {
    "nothing": answer(),
    "one": answer(GOOD),
    "certain": varied(score=1),
    "impossible": varied(score=0),
    "twenty": answer(*({**GOOD, "tag": f"tag-{number}"} for number in range(20))),
    "with an id": answer(GOOD, suggestion_id=str(uuid.uuid4())),
    "of a newer service": answer({**GOOD, "site_uses": 12}, served_by="b"),
    "unknown site": answer(notice="The model does not know example.org."),
}
BAD_ANSWERS = {
    "null": None,
    "text": "items",
    "list": [],
    "empty": {},
    "no id": {"items": []},
    "items are an object": {"suggestion_id": None, "items": {"0": GOOD, "length": 1}},
    "3000 tags": answer(*({**GOOD, "tag": f"tag-{number}"} for number in range(3000))),
    "21 tags": answer(*({**GOOD, "tag": f"tag-{number}"} for number in range(21))),
    "twice": answer(GOOD, GOOD),
    "a null among them": answer(GOOD, None),
    "space": varied(tag="sql server"),
    "upper case": varied(tag="Python"),
    "empty tag": varied(tag=""),
    "36 characters": varied(tag="a" * 36),
    "markup": varied(tag="<img src=x>"),
    "line break": varied(tag="python\n"),
    "tag is a list": varied(tag=["python"]),
    "score of 99": varied(score=99),
    "negative score": varied(score=-0.1),
    "score as text": varied(score="0.9"),
    "no score": varied(score=None),
    "confident as text": varied(confident="yes"),
    "negative uses": varied(uses=-1),
    "half a use": varied(uses=1.5),
    "endless uses": varied(uses=1e300),
    "because is text": varied(because="merge"),
    "because of numbers": varied(because=[1]),
    "an empty reason": varied(because=[""]),
    "a long reason": varied(because=["x" * 5000]),
    "many reasons": varied(because=["x"] * 500),
    "id is a number": answer(GOOD, suggestion_id=7),
    "id is any text": answer(GOOD, suggestion_id="../installs"),
    "notice is a number": answer(notice=7),
}


def let_in(context: BrowserContext, function: str, *arguments: Any) -> bool:
    """Whether the extension takes what the service answered."""
    call = """async ([name, values]) => {
        const responses = await import(chrome.runtime.getURL("background/api-responses.js"));
        return Boolean(responses[name](...values));
    }"""
    return bool(inspector_page(context).evaluate(call, [function, arguments]))


def test_b24_only_answers_that_keep_the_contract_are_let_in(new_install: BrowserContext) -> None:
    taken = {name for name, given in GOOD_ANSWERS.items() if let_in(new_install, "parseSuggestions", given)}
    assert taken == set(GOOD_ANSWERS)
    assert [name for name, given in BAD_ANSWERS.items() if let_in(new_install, "parseSuggestions", given)] == []


@pytest.mark.parametrize("name", ["3000 tags", "space", "score of 99"])
def test_b24_nonsense_shows_no_chip(page: Page, service: RecordingServer, name: str) -> None:
    service.fail(SUGGESTIONS, *[Failure(200, text=json.dumps(BAD_ANSWERS[name]))] * 9)
    write(page)
    expect(page.locator(NOTE)).to_contain_text("could not be understood")
    expect(chips(page)).to_have_count(0)


def test_b24_an_endless_answer_is_not_read_to_its_end(page: Page, service: RecordingServer) -> None:
    padded = {**answer(GOOD), "padding": "x" * 300_000}
    service.fail(SUGGESTIONS, Failure(200, text=json.dumps(padded)))
    write(page)
    expect(page.locator(NOTE)).to_contain_text("could not be understood")


def test_b24_a_receipt_accounts_for_what_was_sent_and_nothing_else(new_install: BrowserContext) -> None:
    sent = [{"id": str(uuid.uuid4())} for _ in range(3)]
    refusal = {"id": sent[0]["id"], "reason": "no such suggestion"}
    for good in ({"new": 3, "known": 0, "refused": []}, {"new": 1, "known": 1, "refused": [refusal]}):
        assert let_in(new_install, "accountsForEvents", good, sent), good
    for bad in (
        None,
        {"new": 2, "known": 0, "refused": []},
        {"new": 4, "known": -1, "refused": []},
        {"new": 1.5, "known": 1.5, "refused": []},
        {"new": "3", "known": 0, "refused": []},
        {"new": 2, "known": 0, "refused": [{"id": str(uuid.uuid4()), "reason": "of another batch"}]},
        {"new": 1, "known": 0, "refused": [refusal, refusal]},
        {"new": 2, "known": 0, "refused": ["all"]},
        {"new": 0, "known": 0, "refused": 3},
    ):
        assert not let_in(new_install, "accountsForEvents", bad, sent), bad


def test_b24_health_is_what_the_contract_says(new_install: BrowserContext) -> None:
    good = {"status": "ready", "model": "light-00000000", "database": "present"}
    assert let_in(new_install, "parseHealth", good)
    for change in ({"model": ""}, {"model": "m" * 5000}, {"model": 7}, {"database": "gone"}, {"database": None}):
        assert not let_in(new_install, "parseHealth", {**good, **change}), change
