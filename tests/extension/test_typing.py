"""The writer's keys are the writer's: whatever the page does with a tag, each arrives where it was meant."""

import json
from collections import Counter

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.extension.browser import chips, eventually
from tests.extension.generations import ALL, Generation
from tests.extension.recording_server import RecordingServer
from tests.extension.typists import DRAFTS, OFFERS, TAKEN, WATCH, Typist, type_together


class Keyboard:
    """The hands of a person at a Chromium."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def evaluate(self, expression: str) -> object:
        return self.page.evaluate(expression)

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(x, y)


def named(generation: Generation) -> str:
    return generation.name


def sit_down(context: BrowserContext, on: Generation, seed: int) -> Typist:
    """A typist at a page with a question and its chips."""
    page = context.new_page()
    typist = Typist(Keyboard(page), on, seed)
    on.open(page, typist.query)
    draft = json.dumps(json.dumps(DRAFTS[on.name]))
    page.evaluate(f"localStorage.setItem('{on.name}-draft', {draft})")
    page.reload()
    chips(page).nth(len(OFFERS) - 1).wait_for()
    page.evaluate(WATCH)
    return typist


def assert_all_arrived(typist: Typist) -> None:
    eventually(lambda: typist.state() == typist.meant(), 30)
    assert typist.state() == typist.meant(), f"seed {typist.seed}, page with {typist.query}"


def assert_events_agree(service: RecordingServer, typists: list[Typist]) -> None:
    """What was pressed and taken is accepted, once; nothing was taken out."""
    meant = Counter(("accepted", tag) for typist in typists for tag in typist.clicked if tag in TAKEN)
    told = lambda: Counter(event for event in service.told() if event[0] != "viewed")  # noqa: E731
    eventually(lambda: told() == meant)
    assert told() == meant


SOME = pytest.param(range(5), id="five")
MANY = [pytest.param(range(first, first + 5), id=f"from {first}", marks=pytest.mark.slow) for first in range(5, 50, 5)]


@pytest.mark.parametrize("on", ALL, ids=named)
@pytest.mark.parametrize("seeds", [SOME, *MANY])
def test_b1_random_typists_lose_no_key(
    consented: BrowserContext, service: RecordingServer, on: Generation, seeds: range
) -> None:
    service.offers = OFFERS
    typists = [sit_down(consented, on, seed) for seed in seeds]
    page = consented.pages[0]
    type_together(typists, lambda seconds: page.wait_for_timeout(seconds * 1000))
    for typist in typists:
        assert_all_arrived(typist)
    assert all(typist.clicked for typist in typists)
    assert_events_agree(service, typists)
