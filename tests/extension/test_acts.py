"""Actions on chips: one press is one action, only the writer's own presses count, and undo reverts one action."""

import time
from functools import partial

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.extension.browser import (
    ask_page,
    chip,
    chips,
    chosen,
    eventually,
    expect_chips,
    inspector_page,
    look,
    side,
    stored,
    suggested,
    write,
)
from tests.extension.recording_server import RecordingServer

INPUT = "#tageditor-replacing-tagnames--input"
NOTE = "[data-tagalong] .note span"
POPOVER = "[data-tagalong] .about"


@pytest.fixture
def page(consented: BrowserContext) -> Page:
    """Return an ask page with a title and its chips."""
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    return page


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def type_tags(page: Page, text: str) -> None:
    """Click the tag field and type, as a person does."""
    page.locator(INPUT).click()
    page.keyboard.type(text)


def recorded_actions(service: RecordingServer) -> list[tuple[str, str | None]]:
    """Return all recorded events except the views."""
    return [event for event in service.received_events() if event[0] != "viewed"]


def assert_recorded(page: Page, service: RecordingServer, *expected: tuple[str, str]) -> None:
    """Wait until these events are recorded, and check that no others follow."""
    eventually(lambda: len(recorded_actions(service)) >= len(expected))
    page.wait_for_timeout(450)
    assert recorded_actions(service) == list(expected)


# B4: one press is one action.


@pytest.mark.parametrize("presses", ["three clicks", "Enter Enter", "Space Enter", "held key", "both"])
def test_b4_pressing_a_chip_twice_adds_the_tag_once(page: Page, service: RecordingServer, presses: str) -> None:
    pandas = chip(page, "pandas")
    if presses == "three clicks":
        pandas.click(click_count=3)
    elif presses == "both":
        pandas.focus()
        pandas.click()
        page.keyboard.press("Enter")
    elif presses == "held key":
        pandas.focus()
        for _ in range(12):
            page.keyboard.down("Enter")
        page.keyboard.up("Enter")
    else:
        pandas.focus()
        for key in presses.split():
            page.keyboard.press(key)
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    assert_recorded(page, service, ("accepted", "pandas"))
    expect(chosen(page)).to_have_text(["pandas"])


def test_b4_repeated_presses_on_a_slow_page_add_the_tag_once(
    consented: BrowserContext, service: RecordingServer
) -> None:
    page = ask_page(consented, "?slowly=500")
    write(page)
    expect_chips(page)
    for _ in range(3):
        chip(page, "pandas").click()
    # Just when the page shows the tag.
    page.wait_for_function("document.querySelector('#tag-editor').textContent.includes('pandas')", polling="raf")
    chip(page, "pandas").click()
    assert_recorded(page, service, ("accepted", "pandas"))


@pytest.mark.parametrize("key", ["", "Delete"])
def test_b4_dismissing_twice_dismisses_once(page: Page, service: RecordingServer, key: str) -> None:
    if key:
        chip(page, "python").focus()
        for _ in range(2):
            page.keyboard.press(key)
        for _ in range(5):
            page.keyboard.down(key)
    else:
        side(page, "python").dblclick()
    assert_recorded(page, service, ("dismissed", "python"))


def press_enter_twice(page: Page) -> None:
    """Press Enter twice within a tenth of a second by the events' own time, however busy the machine is."""
    session = page.context.new_cdp_session(page)
    now = time.time()
    for at in (now, now + 0.1):
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        session.send("Input.dispatchKeyEvent", {"type": "keyDown", "timestamp": at, **key})
        session.send("Input.dispatchKeyEvent", {"type": "keyUp", "timestamp": at + 0.05, **key})
    session.detach()


def test_b4_undo_and_never_suggest_act_once_too(
    page: Page, consented: BrowserContext, service: RecordingServer
) -> None:
    side(page, "python").click()
    button(page, "Undo").focus()
    # The focus is on a chip by the second one.
    press_enter_twice(page)
    assert_recorded(page, service, ("dismissed", "python"), ("restored", "python"))
    chip(page, "python").hover()
    button(page, "Never suggest it").dblclick()
    assert_recorded(page, service, ("dismissed", "python"), ("restored", "python"), ("dismissed", "python"))
    assert stored(consented, "settings")["never"] == ["python"]


def test_b4_two_deliberate_presses_are_two_actions(page: Page, service: RecordingServer) -> None:
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    page.wait_for_timeout(500)
    chip(page, "pandas").click()
    assert_recorded(page, service, ("accepted", "pandas"), ("removed", "pandas"))


# B23: presses by a script of the page do nothing.


