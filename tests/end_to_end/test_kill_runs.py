"""Whatever dies meanwhile: the events in the database are what the writer did, none lost, none twice, none skipped.

Each run is drawn by a seed, which a failure prints; `pytest tests/end_to_end/test_kill_runs.py -k "[17]"` runs
one again.
"""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from playwright.sync_api import Error, Playwright
from sqlalchemy import make_url

from backend.postgres.embedded.cluster import PORT
from tests.end_to_end.flaky_proxy import FlakyProxy
from tests.end_to_end.killer import ARGUMENTS, Killer
from tests.end_to_end.process import serving
from tests.end_to_end.seeded_writer import DEBOUNCE_MS, Writer
from tests.extension.browser import consented_settings, eventually, inspector_page, launch, store, stored

ACTS = 6
SEEDS = [1, 2, 3]
MANY_SEEDS = [4, 5, *range(101, 201)]
# Where tags come from: this device alone, or in place of a service that comes and goes.
DEVICE_RUNS = [(11, "device"), (12, "service_then_device")]
MANY_DEVICE_RUNS = [(seed, source) for seed in range(301, 326) for source in ("device", "service_then_device")]
KEYS = "async () => Object.keys(await chrome.storage.local.get(null))"


@pytest.fixture(scope="module")
def service(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the service, a process of its own; all runs have one database, and each is an install in it."""
    with serving(tmp_path_factory.mktemp("data"), TAGALONG_DATABASE_URL=module_database_url) as (_, address, _):
        yield address


class Run:
    """One writer, her browser, and what befalls them."""

    def __init__(self, playwright: Playwright, profile: Path, proxy: FlakyProxy, seed: int, source: str) -> None:
        self._playwright, self._profile, self._proxy = playwright, profile, proxy
        self._chance = random.Random(f"{seed} fate")
        self._open = ExitStack()
        self.writer = Writer(seed, self._startle)
        self.settings = consented_settings(proxy.url, debounce_ms=DEBOUNCE_MS, source=source)
        self.kills = 0

    def _start_browser(self) -> None:
        self.context = self._open.enter_context(launch(self._playwright, self._profile, arguments=ARGUMENTS))
        inspector_page(self.context)
        self._killer = Killer(self._profile)

    def _startle(self) -> None:
        # The first within the act or its telling, others while the worker sees to what the one before has left.
        pauses = [self._chance.uniform(0, 0.4) for _ in range(self._chance.choice([0, 1, 2, 3]))]
        self.kills += len(pauses)
        self._killer.kill_worker_after(*pauses)

    def write(self) -> None:
        """Let her write, while the way to the service opens and closes, and the browser dies once."""
        self._start_browser()
        store(self.context, settings=self.settings)
        self._proxy.flaky = True
        self.writer.begin(self.context)
        dies_before = self._chance.randrange(ACTS * 2)
        for act in range(ACTS):
            if act == dies_before:
                self.writer.acts_done.append("(browser killed)")
                self._killer.kill_browser()
                with suppress(Error):
                    self._open.close()
                self._start_browser()
                self.writer.begin(self.context)
            self._proxy.closed = self._chance.random() < 0.2
            self.writer.step()
        self._killer.rest()

    def drain(self) -> None:
        """The way is good again: what waits is sent."""
        self._proxy.closed = self._proxy.flaky = False
        room = inspector_page(self.context)

        def sent() -> bool:
            # A worker that wakes late tells its pages late.
            room.wait_for_timeout(100)
            if any(key.startswith("held.") for key in room.evaluate(KEYS)):
                return False  # the page waits a moment whether the site keeps a tag
            return bool(room.evaluate("chrome.runtime.sendMessage({type: 'flushOutbox'})")["answer"]["waiting"] == 0)

        assert eventually(sent, 20), stored(self.context, "outbox")
        kept = room.evaluate(KEYS)
        assert [key for key in kept if key.startswith("told.")] == []

    def close(self) -> None:
        self._killer.close()
        self._open.close()


def rows(database: str, statement: str, *values: Any) -> list[dict[str, Any]]:
    """What the database answers; in a thread, as Playwright has this one's event loop."""
    found: list[dict[str, Any]] = []

    async def ask() -> None:
        url = make_url(database)
        connection = await asyncpg.connect(
            user=url.username, password=url.password, database=url.database, host=url.query["host"], port=PORT
        )
        try:
            found.extend(dict(row) for row in await connection.fetch(statement, *values))
        finally:
            await connection.close()

    thread = threading.Thread(target=lambda: asyncio.run(ask()))
    thread.start()
    thread.join()
    return found


def truth_of(events: list[dict[str, Any]]) -> tuple[Any, ...]:
    """What the events of one draft say, in the form of ``Draft.truth``."""
    posted = [(event["tags"], event["question_id"]) for event in events if event["kind"] == "posted"]
    viewed = [event["tag"] for event in events if event["kind"] == "viewed"]
    acts = [(event["kind"], event["tag"]) for event in events if event["kind"] not in ("viewed", "posted", "suggested")]
    assert len(posted) <= 1
    return sorted(viewed), acts, posted[0] if posted else None


def assert_nothing_lost(run: Run, database: str) -> None:
    install = run.settings["install_id"]
    events = rows(database, "SELECT * FROM event WHERE install_id = $1 ORDER BY sequence", install)
    assert rows(database, "SELECT * FROM refused WHERE install_id = $1", install) == []
    assert rows(database, "SELECT * FROM waiting_event WHERE install_id = $1", install) == []
    by_draft: dict[Any, list[dict[str, Any]]] = {}
    for event in events:
        if event["kind"] != "suggested":
            by_draft.setdefault(event["draft_id"], []).append(event)
    answers = [event["suggestion_id"] for event in events if event["kind"] == "suggested"]
    assert len(set(answers)) == len(answers)
    own_answers = "SELECT suggestion.id FROM suggestion JOIN draft ON draft.id = draft_id WHERE install_id = $1"
    recorded = {row["id"] for row in rows(database, f"{own_answers} AND suggestion.origin = 'device'", install)}
    assert set(answers) == recorded
    if run.settings["source"] == "device":
        assert {event["suggestion_id"] for events in by_draft.values() for event in events} - {None} <= recorded
    counted = [draft.truth() for draft in run.writer.drafts if draft.counts]
    assert sorted(map(repr, map(truth_of, by_draft.values()))) == sorted(map(repr, counted))
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    impossible = "SELECT * FROM item JOIN draft ON draft.id = draft_id WHERE install_id = $1 AND impossible"
    assert rows(database, impossible, install) == []


def run_by(
    seed: int, playwright: Playwright, profile: Path, service: str, database: str, source: str = "service"
) -> None:
    print(f"seed {seed}")
    with FlakyProxy(service, random.Random(f"{seed} road")) as proxy:
        run = Run(playwright, profile, proxy, seed, source)
        try:
            run.write()
            run.drain()
            assert_nothing_lost(run, database)
        finally:
            drafts = [draft.truth() for draft in run.writer.drafts]
            print(f"{', '.join(run.writer.acts_done)}; {run.kills} kills; batches {dict(proxy.outcomes)}; {drafts}")
            run.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_done_is_what_is_counted(
    playwright: Playwright, tmp_path: Path, service: str, module_database_url: str, seed: int
) -> None:
    run_by(seed, playwright, tmp_path, service, module_database_url)


@pytest.mark.slow
@pytest.mark.parametrize("seed", MANY_SEEDS)
def test_what_was_done_is_what_is_counted_in_a_hundred_runs(
    playwright: Playwright, tmp_path: Path, service: str, module_database_url: str, seed: int
) -> None:
    run_by(seed, playwright, tmp_path, service, module_database_url)


@pytest.mark.parametrize(("seed", "source"), DEVICE_RUNS)
def test_what_the_device_suggested_is_what_is_counted(
    playwright: Playwright, tmp_path: Path, service: str, module_database_url: str, seed: int, source: str
) -> None:
    run_by(seed, playwright, tmp_path, service, module_database_url, source)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "source"), MANY_DEVICE_RUNS)
def test_what_the_device_suggested_is_what_is_counted_in_many_runs(
    playwright: Playwright, tmp_path: Path, service: str, module_database_url: str, seed: int, source: str
) -> None:
    run_by(seed, playwright, tmp_path, service, module_database_url, source)
