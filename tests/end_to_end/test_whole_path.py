"""From a keystroke to an acceptance rate: real browser, extension, service, model and database together.

A person writes a question, and counts along with pencil and paper; the admin's page must say the same.
"""

import csv
import io
import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, expect

from tests.end_to_end.process import as_admin, free_port, get, serving
from tests.extension.browser import (
    ask_page,
    chip,
    chips,
    chosen,
    consent,
    eventually,
    kill_worker,
    launch,
    look,
    side,
    store,
    stored,
    suggested,
)

TITLE = "How do I merge two pandas DataFrames on the nearest date?"
BODY = """I have two frames in Python, one with trades and one with quotes:

    import pandas as pd
    trades = pd.DataFrame({"time": times, "price": prices})

`pd.merge` only joins dates that are equal. How do I join each row to the last one before it?
"""
OWN_TAG = "join"

# Longer than any pause between two keys here, so that no answer is to a half-typed line. Milliseconds.
DEBOUNCE_MS = 400


@dataclass
class Tally:
    """What the person noted down: the chips she saw, and what she did with them."""

    seen: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    dismissed: set[str] = field(default_factory=set)
    posted: set[str] = field(default_factory=set)


def shown(page: Page) -> set[str]:
    """The tags of the chips on screen."""
    return set(suggested(page))


def viewed(context: BrowserContext) -> set[str]:
    """The tags whose chips the extension has counted as viewed, in any draft."""
    return {tag for draft in (stored(context, "drafts") or {}).values() for tag in draft["items"]}


def is_settled(page: Page) -> bool:
    """Whether no answer is on its way, as far as one can see, and every chip was in sight for long enough."""
    before = shown(page)
    page.wait_for_timeout(2 * DEBOUNCE_MS)
    return before == shown(page) and before <= viewed(page.context)


def note(page: Page, tally: Tally) -> None:
    """Look at the chips until nothing changes any more, and note what there is to see."""
    for _ in range(5):
        if eventually(lambda: is_settled(page), 20):
            tally.seen |= shown(page)
            return
        # On a busy machine an answer can come without its record, and nothing is counted then: she writes on.
        page.locator("#wmd-input").press_sequentially(".")
    raise AssertionError(f"of {shown(page)}, only {viewed(page.context)} were counted as viewed")


def write_question(page: Page, tally: Tally) -> None:
    """Type title and body, and look at the chips."""
    page.locator("#title").press_sequentially(TITLE, delay=5)
    expect(chips(page)).not_to_have_count(0)
    note(page, tally)
    page.locator("#wmd-input").press_sequentially(BODY, delay=1)
    note(page, tally)
    assert len(tally.seen) >= 3, "the question is meant to have more tags than the person takes"


def choose_tags(page: Page, tally: Tally) -> None:
    """Accept two chips, take one of them out again, dismiss a third, restore it, and type it by hand."""
    first, second, third = suggested(page)[:3]
    for tag in (first, second):
        chip(page, tag).click()
        expect(chosen(page).filter(has_text=re.compile(f"^{re.escape(tag)}"))).to_have_count(1)
        tally.accepted.add(tag)
        note(page, tally)
    chosen(page).filter(has_text=re.compile(f"^{re.escape(second)}")).locator(".js-delete-tag").click()
    note(page, tally)
    side(page, third).click()
    expect(look(page, third)).to_have_attribute("data-look", "dismissed")
    side(page, third).click()
    note(page, tally)
    page.locator("#tageditor-replacing-tagnames--input").press_sequentially(f"{third} {OWN_TAG} ")
    note(page, tally)
    tally.posted |= {first, third, OWN_TAG}


def post_question(page: Page) -> None:
    """Review, post, and arrive at the question."""
    page.locator(".js-begin-review-button").click()
    page.locator("#submit-button").click()
    page.wait_for_url(re.compile(r"/questions/\d+"))


def events_of(address: str, install_id: str) -> list[dict[str, Any]]:
    """The events that the service has of an install."""
    try:
        events: list[dict[str, Any]] = get(f"{address}/api/v1/installs/{install_id}")["events"]
    except (urllib.error.URLError, ConnectionError):
        return []
    return events


def assert_the_admin_sees(data_dir: Path, address: str, install_id: str, tally: Tally) -> None:
    """Page, JSON and CSV show the fractions that the person counted."""
    exported = get(f"{address}/api/v1/installs/{install_id}")
    (draft,) = exported["drafts"]
    assert draft["posted_tags"] is not None
    offered = {tag for given in draft["suggestions"] for tag in given["tags"][: given["confident"]]}
    assert tally.seen <= offered
    kept = tally.accepted & tally.posted
    agreed = tally.seen & tally.posted
    fractions = {
        "acceptance": (len(tally.accepted), len(tally.seen)),
        "kept": (len(kept), len(tally.seen)),
        "agreement": (len(agreed), len(tally.seen)),
        "dismissal": (len(tally.dismissed), len(tally.seen)),
        "help": (1, 1),
        "coverage": (1, 1),
        "jaccard": (len(offered & tally.posted), len(offered | tally.posted)),
        "missed": (len(tally.posted - offered), len(tally.posted)),
    }
    rows = json.loads(as_admin(data_dir, f"{address}/metrics/overview.json"))["rows"]
    told = {row["figure"]: (row["result"]["numerator"], row["result"]["denominator"]) for row in rows}
    assert {name: told[name] for name in fractions} == fractions

    table = csv.DictReader(io.StringIO(as_admin(data_dir, f"{address}/metrics/overview.csv")))
    told = {row["figure"]: (int(row["numerator"]), int(row["denominator"])) for row in table}
    assert {name: told[name] for name in fractions} == fractions

    page = as_admin(data_dir, f"{address}/metrics", accept="text/html")
    for name in ("acceptance", "kept", "agreement", "dismissal"):
        assert f"{fractions[name][0]} of {fractions[name][1]}" in page

    tags = {row["tag"]: row for row in json.loads(as_admin(data_dir, f"{address}/metrics/tags.json"))["rows"]}
    assert {tag for tag, row in tags.items() if row["acceptance"]["n"]} == tally.seen
    assert {tag for tag, row in tags.items() if row["acceptance"]["numerator"]} == tally.accepted
    books = json.loads(as_admin(data_dir, f"{address}/metrics/bookkeeping.json"))["rows"]
    faults = {row["name"]: row["n"] for row in books if row["name"] in ("lost", "impossible")}
    assert faults == {"lost": 0, "impossible": 0}