def test_b23_a_script_of_the_page_cannot_press_anything(
    page: Page, consented: BrowserContext, service: RecordingServer
) -> None:
    press_all = """async () => {
        const root = document.querySelector("[data-tagalong]").shadowRoot;
        const wait = (time) => new Promise((resolve) => setTimeout(resolve, time));
        for (let round = 0; round < 3; round++) {
            for (const button of root.querySelectorAll("button")) {
                button.focus();
                button.click();
                for (const type of ["pointerover", "pointerdown", "mousedown", "pointerup", "mouseup", "click"])
                    button.dispatchEvent(new PointerEvent(type, {bubbles: true, composed: true, cancelable: true}));
                for (const key of ["Enter", " ", "Delete"])
                    for (const type of ["keydown", "keypress", "keyup"])
                        button.dispatchEvent(new KeyboardEvent(type, {
                            key, keyCode: 13, charCode: 13, which: 13, bubbles: true, composed: true, cancelable: true,
                        }));
            }
            await wait(450);
        }
    }"""
    page.evaluate(press_all)
    assert [look(page, tag).get_attribute("data-look") for tag in suggested(page)] == ["offered"] * 3
    # The buttons of a note and of the popover.
    side(page, "python").click()
    chip(page, "pandas").hover()
    expect(page.locator(POPOVER)).to_be_visible()
    page.evaluate(press_all)
    expect(chosen(page)).to_have_count(0)
    assert stored(consented, "settings")["never"] == []
    assert_recorded(page, service, ("dismissed", "python"))
    # The buttons that replace a tag.
    type_tags(page, "a b c d e ")
    page.evaluate(press_all)
    expect(chosen(page)).to_have_text(["a", "b", "c", "d", "e"])
    assert_recorded(page, service, ("dismissed", "python"))
    # What the writer does then does not count as a repetition.
    chosen(page).first.locator(".js-delete-tag").click()
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")


# B3: undo reverts one action.


def test_b3_undo_disappears_when_the_dismissed_tag_is_typed(page: Page, service: RecordingServer) -> None:
    side(page, "python").click()
    expect(button(page, "Undo")).to_be_visible()
    type_tags(page, "python ")
    expect(button(page, "Undo")).to_be_hidden()
    expect(button(page, "Never suggest it")).to_be_hidden()
    expect(chosen(page)).to_have_text(["python"])
    assert_recorded(page, service, ("dismissed", "python"))


def test_b3_undo_disappears_when_the_added_tag_is_removed_by_hand(page: Page, service: RecordingServer) -> None:
    chip(page, "pandas").click()
    expect(button(page, "Undo")).to_be_visible()
    chosen(page).locator(".js-delete-tag").click()
    expect(button(page, "Undo")).to_be_hidden()
    type_tags(page, "pandas ")
    page.wait_for_timeout(400)
    expect(button(page, "Undo")).to_be_hidden()
    expect(chosen(page)).to_have_text(["pandas"])
    assert_recorded(page, service, ("accepted", "pandas"), ("removed", "pandas"))


def test_b3_undo_stays_while_other_tags_come_and_go(page: Page, service: RecordingServer) -> None:
    chip(page, "pandas").click()
    type_tags(page, "merge join ")
    chosen(page).filter(has_text="merge").locator(".js-delete-tag").click()
    expect(chosen(page)).to_have_text(["pandas", "join"])
    page.wait_for_timeout(400)
    button(page, "Undo").click()
    expect(chosen(page)).to_have_text(["join"])
    assert_recorded(page, service, ("accepted", "pandas"), ("removed", "pandas"))


def test_b3_undo_stays_while_the_page_redraws_its_tags(page: Page, service: RecordingServer) -> None:
    chip(page, "pandas").click()
    expect(button(page, "Undo")).to_be_visible()
    page.evaluate(
        """() => {
            const tag = document.querySelector("#tag-editor .s-tag.rendered-element");
            const [parent, next] = [tag.parentElement, tag.nextSibling];
            tag.remove();
            setTimeout(() => parent.insertBefore(tag, next), 120);
        }"""
    )
    page.wait_for_timeout(600)
    button(page, "Undo").click()
    expect(chosen(page)).to_have_count(0)
    assert_recorded(page, service, ("accepted", "pandas"), ("removed", "pandas"))


def test_b3_undoing_never_suggest_keeps_an_earlier_dismissal(
    page: Page, consented: BrowserContext, service: RecordingServer
) -> None:
    side(page, "python").click()
    button(page, "Never suggest it").click()
    expect(page.locator(NOTE)).to_have_text("python will not be suggested again")
    button(page, "Undo").click()
    assert eventually(lambda: stored(consented, "settings")["never"] == [])
    expect(look(page, "python")).to_have_attribute("data-look", "dismissed")
    # And the action before that can still be undone.
    expect(page.locator(NOTE)).to_have_text("python dismissed")
    button(page, "Undo").click()
    assert_recorded(page, service, ("dismissed", "python"), ("restored", "python"))


