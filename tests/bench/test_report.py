"""The bench: what it sends keeps the contract, what it compares with answers, its report says what was measured."""

import importlib
import os
import socket
import subprocess
import sys
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import pytest

from backend.feedback.schemas import EventBatch
from backend.suggestions.schemas import DraftState
from bench.drafts import Writers, batches
from bench.load import Load, LoadFailed, put_load
from bench.measure import CHARS, CLIENTS, FULL, LIGHT, RELEASED, ROOT, Report, Start, Times, listening
from bench.peer import pipeline
from bench.picture import picture
from bench.report import written


def loads(rate: float) -> dict[int, Load]:
    return {n: Load(n, rate * n, 1 / rate, 3 / rate, 0) for n in CLIENTS}


REPORT = Report(
    machine="2 cores",
    inference={tier: {chars: Times(0.001, 0.002) for chars in CHARS} for tier in (LIGHT, FULL)},
    http=loads(6000),
    insert=loads(2000),
    recorded={LIGHT: loads(1000), FULL: loads(100)},
    unrecorded=loads(1200),
    events=loads(300),
    many_events={8: Load(8, 100, 0.01, 0.02, 3)},
    peer=loads(4),
    kind_peer=loads(500),
    starts={LIGHT: Start(4, 2), FULL: Start(5, 3)},
    resident={LIGHT: 200_000_000, FULL: 300_000_000},
    installed=400_000_000,
    wheel=50_000_000,
    models={LIGHT: 24_000_000, FULL: 45_000_000},
)


def test_the_report_has_the_ratios_of_its_own_figures() -> None:
    text = written(REPORT, 180)
    assert "| 1       |                    0.50 |                   250 |      0.004 |" in text
    assert "| events, 20 a request (3 failed) |       8 |    2,000 |   10.0 |   20.0 |" in text
    assert "3.0 minutes: 2 cores" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_has_each_figure_in_words(scheme: str) -> None:
    drawn = ElementTree.fromstring(picture(REPORT, scheme))
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
    sent = [EventBatch.model_validate(each) for each in islice(batches(list(zip(drafts, answers, strict=True)), 2), 4)]
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
    with listening(["-m", "uvicorn", "tests.bench.every_third:app", "--log-level", "critical"]) as address:
        found = put_load(address, [{}], 2, 1)
    assert found.p50 <= found.p99
    answered = found.rate * 1  # in one second
    assert answered == pytest.approx(found.failed / 2, rel=0.2)


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
