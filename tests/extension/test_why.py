"""Why a tag is suggested, and two ways to say no: the popover of a chip, by pointer and by keyboard."""

import pytest
from playwright.sync_api import BrowserContext, FloatRect, Locator, Page, expect

from tests.extension.browser import (
    ask_page,
    chip,
    chips,
    chosen,
    expect_chips,
    inspector_page,
    look,
    side,
    stored,
    write,
)
from tests.extension.recording_server import RecordingServer

ABOUT = "[data-tagalong] .about"
INPUT = "#tageditor-replacing-tagnames--input"


@pytest.fixture
def written(consented: BrowserContext, service: RecordingServer) -> Page:
    """An ask page with its chips, and reasons for them."""
    service.uses = {"pandas": 286_412, "python": 1}
    service.because = {"pandas": ["pandas", "DataFrames"]}
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    return page


def about(page: Page) -> Locator:
    return page.locator(ABOUT)


def boxes(page: Page) -> list[FloatRect]:
    """Where the chips are."""
    places = [place.bounding_box() for place in chips(page).all()]
    return [place for place in places if place]


def by_keyboard(page: Page) -> None:
    """Leads the keyboard from the tag field to the first chip."""
    page.locator(INPUT).focus()
    page.keyboard.press("Tab")
    expect(about(page)).to_be_visible()


def test_the_pointer_on_a_chip_shows_why(written: Page) -> None:
    chip(written, "pandas").hover()
    expect(about(written)).to_have_accessible_name("About pandas")
    expect(about(written).locator(".heading")).to_have_text("pandas92% sure")
    expect(about(written).locator("dd")).to_have_text(["pandas, DataFrames", "286,412 questions"])
    chip(written, "python").hover()
    expect(about(written).locator("dd")).to_have_text(["the draft as a whole", "1 question"])
    written.mouse.move(5, 5)
    expect(about(written)).to_be_hidden()


def test_a_pointer_that_only_passes_opens_nothing(written: Page) -> None:
    chip(written, "pandas").hover()
    written.mouse.move(5, 5)
    written.wait_for_timeout(500)
    expect(about(written)).to_be_hidden()


def test_it_stays_while_the_pointer_goes_into_it(written: Page) -> None:
    chip(written, "pandas").hover()
    expect(about(written)).to_be_visible()
    about(written).hover()
    written.wait_for_timeout(400)
    expect(about(written)).to_be_visible()
    about(written).get_by_role("button", name="Not this").click()
    expect(look(written, "pandas")).to_have_attribute("data-look", "dismissed")


def test_once_the_pointer_has_done_something_what_lies_below_is_free(written: Page) -> None:
    for press in (
        lambda: chip(written, "pandas").click(),
        lambda: side(written, "python").click(),
        lambda: about(written).get_by_role("button", name="Never suggest it").click(),
    ):
        press()
        written.wait_for_timeout(500)
        expect(about(written)).to_be_hidden()
        chip(written, "dataframe").hover()
        expect(about(written)).to_be_visible()


def test_the_pointer_reaches_it_across_other_chips(written: Page) -> None:
    written.set_viewport_size({"width": 320, "height": 1000})
    chip(written, "pandas").hover()
    expect(about(written)).to_be_visible()
    target = about(written).get_by_role("button", name="Not this").bounding_box()
    assert target
    written.mouse.move(target["x"] + target["width"] / 2, target["y"] + target["height"] / 2, steps=20)
    expect(about(written)).to_have_accessible_name("About pandas")


@pytest.mark.parametrize("width", [1280, 320])
def test_it_leaves_the_tag_field_free_and_stays_in_the_window(written: Page, width: int) -> None:
    written.set_viewport_size({"width": width, "height": 1000})
    for tag in ("pandas", "python", "dataframe"):
        chip(written, tag).hover()
        expect(about(written)).to_have_accessible_name(f"About {tag}")
        popover, field = about(written).bounding_box(), written.locator(".js-tag-editor").first.bounding_box()
        assert popover
        assert field
        assert popover["y"] >= field["y"] + field["height"]
        assert popover["x"] >= 0
        assert popover["x"] + popover["width"] <= width
        # E16: a popover that covers the next chip keeps the pointer from it.
        assert all(popover["y"] >= box["y"] + box["height"] for box in boxes(written))
    assert written.evaluate("document.documentElement.scrollWidth") <= width


def test_it_takes_neither_focus_nor_text(written: Page) -> None:
    written.locator("#wmd-input").press_sequentially("Half a sen")
    chip(written, "pandas").hover()
    about(written).get_by_role("button", name="Not this").click()
    written.keyboard.type("tence")
    expect(written.locator("#wmd-input")).to_have_value("Half a sentence")


