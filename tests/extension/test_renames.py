"""Tags that the page renames or refuses count the same, at once and after the page's validation (B8, B19)."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.extension.browser import TITLE, chip, eventually, expect_chips, look, side
from tests.extension.generations import CLASSIC, GENERATIONS, SVELTE, Generation, get_name
from tests.extension.recording_server import RecordingServer

BODY = "I have two frames with the same index. How do I get the columns of both? " * 4
NOTE = "[data-tagalong] .note span"
OFFERS = [("osx", 0.92), ("merge", 0.81), ("dataframe", 0.55)]
SITE_QUERY = "synonym=osx&unknown=dataframe"
TIMINGS = pytest.mark.parametrize(
    "timing",
    ["", "&judged=300", "&slowly=600&judged=300&redraw"],
    ids=["at once", "after validation", "slowly, redrawn, after validation"],
)
PAGES = pytest.mark.parametrize("generation", [CLASSIC, SVELTE], ids=get_name)


def open_page_with_chips(context: BrowserContext, service: RecordingServer, generation: Generation, query: str) -> Page:
    service.offers = OFFERS
    page = context.new_page()
    generation.open(page, query)
    generation.write(page, TITLE, BODY)
    expect_chips(page)
    return page


def recorded_actions(service: RecordingServer) -> list[tuple[str, str | None]]:
    return [(kind, tag) for kind, tag in service.received_events() if kind != "viewed"]


@TIMINGS
@PAGES
def test_b8_a_tag_that_the_page_renames_is_accepted(
    consented: BrowserContext, service: RecordingServer, generation: Generation, timing: str
) -> None:
    page = open_page_with_chips(consented, service, generation, SITE_QUERY + timing)
    chip(page, "osx").click()
    expect(page.locator(NOTE)).to_have_text("The page replaced “osx” with “python”.")
    expect(look(page, "osx")).to_have_attribute("data-look", "chosen")
    assert eventually(lambda: service.drafts[-1]["chosen_tags"] == ["python"])
    assert eventually(lambda: recorded_actions(service)) == [("accepted", "osx")]
    # B19: it is chosen under its other name; a second press takes it out.
    chip(page, "osx").click()
    expect(generation.chosen_tags(page)).to_have_count(0)
    expect(look(page, "osx")).to_have_attribute("data-look", "offered")
    assert eventually(lambda: len(recorded_actions(service)) == 2)
    assert recorded_actions(service) == [("accepted", "osx"), ("removed", "osx")]


@TIMINGS
@PAGES
def test_b8_a_tag_that_the_page_refuses_is_not_accepted(
    consented: BrowserContext, service: RecordingServer, generation: Generation, timing: str
) -> None:
    page = open_page_with_chips(consented, service, generation, SITE_QUERY + timing)
    chip(page, "dataframe").click()
    expect(page.locator(NOTE)).to_have_text("The page did not accept “dataframe”.")
    expect(look(page, "dataframe")).to_have_attribute("data-look", "offered")
    chip(page, "merge").click()
    assert eventually(lambda: recorded_actions(service)) == [("accepted", "merge")]


@PAGES
def test_b8_a_tag_that_the_writer_removes_at_once_was_accepted(
    consented: BrowserContext, service: RecordingServer, generation: Generation
) -> None:
    page = open_page_with_chips(consented, service, generation, SITE_QUERY)
    chip(page, "merge").click()
    expect(look(page, "merge")).to_have_attribute("data-look", "chosen")
    generation.remove_tag(page, "merge")
    assert eventually(lambda: len(recorded_actions(service)) == 2)
    assert recorded_actions(service) == [("accepted", "merge"), ("removed", "merge")]


def test_b8_events_keep_their_order_while_one_is_held(consented: BrowserContext, service: RecordingServer) -> None:
    page = open_page_with_chips(consented, service, CLASSIC, f"{SITE_QUERY}&judged=300")
    chip(page, "merge").click()
    side(page, "dataframe").click()
    assert eventually(lambda: len(recorded_actions(service)) == 2)
    assert recorded_actions(service) == [("accepted", "merge"), ("dismissed", "dataframe")]


@pytest.mark.parametrize("generation", GENERATIONS, ids=get_name)
def test_b8_a_tag_posted_before_its_validation_is_accepted(
    consented: BrowserContext, service: RecordingServer, generation: Generation
) -> None:
    page = open_page_with_chips(consented, service, generation, "judged=60000")
    generation.review(page)
    chip(page, "merge").click()
    expect(look(page, "merge")).to_have_attribute("data-look", "chosen")
    generation.post(page)
    page.wait_for_url(generation.posted_url)
    assert eventually(lambda: len(recorded_actions(service)) == 2)
    assert recorded_actions(service) == [("accepted", "merge"), ("posted", None)]


@PAGES
def test_b8_a_typed_and_renamed_tag_is_shown_as_chosen(
    consented: BrowserContext, service: RecordingServer, generation: Generation
) -> None:
    page = open_page_with_chips(consented, service, generation, f"{SITE_QUERY}&judged=300")
    generation.type_tag(page, "osx")
    expect(generation.chosen_tags(page)).to_contain_text(["python"])
    expect(look(page, "osx")).to_have_attribute("data-look", "chosen")
    page.wait_for_timeout(400)
    assert recorded_actions(service) == []
