"""`make pictures`: the admin's page with demo traffic, for the README, in light and dark: docs/metrics-….png."""

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.backend.admin.admin_pages import chromium, demonstrated, opened

DOCS = Path(__file__).parent.parent / "docs"
# What one sees first: the figures at a glance, and how they went.
WINDOW = {"width": 1180, "height": 1345}


def main() -> None:
    """Write both pictures."""
    with (
        tempfile.TemporaryDirectory(prefix="tagalong-") as folder,
        demonstrated(Path(folder) / "data", days=56, drafts=40) as address,
        sync_playwright() as playwright,
        chromium(playwright) as browser,
    ):
        for look in ("light", "dark"):
            page = opened(browser, address, look, "/metrics?kind=demo", viewport=WINDOW)
            page.screenshot(path=DOCS / f"metrics-{look}.png")


if __name__ == "__main__":
    main()
