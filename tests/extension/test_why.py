"""The popover of a chip, by pointer and by keyboard: why the tag is suggested, and two ways to refuse it."""

from collections.abc import Callable

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

POPOVER = "[data-tagalong] .about"
INPUT = "#tageditor-replacing-tagnames--input"


@pytest.fixture
def page(consented: BrowserContext, service: RecordingServer) -> Page:
    """Return an ask page with its chips, and reasons for them."""
    service.uses = {"pandas": 286_412, "python": 1}
    service.because = {"pandas": ["pandas", "DataFrames"]}
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    return page


def popover(page: Page) -> Locator:
    return page.locator(POPOVER)


def chip_boxes(page: Page) -> list[FloatRect]:
    """Return the bounding boxes of the chips."""
    places = [place.bounding_box() for place in chips(page).all()]
    return [place for place in places if place]


def tab_to_chips(page: Page) -> None:
    """Move the focus from the tag field to the first chip."""
    page.locator(INPUT).focus()
    page.keyboard.press("Tab")
    expect(popover(page)).to_be_visible()


def test_the_pointer_on_a_chip_shows_why(page: Page) -> None:
    chip(page, "pandas").hover()
    expect(popover(page)).to_have_accessible_name("About pandas")
    expect(popover(page).locator(".heading")).to_have_text("pandas92% sure")
    expect(popover(page).locator("dd")).to_have_text(["pandas, DataFrames", "286,412 questions"])
    chip(page, "python").hover()
    expect(popover(page).locator("dd")).to_have_text(["the draft as a whole", "1 question"])
    page.mouse.move(5, 5)
    expect(popover(page)).to_be_hidden()


def test_a_passing_pointer_opens_nothing(page: Page) -> None:
    chip(page, "pandas").hover()
    page.mouse.move(5, 5)
    page.wait_for_timeout(500)
    expect(popover(page)).to_be_hidden()


def test_the_popover_stays_while_the_pointer_enters_it(page: Page) -> None:
    chip(page, "pandas").hover()
    expect(popover(page)).to_be_visible()
    popover(page).hover()
    page.wait_for_timeout(400)
    expect(popover(page)).to_be_visible()
    popover(page).get_by_role("button", name="Not this").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "dismissed")


def test_after_a_press_the_popover_closes(page: Page) -> None:
    presses: tuple[Callable[[], None], ...] = (
        lambda: chip(page, "pandas").click(),
        lambda: side(page, "python").click(),
        lambda: popover(page).get_by_role("button", name="Never suggest it").click(),
    )
    for press in presses:
        press()
        page.wait_for_timeout(500)
        expect(popover(page)).to_be_hidden()
        chip(page, "dataframe").hover()
        expect(popover(page)).to_be_visible()


def test_the_pointer_reaches_the_popover_across_other_chips(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 1000})
    chip(page, "pandas").hover()
    expect(popover(page)).to_be_visible()
    target = popover(page).get_by_role("button", name="Not this").bounding_box()
    assert target
    page.mouse.move(target["x"] + target["width"] / 2, target["y"] + target["height"] / 2, steps=20)
    expect(popover(page)).to_have_accessible_name("About pandas")


@pytest.mark.parametrize("width", [1280, 320])
def test_the_popover_covers_no_field_and_stays_in_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    for tag in ("pandas", "python", "dataframe"):
        chip(page, tag).hover()
        expect(popover(page)).to_have_accessible_name(f"About {tag}")
        box, field = popover(page).bounding_box(), page.locator(".js-tag-editor").first.bounding_box()
        assert box
        assert field
        assert box["y"] >= field["y"] + field["height"]
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        # E16: a popover that covers the next chip keeps the pointer from it.
        assert all(box["y"] >= other["y"] + other["height"] for other in chip_boxes(page))
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_popover_takes_no_focus(page: Page) -> None:
    page.locator("#wmd-input").press_sequentially("Half a sen")
    chip(page, "pandas").hover()
    popover(page).get_by_role("button", name="Not this").click()
    page.keyboard.type("tence")
    expect(page.locator("#wmd-input")).to_have_value("Half a sentence")


def test_escape_closes_what_the_pointer_opened(page: Page) -> None:
    page.locator("#wmd-input").focus()
    chip(page, "pandas").hover()
    expect(popover(page)).to_be_visible()
    page.keyboard.press("Escape")
    expect(popover(page)).to_be_hidden()
    expect(page.locator("#wmd-input")).to_be_focused()


def test_focus_on_a_chip_shows_and_describes_the_reasons(page: Page) -> None:
    tab_to_chips(page)
    expect(popover(page)).to_have_accessible_name("About pandas")
    expect(chip(page, "pandas")).to_have_accessible_description(
        "92% sure. Because of: pandas, DataFrames. Learned from 286,412 questions."
    )
    page.keyboard.press("ArrowRight")
    expect(popover(page)).to_have_accessible_name("About python")
    page.keyboard.press("ArrowUp")
    expect(popover(page)).to_be_hidden()
    expect(chip(page, "python")).to_be_focused()


def test_the_keyboard_enters_and_leaves_the_popover(page: Page) -> None:
    tab_to_chips(page)
    page.keyboard.press("Tab")
    expect(popover(page).get_by_role("button", name="Not this")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(popover(page).get_by_role("button", name="Never suggest it")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(chip(page, "pandas")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(look(page, "pandas")).to_have_attribute("data-look", "dismissed")
    expect(chip(page, "pandas")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(chip(page, "pandas")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(INPUT)).to_be_focused()
    expect(popover(page)).to_be_hidden()


def test_a_tag_added_by_keyboard_can_be_removed_by_keyboard(page: Page) -> None:
    tab_to_chips(page)
    page.keyboard.press("Enter")
    expect(chosen(page)).to_have_text(["pandas"])
    expect(chip(page, "pandas")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(popover(page).get_by_role("button", name="Remove it")).to_be_focused()
    expect(popover(page).get_by_role("button", name="Never suggest it")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(chosen(page)).to_have_count(0)


def blocked_tags(context: BrowserContext) -> list[str]:
    """Return the list as the extension stores it."""
    tags: list[str] = stored(context, "settings")["never"]
    return tags


def test_a_blocked_tag_is_suggested_in_no_draft(
    page: Page, consented: BrowserContext, service: RecordingServer
) -> None:
    kept = page.evaluate_handle("document.querySelector('[data-tagalong]')")
    chip(page, "python").hover()
    popover(page).get_by_role("button", name="Never suggest it").click()
    note = page.locator("[data-tagalong] .note")
    expect(note).to_contain_text("python will not be suggested again")
    assert blocked_tags(consented) == ["python"]
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


def test_blocking_can_be_undone_at_once(page: Page, consented: BrowserContext) -> None:
    chip(page, "python").hover()
    popover(page).get_by_role("button", name="Never suggest it").click()
    page.get_by_role("button", name="Undo").click()
    expect(look(page, "python")).to_have_attribute("data-look", "offered")
    page.wait_for_timeout(200)
    assert blocked_tags(consented) == []


def test_a_tag_unblocked_elsewhere_is_suggested_again(page: Page, consented: BrowserContext) -> None:
    change = "(never) => chrome.runtime.sendMessage({type: 'changeSettings', changes: {never}})"
    inspector_page(consented).evaluate(change, ["python", "dataframe"])
    write(page, " and more")
    expect(chips(page)).to_have_text(["pandas"])
    inspector_page(consented).evaluate(change, ["dataframe"])
    expect(chips(page)).to_have_text(["pandas", "python"])
