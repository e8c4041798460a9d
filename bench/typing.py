"""From the last keystroke to painted chips: the real extension in a real Chromium, asking the real service.

`python -m bench.typing` prints p50 and p95, split into the debounce, the way to the service and back, the
service itself, and the drawing of the chips; once with the extension's worker awake, once with it asleep.
"""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, sync_playwright

from bench.lines import print_row, quantile
from tests.end_to_end.process import serving
from tests.extension.browser import (
    ask_page,
    consented_settings,
    eventually,
    kill_worker,
    launch,
    run_in_content_script,
    store,
)

DEBOUNCE_MS = 250
AWAKE, ASLEEP = 60, 15
BODY = "I tried pd.merge(trades, quotes, on='time') but it only joins rows whose dates are equal. " * 10
WORDS = ["python", "pandas", "merge", "numpy", "csv", "join", "sql", "plot", "date", "index", "group", "json"]

# In the page: the moments of the last keystroke, of the panel's turning busy and calm, and of the next frame's end.
WATCH = """
() => {
  const panel = document.querySelector("[data-tagalong]").shadowRoot.querySelector(".panel");
  const now = () => performance.timeOrigin + performance.now();
  window.moments = {};
  document.addEventListener("input", () => (window.moments = { typed: now() }), { capture: true });
  new MutationObserver(() => {
    if (panel.hasAttribute("data-busy")) return void (window.moments.asked = now());
    if (window.moments.asked === undefined || window.moments.drawn !== undefined) return;
    const { moments } = window;
    moments.drawn = now();
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => (moments.painted = now());
      port2.postMessage(null);
    });
  }).observe(panel, { attributeFilter: ["data-busy"] });
}
"""

# In the worker: the last request for suggestions, from its start to the answer's beginning.
LAST_REQUEST = """
() => {
  const asked = performance.getEntriesByType("resource").filter(({ name }) => name.endsWith("/suggestions"));
  const { requestStart, responseStart } = asked.at(-1);
  performance.clearResourceTimings();
  return responseStart - requestStart;
}
"""


@dataclass
class Sample:
    """One pause in the typing. Milliseconds."""

    debounce: float
    transport: float
    service: float
    paint: float

    @property
    def beside(self) -> float:
        """All but the debounce."""
        return self.transport + self.service + self.paint


def pause_typing(page: Page, number: int) -> dict[str, float]:
    """Type a word, and wait for the chips to be painted; the moments of it all."""
    page.locator("#title").press("End")
    page.keyboard.type(f" {WORDS[number % len(WORDS)]}", delay=40)
    if number % len(WORDS) == len(WORDS) - 1:
        page.locator("#title").fill("How do I merge two frames on the nearest date")
    page.wait_for_function("window.moments.painted", polling=20)
    moments: dict[str, float] = page.evaluate("window.moments")
    return moments


def measure_awake(context: BrowserContext, page: Page) -> list[Sample]:
    """Pauses of somebody who keeps writing."""
    samples = []
    for number in range(AWAKE + 5):
        moments = pause_typing(page, number)
        service = float(context.service_workers[0].evaluate(LAST_REQUEST))
        samples.append(
            Sample(
                debounce=moments["asked"] - moments["typed"],
                transport=moments["drawn"] - moments["asked"] - service,
                service=service,
                paint=moments["painted"] - moments["drawn"],
            )
        )
    # The first few find nothing warm; a writer meets them once a day.
    return samples[5:]


def measure_asleep(context: BrowserContext, page: Page) -> list[float]:
    """All but the debounce, for somebody who was away so long that the browser stopped the worker. Milliseconds."""
    beside = []
    run_in_content_script(
        page, "const clock = performance.now.bind(performance); performance.now = () => clock() + globalThis.away"
    )
    for number in range(ASLEEP):
        kill_worker(context)
        page.bring_to_front()
        run_in_content_script(page, f"globalThis.away = {number + 1} * 60_000")
        moments = pause_typing(page, number)
        beside.append(moments["painted"] - moments["asked"])
    return beside


def print_spread(name: str, values: Sequence[float]) -> None:
    """One row: p50 and p95 of milliseconds."""
    print_row(name, f"{quantile(values, 0.5):.2f} ms", f"{quantile(values, 0.95):.2f} ms")


def report(folder: Path, **options: Any) -> None:
    """Start service and browser, type, and print."""
    with (
        serving(folder / "data", TAGALONG_LOG_LEVEL="warning") as (_, address, _),
        sync_playwright() as playwright,
        launch(playwright, folder / "profile", **options) as context,
    ):
        store(context, settings=consented_settings(address, debounce_ms=DEBOUNCE_MS))
        page = ask_page(context)
        page.locator("#wmd-input").fill(BODY)
        page.locator("#title").fill("How do I merge two pandas frames on the nearest date")
        eventually(lambda: page.locator("[data-tagalong] .chip").count() > 0)
        page.evaluate(WATCH)
        samples = measure_awake(context, page)
        print_row("last keystroke to painted chips", "p50", "p95")
        print_spread("  debounce, as set", [sample.debounce for sample in samples])
        print_spread("  to the service and back", [sample.transport for sample in samples])
        print_spread("  service", [sample.service for sample in samples])
        print_spread("  paint", [sample.paint for sample in samples])
        print_spread("  beside the debounce", [sample.beside for sample in samples])
        print_spread("  the same, worker asleep", measure_asleep(context, page))


def main() -> None:
    """Print the report."""
    folder = Path(tempfile.mkdtemp(prefix="tagalong-"))
    try:
        report(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
