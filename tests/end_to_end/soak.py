"""A soak: the service at four fifths of what it can do, for minutes; does it leak, does it lose?

python -m tests.end_to_end.soak --seconds 600
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil

from backend.demo.writers import read_questions
from tests.deploy.load import Ledger, Writer
from tests.end_to_end.process import run, serving
from tests.end_to_end.stored import stored_events

CLIENTS = 8
MEASURE = 10.0  # seconds, to know the capacity
SHARE = 0.8
SAMPLE = 2.0  # seconds between two looks at the memory
WARM_UP = 0.3  # of the time, in which caches and pools may fill


@dataclass(frozen=True)
class Soaked:
    """What came of it. Drafts are asked for and their events sent: two requests each."""

    seconds: float
    capacity: float  # drafts a second
    drafts: int
    requests: int
    failed: int
    refused_as_overload: int
    unrecorded: int
    acknowledged: int
    lost: int
    doubled: int
    recount: str
    p50_ms: float
    p99_ms: float
    memory_mb: float
    growth_mb_a_minute: float  # slope of the memory after the warm-up


class Load:
    """Writers and what they write, in turn."""

    def __init__(self, address: str) -> None:
        limits = httpx2.Limits(max_connections=100, max_keepalive_connections=100)
        self.client = httpx2.AsyncClient(base_url=address, limits=limits, timeout=30)
        self.ledger = Ledger()
        self.took: list[float] = []
        self._questions = read_questions()
        self._writers = [Writer(states=20) for _ in range(50)]
        self._n = 0

    async def draft(self) -> None:
        """One more draft by the next writer; bodies are of many lengths."""
        self._n += 1
        question = self._questions[self._n % len(self._questions)]
        started = time.perf_counter()
        body = f"{question.title}. " * (self._n % 40)
        await self._writers[self._n % len(self._writers)].draft(
            self.client, self.ledger, title=question.title, body=body
        )
        self.took.append(time.perf_counter() - started)


async def capacity(load: Load) -> float:
    """Drafts a second that a few clients get answered, each with the next one at once."""
    end = time.perf_counter() + MEASURE

    async def one_after_the_other() -> int:
        n = 0
        while time.perf_counter() < end:
            await load.draft()
            n += 1
        return n

    return sum(await asyncio.gather(*(one_after_the_other() for _ in range(CLIENTS)))) / MEASURE


async def at_pace(load: Load, pace: float, seconds: float) -> None:
    """Begin drafts evenly, whether the ones before are answered or not."""
    running: set[asyncio.Task[None]] = set()
    began = time.perf_counter()
    for n in range(int(pace * seconds)):
        await asyncio.sleep(max(0.0, began + n / pace - time.perf_counter()))
        task = asyncio.create_task(load.draft())
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)


def slope(samples: list[tuple[float, float]]) -> float:
    """MB a minute, by least squares over what came after the warm-up."""
    settled = samples[int(len(samples) * WARM_UP) :]
    times, sizes = [at / 60 for at, _ in settled], [size for _, size in settled]
    return statistics.linear_regression(times, sizes).slope


async def soak(data_dir: Path, seconds: float, **settings: Any) -> Soaked:
    """Serve from a new data folder, find the capacity, and go on at a part of it."""
    samples: list[tuple[float, float]] = []
    with serving(data_dir, **settings) as (process, address, _):
        service = psutil.Process(process.pid)
        load = Load(address)

        async def watch() -> None:
            while True:
                samples.append((time.perf_counter(), service.memory_info().rss / 1e6))
                await asyncio.sleep(SAMPLE)

        async with load.client:
            await capacity(load)  # warms up
            most = await capacity(load)
            load.took.clear()
            before = load.ledger.answered
            watching = asyncio.create_task(watch())
            await at_pace(load, SHARE * most, seconds)
            watching.cancel()
        recount = run(data_dir, "recount").stdout.strip()
    stored = await stored_events(data_dir)
    ledger, took = load.ledger, sorted(load.took)
    for fault in [each for each in ledger.failed if "Overloaded" not in each]:
        print(fault)
    overload = sum("Overloaded" in each for each in ledger.failed)
    return Soaked(
        seconds=seconds,
        capacity=round(most, 1),
        drafts=len(took),
        requests=ledger.answered - before,
        failed=len(ledger.failed) - overload,
        refused_as_overload=overload,
        unrecorded=ledger.unrecorded,
        acknowledged=len(ledger.acknowledged),
        lost=len(set(ledger.acknowledged) - set(stored)),
        doubled=len(stored) - len(set(stored)),
        recount=recount,
        p50_ms=round(1000 * took[len(took) // 2], 1),
        p99_ms=round(1000 * took[int(len(took) * 0.99)], 1),
        memory_mb=round(samples[-1][1], 1),
        growth_mb_a_minute=round(slope(samples), 3),
    )


def main() -> None:
    """Soak, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--tier", choices=["full", "light"], default="full")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tagalong-") as folder:
        soaked = asyncio.run(soak(Path(folder) / "data", asked.seconds, TAGALONG_MODEL_TIER=asked.tier))
    print(json.dumps(asdict(soaked), indent=1))


if __name__ == "__main__":
    main()
