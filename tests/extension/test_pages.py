"""Every page that a question is written on: what the writer does there is what the database holds, event by event.

Real browser, extension, service, model and database; the writer's diary says what must be told.
"""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.end_to_end.process import get, serving
from tests.extension import browser
from tests.extension.browser import chip, chips, eventually, look, side, stored, suggested
from tests.extension.generations import ALL, Generation

TITLE = "How do I merge two pandas DataFrames on the nearest date?"
BODY = """I have two frames in Python, one with trades and one with quotes:

    import pandas as pd
    trades = pd.DataFrame({"time": times, "price": prices})

`pd.merge` only joins dates that are equal. How do I join each row to the last one before it? I have read
the documentation of merge and of join, and tried both with a sorted index, but the dates are never the same.
"""
NOTE = "[data-tagalong] .note span"
# Nothing that the page's own list of tags begins with: it would lie over the chips.
HALF_TYPED = "nump_"
DEBOUNCE_MS = 100
# Longer than the 750 ms after which a chip counts as viewed, and than an answer takes. Milliseconds.
LOOK_MS = 900


@pytest.fixture(scope="module")
def service(clusters: Path) -> Iterator[str]:
    """The address of a running service, with a database of its own."""
    folder = Path(tempfile.mkdtemp(prefix="tagalong-", dir=clusters))
    with serving(folder / "data") as (_, address, _):
        yield address
    shutil.rmtree(folder)


@pytest.fixture(params=ALL, ids=lambda generation: generation.name)
def generation(request: pytest.FixtureRequest) -> Generation:
    return request.param


@dataclass
class Writer:
    """A person at one page, who notes in a diary which chips there were to see, and what was done with them."""

    page: Page
    generation: Generation
    service: str
    install_id: str
    seen: set[str] = field(default_factory=set)
    acts: list[tuple[str, str | None]] = field(default_factory=list)

    def open(self, query: str = "") -> None:
        self.generation.open(self.page, query)

    def write(self) -> list[str]:
        """Writes the question, looks at the chips, and gives their tags in order."""
        self.generation.write(self.page, TITLE, BODY)
        expect(chips(self.page)).not_to_have_count(0)
        self.look()
        tags = suggested(self.page)
        assert len(tags) >= 3, "the question is meant to have three tags at least"
        return tags

    def look(self) -> None:
        """Looks at the chips until nothing changes any more."""
        before: list[str] | None = None
        while before != (now := suggested(self.page)):
            before = now
            self.page.wait_for_timeout(LOOK_MS)
        self.seen |= set(now)

    def did(self, kind: str, tag: str | None, look_now: str) -> None:
        """Notes an act, once the chip shows it; takes the pointer away, so that nothing more of the chip is shown."""
        self.acts.append((kind, tag))
        self.page.mouse.move(1, 1)
        expect(look(self.page, tag or "")).to_have_attribute("data-look", look_now)
        if kind in ("accepted", "removed"):
            # Other tags on the page make another answer.
            self.look()

    def told(self) -> dict[str, Any]:
        """What the database holds of this install."""
        return get(f"{self.service}/api/v1/installs/{self.install_id}")

    def assert_the_database_agrees(self) -> dict[str, Any]:
        """Each chip that was seen is viewed once; each act is told once, in order; no number is missing."""
        expected = len(self.seen) + len(self.acts)
        assert eventually(lambda: len(self.told()["events"]) >= expected, 15)
        self.page.wait_for_timeout(100)
        told = self.told()
        events = sorted(told["events"], key=lambda event: event["sequence"])
        viewed = [event["tag"] for event in events if event["kind"] == "viewed"]
        assert sorted(viewed) == sorted(self.seen)
        assert [(event["kind"], event.get("tag")) for event in events if event["kind"] != "viewed"] == self.acts
        assert [event["sequence"] for event in events] == list(range(1, expected + 1))
        assert stored(self.page.context, "outbox")["events"] == []
        return told


@pytest.fixture
def writer(chromium: BrowserContext, service: str, generation: Generation) -> Writer:
    settings = browser.consented_settings(service, debounce_ms=DEBOUNCE_MS)
    browser.reset_extension(chromium, settings)
    return Writer(chromium.new_page(), generation, service, settings["install_id"])


