"""`make bench`: starts the real service and prints what a start, an answer and an event cost.

Ratios within one run are worth more than the figures themselves: client and server share the machine.
"""

import asyncio
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psutil

from model.classifier import TIERS, Classifier
from tests.backend.service import a_batch, a_draft, an_event
from tests.end_to_end.process import get, post, serving

RELEASED = Path(__file__).parent.parent / "model" / "released"
TITLE = "How do I merge two pandas DataFrames on the nearest date?"
SENTENCE = "I tried pd.merge(trades, quotes, on='time') but it only joins rows whose dates are equal. "
CLIENTS = (1, 8, 32)
SECONDS = 4.0


def quantile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def line(name: str, *cells: str) -> None:
    """One row of the report."""
    print(f"{name:<44}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


def ms(seconds: float) -> str:
    """Seconds as milliseconds."""
    return f"{seconds * 1000:.2f} ms"


def time_inference(tier: str) -> None:
    """One thread, the text made ready included."""
    started = time.perf_counter()
    classifier = Classifier.load(RELEASED / tier)
    line(f"load the {tier} model", ms(time.perf_counter() - started))
    print()
    line(f"{tier}: inference, title and a body of", "p50", "p99")
    for chars in (0, 500, 2_000, 10_000, 50_000):
        body = (SENTENCE * (chars // len(SENTENCE) + 1))[:chars]
        times = []
        for _ in range(300 if chars < 50_000 else 60):
            started = time.perf_counter()
            classifier.suggest(TITLE, body)
            times.append(time.perf_counter() - started)
        line(f"  {chars:,} characters", ms(quantile(times, 0.5)), ms(quantile(times, 0.99)))


async def load(address: str, path: str, clients: int, message: Callable[[], dict[str, Any]]) -> list[float]:
    """Keep ``clients`` connections busy for some seconds; the time of each request, in seconds."""
    place = urlsplit(address)
    end = time.perf_counter() + SECONDS
    times: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        while time.perf_counter() < end:
            body = json.dumps(message()).encode()
            started = time.perf_counter()
            writer.write(
                f"POST {path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(row.split(b":")[1]) for row in head.lower().split(b"\r\n") if row.startswith(b"content-l")
            )
            await reader.readexactly(length)
            times.append(time.perf_counter() - started)
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{path} answered {head.splitlines()[0].decode()}")
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


def time_http(address: str) -> None:
    """Suggestions with and without their record, and events, over HTTP."""
    body = (SENTENCE * 40)[:2_000]
    draft = a_draft(title=TITLE, body=body)
    given = post(f"{address}/api/v1/suggestions", draft)
    tag = given["items"][0]["tag"]
    sequence = iter(range(1, 1_000_000))

    def events() -> dict[str, Any]:
        more = {"suggestion_id": given["suggestion_id"], "tag": tag, "position": 1}
        return a_batch(draft["install_id"], [an_event("viewed", next(sequence), draft, **more)])

    kinds: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
        "HTTP alone: a batch of no drafts": ("/api/v1/suggestions/batch", lambda: {"drafts": []}),
        "suggestions, not recorded": ("/api/v1/suggestions", lambda: draft | {"record": False}),
        "suggestions, recorded, a new draft each": (
            "/api/v1/suggestions",
            lambda: draft | {"draft_id": str(uuid4()), "install_id": str(uuid4())},
        ),
        "events, one a batch": ("/api/v1/events", events),
    }
    for name, (path, message) in kinds.items():
        print()
        line(name, "a second", "p50", "p99")
        for clients in CLIENTS if "events" not in name else (1,):
            times = asyncio.run(load(address, path, clients, message))
            rate = f"{len(times) / SECONDS:,.0f}"
            line(f"  {clients} clients", rate, ms(quantile(times, 0.5)), ms(quantile(times, 0.99)))


def main() -> None:
    """Print the report."""
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    for tier in TIERS:
        time_inference(tier)
        print()
    folder = Path(tempfile.mkdtemp(prefix="tagalong-"))
    try:
        print()
        for start in ("first start, to the first answer", "second start, to the first answer"):
            started = time.perf_counter()
            with serving(folder / "data") as (process, address, _):
                get(f"{address}/health/ready")
                line(start, f"{time.perf_counter() - started:.2f} s")
                if start.startswith("second"):
                    time_http(address)
                    resident = psutil.Process(process.pid).memory_info().rss / 1e6
                    print()
                    line("resident memory of the service", f"{resident:.0f} MB")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