def test_b3_undo_of_never_suggest_disappears_when_the_list_changes_elsewhere(
    page: Page, consented: BrowserContext
) -> None:
    chip(page, "python").hover()
    button(page, "Never suggest it").click()
    expect(button(page, "Undo")).to_be_visible()
    inspector_page(consented).evaluate(
        "chrome.runtime.sendMessage({type: 'setTagBlocked', tag: 'python', blocked: false})"
    )
    expect(button(page, "Undo")).to_be_hidden()
    expect(look(page, "python")).to_have_attribute("data-look", "dismissed")


# B14: where the question has all its tags, one can be replaced.


def fill_tags(page: Page) -> Page:
    type_tags(page, "a b c d e ")
    expect(page.locator(NOTE)).to_have_text("A question can have at most 5 tags.")
    return page


def test_b14_with_five_tags_one_can_be_replaced(page: Page, service: RecordingServer) -> None:
    fill_tags(page)
    expect(chip(page, "pandas")).to_have_accessible_name("Replace a tag with pandas")
    chip(page, "pandas").click()
    expect(page.locator(POPOVER)).to_contain_text("A question can have 5 tags. Replace one of them with pandas:")
    expect(chosen(page)).to_have_text(["a", "b", "c", "d", "e"])
    button(page, "Replace b with pandas").dblclick()
    expect(chosen(page)).to_have_text(["a", "c", "d", "e", "pandas"])
    expect(page.locator(NOTE)).to_have_text("b replaced with pandas")
    assert_recorded(page, service, ("accepted", "pandas"))


