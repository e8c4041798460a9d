"""`make pictures`: the admin's page with demo traffic, for the README, in light and dark: docs/metrics-….png."""

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.backend.admin.admin_pages import launch_chromium, open_page, serve_demo

DOCS = Path(__file__).parent.parent / "docs"
# What one sees first: the figures at a glance, and how they went.
WINDOW = {"width": 1180, "height": 1345}


def main() -> None:
    """Write both pictures."""
    with (
        tempfile.TemporaryDirectory(prefix="tagalong-") as folder,
        serve_demo(Path(folder) / "data", days=56, drafts=40) as address,
        sync_playwright() as playwright,
        launch_chromium(playwright) as browser,
    ):
        for appearance in ("light", "dark"):
            page = open_page(browser, address, appearance, "/metrics?kind=demo", viewport=WINDOW)
            page.screenshot(path=DOCS / f"metrics-{appearance}.png")


if __name__ == "__main__":
    main()
