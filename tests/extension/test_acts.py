"""What the writer does with the chips: one press is one act, only the writer's own, and undo is the inverse of one."""

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
ABOUT = "[data-tagalong] .about"


@pytest.fixture
def written(consented: BrowserContext) -> Page:
    """An ask page with a title and its chips."""
    page = ask_page(consented)
    write(page)
    expect_chips(page)
    return page


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def type_tags(page: Page, text: str) -> None:
    """Types into the tag field as a person does, who clicks there first."""
    page.locator(INPUT).click()
    page.keyboard.type(text)


def acts(service: RecordingServer) -> list[tuple[str, str | None]]:
    """All that was counted but the views."""
    return [event for event in service.received_events() if event[0] != "viewed"]


def settled(page: Page, service: RecordingServer, *expected: tuple[str, str]) -> None:
    """Waits until these acts are counted, and for what might still follow them."""
    eventually(lambda: len(acts(service)) >= len(expected))
    page.wait_for_timeout(450)
    assert acts(service) == list(expected)


# B4: one press is one act.


@pytest.mark.parametrize("presses", ["three clicks", "Enter Enter", "Space Enter", "held key", "both"])
def test_b4_pressing_a_chip_twice_takes_the_tag_once(written: Page, service: RecordingServer, presses: str) -> None:
    pandas = chip(written, "pandas")
    if presses == "three clicks":
        pandas.click(click_count=3)
    elif presses == "both":
        pandas.focus()
        pandas.click()
        written.keyboard.press("Enter")
    elif presses == "held key":
        pandas.focus()
        for _ in range(12):
            written.keyboard.down("Enter")
        written.keyboard.up("Enter")
    else:
        pandas.focus()
        for key in presses.split():
            written.keyboard.press(key)
    expect(look(written, "pandas")).to_have_attribute("data-look", "chosen")
    settled(written, service, ("accepted", "pandas"))
    expect(chosen(written)).to_have_text(["pandas"])


def test_b4_impatience_with_a_slow_page_takes_the_tag_once(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented, "?slowly=500")
    write(page)
    expect_chips(page)
    for _ in range(3):
        chip(page, "pandas").click()
    page.evaluate(
        """() => new Promise((resolve) => new MutationObserver(resolve)
            .observe(document.querySelector("#tag-editor"), {childList: true, subtree: true}))"""
    )
    # Just as the page has taken it.
    chip(page, "pandas").click()
    settled(page, service, ("accepted", "pandas"))


@pytest.mark.parametrize("key", ["", "Delete"])
def test_b4_saying_no_twice_is_one_no(written: Page, service: RecordingServer, key: str) -> None:
    if key:
        chip(written, "python").focus()
        for _ in range(2):
            written.keyboard.press(key)
        for _ in range(5):
            written.keyboard.down(key)
    else:
        side(written, "python").dblclick()
    settled(written, service, ("dismissed", "python"))


def test_b4_undo_and_never_are_pressed_once_too(
    written: Page, consented: BrowserContext, service: RecordingServer
) -> None:
    side(written, "python").click()
    button(written, "Undo").focus()
    written.keyboard.press("Enter")
    # The keyboard is on a chip by now.
    written.keyboard.press("Enter")
    settled(written, service, ("dismissed", "python"), ("restored", "python"))
    chip(written, "python").hover()
    button(written, "Never suggest it").dblclick()
    settled(written, service, ("dismissed", "python"), ("restored", "python"), ("dismissed", "python"))
    assert stored(consented, "settings")["never"] == ["python"]


def test_b4_what_is_meant_twice_is_done_twice(written: Page, service: RecordingServer) -> None:
    chip(written, "pandas").click()
    expect(look(written, "pandas")).to_have_attribute("data-look", "chosen")
    written.wait_for_timeout(500)
    chip(written, "pandas").click()
    settled(written, service, ("accepted", "pandas"), ("removed", "pandas"))


# B23: a page's script does nothing.


