"""What is measured for the report, one thing after the other, each with the machine to itself."""

import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import distributions
from itertools import islice
from pathlib import Path
from re import findall
from typing import Any
from urllib.error import HTTPError

import psutil
from sqlalchemy import make_url

from backend.postgres.embedded.service import EmbeddedPostgres
from bench.drafts import Writers, event_batches
from bench.lines import quantile
from bench.load import Load, LoadFailed, put_load
from bench.peer import pipeline
from model.serving.classifier import Classifier
from tests.end_to_end.process import free_port, get, post, serving

ROOT = Path(__file__).parent.parent
RELEASED = ROOT / "model" / "released"
SERVE_LOCK = ROOT / "requirements" / "serve.txt"
LIGHT, FULL = "light", "full"
CLIENTS = (1, 8, 32)
CLIENTS_OF_TWO = (8, 32)
CHARS = (0, 500, 2_000, 10_000, 50_000)
SECONDS = 4
# More than any route answers in that time; after the last it is the first one's turn again, which costs no less.
MESSAGES = 10_000
SUGGESTIONS, EVENTS = "/api/v1/suggestions", "/api/v1/events"
MANY_EVENTS = 20
# What an answer of the plain peer takes at most.
PEER_SECONDS = 1.0
# The service's log has no line for each request, as the others' have none.
QUIET: dict[str, Any] = {"TAGALONG_LOG_LEVEL": "warning"}

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Median and 99th percentile, in seconds."""

    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class StartTimes:
    """Seconds from the command to the first answer: with a database to be made, and with one that is there."""

    first: float
    again: float


@dataclass(frozen=True, slots=True)
class Report:
    """One run. Loads are by number of clients; inference is by tier and characters of the body; sizes are in bytes.

    ``resident`` is the service's own memory after all loads, PostgreSQL's not counted.
    """

    machine: str
    inference: dict[str, dict[int, Percentiles]]
    http: dict[int, Load]
    insert: dict[int, Load]
    recorded: dict[str, dict[int, Load]]
    two_replicas: dict[int, Load]
    unrecorded: dict[int, Load]
    events: dict[int, Load]
    many_events: dict[int, Load]
    peer: dict[int, Load]
    fast_peer: dict[int, Load]
    starts: dict[str, StartTimes]
    resident: dict[str, int]
    installed: int
    wheel: int
    models: dict[str, int]


def measure(progress: Progress) -> Report:
    """Measure everything, in some minutes."""
    writers = Writers()
    with tempfile.TemporaryDirectory(prefix="tagalong-") as scratch:
        folder = Path(scratch)
        progress("sizes")
        wheel = size_of_wheel(folder / "wheel")
        inference = {}
        for tier in (LIGHT, FULL):
            progress(f"inference, {tier}")
            inference[tier] = time_inference(RELEASED / tier, writers)
        starts = {}
        for tier in (LIGHT, FULL):
            progress(f"cold start, {tier}")
            starts[tier] = time_starts(folder / f"start-{tier}", tier)
        database = EmbeddedPostgres(folder / "database")
        url = database.start()
        try:
            progress("floors")
            with running_floor(url) as address:
                http = measure_loads(f"{address}/read", lambda: writers.drafts(MESSAGES))
                insert = measure_loads(f"{address}/insert", lambda: writers.drafts(MESSAGES))
            progress(f"suggestions and events, {LIGHT}")
            with running_service(folder, url, LIGHT) as (address, resident):
                light = measure_loads(address + SUGGESTIONS, lambda: writers.drafts(MESSAGES))
                unrecorded = measure_loads(address + SUGGESTIONS, lambda: writers.drafts(MESSAGES, record=False))
                events, many_events = load_events(address, writers)
                light_resident = resident()
                progress(f"suggestions, {LIGHT}, two replicas")
                with running_service(folder, url, LIGHT) as (second, _):
                    two = measure_loads(
                        address + SUGGESTIONS, lambda: writers.drafts(MESSAGES), CLIENTS_OF_TWO, replicas=[second]
                    )
            progress(f"suggestions, {FULL}")
            with running_service(folder, url, FULL) as (address, resident):
                full = measure_loads(address + SUGGESTIONS, lambda: writers.drafts(MESSAGES))
                full_resident = resident()
        finally:
            database.stop()
        progress("the peer")
        plain, fast = load_peers(folder, writers)
    return Report(
        machine=describe_machine(),
        inference=inference,
        http=http,
        insert=insert,
        recorded={LIGHT: light, FULL: full},
        two_replicas=two,
        unrecorded=unrecorded,
        events=events,
        many_events=many_events,
        peer=plain,
        fast_peer=fast,
        starts=starts,
        resident={LIGHT: light_resident, FULL: full_resident},
        installed=size_of_installed(),
        wheel=wheel,
        models={tier: sum(file.stat().st_size for file in (RELEASED / tier).iterdir()) for tier in (LIGHT, FULL)},
    )


def load_peers(folder: Path, writers: Writers) -> tuple[dict[int, Load], dict[int, Load]]:
    """Load the peer as scikit-learn makes it, and with all its weights in one matrix."""
    one_vs_rest, one_matrix = folder / "one-vs-rest.pickle", folder / "one-matrix.pickle"
    pipeline.write(RELEASED / LIGHT / "model.onnx", one_vs_rest, one_matrix)
    with running_peer(one_vs_rest) as address:
        plain = measure_loads(f"{address}/suggest", lambda: writers.drafts(100), an_answer=PEER_SECONDS)
    with running_peer(one_matrix) as address:
        return plain, measure_loads(f"{address}/suggest", lambda: writers.drafts(MESSAGES))


def describe_machine() -> str:
    """The machine in a few words."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB of memory, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def measure_loads(
    url: str,
    messages: Callable[[], list[dict[str, Any]]],
    clients: Sequence[int] = CLIENTS,
    an_answer: float = 0.0,
    replicas: Sequence[str] = (),
) -> dict[int, Load]:
    """Load an address with different numbers of clients, each with new messages, after a second to warm up.

    Where ``an_answer`` takes long, in seconds, it lasts until each client has had one. The ``replicas``, by their
    addresses, take their share.
    """
    with suppress(LoadFailed):
        put_load(url, messages()[:500], 1 + len(replicas), 1, replicas=replicas)
    return {n: put_load(url, messages(), n, max(SECONDS, round(n * an_answer)), replicas=replicas) for n in clients}