def test_b14_the_keyboard_replaces_a_tag_and_undoes_it(page: Page, service: RecordingServer) -> None:
    fill_tags(page)
    page.keyboard.press("Tab")
    expect(chip(page, "pandas")).to_be_focused()
    page.keyboard.press("Enter")
    expect(button(page, "Replace a with pandas")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(button(page, "Replace b with pandas")).to_be_focused()
    page.keyboard.press("Escape")
    expect(chip(page, "pandas")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(chosen(page)).to_have_text(["b", "c", "d", "e", "pandas"])
    expect(chip(page, "pandas")).to_be_focused()
    button(page, "Undo").focus()
    page.keyboard.press("Enter")
    expect(chosen(page)).to_have_text(["b", "c", "d", "e", "a"])
    assert_recorded(page, service, ("accepted", "pandas"), ("removed", "pandas"))


def test_b14_a_replaced_tag_that_was_offered_is_counted_as_removed(page: Page, service: RecordingServer) -> None:
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    type_tags(page, "a b c d ")
    chip(page, "dataframe").click()
    button(page, "Replace pandas with dataframe").click()
    expect(chosen(page)).to_have_text(["a", "b", "c", "d", "dataframe"])
    assert_recorded(page, service, ("accepted", "pandas"), ("removed", "pandas"), ("accepted", "dataframe"))
    button(page, "Undo").click()
    expect(chosen(page)).to_have_text(["a", "b", "c", "d", "pandas"])
    assert_recorded(
        page, service, ("accepted", "pandas"), ("removed", "pandas"), ("accepted", "dataframe"),
        ("removed", "dataframe"), ("accepted", "pandas"),
    )  # fmt: skip


def test_b14_if_the_page_refuses_the_new_tag_the_old_one_comes_back(
    consented: BrowserContext, service: RecordingServer
) -> None:
    page = ask_page(consented, "?unknown=dataframe")
    write(page)
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    type_tags(page, "a b c d ")
    chip(page, "dataframe").click()
    button(page, "Replace pandas with dataframe").click()
    expect(page.locator(NOTE)).to_have_text("The page did not accept “dataframe”.", timeout=10_000)
    expect(chosen(page)).to_have_text(["a", "b", "c", "d", "pandas"])
    assert_recorded(page, service, ("accepted", "pandas"))


# B15, B16, B18: what is shown, and where.


def test_b15_a_note_says_that_the_first_answer_is_awaited(consented: BrowserContext, service: RecordingServer) -> None:
    service.delay = lambda body: 1.5
    page = ask_page(consented)
    expect(page.locator(NOTE)).to_contain_text("15 characters")
    write(page)
    expect(page.locator(NOTE)).to_have_text("Looking for tags…")
    expect_chips(page)
    page.locator("#title").fill("short")
    expect(page.locator(NOTE)).to_contain_text("15 characters")


def test_b16_tab_from_the_tag_field_goes_to_the_first_offered_tag(page: Page) -> None:
    chip(page, "pandas").click()
    expect(look(page, "pandas")).to_have_attribute("data-look", "chosen")
    page.locator(INPUT).focus()
    page.keyboard.press("Tab")
    expect(chip(page, "python")).to_be_focused()
    # After adding it by keyboard the focus stays; coming again, it goes to the next suggestion.
    page.keyboard.press("Enter")
    expect(look(page, "python")).to_have_attribute("data-look", "chosen")
    expect(chip(page, "python")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(page.locator(INPUT)).to_be_focused()
    page.keyboard.press("Tab")
    expect(chip(page, "dataframe")).to_be_focused()
    # It does so too if nothing has changed since the focus left.
    page.keyboard.press("ArrowLeft")
    expect(chip(page, "python")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(chip(page, "dataframe")).to_be_focused()


def wait_for_answer(page: Page, service: RecordingServer, **offers: float) -> None:
    """Type another character, and wait for the answer with these suggestions in this order."""
    service.offers = list(offers.items())
    asked = len(service.drafts)
    page.locator("#title").press_sequentially("x")
    assert eventually(lambda: len(service.drafts) > asked)
    expect(page.locator("[data-tagalong] .panel[data-busy]")).to_have_count(0)


def test_b18_chips_are_ordered_by_score(page: Page, service: RecordingServer) -> None:
    wait_for_answer(page, service, numpy=0.93, pandas=0.8, python=0.5)
    expect(chips(page)).to_have_text(["numpy", "pandas", "python"])
    wait_for_answer(page, service, excel=0.97, csv=0.6, python=0.53, pandas=0.4)
    expect(chips(page)).to_have_text(["excel", "csv", "python", "pandas"])


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("by", ["pointer", "keyboard"])
def test_b18_a_chip_in_use_does_not_move(page: Page, service: RecordingServer, by: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    if by == "pointer":
        chip(page, "python").hover()
    else:
        chip(page, "python").focus()
    expect(page.locator(POPOVER)).to_be_visible()
    place = look(page, "python").bounding_box()

    def has_asked_again(asked: int) -> bool:
        return len(service.drafts) > asked

    for offers in (
        {"numpy": 0.93, "python": 0.53, "dataframe": 0.4},
        {"r": 0.99, "data.table": 0.95, "postgresql-performance": 0.9, "python": 0.53},
        {"c": 0.99, "r": 0.98, "d": 0.97, "julia": 0.9, "python": 0.5},
        {"postgresql": 0.9},
    ):
        service.offers = list(offers.items())
        asked = len(service.drafts)
        page.locator("#title").evaluate(
            "(title) => { title.value += 'x'; title.dispatchEvent(new Event('input', {bubbles: true})); }"
        )
        assert eventually(partial(has_asked_again, asked))
        for tag in offers:
            expect(look(page, tag)).to_be_attached()
        assert look(page, "python").bounding_box() == place
        others = [tag for tag in suggested(page) if tag != "python"]
        assert others == [tag for tag in offers if tag != "python"], "the others are in the order of their scores"
    # Once it is no longer in use, it moves to its place.
    service.offers = [("postgresql", 0.9), ("python", 0.95)]
    page.locator("#wmd-input").focus()
    page.mouse.move(2, 2)
    write(page, "y")
    expect(chips(page)).to_have_text(["python", "postgresql"])


def test_b18_positions_are_those_on_screen(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    assert eventually(lambda: len(service.events) == 3)
    wait_for_answer(page, service, numpy=0.99, pandas=0.9, csv=0.7, python=0.6)
    assert eventually(lambda: len(service.events) == 5)
    positions = {event["tag"]: event["position"] for event in service.events.values()}
    assert positions == {"pandas": 1, "python": 2, "dataframe": 3, "numpy": 1, "csv": 3}


def test_b18_a_random_order_is_kept(consented: BrowserContext, service: RecordingServer) -> None:
    """The service gives some drafts a random order, to learn its effect: the chips must keep it."""
    service.offers = [("python", 0.5), ("pandas", 0.9), ("dataframe", 0.7)]
    page = ask_page(consented)
    write(page)
    expect(chips(page)).to_have_text(["python", "pandas", "dataframe"])
    wait_for_answer(page, service, python=0.6, numpy=0.4, pandas=0.9, dataframe=0.7)
    expect(chips(page)).to_have_text(["python", "numpy", "pandas", "dataframe"])