def test_b23_a_script_of_the_page_presses_nothing(
    written: Page, consented: BrowserContext, service: RecordingServer
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
    written.evaluate(press_all)
    assert [look(written, tag).get_attribute("data-look") for tag in suggested(written)] == ["offered"] * 3
    # A note with its steps, and the reasons with theirs.
    side(written, "python").click()
    chip(written, "pandas").hover()
    expect(written.locator(ABOUT)).to_be_visible()
    written.evaluate(press_all)
    expect(chosen(written)).to_have_count(0)
    assert stored(consented, "settings")["never"] == []
    settled(written, service, ("dismissed", "python"))
    # A full page, and its choice.
    type_tags(written, "a b c d e ")
    written.evaluate(press_all)
    expect(chosen(written)).to_have_text(["a", "b", "c", "d", "e"])
    settled(written, service, ("dismissed", "python"))
    # What the writer does in between is not taken for a repetition of it.
    chosen(written).first.locator(".js-delete-tag").click()
    chip(written, "pandas").click()
    expect(look(written, "pandas")).to_have_attribute("data-look", "chosen")


# B3: undo is the inverse of one act.


def test_b3_undo_goes_when_the_dismissed_tag_is_typed(written: Page, service: RecordingServer) -> None:
    side(written, "python").click()
    expect(button(written, "Undo")).to_be_visible()
    type_tags(written, "python ")
    expect(button(written, "Undo")).to_be_hidden()
    expect(button(written, "Never suggest it")).to_be_hidden()
    expect(chosen(written)).to_have_text(["python"])
    settled(written, service, ("dismissed", "python"))


def test_b3_undo_goes_when_the_taken_tag_is_taken_out_by_hand(written: Page, service: RecordingServer) -> None:
    chip(written, "pandas").click()
    expect(button(written, "Undo")).to_be_visible()
    chosen(written).locator(".js-delete-tag").click()
    expect(button(written, "Undo")).to_be_hidden()
    type_tags(written, "pandas ")
    written.wait_for_timeout(400)
    expect(button(written, "Undo")).to_be_hidden()
    expect(chosen(written)).to_have_text(["pandas"])
    settled(written, service, ("accepted", "pandas"), ("removed", "pandas"))


def test_b3_undo_stays_while_other_tags_come_and_go(written: Page, service: RecordingServer) -> None:
    chip(written, "pandas").click()
    type_tags(written, "merge join ")
    chosen(written).filter(has_text="merge").locator(".js-delete-tag").click()
    expect(chosen(written)).to_have_text(["pandas", "join"])
    written.wait_for_timeout(400)
    button(written, "Undo").click()
    expect(chosen(written)).to_have_text(["join"])
    settled(written, service, ("accepted", "pandas"), ("removed", "pandas"))


def test_b3_undo_stays_while_the_page_draws_its_tags_anew(written: Page, service: RecordingServer) -> None:
    chip(written, "pandas").click()
    expect(button(written, "Undo")).to_be_visible()
    written.evaluate(
        """() => {
            const tag = document.querySelector("#tag-editor .s-tag.rendered-element");
            const [parent, next] = [tag.parentElement, tag.nextSibling];
            tag.remove();
            setTimeout(() => parent.insertBefore(tag, next), 120);
        }"""
    )
    written.wait_for_timeout(600)
    button(written, "Undo").click()
    expect(chosen(written)).to_have_count(0)
    settled(written, service, ("accepted", "pandas"), ("removed", "pandas"))


def test_b3_undoing_never_leaves_the_no_of_before(
    written: Page, consented: BrowserContext, service: RecordingServer
) -> None:
    side(written, "python").click()
    button(written, "Never suggest it").click()
    expect(written.locator(NOTE)).to_have_text("python will not be suggested again")
    button(written, "Undo").click()
    assert eventually(lambda: stored(consented, "settings")["never"] == [])
    expect(look(written, "python")).to_have_attribute("data-look", "dismissed")
    # And the act before that can still be undone.
    expect(written.locator(NOTE)).to_have_text("python dismissed")
    button(written, "Undo").click()
    settled(written, service, ("dismissed", "python"), ("restored", "python"))


def test_b3_undo_of_never_goes_when_the_list_is_changed_elsewhere(written: Page, consented: BrowserContext) -> None:
    chip(written, "python").hover()
    button(written, "Never suggest it").click()
    expect(button(written, "Undo")).to_be_visible()
    inspector_page(consented).evaluate(
        "chrome.runtime.sendMessage({type: 'setTagBlocked', tag: 'python', blocked: false})"
    )
    expect(button(written, "Undo")).to_be_hidden()
    expect(look(written, "python")).to_have_attribute("data-look", "dismissed")


# B14: where the page takes no more tags, one can be put in another's place.


def full_page(written: Page) -> Page:
    type_tags(written, "a b c d e ")
    expect(written.locator(NOTE)).to_have_text("A question can have at most 5 tags.")
    return written


def test_b14_a_full_page_is_said_and_a_tag_can_be_replaced(written: Page, service: RecordingServer) -> None:
    full_page(written)
    expect(chip(written, "pandas")).to_have_accessible_name("Replace a tag with pandas")
    chip(written, "pandas").click()
    expect(written.locator(ABOUT)).to_contain_text("A question can have 5 tags. Replace one of them with pandas:")
    expect(chosen(written)).to_have_text(["a", "b", "c", "d", "e"])
    button(written, "Replace b with pandas").dblclick()
    expect(chosen(written)).to_have_text(["a", "c", "d", "e", "pandas"])
    expect(written.locator(NOTE)).to_have_text("b replaced with pandas")
    settled(written, service, ("accepted", "pandas"))


def test_b14_the_keyboard_replaces_a_tag_and_undoes_it(written: Page, service: RecordingServer) -> None:
    full_page(written)
    written.keyboard.press("Tab")
    expect(chip(written, "pandas")).to_be_focused()
    written.keyboard.press("Enter")
    expect(button(written, "Replace a with pandas")).to_be_focused()
    written.keyboard.press("ArrowDown")
    expect(button(written, "Replace b with pandas")).to_be_focused()
    written.keyboard.press("Escape")
    expect(chip(written, "pandas")).to_be_focused()
    written.keyboard.press("ArrowDown")
    written.keyboard.press("Space")
    expect(chosen(written)).to_have_text(["b", "c", "d", "e", "pandas"])
    expect(chip(written, "pandas")).to_be_focused()
    button(written, "Undo").focus()
    written.keyboard.press("Enter")
    expect(chosen(written)).to_have_text(["b", "c", "d", "e", "a"])
    settled(written, service, ("accepted", "pandas"), ("removed", "pandas"))


def test_b14_a_replaced_tag_that_was_offered_is_counted_as_removed(written: Page, service: RecordingServer) -> None:
    chip(written, "pandas").click()
    expect(look(written, "pandas")).to_have_attribute("data-look", "chosen")
    type_tags(written, "a b c d ")
    chip(written, "dataframe").click()
    button(written, "Replace pandas with dataframe").click()
    expect(chosen(written)).to_have_text(["a", "b", "c", "d", "dataframe"])
    settled(written, service, ("accepted", "pandas"), ("removed", "pandas"), ("accepted", "dataframe"))
    button(written, "Undo").click()
    expect(chosen(written)).to_have_text(["a", "b", "c", "d", "pandas"])
    settled(
        written, service, ("accepted", "pandas"), ("removed", "pandas"), ("accepted", "dataframe"),
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
    settled(page, service, ("accepted", "pandas"))


# B15, B16, B18: what is shown, and where.


def test_b15_the_first_answer_is_waited_for_in_words(consented: BrowserContext, service: RecordingServer) -> None:
    service.delay = lambda body: 1.5
    page = ask_page(consented)
    expect(page.locator(NOTE)).to_contain_text("15 characters")
    write(page)
    expect(page.locator(NOTE)).to_have_text("Looking for tags…")
    expect_chips(page)
    page.locator("#title").fill("short")
    expect(page.locator(NOTE)).to_contain_text("15 characters")


def test_b16_tab_from_the_tag_field_leads_to_the_first_tag_on_offer(written: Page) -> None:
    chip(written, "pandas").click()
    expect(look(written, "pandas")).to_have_attribute("data-look", "chosen")
    written.locator(INPUT).focus()
    written.keyboard.press("Tab")
    expect(chip(written, "python")).to_be_focused()
    # Taken by keyboard, the keyboard stays with it; who comes again is led to what is left.
    written.keyboard.press("Enter")
    expect(look(written, "python")).to_have_attribute("data-look", "chosen")
    expect(chip(written, "python")).to_be_focused()
    written.keyboard.press("Shift+Tab")
    expect(written.locator(INPUT)).to_be_focused()
    written.keyboard.press("Tab")
    expect(chip(written, "dataframe")).to_be_focused()


def answer(page: Page, service: RecordingServer, **offers: float) -> None:
    """Types on, and waits for the answer with these offers, in this order."""
    service.offers = list(offers.items())
    asked = len(service.drafts)
    page.locator("#title").press_sequentially("x")
    assert eventually(lambda: len(service.drafts) > asked)
    expect(page.locator("[data-tagalong] .panel[data-busy]")).to_have_count(0)


def test_b18_chips_stand_in_the_order_of_their_scores(written: Page, service: RecordingServer) -> None:
    answer(written, service, numpy=0.93, pandas=0.8, python=0.5)
    expect(chips(written)).to_have_text(["numpy", "pandas", "python"])
    answer(written, service, excel=0.97, csv=0.6, python=0.53, pandas=0.4)
    expect(chips(written)).to_have_text(["excel", "csv", "python", "pandas"])


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("by", ["pointer", "keyboard"])
def test_b18_a_chip_in_use_does_not_move(written: Page, service: RecordingServer, by: str, width: int) -> None:
    written.set_viewport_size({"width": width, "height": 1000})
    if by == "pointer":
        chip(written, "python").hover()
    else:
        chip(written, "python").focus()
    expect(written.locator(ABOUT)).to_be_visible()
    place = look(written, "python").bounding_box()
    for offers in (
        {"numpy": 0.93, "python": 0.53, "dataframe": 0.4},
        {"r": 0.99, "data.table": 0.95, "postgresql-performance": 0.9, "python": 0.53},
        {"c": 0.99, "r": 0.98, "d": 0.97, "julia": 0.9, "python": 0.5},
        {"postgresql": 0.9},
    ):
        service.offers = list(offers.items())
        asked = len(service.drafts)
        written.locator("#title").evaluate(
            "(title) => { title.value += 'x'; title.dispatchEvent(new Event('input', {bubbles: true})); }"
        )
        assert eventually(lambda asked=asked: len(service.drafts) > asked)
        for tag in offers:
            expect(look(written, tag)).to_be_attached()
        assert look(written, "python").bounding_box() == place
        others = [tag for tag in suggested(written) if tag != "python"]
        assert others == [tag for tag in offers if tag != "python"], "the others are in the order of their scores"
    # Once nobody is there any more, it takes its own place.
    service.offers = [("postgresql", 0.9), ("python", 0.95)]
    written.locator("#wmd-input").focus()
    written.mouse.move(2, 2)
    write(written, "y")
    expect(chips(written)).to_have_text(["python", "postgresql"])


def test_b18_positions_are_those_on_screen(consented: BrowserContext, service: RecordingServer) -> None:
    page = ask_page(consented)
    write(page)
    assert eventually(lambda: len(service.events) == 3)
    answer(page, service, numpy=0.99, pandas=0.9, csv=0.7, python=0.6)
    assert eventually(lambda: len(service.events) == 5)
    positions = {event["tag"]: event["position"] for event in service.events.values()}
    assert positions == {"pandas": 1, "python": 2, "dataframe": 3, "numpy": 1, "csv": 3}


def test_b18_a_random_order_stays_random(consented: BrowserContext, service: RecordingServer) -> None:
    """A share of the drafts gets its chips in random order, to learn what the order does: not to be sorted here."""
    service.offers = [("python", 0.5), ("pandas", 0.9), ("dataframe", 0.7)]
    page = ask_page(consented)
    write(page)
    expect(chips(page)).to_have_text(["python", "pandas", "dataframe"])
    answer(page, service, python=0.6, numpy=0.4, pandas=0.9, dataframe=0.7)
    expect(chips(page)).to_have_text(["python", "numpy", "pandas", "dataframe"])