def test_escape_closes_what_the_pointer_opened(written: Page) -> None:
    written.locator("#wmd-input").focus()
    chip(written, "pandas").hover()
    expect(about(written)).to_be_visible()
    written.keyboard.press("Escape")
    expect(about(written)).to_be_hidden()
    expect(written.locator("#wmd-input")).to_be_focused()


def test_the_keyboard_on_a_chip_shows_why_and_says_it(written: Page) -> None:
    by_keyboard(written)
    expect(about(written)).to_have_accessible_name("About pandas")
    expect(chip(written, "pandas")).to_have_accessible_description(
        "92% sure. Because of: pandas, DataFrames. Learned from 286,412 questions."
    )
    written.keyboard.press("ArrowRight")
    expect(about(written)).to_have_accessible_name("About python")
    written.keyboard.press("ArrowUp")
    expect(about(written)).to_be_hidden()
    expect(chip(written, "python")).to_be_focused()


def test_the_keyboard_goes_into_it_and_back(written: Page) -> None:
    by_keyboard(written)
    written.keyboard.press("Tab")
    expect(about(written).get_by_role("button", name="Not this")).to_be_focused()
    written.keyboard.press("ArrowDown")
    expect(about(written).get_by_role("button", name="Never suggest it")).to_be_focused()
    written.keyboard.press("ArrowUp")
    written.keyboard.press("ArrowUp")
    expect(chip(written, "pandas")).to_be_focused()
    written.keyboard.press("ArrowDown")
    written.keyboard.press("Enter")
    expect(look(written, "pandas")).to_have_attribute("data-look", "dismissed")
    expect(chip(written, "pandas")).to_be_focused()
    written.keyboard.press("ArrowDown")
    written.keyboard.press("Escape")
    expect(chip(written, "pandas")).to_be_focused()
    written.keyboard.press("Escape")
    expect(written.locator(INPUT)).to_be_focused()
    expect(about(written)).to_be_hidden()


def test_taken_by_keyboard_it_can_be_taken_out_there(written: Page) -> None:
    by_keyboard(written)
    written.keyboard.press("Enter")
    expect(chosen(written)).to_have_text(["pandas"])
    expect(chip(written, "pandas")).to_be_focused()
    written.keyboard.press("ArrowDown")
    expect(about(written).get_by_role("button", name="Remove it")).to_be_focused()
    expect(about(written).get_by_role("button", name="Never suggest it")).to_be_hidden()
    written.keyboard.press("Enter")
    expect(chosen(written)).to_have_count(0)


def never(context: BrowserContext) -> list[str]:
    """The list as the extension keeps it."""
    tags: list[str] = stored(context, "settings")["never"]
    return tags


def test_never_again_holds_in_every_draft(written: Page, consented: BrowserContext, service: RecordingServer) -> None:
    kept = written.evaluate_handle("document.querySelector('[data-tagalong]')")
    chip(written, "python").hover()
    about(written).get_by_role("button", name="Never suggest it").click()
    note = written.locator("[data-tagalong] .note")
    expect(note).to_contain_text("python will not be suggested again")
    assert never(consented) == ["python"]
    assert kept.evaluate("(host) => host.isConnected"), "the list is no reason to mount anew"
    other = ask_page(consented)
    write(other, "Another question, of another draft")
    expect_chips(other, 2)
    expect(chips(other)).to_have_text(["pandas", "dataframe"])
    expect(other.locator("[data-tagalong] .note")).to_be_hidden()
    other.wait_for_timeout(1200)
    first, second = (draft["draft_id"] for draft in (service.drafts[0], service.drafts[-1]))
    told = [(event["draft_id"], event["kind"]) for event in service.events.values() if event["tag"] == "python"]
    assert set(told) == {(first, "viewed"), (first, "dismissed")}
    assert first != second


def test_never_again_can_be_undone_at_once(written: Page, consented: BrowserContext) -> None:
    chip(written, "python").hover()
    about(written).get_by_role("button", name="Never suggest it").click()
    written.get_by_role("button", name="Undo").click()
    expect(look(written, "python")).to_have_attribute("data-look", "offered")
    written.wait_for_timeout(200)
    assert never(consented) == []


def test_taken_off_the_list_elsewhere_a_tag_comes_back(written: Page, consented: BrowserContext) -> None:
    change = "(never) => chrome.runtime.sendMessage({type: 'changeSettings', changes: {never}})"
    inspector_page(consented).evaluate(change, ["python", "dataframe"])
    write(written, " and more")
    expect(chips(written)).to_have_text(["pandas"])
    inspector_page(consented).evaluate(change, ["dataframe"])
    expect(chips(written)).to_have_text(["pandas", "python"])
