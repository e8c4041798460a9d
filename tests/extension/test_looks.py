"""The chips in every theme and size of the page: accessible, whole, and nothing moves against the writer's will."""

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.extension.axe import find_violations
from tests.extension.browser import ask_page, chip, chips, expect_chips, look, side, write
from tests.extension.recording_server import RecordingServer

POPOVER = "[data-tagalong] .about"
INPUT = "#tageditor-replacing-tagnames--input"
THEMES = ["theme-light", "theme-dark", "theme-highcontrast", "theme-highcontrast theme-dark"]


def open_styled_page(consented: BrowserContext, query: str, **media: Any) -> Page:
    """Return an ask page with these options and media features, with a title and its chips."""
    page = ask_page(consented, f"?{query}")
    page.emulate_media(reduced_motion="reduce", **media)
    write(page)
    expect_chips(page)
    return page


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_in_any_state(consented: BrowserContext, service: RecordingServer, theme: str) -> None:
    page = ask_page(consented, f"?theme={theme}&unknown=dataframe")
    page.emulate_media(reduced_motion="reduce")
    violations_by_state = {}

    def check(state: str) -> None:
        page.wait_for_timeout(100)
        violations_by_state[state] = find_violations(page, "[data-tagalong]")

    expect(page.locator("[data-tagalong]")).to_be_visible()
    check("short")
    write(page)
    expect_chips(page)
    check("offered")
    chip(page, "pandas").hover()
    expect(page.locator(POPOVER)).to_be_visible()
    check("why")
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    check("accepted")
    side(page, "python").click()
    check("dismissed")
    page.get_by_role("button", name="Never suggest it").first.click()
    check("never again")
    chip(page, "dataframe").click()
    page.get_by_role("button", name="Copy it").wait_for()
    check("refused")
    page.locator(INPUT).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    check("by keyboard")
    service.stop()
    write(page, "?")
    page.get_by_role("button", name="Try again").wait_for()
    check("away")
    assert violations_by_state == {state: [] for state in violations_by_state}


def test_axe_checks_the_chips(consented: BrowserContext) -> None:
    """axe finds violations inside the shadow root, so that the test above can fail."""
    page = open_styled_page(consented, "")
    # A button of our own: what the extension drew, it may draw again at any time.
    look(page, "pandas").evaluate("(chip) => { chip.append(document.createElement('button')); }")
    look(page, "python").evaluate("(chip) => { chip.style.color = '#ccc'; }")
    violations_by_state = "\n".join(find_violations(page, "[data-tagalong]"))
    assert "button-name" in violations_by_state
    assert "color-contrast" in violations_by_state


@pytest.mark.parametrize("width", [1280, 640, 320])
def test_nothing_is_cut_off(consented: BrowserContext, service: RecordingServer, width: int) -> None:
    """640 pixels are what 200 % zoom leaves of 1280."""
    service.offers += [("merge", 0.5), ("postgresql", 0.4)]
    page = consented.new_page()
    page.set_viewport_size({"width": width, "height": 1000})
    page.goto("https://stackoverflow.com/questions/ask")
    write(page)
    expect_chips(page, 5)
    row = page.locator("[data-tagalong] .row").bounding_box()
    assert row
    for index in range(5):
        box = chips(page).nth(index).bounding_box()
        assert box
        assert box["height"] >= 24
        assert row["x"] <= box["x"]
        assert box["x"] + box["width"] <= row["x"] + row["width"]
        assert box["y"] + box["height"] <= row["y"] + row["height"]
    side(page, "python").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "theme"), [(1280, "theme-dark"), (640, "theme-light"), (320, "theme-light")])