def load_events(address: str, writers: Writers) -> tuple[dict[int, Load], dict[int, Load]]:
    """Load the service with events, one a request by all numbers of clients, and many a request by 8."""
    answered_drafts = [(draft, ask_until_answered(address, draft)) for draft in writers.drafts(500)]
    one, many = event_batches(answered_drafts, 1), event_batches(answered_drafts, MANY_EVENTS)
    return (
        measure_loads(address + EVENTS, lambda: list(islice(one, MESSAGES))),
        measure_loads(address + EVENTS, lambda: list(islice(many, MESSAGES // MANY_EVENTS)), [8]),
    )


def ask_until_answered(address: str, draft: dict[str, Any]) -> dict[str, Any]:
    """The service's answer to a draft, however long the line before it is since the last load."""
    while True:
        try:
            return post(address + SUGGESTIONS, draft)
        except HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(float(error.headers["Retry-After"]))


def time_inference(model: Path, writers: Writers) -> dict[int, Percentiles]:
    """Time the classifier in one thread, the text made ready included."""
    classifier = Classifier.load(model)
    percentiles = {}
    for chars in CHARS:
        times = []
        for draft in writers.drafts(200, chars=chars):
            started = time.perf_counter()
            classifier.suggest(draft["title"], draft["body"])
            times.append(time.perf_counter() - started)
        percentiles[chars] = Percentiles(quantile(times, 0.5), quantile(times, 0.99))
    return percentiles


def time_starts(folder: Path, tier: str) -> StartTimes:
    """Time a first and a second start, each with the shipped way: the embedded database."""
    times = []
    for _ in range(2):
        started = time.perf_counter()
        with serving(folder, **QUIET, TAGALONG_MODEL_TIER=tier) as (_, address, _):
            get(f"{address}/health/ready")
            times.append(time.perf_counter() - started)
    return StartTimes(*times)


@contextmanager
def running_service(folder: Path, url: str, tier: str) -> Iterator[tuple[str, Callable[[], int]]]:
    """The service on a database: its address, and how to ask for its resident memory in bytes."""
    settings: dict[str, Any] = {"TAGALONG_MODEL_TIER": tier, "TAGALONG_DATABASE_URL": url}
    data = Path(tempfile.mkdtemp(dir=folder))
    with serving(data, **QUIET, **settings) as (process, address, _):
        yield address, lambda: psutil.Process(process.pid).memory_info().rss


@contextmanager
def running_floor(url: str) -> Iterator[str]:
    """The bare application of `bench.floor` on a database."""
    database = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    command = ["-m", "uvicorn", "bench.floor:app", "--log-level", "warning", "--no-access-log"]
    with running_program(command, BENCH_DATABASE=database) as address:
        yield address


@contextmanager
def running_peer(pickled: Path) -> Iterator[str]:
    """The peer with one of its pipelines."""
    command = ["-m", "gunicorn", "bench.peer.app:app", "--workers", "2", "--preload", "--timeout", "120"]
    command += ["--log-level", "warning"]
    with running_program(command, BENCH_PEER=str(pickled)) as address:
        yield address


@contextmanager
def running_program(command: Sequence[str], **environment: str) -> Iterator[str]:
    """A Python program with the arguments ``command``, from when it answers to the block's end: its address."""
    port = free_port()
    where = ["--port", port] if "uvicorn" in command else ["--bind", f"127.0.0.1:{port}"]
    process = subprocess.Popen([sys.executable, *command, *where], cwd=ROOT, env=os.environ | environment)
    try:
        while not is_listening(port):
            if process.poll() is not None:
                raise RuntimeError(f"{command[1]} ended with {process.returncode}")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def is_listening(port: str) -> bool:
    """Whether anybody listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", int(port))).close()
    except OSError:
        return False
    return True


def size_of_installed() -> int:
    """Bytes of the files of all distributions that the lock for serving names."""
    locked = {name.lower().replace("_", "-") for name in findall(r"(?m)^([\w.-]+)==", SERVE_LOCK.read_text())}
    files = [
        Path(str(file.locate()))
        for distribution in distributions()
        if distribution.name.lower().replace("_", "-") in locked
        for file in distribution.files or []
    ]
    return sum(file.stat().st_size for file in files if file.is_file())


def size_of_wheel(folder: Path) -> int:
    """Bytes of the wheel, built into a folder."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl")).stat().st_size
