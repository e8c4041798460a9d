"""`make pictures`: the README's pictures from the running product, and one of every state the chips can be in."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Locator, Page, Playwright, expect, sync_playwright

from tests.end_to_end.process import serving
from tests.extension.browser import (
    ask_page,
    chip,
    chips,
    chosen,
    consented_settings,
    launch,
    look,
    reset_extension,
    side,
    store,
    write,
)
from tests.extension.recording_server import RecordingServer

DOCS = Path(__file__).parent.parent / "docs"
EVERY_STATE = DOCS.parent / "artifacts" / "pictures"
TITLE = "How do I merge two pandas DataFrames on the nearest date?"
BODY = "I have two frames in Python, `trades` and `quotes`. `pd.merge` only joins dates that are equal."
INPUT = "#tageditor-replacing-tagnames--input"
MARGIN = 8  # pixels around what is shown
BELOW = 120  # pixels under the tag field, for what opens there
WIDE = {"width": 900, "height": 1100}
# Half of a window 1280 pixels wide: what is left of it at 200 % zoom.
ZOOMED = {"width": 640, "height": 1100}
NARROW = {"width": 320, "height": 1100}
LOOKS: dict[str, tuple[str, dict[str, int], dict[str, Any]]] = {
    "light": ("", WIDE, {}),
    "dark": ("theme=theme-dark", WIDE, {}),
    "high-contrast": ("theme=theme-highcontrast", WIDE, {}),
    "high-contrast-dark": ("theme=theme-highcontrast%20theme-dark", WIDE, {}),
    "forced-colors": ("", WIDE, {"forced_colors": "active"}),
    "right-to-left": ("dir=rtl", WIDE, {}),
    "zoom-200": ("", ZOOMED, {}),
    "narrow": ("", NARROW, {}),
    "narrow-dark": ("theme=theme-dark", NARROW, {}),
}


def offered(page: Page) -> None:
    """Five chips."""
    expect(chips(page)).to_have_count(5)


def pointed_at(page: Page) -> None:
    """The pointer on a chip: why, and what to do about it."""
    offered(page)
    chip(page, "dataframe").hover()
    page.locator("[data-tagalong] .about").wait_for()


def focused(page: Page) -> None:
    """The keyboard on the first chip."""
    offered(page)
    page.locator(INPUT).focus()
    page.keyboard.press("Tab")
    page.locator("[data-tagalong] .about").wait_for()


def keyboard_in_popover(page: Page) -> None:
    """The keyboard on "never"."""
    focused(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")


def accepted(page: Page) -> None:
    """One tag taken."""
    offered(page)
    chip(page, "pandas").click()
    expect(chosen(page)).to_have_count(1)
    page.mouse.move(0, 0)


def undo_pointed_at(page: Page) -> None:
    """The pointer on the way back."""
    accepted(page)
    side(page, "pandas").hover()
    page.locator("[data-tagalong] .about").wait_for()


def dismissed(page: Page) -> None:
    """One tag the writer said no to."""
    offered(page)
    side(page, "dataframe").click()
    page.mouse.move(0, 0)


def banished(page: Page) -> None:
    """One tag never to be suggested again."""
    dismissed(page)
    page.get_by_role("button", name="Never suggest it").first.click()
    page.mouse.move(0, 0)


def restored(page: Page) -> None:
    """The no taken back."""
    dismissed(page)
    page.get_by_role("button", name="Undo").click()
    expect(look(page, "dataframe")).to_have_attribute("data-look", "offered")


def adding(page: Page) -> None:
    """The page has not taken the tag yet."""
    offered(page)
    chip(page, "pandas").click()
    page.mouse.move(0, 0)
    expect(look(page, "pandas")).to_have_attribute("data-look", "adding")


def refused(page: Page) -> None:
    """The page does not take the tag."""
    offered(page)
    chip(page, "merge").click()
    page.mouse.move(0, 0)
    page.get_by_role("button", name="Copy it").wait_for()


def full(page: Page) -> None:
    """Five tags are on the page."""
    offered(page)
    page.locator(INPUT).press_sequentially("a b c d e ")
    chip(page, "pandas").click()
    page.mouse.move(0, 0)


def dismissed_before(page: Page) -> None:
    """One tag dismissed before a reload."""
    dismissed(page)
    page.reload()
    expect(chips(page)).to_have_count(4)


def short(page: Page) -> None:
    """Nothing to ask with yet."""
    page.locator("#title").fill("How do I")


def everything(page: Page) -> None:
    """A tag taken, one dismissed, and the keyboard on another."""
    accepted(page)
    side(page, "merge").click()
    page.locator(INPUT).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.locator("[data-tagalong] .about").wait_for()


STATES: dict[str, tuple[Callable[[Page], None], str]] = {
    "offered": (offered, ""),
    "pointed-at": (pointed_at, ""),
    "focused": (focused, ""),
    "in-popover": (keyboard_in_popover, ""),
    "adding": (adding, "slowly=900"),
    "accepted": (accepted, ""),
    "undo-pointed-at": (undo_pointed_at, ""),
    "dismissed": (dismissed, ""),
    "dismissed-before": (dismissed_before, ""),
    "never-again": (banished, ""),
    "restored": (restored, ""),
    "refused": (refused, "unknown=merge"),
    "five-tags": (full, ""),
    "short": (short, ""),
}


def picture(page: Page, path: Path, below: int | Locator = 0) -> None:
    """Take what is around the tag field, and ``below`` it: as many pixels, or down to the end of what lies there."""
    page.wait_for_timeout(400)
    page.locator("#tag-editor").scroll_into_view_if_needed()
    box = page.locator("#tag-editor").bounding_box()
    assert box
    if not isinstance(below, int):
        lying = below.bounding_box()
        assert lying
        below = round(lying["y"] + lying["height"] - box["y"] - box["height"])
    clip = {
        "x": max(0, box["x"] - MARGIN),
        "y": box["y"] - MARGIN,
        "width": box["width"] + 2 * MARGIN,
        "height": box["height"] + 2 * MARGIN + below,
    }
    page.screenshot(path=path, clip=clip)  # type: ignore[arg-type]


def for_the_readme(playwright: Playwright, folder: Path) -> None:
    """Write chips-light.png and chips-dark.png, with the real service and the shipped model."""
    with serving(folder / "data") as (_, address, _):
        for scheme in ("light", "dark"):
            options: dict[str, Any] = {"color_scheme": scheme, "device_scale_factor": 2, "viewport": WIDE}
            with launch(playwright, folder / scheme, **options) as context:
                store(context, settings=consented_settings(address))
                page = ask_page(context)
                write(page, TITLE, BODY)
                expect(chips(page).nth(2)).to_be_visible()
                chip(page, "pandas").click()
                expect(chosen(page)).to_have_count(1)
                chip(page, "dataframe").hover()
                about = page.locator("[data-tagalong] .about")
                about.wait_for()
                picture(page, DOCS / f"chips-{scheme}.png", below=about)


@contextmanager
def recorded_service() -> Iterator[RecordingServer]:
    """A service whose answers are the same each time, and which can be away."""
    service = RecordingServer(
        offers=[("pandas", 0.97), ("python", 0.86), ("merge", 0.71), ("dataframe", 0.52), ("join", 0.34)],
        uses={"pandas": 286_412, "python": 2_211_873, "merge": 18_344, "dataframe": 129_570, "join": 52_911},
        because={
            "pandas": ["pandas", "DataFrames", "pd.merge"],
            "python": ["python", "pandas"],
            "merge": ["merge", "pd.merge", "nearest date"],
            "dataframe": ["DataFrames", "frames"],
        },
    )
    service.start()
    try:
        yield service
    finally:
        service.stop()


def of_every_state(playwright: Playwright, folder: Path) -> None:
    """Write artifacts/pictures/<state>-<look>.png: every state in light, and in each other look what shows it best."""
    shutil.rmtree(EVERY_STATE, ignore_errors=True)
    EVERY_STATE.mkdir(parents=True)
    with recorded_service() as service, launch(playwright, folder / "states", device_scale_factor=2) as context:

        def fresh(query: str, size: dict[str, int], media: dict[str, Any]) -> Page:
            reset_extension(context, consented_settings(service.url, debounce_ms=100))
            page = ask_page(context, f"?{query}")
            page.set_viewport_size(size)  # type: ignore[arg-type]
            page.emulate_media(**media)
            return page

        for name, (reach, query) in STATES.items():
            page = fresh(query, WIDE, {})
            if name != "short":
                write(page, TITLE)
            reach(page)
            picture(page, EVERY_STATE / f"{name}-light.png", BELOW)
        for name, (query, size, media) in LOOKS.items():
            for state in (offered, pointed_at, dismissed, everything):
                page = fresh(query, size, media)
                write(page, TITLE)
                state(page)
                picture(page, EVERY_STATE / f"{state.__name__}-{name}.png", BELOW)
        of_the_service(context, service, fresh("", WIDE, {}))


def of_the_service(context: BrowserContext, service: RecordingServer, page: Page) -> None:
    """What is said when there is no tag, and when there is no service."""
    service.offers = []
    write(page, TITLE)
    page.get_by_text("No confident suggestion yet.").first.wait_for()
    picture(page, EVERY_STATE / "none-light.png", BELOW)
    service.stop()
    write(page, "?")
    page.get_by_role("button", name="Try again").wait_for()
    picture(page, EVERY_STATE / "away-light.png", BELOW)


def main() -> None:
    """Take them all."""
    folder = Path(tempfile.mkdtemp(prefix="tagalong-"))
    try:
        with sync_playwright() as playwright:
            of_every_state(playwright, folder)
            for_the_readme(playwright, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
