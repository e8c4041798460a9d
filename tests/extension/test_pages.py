"""On every page where a question is written, the database has exactly the events of what the writer did.

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
from tests.extension.generations import GENERATIONS, Generation, get_name

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
    """Run a service with its own database; yield its address."""
    folder = Path(tempfile.mkdtemp(prefix="tagalong-", dir=clusters))
    with serving(folder / "data") as (_, address, _):
        yield address
    shutil.rmtree(folder)


@pytest.fixture(params=GENERATIONS, ids=get_name)
def generation(request: pytest.FixtureRequest) -> Generation:
    parameter: Generation = request.param
    return parameter


@dataclass
class Writer:
    """A person at one page, who notes which chips they saw, and what they did with them."""

    page: Page
    generation: Generation
    service: str
    install_id: str
    viewed: set[str] = field(default_factory=set)
    actions: list[tuple[str, str | None]] = field(default_factory=list)

    def open(self, query: str = "") -> None:
        self.generation.open(self.page, query)

    def write(self) -> list[str]:
        """Write the question, view the chips, and return their tags in order."""
        self.generation.write(self.page, TITLE, BODY)
        expect(chips(self.page)).not_to_have_count(0)
        self.look()
        tags = suggested(self.page)
        assert len(tags) >= 3, "the question is meant to have three tags at least"
        return tags

    def look(self) -> None:
        """View the chips until they change no more."""
        before: list[str] | None = None
        while before != (now := suggested(self.page)):
            before = now
            self.page.wait_for_timeout(LOOK_MS)
        self.viewed |= set(now)

    def record(self, kind: str, tag: str | None, expected_look: str) -> None:
        """Note an action once the chip shows it; move the pointer away, so that the popover closes."""
        self.actions.append((kind, tag))
        self.page.mouse.move(1, 1)
        expect(look(self.page, tag or "")).to_have_attribute("data-look", expected_look)
        if kind in ("accepted", "removed"):
            # Other tags on the page make another answer.
            self.look()

    def export_data(self) -> dict[str, Any]:
        """Return what the database has of this install."""
        return get(f"{self.service}/api/v1/installs/{self.install_id}")

    def assert_database_matches(self) -> dict[str, Any]:
        """Each viewed chip has one view, each action one event, in order; no sequence number is missing."""
        expected = len(self.viewed) + len(self.actions)
        assert eventually(lambda: len(self.export_data()["events"]) >= expected, 15)
        self.page.wait_for_timeout(100)
        export_data = self.export_data()
        events = sorted(export_data["events"], key=lambda event: event["sequence"])
        viewed = [event["tag"] for event in events if event["kind"] == "viewed"]
        assert sorted(viewed) == sorted(self.viewed)
        assert [(event["kind"], event.get("tag")) for event in events if event["kind"] != "viewed"] == self.actions
        assert [event["sequence"] for event in events] == list(range(1, expected + 1))
        assert stored(self.page.context, "outbox")["events"] == []
        return export_data


@pytest.fixture
def writer(chromium: BrowserContext, service: str, generation: Generation) -> Writer:
    settings = browser.consented_settings(service, debounce_ms=DEBOUNCE_MS)
    browser.reset_extension(chromium, settings)
    return Writer(chromium.new_page(), generation, service, settings["install_id"])


def test_a_question_from_its_first_word_to_its_post(writer: Writer) -> None:
    page, generation = writer.page, writer.generation
    writer.open()
    first, second, third = writer.write()[:3]
    if generation.editor:
        generation.switch_mode(page, "rich")
        generation.write_body(page, "Any hint is welcome.")
        writer.look()

    # The page will not have it without tags; an edit has one already.
    generation.review(page)
    if generation.kind == "ask":
        generation.post(page)
        expect(page.locator(generation.error)).to_contain_text("tag")

    chip(page, first).click()
    writer.record("accepted", first, "chosen")
    expect(generation.chosen_tags(page).filter(has_text=first)).to_have_count(1)
    side(page, first).click()
    writer.record("removed", first, "offered")
    side(page, second).click()
    writer.record("dismissed", second, "dismissed")
    side(page, second).click()
    writer.record("restored", second, "offered")

    page.locator(generation.tag_input).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Home")
    while page.evaluate("document.activeElement.shadowRoot?.activeElement.closest('.chip').dataset.tag") != first:
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    writer.record("accepted", first, "chosen")

    generation.type_tag(page, third)
    generation.type_tag(page, "nearest-neighbour")
    expect(look(page, third)).to_have_attribute("data-look", "chosen")
    writer.look()
    generation.post(page)
    page.wait_for_url(generation.posted_url)
    writer.actions.append(("posted", None))

    (draft,) = writer.assert_database_matches()["drafts"]
    assert (draft["kind"], draft["page"], draft["site"]) == (generation.kind, generation.name, "stackoverflow.com")
    assert draft["posted_tags"] == [*generation.initial_tags, first, third, "nearest-neighbour"]


def test_a_refused_and_a_sixth_tag_show_a_note_and_are_not_counted(writer: Writer) -> None:
    page, generation = writer.page, writer.generation
    writer.open()
    first, second = writer.write()[:2]
    page.evaluate("tag => window.unknownTags.add(tag)", first)
    page.locator(generation.tag_input).press_sequentially(HALF_TYPED)
    chip(page, first).click()
    expect(page.locator(NOTE)).to_have_text(f"The page did not accept “{first}”.")
    expect(page.locator(generation.tag_input)).to_have_value(HALF_TYPED)
    expect(page.locator(generation.tag_input)).to_be_focused()
    expect(generation.chosen_tags(page)).to_have_count(len(generation.initial_tags))

    page.locator(generation.tag_input).fill("")
    for tag in ["one-tag", "two-tags", "three-tags", "four-tags", "five-tags"][len(generation.initial_tags) :]:
        generation.type_tag(page, tag)
    writer.look()
    chip(page, second).click()
    expect(page.locator(NOTE)).to_have_text("A question can have at most 5 tags.")
    writer.assert_database_matches()


def test_a_draft_survives_a_reload_and_leaving_does_not_post_it(writer: Writer) -> None:
    page, generation = writer.page, writer.generation
    writer.open()
    (first, *_) = writer.write()
    chip(page, first).click()
    writer.record("accepted", first, "chosen")
    page.reload()
    expect(chips(page)).not_to_have_count(0)
    writer.look()
    generation.remove_tag(page, first)
    writer.actions.append(("removed", first))
    expect(look(page, first)).to_have_attribute("data-look", "offered")
    writer.look()
    page.goto("https://stackoverflow.com/questions/4712/another-question")
    assert len(writer.assert_database_matches()["drafts"]) == 1


def test_two_tabs_are_two_drafts(writer: Writer) -> None:
    pages = [writer.page, writer.page.context.new_page()]
    both = [Writer(page, writer.generation, writer.service, writer.install_id) for page in pages]
    for each in both:
        each.page.bring_to_front()
        each.open("fresh")
        (first, *_) = each.write()
        chip(each.page, first).click()
        each.record("accepted", first, "chosen")
    # Events are numbered by install: one after the other, whichever tab they come from.
    together = Writer(writer.page, writer.generation, writer.service, writer.install_id)
    expected = [sorted([*(("viewed", tag) for tag in each.viewed), *each.actions]) for each in both]
    assert eventually(lambda: len(together.export_data()["events"]) >= sum(map(len, expected)))
    export_data = together.export_data()
    by_draft: dict[str, list[tuple[str, str | None]]] = {draft["id"]: [] for draft in export_data["drafts"]}
    for event in export_data["events"]:
        by_draft[event["draft_id"]].append((event["kind"], event["tag"]))
    assert sorted(map(sorted, by_draft.values())) == sorted(expected)
    assert sorted(event["sequence"] for event in export_data["events"]) == list(range(1, sum(map(len, expected)) + 1))