def test_a_question_from_its_first_word_to_its_post(writer: Writer) -> None:
    page, on = writer.page, writer.generation
    writer.open()
    first, second, third = writer.write()[:3]
    if on.editor:
        on.switch_mode(page, "rich")
        on.write_body(page, "Any hint is welcome.")
        writer.look()

    # The page will not have it without tags; an edit has one already.
    on.review(page)
    if on.kind == "ask":
        on.post(page)
        expect(page.locator(on.error)).to_contain_text("tag")

    chip(page, first).click()
    writer.did("accepted", first, "chosen")
    expect(on.chosen_tags(page).filter(has_text=first)).to_have_count(1)
    side(page, first).click()
    writer.did("removed", first, "offered")
    side(page, second).click()
    writer.did("dismissed", second, "dismissed")
    side(page, second).click()
    writer.did("restored", second, "offered")

    page.locator(on.tag_input).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Home")
    while page.evaluate("document.activeElement.shadowRoot?.activeElement.closest('.chip').dataset.tag") != first:
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    writer.did("accepted", first, "chosen")

    on.type_tag(page, third)
    on.type_tag(page, "nearest-neighbour")
    expect(look(page, third)).to_have_attribute("data-look", "chosen")
    writer.look()
    on.post(page)
    page.wait_for_url(on.posted_at)
    writer.acts.append(("posted", None))

    (draft,) = writer.assert_the_database_agrees()["drafts"]
    assert (draft["kind"], draft["page"], draft["site"]) == (on.kind, on.name, "stackoverflow.com")
    assert draft["posted_tags"] == [*on.had_tags, first, third, "nearest-neighbour"]


def test_a_refused_tag_and_a_sixth_are_said_and_counted_as_nothing(writer: Writer) -> None:
    page, on = writer.page, writer.generation
    writer.open()
    first, second = writer.write()[:2]
    page.evaluate("tag => window.unknownTags.add(tag)", first)
    page.locator(on.tag_input).press_sequentially(HALF_TYPED)
    chip(page, first).click()
    expect(page.locator(NOTE)).to_have_text(f"The page did not accept “{first}”.")
    expect(page.locator(on.tag_input)).to_have_value(HALF_TYPED)
    expect(page.locator(on.tag_input)).to_be_focused()
    expect(on.chosen_tags(page)).to_have_count(len(on.had_tags))

    page.locator(on.tag_input).fill("")
    for tag in ["one-tag", "two-tags", "three-tags", "four-tags", "five-tags"][len(on.had_tags) :]:
        on.type_tag(page, tag)
    writer.look()
    chip(page, second).click()
    expect(page.locator(NOTE)).to_have_text("A question can have at most 5 tags.")
    writer.assert_the_database_agrees()


def test_a_draft_outlives_a_reload_and_is_not_posted_by_going_away(writer: Writer) -> None:
    page, on = writer.page, writer.generation
    writer.open()
    (first, *_) = writer.write()
    chip(page, first).click()
    writer.did("accepted", first, "chosen")
    page.reload()
    expect(chips(page)).not_to_have_count(0)
    writer.look()
    on.take_out(page, first)
    writer.acts.append(("removed", first))
    expect(look(page, first)).to_have_attribute("data-look", "offered")
    writer.look()
    page.goto("https://stackoverflow.com/questions/4712/another-question")
    assert len(writer.assert_the_database_agrees()["drafts"]) == 1


def test_two_tabs_are_two_drafts(writer: Writer) -> None:
    pages = [writer.page, writer.page.context.new_page()]
    both = [Writer(page, writer.generation, writer.service, writer.install_id) for page in pages]
    for each in both:
        each.page.bring_to_front()
        each.open("fresh")
        (first, *_) = each.write()
        chip(each.page, first).click()
        each.did("accepted", first, "chosen")
    # Events are numbered by install: one after the other, whichever tab they come from.
    together = Writer(writer.page, writer.generation, writer.service, writer.install_id)
    expected = [sorted([*(("viewed", tag) for tag in each.seen), *each.acts]) for each in both]
    assert eventually(lambda: len(together.told()["events"]) >= sum(map(len, expected)))
    told = together.told()
    by_draft: dict[str, list[tuple[str, str | None]]] = {draft["id"]: [] for draft in told["drafts"]}
    for event in told["events"]:
        by_draft[event["draft_id"]].append((event["kind"], event["tag"]))
    assert sorted(map(sorted, by_draft.values())) == sorted(expected)
    assert sorted(event["sequence"] for event in told["events"]) == list(range(1, sum(map(len, expected)) + 1))