def test_b21_every_target_can_be_hit_and_every_note_read(
    consented: BrowserContext, service: RecordingServer, width: int, theme: str
) -> None:
    service.offers = [("r", 0.9), ("c", 0.8), ("postgresql-performance", 0.7)]
    page = ask_page(consented, f"?theme={theme}&unknown=c")
    page.set_viewport_size({"width": width, "height": 1000})

    def check() -> None:
        assert find_small_or_clipped(page) == []

    expect(page.locator("[data-tagalong]")).to_be_visible()
    check()
    write(page)
    expect_chips(page)
    side(page, "r").click()
    check()
    chip(page, "postgresql-performance").hover()
    expect(page.locator(POPOVER)).to_be_visible()
    check()
    page.get_by_role("button", name="Never suggest it").last.click()
    check()
    chip(page, "c").click()
    page.get_by_role("button", name="Copy it").wait_for()
    check()
    page.locator(INPUT).click()
    page.keyboard.type("d e f g h ")
    # Longer than a press that belongs to the one before.
    page.wait_for_timeout(500)
    chip(page, "c").click()
    page.get_by_role("button", name="Replace g with c").wait_for()
    check()
    service.api_key = "open sesame"
    write(page, "?")
    page.get_by_role("button", name="Try again").wait_for()
    check()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def find_small_or_clipped(page: Page) -> list[str]:
    """Return buttons smaller than 24 by 24 pixels, and parts of the note that are not completely inside the panel."""
    elements: list[str] = page.evaluate(
        """() => {
            const root = document.querySelector("[data-tagalong]").shadowRoot;
            const panel = root.querySelector(".panel").getBoundingClientRect();
            const boxes = (selector) => [...root.querySelectorAll(selector)].filter((part) => part.checkVisibility())
                .map((part) => [part, part.getBoundingClientRect()]);
            const small = boxes("button").filter(([, { width, height }]) => Math.min(width, height) < 23.99);
            const out = boxes(".note, .note *").filter(([part, box]) =>
                box.left < panel.left - 1 || box.right > panel.right + 1 || box.bottom > panel.bottom + 1 ||
                box.top < panel.top - 1 || getComputedStyle(part).overflow !== "visible");
            return [...small, ...out].map(([part, box]) => `${part.outerHTML} ${JSON.stringify(box)}`);
        }"""
    )
    return elements


def test_right_to_left_pages_mirror_arrows_and_positions(consented: BrowserContext) -> None:
    page = open_styled_page(consented, "dir=rtl")
    boxes = [chips(page).nth(index).bounding_box() for index in range(3)]
    assert [box["x"] for box in boxes if box] == sorted((box["x"] for box in boxes if box), reverse=True)
    page.locator(INPUT).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    expect(chip(page, "python")).to_be_focused()
    popover, python = page.locator(POPOVER).bounding_box(), look(page, "python").bounding_box()
    assert popover
    assert python
    assert popover["x"] + popover["width"] == pytest.approx(python["x"] + python["width"], abs=1)
    page.keyboard.press("ArrowRight")
    expect(chip(page, "pandas")).to_be_focused()


def test_a_tag_that_begins_with_punctuation_is_shown_left_to_right(
    consented: BrowserContext, service: RecordingServer
) -> None:
    service.offers = [(".net", 0.9), ("c++", 0.8)]
    page = ask_page(consented, "?dir=rtl")
    write(page)
    expect_chips(page, 2)
    for tag in (".net", "c++"):
        label = page.locator(f'[data-tagalong] .chip[data-tag="{tag}"] .label')
        assert label.evaluate("(label) => getComputedStyle(label).direction") == "ltr"


def test_with_reduced_motion_nothing_moves(consented: BrowserContext, service: RecordingServer) -> None:
    page = open_styled_page(consented, "slowly=900")
    service.delay = lambda body: 0.5
    write(page, "?")
    chip(page, "pandas").click()
    running = "document.querySelector('[data-tagalong]').shadowRoot.getAnimations().length"
    for _ in range(5):
        assert page.evaluate(running) == 0
        page.wait_for_timeout(100)


def test_forced_colors_show_every_edge(consented: BrowserContext) -> None:
    page = open_styled_page(consented, "", forced_colors="active")
    side(page, "python").click()
    edges = chips(page).evaluate_all(
        "(chips) => chips.map((c) => [getComputedStyle(c).borderTopColor, getComputedStyle(c).borderTopWidth])"
    )
    assert edges == [["rgb(0, 0, 0)", "1px"]] * 3
    bar = page.locator("[data-tagalong] .chip .bar i").first
    assert bar.evaluate("(bar) => getComputedStyle(bar).forcedColorAdjust") == "none"


def test_the_theme_of_the_page_is_followed_when_it_changes(consented: BrowserContext) -> None:
    page = open_styled_page(consented, "theme=theme-light")
    ink = "(button) => getComputedStyle(button).color"
    light = chip(page, "pandas").evaluate(ink)
    page.evaluate("document.body.className = 'theme-dark'")
    expect(page.locator("[data-tagalong][data-dark]")).to_have_count(1)
    assert chip(page, "pandas").evaluate(ink) != light