@contextmanager
def writing(playwright: Playwright, folder: Path, address: str) -> Iterator[tuple[BrowserContext, str]]:
    """A browser whose writer has agreed to everything, and her install's id."""
    with launch(playwright, folder / "profile") as context:
        store(context, settings={"server": address, "debounce_ms": DEBOUNCE_MS})
        consent(context)
        yield context, stored(context, "settings")["install_id"]


def complete(address: str, install_id: str) -> bool:
    """Whether the service has heard everything up to the post, without a gap."""
    events = events_of(address, install_id)
    sequences = sorted(event["sequence"] for event in events)
    return any(event["kind"] == "posted" for event in events) and sequences == list(range(1, len(sequences) + 1))


def test_what_a_writer_does_is_what_the_admin_reads(playwright: Playwright, short_folder: Path) -> None:
    data_dir = short_folder / "data"
    with (
        serving(data_dir) as (_, address, _),
        writing(playwright, short_folder, address) as (context, install_id),
    ):
        page, tally = ask_page(context), Tally()
        write_question(page, tally)
        choose_tags(page, tally)
        post_question(page)
        assert eventually(lambda: complete(address, install_id), 30)
        assert_the_admin_sees(data_dir, address, install_id, tally)


def test_nothing_is_lost_while_the_service_is_away(playwright: Playwright, short_folder: Path) -> None:
    data_dir, port = short_folder / "data", free_port()
    address = f"http://127.0.0.1:{port}"
    with writing(playwright, short_folder, address) as (context, install_id):
        with serving(data_dir, TAGALONG_PORT=port):
            page, tally = ask_page(context), Tally()
            write_question(page, tally)
        # What she does now with the chips that she has waits on her disk.
        choose_tags(page, tally)
        post_question(page)
        with serving(data_dir, TAGALONG_PORT=port):
            ask_page(context)
            assert eventually(lambda: complete(address, install_id), 90)
            assert_the_admin_sees(data_dir, address, install_id, tally)


@pytest.mark.slow
def test_nothing_is_lost_when_the_worker_is_killed(playwright: Playwright, short_folder: Path) -> None:
    data_dir = short_folder / "data"
    with (
        serving(data_dir) as (_, address, _),
        writing(playwright, short_folder, address) as (context, install_id),
    ):
        page, tally = ask_page(context), Tally()
        write_question(page, tally)
        kill_worker(context)
        page.bring_to_front()
        choose_tags(page, tally)
        kill_worker(context)
        page.bring_to_front()
        post_question(page)
        kill_worker(context)
        ask_page(context)
        assert eventually(lambda: complete(address, install_id), 90)
        assert_the_admin_sees(data_dir, address, install_id, tally)


def test_a_closed_service_serves_those_who_have_its_key(playwright: Playwright, short_folder: Path) -> None:
    data_dir, key = short_folder / "data", "open sesame, and be quick"
    with (
        serving(data_dir, TAGALONG_API_KEY=key) as (_, address, _),
        writing(playwright, short_folder, address) as (context, _),
    ):
        page = ask_page(context)
        page.locator("#title").press_sequentially(TITLE, delay=5)
        page.wait_for_timeout(5 * DEBOUNCE_MS)
        expect(chips(page)).to_have_count(0)
        page.close()

        store(context, settings={**stored(context, "settings"), "api_key": key})
        page = ask_page(context)
        page.locator("#title").press_sequentially(TITLE, delay=5)
        expect(chips(page)).not_to_have_count(0)
        note(page, Tally())

        def viewed_items() -> int:
            rows = json.loads(as_admin(data_dir, f"{address}/metrics/overview.json"))["rows"]
            items: int = next(row["result"]["denominator"] for row in rows if row["figure"] == "acceptance")
            return items

        assert eventually(lambda: viewed_items() > 0, 60)


@pytest.mark.slow
def test_every_event_sent_three_times_counts_once(playwright: Playwright, short_folder: Path) -> None:
    data_dir = short_folder / "data"
    with (
        serving(data_dir) as (_, address, _),
        repeating(address) as (repeated, receipts),
        writing(playwright, short_folder, repeated) as (context, install_id),
    ):
        page, tally = ask_page(context), Tally()
        write_question(page, tally)
        choose_tags(page, tally)
        post_question(page)
        assert eventually(lambda: complete(address, install_id), 30)
        assert_the_admin_sees(data_dir, address, install_id, tally)
        assert sum(receipt["known"] for receipt in receipts) == 2 * sum(receipt["new"] for receipt in receipts)


@contextmanager
def repeating(address: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A way to the service on which every batch of events arrives three times; and all receipts."""
    receipts: list[dict[str, Any]] = []

    class Repeater(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for _ in range(3 if self.path == "/api/v1/events" else 1):
                request = urllib.request.Request(address + self.path, body, {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=60) as response:
                    answer = response.read()
                if self.path == "/api/v1/events":
                    receipts.append(json.loads(answer))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Repeater)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", receipts
    finally:
        server.shutdown()
        server.server_close()
