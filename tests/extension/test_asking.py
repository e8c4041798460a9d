"""Asking the service: slow answers are shown as they come, failures are retried, invalid answers are rejected."""

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


def tag_for(title: str) -> str:
    """Return a tag that shows for which state of the title it was suggested."""
    return f"n{len(title)}"


@pytest.fixture
def page(consented: BrowserContext) -> Page:
    return ask_page(consented)


def test_b9_slow_answers_are_shown_while_the_writer_types(page: Page, service: RecordingServer) -> None:
    """Every pause is shorter than the service takes to answer, and yet each answer is shown."""
    service.delay = lambda _: 1.2
    service.decide = lambda body: [(tag_for(body["title"]), 0.9)]
    write(page)
    shown: list[str] = []
    for _ in range(12):
        write(page, "x")
        page.wait_for_timeout(300)
        shown += [tag for tag in suggested(page) if tag not in shown]
    assert len(shown) >= 2
    assert shown == sorted(shown), "never an older one after a newer one"
    title = page.locator("#title").input_value()
    expect(chip(page, tag_for(title))).to_be_visible()


def test_b9_at_most_two_requests_run_at_once(page: Page, service: RecordingServer) -> None:
    running, most = 0, 0

    def wait(body: dict[str, Any]) -> float:
        nonlocal running, most
        running += 1
        most = max(most, running)
        return 0.6

    def decide(body: dict[str, Any]) -> list[tuple[str, float]]:
        nonlocal running
        running -= 1
        return [(tag_for(body["title"]), 0.9)]

    service.delay, service.decide = wait, decide
    write(page)
    for _ in range(8):
        write(page, "x")
        page.wait_for_timeout(150)
    expect(chip(page, tag_for(page.locator("#title").input_value()))).to_be_visible()
    assert most <= 2


def test_b9_an_answer_is_shown_although_the_next_one_fails(page: Page, service: RecordingServer) -> None:
    service.delay = lambda body: 1.0 if len(body["title"]) < 40 else 0.0
    service.decide = lambda body: [(tag_for(body["title"]), 0.9)]
    write(page)
    assert eventually(lambda: service.drafts)
    service.fail(SUGGESTIONS, Failure(500))
    write(page, " and more of it")
    expect(chips(page)).to_have_count(1)
    # And the newest state is retried automatically.
    expect(chip(page, tag_for(page.locator("#title").input_value()))).to_be_visible()


@pytest.mark.parametrize("failure", [Failure(500), Failure(502, text="<h1>Bad gateway"), Failure(200, text="{}")])
def test_b17_a_failing_service_is_retried_automatically(page: Page, service: RecordingServer, failure: Failure) -> None:
    service.fail(SUGGESTIONS, failure)
    write(page)
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    expect_chips(page)
    first, second = service.requests_to(SUGGESTIONS)
    assert second.at - first.at >= 1, "not at once"


def test_b17_a_service_that_starts_late_is_found(page: Page, service: RecordingServer) -> None:
    service.stop()
    write(page)
    expect(page.locator(NOTE)).to_contain_text(service.url)
    service.start()
    expect_chips(page)


def test_b17_a_hidden_page_does_not_retry(page: Page, service: RecordingServer) -> None:
    service.fail(SUGGESTIONS, Failure(500))
    write(page)
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    run_in_content_script(page, HIDE)
    page.wait_for_timeout(3300)
    assert len(service.drafts) == 1
    run_in_content_script(page, SHOW)
    expect_chips(page)


def test_b17_a_final_refusal_is_not_retried(page: Page, service: RecordingServer) -> None:
    service.api_key = "open sesame"
    write(page)
    expect(page.locator(NOTE)).to_contain_text("API key")
    page.wait_for_timeout(3300)
    assert len(service.drafts) == 1


GOOD = {"tag": "c++", "score": 0.5, "confident": True, "uses": 7, "because": ["template"]}


def answer(*items: Any, suggestion_id: Any = None, **more: Any) -> dict[str, Any]:
    """Return an answer to a draft."""
    return {"suggestion_id": suggestion_id, "model_version": "light-00000000", "items": list(items), **more}


def answer_with(**changes: Any) -> dict[str, Any]:
    """Return an answer with one item that differs from a good one."""
    return answer({**GOOD, **changes})


GOOD_ANSWERS = {
    "nothing": answer(),
    "one": answer(GOOD),
    "certain": answer_with(score=1),
    "impossible": answer_with(score=0),
    "twenty": answer(*({**GOOD, "tag": f"tag-{number}"} for number in range(20))),
    "with an id": answer(GOOD, suggestion_id=str(uuid.uuid4())),
    "of a newer service": answer({**GOOD, "site_uses": 12}, served_by="b"),
    "unknown site": answer(notice="The model does not know example.org."),
}
BAD_ANSWERS: dict[str, Any] = {
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
    "space": answer_with(tag="sql server"),
    "upper case": answer_with(tag="Python"),
    "empty tag": answer_with(tag=""),
    "36 characters": answer_with(tag="a" * 36),
    "markup": answer_with(tag="<img src=x>"),
    "line break": answer_with(tag="python\n"),
    "tag is a list": answer_with(tag=["python"]),
    "score of 99": answer_with(score=99),
    "negative score": answer_with(score=-0.1),
    "score as text": answer_with(score="0.9"),
    "no score": answer_with(score=None),
    "confident as text": answer_with(confident="yes"),
    "negative uses": answer_with(uses=-1),
    "half a use": answer_with(uses=1.5),
    "endless uses": answer_with(uses=1e300),
    "because is text": answer_with(because="merge"),
    "because of numbers": answer_with(because=[1]),
    "an empty reason": answer_with(because=[""]),
    "a long reason": answer_with(because=["x" * 5000]),
    "many reasons": answer_with(because=["x"] * 500),
    "id is a number": answer(GOOD, suggestion_id=7),
    "id is any text": answer(GOOD, suggestion_id="../installs"),
    "notice is a number": answer(notice=7),
}


def accepts(context: BrowserContext, function: str, *arguments: Any) -> bool:
    """Return whether the extension accepts an answer of the service."""
    call = """async ([name, values]) => {
        const responses = await import(chrome.runtime.getURL("background/api-responses.js"));
        return Boolean(responses[name](...values));
    }"""
    return bool(inspector_page(context).evaluate(call, [function, arguments]))


def test_b24_only_answers_that_keep_the_contract_are_accepts(new_install: BrowserContext) -> None:
    accepted = {name for name, response in GOOD_ANSWERS.items() if accepts(new_install, "parseSuggestions", response)}
    assert accepted == set(GOOD_ANSWERS)
    assert [name for name, response in BAD_ANSWERS.items() if accepts(new_install, "parseSuggestions", response)] == []


@pytest.mark.parametrize("name", ["3000 tags", "space", "score of 99"])
def test_b24_an_invalid_answer_shows_no_chip(page: Page, service: RecordingServer, name: str) -> None:
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
        assert accepts(new_install, "accountsForEvents", good, sent), good
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
        assert not accepts(new_install, "accountsForEvents", bad, sent), bad


def test_b24_health_is_what_the_contract_says(new_install: BrowserContext) -> None:
    good = {"status": "ready", "model": "light-00000000", "database": "present"}
    assert accepts(new_install, "parseHealth", good)
    for change in ({"model": ""}, {"model": "m" * 5000}, {"model": 7}, {"database": "gone"}, {"database": None}):
        assert not accepts(new_install, "parseHealth", {**good, **change}), change
