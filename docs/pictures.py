"""`make pictures`: takes the README's pictures from the running product, in light and in dark."""

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.end_to_end.process import serving
from tests.extension.browser import ask_page, chip, chips, consented_settings, launch, side, store, write

HERE = Path(__file__).parent
TITLE = "How do I merge two pandas DataFrames on the nearest date?"
BODY = "I have two frames in Python, `trades` and `quotes`. `pd.merge` only joins dates that are equal."
MARGIN = 8  # pixels around what is shown


def main() -> None:
    """Write chips-light.png and chips-dark.png."""
    folder = Path(tempfile.mkdtemp(prefix="tagalong-"))
    try:
        with serving(folder / "data") as (_, address, _), sync_playwright() as playwright:
            for scheme in ("light", "dark"):
                options = {"color_scheme": scheme, "device_scale_factor": 2, "viewport": {"width": 900, "height": 1100}}
                with launch(playwright, folder / scheme, **options) as context:
                    store(context, settings=consented_settings(address))
                    page = ask_page(context)
                    write(page, TITLE, BODY)
                    expect(chips(page).nth(3)).to_be_visible()
                    chip(page, "pandas").click()
                    expect(page.locator("#tag-editor .s-tag.rendered-element")).to_have_count(1)
                    side(page, "dataframe").hover()
                    page.wait_for_timeout(1000)
                    box = page.locator("#tag-editor").bounding_box()
                    assert box
                    page.screenshot(
                        path=HERE / f"chips-{scheme}.png",
                        clip={
                            "x": box["x"] - MARGIN,
                            "y": box["y"] - MARGIN,
                            "width": box["width"] + 2 * MARGIN,
                            "height": box["height"] + 2 * MARGIN,
                        },
                    )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
