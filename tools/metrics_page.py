"""`make pictures`: the admin's page with demo traffic, in light and dark.

docs/metrics-….png for the README, and artifacts/first-screen/….png: what is seen without scrolling, on a desk and on a
phone, quiet and with three alerts.
"""

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.backend.admin.admin_pages import FIRST_SCREENS, fire_alerts, launch_chromium, open_page, serve_demo

DOCS = Path(__file__).parent.parent / "docs"
FIRST_SCREEN = DOCS.parent / "artifacts" / "first-screen"
# Both answers, and the figures at a glance.
WINDOW = {"width": 1180, "height": 1120}


def take_first_screens(browser: Browser, address: str, state: str) -> None:
    """Write what each screen shows first."""
    FIRST_SCREEN.mkdir(parents=True, exist_ok=True)
    for name, size in FIRST_SCREENS.items():
        for scheme in ("light", "dark"):
            page = open_page(browser, address, "light", "/metrics?kind=demo", viewport=size, color_scheme=scheme)
            page.screenshot(path=FIRST_SCREEN / f"{name}-{state}-{scheme}.png")
            page.context.close()


def main() -> None:
    """Write all pictures."""
    with tempfile.TemporaryDirectory(prefix="tagalong-") as temporary:
        folder = Path(temporary) / "data"
        with (
            serve_demo(folder, days=56, drafts=40) as address,
            sync_playwright() as playwright,
            launch_chromium(playwright) as browser,
        ):
            for appearance in ("light", "dark"):
                page = open_page(browser, address, appearance, "/metrics?kind=demo", viewport=WINDOW)
                page.screenshot(path=DOCS / f"metrics-{appearance}.png")
            take_first_screens(browser, address, "quiet")
            fire_alerts(folder)
            take_first_screens(browser, address, "three-alerts")


if __name__ == "__main__":
    main()
