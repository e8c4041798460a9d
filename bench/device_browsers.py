"""`python -m bench.device_browsers`: the model on the device as a writer meets it, in Chromium and in Firefox.

From the last keystroke to painted chips beside the debounce, with a worker that runs and with one that the browser has
stopped; what the browser's processes grow by; what the page's main thread does, beside that with a service.
"""

import shutil
import tempfile
from pathlib import Path
from statistics import median

import psutil
from playwright.sync_api import BrowserContext, Page, sync_playwright

from bench.chips import KEY_EVERY_MS, KEYS, record_profile, session_of, work_pieces
from bench.lines import print_row
from bench.typing import BODY, DEBOUNCE_MS, WATCH, pause_typing, print_spread
from tests.extension import firefox
from tests.extension.browser import (
    ASK,
    ask_page,
    consented_settings,
    device_settings,
    expect_chips,
    inspector_page,
    kill_worker,
    launch,
    store,
)
from tests.extension.recording_server import RecordingServer
from tests.extension.test_firefox import SHADOW
from tests.extension.test_firefox import store as store_in_firefox

COLD, AWAKE = 10, 40
TITLE = "How do I merge two pandas frames on the nearest date"
# Reads the packaged file as the worker does.
READ = """async () => {
  const begun = performance.now();
  await (await fetch((globalThis.browser ?? chrome).runtime.getURL("device/model.bin"))).arrayBuffer();
  return performance.now() - begun;
}"""
# Firefox stops an idle background page after so long. Milliseconds.
IDLE_MS = 1_000


def memory_mb(profile: Path) -> float:
    """Return the megabytes of all processes of the browser with this profile; a shared page counts once."""
    browsers = [process for process in psutil.process_iter(["cmdline"]) if str(profile) in str(process.info["cmdline"])]
    processes = {child for process in browsers for child in [process, *process.children(recursive=True)]}
    return float(sum(process.memory_full_info().pss for process in processes)) / 1e6


def begin_draft(context: BrowserContext) -> Page:
    """Open an ask page with a draft of about a thousand characters, and wait for its chips."""
    page = ask_page(context, "?fresh")
    page.locator("#wmd-input").fill(BODY)
    page.locator("#title").fill(TITLE)
    page.locator("[data-tagalong] .chip").first.wait_for()
    page.wait_for_timeout(1500)
    return page


def time_pauses(context: BrowserContext, page: Page, count: int, *, cold: bool) -> list[float]:
    """Return the milliseconds beside the debounce, at pauses of a writer."""
    beside = []
    page.evaluate(WATCH)
    for number in range(count):
        if cold:
            kill_worker(context)
            page.bring_to_front()
        moments = pause_typing(page, number)
        beside.append(moments["painted"] - moments["asked"])
    return beside


def key_work_ms(page: Page) -> float:
    """Return what a key costs the page's main thread, in the extension's scripts."""
    session = session_of(page)
    page.locator("#title").fill(TITLE)
    expect_chips(page, page.locator("[data-tagalong] .chip").count())
    profile = record_profile(
        session, lambda: page.locator("#title").press_sequentially(KEYS, delay=KEY_EVERY_MS, timeout=60_000)
    )
    return sum(work_pieces(profile)) / len(KEYS)


def report_chromium(folder: Path, service: RecordingServer) -> None:
    """Print what Chromium does."""
    profile = folder / "chromium"
    with sync_playwright() as playwright, launch(playwright, profile) as context:
        keys: dict[str, list[float]] = {"service": [], "device": []}
        memory = {}
        for source, settings in (
            ("service", consented_settings(service.url, counts=False, debounce_ms=DEBOUNCE_MS)),
            ("device", device_settings(debounce_ms=DEBOUNCE_MS)),
        ):
            store(context, settings=settings)
            page = begin_draft(context)
            keys[source] += [key_work_ms(page) for _ in range(3)]
            page.close()
            page = begin_draft(context)
            memory[source] = memory_mb(profile)
            if source == "service":
                page.close()
        print_row("Chromium", "p50", "p95")
        inspector = inspector_page(context)
        read = median(inspector.evaluate(READ) for _ in range(5))
        print_row("  the file, read", f"{read:.0f} ms", "")
        page.bring_to_front()
        print_spread("  beside the debounce", time_pauses(context, page, AWAKE + 5, cold=False)[5:])
        cold = time_pauses(context, page, COLD, cold=True)
        print_spread("  the same, worker stopped", cold)
        print_row("  in reads of the file", f"{median(cold) / read:.1f}", "")
        print_row("  processes, beside a service", f"{memory['device'] - memory['service']:+.0f} MB", "")
        per_key = {source: median(values) for source, values in keys.items()}
        print_row("  main thread, per key", f"{per_key['device']:.2f} ms", "")
        print_row("  beside that with a service", f"{per_key['device'] / per_key['service']:.2f}", "")


def report_firefox(folder: Path) -> None:
    """Print what Firefox does."""
    profile = folder / "firefox"
    profile.mkdir()
    firefox.PREFERENCES["extensions.background.idle.timeout"] = IDLE_MS
    with firefox.launch(profile) as browser:
        own = browser.wait_for_tab("welcome/welcome.html")
        store_in_firefox(browser, own, device_settings(debounce_ms=DEBOUNCE_MS))
        page = browser.open(ASK)
        before = memory_mb(profile)
        browser.type(page, "#title", TITLE)
        browser.wait_for(page, f"{SHADOW}?.querySelectorAll('.chip').length > 0")
        grown = memory_mb(profile) - before
        browser.evaluate(page, f"({WATCH})()")
        read = median(browser.evaluate(own, f"({READ})()") for _ in range(5))
        beside: dict[bool, list[float]] = {False: [], True: []}
        for cold in [False] * (AWAKE // 2) + [True] * COLD:
            if cold:
                browser.evaluate(page, f"new Promise((resolve) => setTimeout(resolve, {3 * IDLE_MS}))")
            browser.type(page, "#title", " numpy" if len(beside[cold]) % 2 else " csv")
            browser.wait_for(page, "window.moments?.painted")
            beside[cold].append(float(browser.evaluate(page, "window.moments.painted - window.moments.asked")))
        print_row("Firefox", "p50", "p95")
        print_row("  the file, read", f"{read:.0f} ms", "")
        print_spread("  beside the debounce", beside[False])
        print_spread("  the same, background stopped", beside[True])
        print_row("  in reads of the file", f"{median(beside[True]) / read:.1f}", "")
        print_row("  processes, before and after", f"{grown:+.0f} MB", "")


def main() -> None:
    """Print the report."""
    folder = Path(tempfile.mkdtemp(prefix="tagalong-"))
    service = RecordingServer(offers=[("pandas", 0.92), ("python", 0.81), ("dataframe", 0.55)])
    service.start()
    try:
        report_chromium(folder, service)
        report_firefox(folder)
    finally:
        service.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
