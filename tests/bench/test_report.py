"""The bench: what it sends keeps the contract, what it compares with answers, its report says what was measured."""

import importlib
import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import pytest

from backend.feedback.schemas import EventBatch
from backend.suggestions.schemas import DraftState
from bench.drafts import Writers, event_batches
from bench.load import Load, LoadFailed, put_load
from bench.measure import (
    CHARS,
    CLIENTS,
    CLIENTS_OF_TWO,
    FULL,
    LIGHT,
    RELEASED,
    ROOT,
    Percentiles,
    Report,
    StartTimes,
    running_program,
)
from bench.peer import pipeline
from bench.picture import draw_report
from bench.report import format_report


def loads(rate: float) -> dict[int, Load]:
    return {n: Load(n, rate * n, 1 / rate, 3 / rate, 0) for n in CLIENTS}


REPORT = Report(
    machine="2 cores",
    inference={tier: {chars: Percentiles(0.001, 0.002) for chars in CHARS} for tier in (LIGHT, FULL)},
    http=loads(6000),
    insert=loads(2000),
    recorded={LIGHT: loads(1000), FULL: loads(100)},
    two_replicas={n: Load(n, 1500 * n, 0.002, 0.004, 0) for n in CLIENTS_OF_TWO},
    unrecorded=loads(1200),
    events=loads(300),
    many_events={8: Load(8, 100, 0.01, 0.02, 3)},
    peer=loads(4),
    fast_peer=loads(500),
    starts={LIGHT: StartTimes(4, 2), FULL: StartTimes(5, 3)},
    resident={LIGHT: 200_000_000, FULL: 300_000_000},
    installed=400_000_000,
    wheel=50_000_000,
    models={LIGHT: 24_000_000, FULL: 45_000_000},
)


def test_the_report_has_the_ratios_of_its_own_figures() -> None:
    text = format_report(REPORT, 180)
    assert "| 1       |                    0.50 |                   250 |      0.004 |" in text
    assert "| Tagalong, light, recorded, two replicas       |       8 |   12,000 |   2.00 |   4.00 |" in text
    assert [row.split("|")[-2].strip() for row in text.splitlines() if row.startswith(("| 1  ", "| 8  ", "| 32 "))] == [
        "", "1.50", "1.50",
    ]  # fmt: skip
    assert "| events, 20 a request (3 failed) |       8 |    2,000 |   10.0 |   20.0 |" in text
    assert "3.0 minutes: 2 cores" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_has_each_figure_in_words(scheme: str) -> None:
    drawn = ElementTree.fromstring(draw_report(REPORT, scheme))
    words = {each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert {"8 clients", "Tagalong light, recorded", "8,000", "16,000"} <= words


def test_drafts_and_events_are_what_the_contract_asks_for() -> None:
    drafts = Writers().drafts(3)
    assert [DraftState.model_validate_strings(draft).title for draft in Writers().drafts(3)] == [
        draft["title"] for draft in drafts
    ]
    answers = [
        {"suggestion_id": draft["draft_id"], "items": [{"tag": "python", "confident": number > 0}]}
        for number, draft in enumerate(drafts)
    ]
    sent = [
        EventBatch.model_validate(each) for each in islice(event_batches(list(zip(drafts, answers, strict=True)), 2), 4)
    ]
    _, first, second = (draft["install_id"] for draft in drafts)
    assert [str(each.install_id) for each in sent[:3]] == [first, second, first]
    assert [event.kind for each in (sent[0], sent[2]) for event in each.events] == [
        "viewed",
        "accepted",
        "removed",
        "accepted",
    ]


@pytest.fixture(scope="module")
def pickles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("peer")
    pipeline.write(RELEASED / LIGHT / "model.onnx", folder / "one-vs-rest", folder / "one-matrix")
    return folder / "one-vs-rest", folder / "one-matrix"


ASK = """
import json
from bench.peer.app import app
draft = {"title": "How do I merge two pandas DataFrames?", "body": "I use python and pandas."}
print(json.dumps(app.test_client().post("/suggest", json=draft).json))
"""


def test_the_peer_answers_the_same_in_both_forms(pickles: tuple[Path, Path]) -> None:
    plain, kind = (
        subprocess.run(
            [sys.executable, "-c", ASK],
            cwd=ROOT,
            env=os.environ | {"BENCH_PEER": str(path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for path in pickles
    )
    assert plain == kind
    assert '"pandas"' in plain


def test_what_is_refused_is_no_throughput() -> None:
    with running_program(["-m", "uvicorn", "tests.bench.failing_server:app", "--log-level", "critical"]) as address:
        found = put_load(address, [{}], 2, 1)
    assert found.p50 <= found.p99
    answered = found.rate * 1  # in one second
    assert answered == pytest.approx(found.failed / 2, rel=0.2)


class Received(BaseHTTPRequestHandler):
    """Notes what is posted to its server."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.numbers.append(json.loads(body)["number"])  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_replicas_share_the_messages() -> None:
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Received) for _ in range(2)]
    try:
        for server in servers:
            server.numbers = []  # type: ignore[attr-defined]
            threading.Thread(target=server.serve_forever).start()
        first, second = (f"http://127.0.0.1:{server.server_port}/" for server in servers)
        found = put_load(first, [{"number": number} for number in range(4)], 2, 1, replicas=[second])
        assert [set(server.numbers) for server in servers] == [{0, 2}, {1, 3}]  # type: ignore[attr-defined]
        assert found.rate > max(len(server.numbers) for server in servers)  # type: ignore[attr-defined]
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def test_a_load_that_nobody_answers_fails() -> None:
    with pytest.raises(LoadFailed):
        put_load("http://127.0.0.1:9/", [{}], 1, 1)


def test_a_load_that_is_not_answered_in_time_has_no_throughput() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = put_load(f"http://127.0.0.1:{silent.getsockname()[1]}/", [{}], 1, 1)
    assert (found.rate, found.p99, found.failed) == (0, 1, 0)


@pytest.mark.parametrize("module", ["chips", "report", "scale", "switch", "typing"])
def test_what_measures_can_be_loaded(module: str) -> None:
    """Most of them take minutes and run by hand alone."""
    importlib.import_module(f"bench.{module}")
