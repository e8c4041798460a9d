"""`python -m bench.chips`: what the content script costs the page's main thread, at its mount and at a keystroke."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, CDPSession, Page, sync_playwright

from bench.lines import print_row, quantile
from tests.extension.browser import consented_settings, expect_chips, launch, reset_extension
from tests.extension.generations import GENERATIONS, Generation
from tests.extension.recording_server import RecordingServer

LOADS = 10
KEYS = " and what becomes of rows without a partner on the other side"
KEY_EVERY_MS = 120
TITLE = "Merge two pandas DataFrames on index?"
BODY = "I have two frames with the same index and want the columns of both, side by side. " * 60
SAMPLED_EVERY_US = 50
REST_US = 3_000  # our work that lies further apart than this is not one piece


def record_profile(session: CDPSession, work: Callable[[], object]) -> dict[str, Any]:
    """The CPU profile of the page while ``work`` goes on."""
    session.send("Profiler.start")
    work()
    profile: dict[str, Any] = session.send("Profiler.stop")["profile"]
    return profile


def work_pieces(profile: dict[str, Any]) -> list[float]:
    """Milliseconds of each uninterrupted piece of work in the extension's scripts and in what they called."""
    ours: set[int] = set()
    for node in profile["nodes"]:
        # A node comes before those that it called.
        if node["id"] in ours or node["callFrame"]["url"].startswith("chrome-extension://"):
            ours |= {node["id"], *node.get("children", [])}
    lasted: list[float] = []
    at = last = 0
    for sample, delta in zip(profile["samples"], profile["timeDeltas"], strict=True):
        at += delta
        if sample not in ours:
            continue
        if at - last > REST_US or not lasted:
            lasted.append(0.0)
        # What a sample stands for is no longer than until the one before it.
        lasted[-1] += min(delta, REST_US) / 1000
        last = at
    return lasted


def session_of(page: Page) -> CDPSession:
    """A session that profiles the page, its content scripts included."""
    session = page.context.new_cdp_session(page)
    session.send("Profiler.enable")
    session.send("Profiler.setSamplingInterval", {"interval": SAMPLED_EVERY_US})
    return session


def open_page(page: Page, generation: Generation) -> None:
    """Opens the page, up to where the panel is there or the page waits for its writer."""
    generation.open(page, "fresh")
    page.wait_for_timeout(700)


def time_mount(context: BrowserContext, generation: Generation) -> list[float]:
    """The longest piece of work of each load, and all of it together; pairs, one after the other."""
    longest, together = [], []
    for _ in range(LOADS):
        page = context.new_page()
        parts = work_pieces(record_profile(session_of(page), lambda page=page: open_page(page, generation)))  # type: ignore[misc]
        longest.append(max(parts))
        together.append(sum(parts))
        page.close()
    print_row(f"  {generation.name}: one piece of work", *format_spread(longest))
    print_row(f"  {generation.name}: all of it", *format_spread(together))
    return longest


def time_keys(context: BrowserContext, generation: Generation) -> None:
    """Types on in the title of a question with a body of 5,000 characters; answers come in between."""
    page = context.new_page()
    open_page(page, generation)
    generation.write(page, TITLE, BODY)
    expect_chips(page)
    # The panel counts its views and loads what explains a chip.
    page.wait_for_timeout(1500)
    page.locator(generation.title).press("End")
    session = session_of(page)
    keys = record_profile(
        session, lambda: page.locator(generation.title).press_sequentially(KEYS, delay=KEY_EVERY_MS, timeout=60_000)
    )
    parts = work_pieces(keys)
    print_row(f"  {generation.name}: a piece of work", *format_spread(parts))
    print_row(f"  {generation.name}: all of it, per key", f"{sum(parts) / len(KEYS):.2f} ms", "", "")
    page.close()


def format_spread(values: list[float]) -> list[str]:
    """Median, 95th percentile and maximum."""
    return [f"{value:.2f} ms" for value in (quantile(values, 0.5), quantile(values, 0.95), max(values))]


def main() -> None:
    """Print the report."""
    folder = Path(tempfile.mkdtemp(prefix="tagalong-"))
    service = RecordingServer(offers=[("pandas", 0.92), ("python", 0.81), ("dataframe", 0.55)])
    service.start()
    try:
        with sync_playwright() as playwright, launch(playwright, folder) as context:
            reset_extension(context, consented_settings(service.url))
            print_row(f"load of the page, {LOADS} times", "p50", "p95", "max")
            for generation in GENERATIONS:
                time_mount(context, generation)
            print_row(f"typing, {len(KEYS)} keys", "p50", "p95", "max")
            for generation in GENERATIONS:
                time_keys(context, generation)
    finally:
        service.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
