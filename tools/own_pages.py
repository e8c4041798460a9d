"""`make pictures`: the extension's own pages in every state, to look at: artifacts/pictures/own-….png."""

import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Playwright, ViewportSize, sync_playwright

from tests.extension.browser import launch
from tests.extension.languages import copy_in_language
from tests.extension.own_pages import STATES, open_in_state
from tests.extension.recording_server import RecordingServer

EVERY_STATE = Path(__file__).parent.parent / "artifacts" / "pictures"
WIDE: ViewportSize = {"width": 900, "height": 900}
NARROW: ViewportSize = {"width": 320, "height": 700}
POPUP: ViewportSize = {"width": 310, "height": 360}
# By name: the language, the window, what else the browser is told.
LOOKS: dict[str, tuple[str, ViewportSize, dict[str, Any]]] = {
    "light": ("en", WIDE, {}),
    "dark": ("en", WIDE, {"color_scheme": "dark"}),
    "forced-colors": ("en", WIDE, {"forced_colors": "active"}),
    "narrow": ("en", NARROW, {}),
    "french": ("fr", WIDE, {}),
    "french-narrow-dark": ("fr", NARROW, {"color_scheme": "dark"}),
}


def take(playwright: Playwright, folder: Path) -> None:
    """Write one picture of each state in each look into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    service = RecordingServer()
    service.start()
    try:
        with tempfile.TemporaryDirectory(prefix="tagalong-", ignore_cleanup_errors=True) as scratch:
            for look, (language, window, options) in LOOKS.items():
                profile = Path(scratch) / look
                extension = copy_in_language(language, profile / "extension")
                with launch(playwright, profile / "profile", extension=extension, **options) as context:
                    for state in STATES:
                        page = open_in_state(context, service.url, state)
                        page.set_viewport_size(POPUP if state.startswith("popup") and window is WIDE else window)
                        page.wait_for_timeout(300)
                        page.screenshot(path=folder / f"own-{state}-{look}.png", full_page=state != "options-sure")
                        page.close()
    finally:
        service.stop()


def main() -> None:
    """Write every picture."""
    with sync_playwright() as playwright:
        take(playwright, EVERY_STATE)


if __name__ == "__main__":
    main()
