"""`python -m bench.switch`: what deploying and rolling back cost the writers, under load, in the real service.

Clients keep the service busy with recorded drafts all the while. Each step is written to the database as the commands
write it once their checks are done; "the switch" is the time from there until `SETTLED` seconds later, in which the
service sees it, loads the version, warms it up and serves it. Client and service share the machine.
"""

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.service import OPERATOR
from backend.deployments import registry, service
from backend.postgres.database import Database
from backend.postgres.embedded.service import EmbeddedPostgres
from bench.drafts import Writers
from bench.measure import describe_machine
from bench.report import format_ms, format_table
from model.serving.classifier import DEFAULT_TIER, TIERS
from tests.backend.deployments.registry import register
from tests.end_to_end.process import serving

CLIENTS = 32
WARM_UP, USUAL, SETTLED = 3.0, 10.0, 5.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its end on the clock, its time in seconds, its status line, and the version that answered."""

    at: float
    seconds: float
    status: bytes
    version: str | None


@dataclass
class Load:
    """Clients that ask one draft after the other, until `stop` is set."""

    address: str
    writers: Writers = field(default_factory=Writers)
    done: list[Request] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def client(self) -> None:
        """Ask on one connection, opened again if it is closed."""
        place = urlsplit(self.address)
        while not self.stop.is_set():
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            try:
                while not self.stop.is_set():
                    draft = json.dumps(self.writers.draft()).encode()
                    started = time.perf_counter()
                    status, content = await post_draft(reader, writer, place.netloc, draft)
                    now = time.perf_counter()
                    version = json.loads(content).get("model_version") if status.endswith(b" 200 OK") else None
                    self.done.append(Request(now, now - started, status, version))
            except (OSError, asyncio.IncompleteReadError) as error:
                now = time.perf_counter()
                self.done.append(Request(now, now - started, repr(error).encode(), None))
            finally:
                writer.close()


async def post_draft(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, draft: bytes
) -> tuple[bytes, bytes]:
    """Send a draft; the status line and the content of what comes back."""
    head = (
        f"POST /api/v1/suggestions HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(draft)}\r\n\r\n"
    )
    writer.write(head.encode() + draft)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = next(int(row.split(b":")[1]) for row in answer.lower().split(b"\r\n") if row.startswith(b"content-l"))
    return answer.split(b"\r\n", 1)[0], await reader.readexactly(length)


HEAD = (f"{CLIENTS} clients", "requests", "failed", "p50 ms", "p99 ms", "longest ms", "by version 1")


def format_row(name: str, done: list[Request]) -> list[str]:
    """A row of the report."""
    times = sorted(request.seconds for request in done)
    failed = sum(request.version is None for request in done)
    by_new = sum(request.version is not None and request.version.endswith("-test0001") for request in done)
    figures = [format_ms(times[len(times) // 2]), format_ms(times[len(times) * 99 // 100]), format_ms(times[-1])]
    return [name, f"{len(done):,}", str(failed), *figures, f"{by_new / len(done):.1%}"]


async def measure(address: str, url: str, models: Path) -> bool:
    """Keep the service busy, deploy and roll back; whether no request failed."""
    database = Database(url)

    async def deploy(share: float) -> None:
        async with database.session() as session:
            version = registry.read_version(models, 1)
            await service.deploy(session, version, share=share, actor=OPERATOR, now=datetime.now(UTC))

    async def end(how: Callable[[AsyncSession], Awaitable[object]]) -> None:
        async with database.session() as session:
            await how(session)

    async def promote(session: AsyncSession) -> None:
        challenger = (await service.read_running(session)).challenger
        assert challenger is not None
        await service.promote(session, challenger.id, actor=OPERATOR, reason="bench", now=datetime.now(UTC))

    async def roll_back(session: AsyncSession) -> None:
        running = await service.read_running(session)
        ending = running.challenger or running.champion
        assert ending is not None
        await service.roll_back(session, ending.id, actor=OPERATOR, reason="bench", now=datetime.now(UTC))

    load = Load(address)
    clients = [asyncio.create_task(load.client()) for _ in range(CLIENTS)]
    spans: list[tuple[str, float, float]] = []

    async def span(name: str, step: Awaitable[None] | None, seconds: float) -> None:
        began = time.perf_counter()
        if step is not None:
            await step
        await asyncio.sleep(seconds)
        spans.append((name, began, time.perf_counter()))

    await asyncio.sleep(WARM_UP)
    await span("usual", None, USUAL)
    await span("deploy to 10 %", deploy(0.1), SETTLED)
    await span("share grows to 50 %", deploy(0.5), SETTLED)
    await span("usual, two versions", None, USUAL)
    await span("roll back the challenger", end(roll_back), SETTLED)
    await span("deploy to 50 %", deploy(0.5), SETTLED)
    await span("promote", end(promote), SETTLED)
    await span("roll back the champion", end(roll_back), SETTLED)
    await span("usual again", None, USUAL)
    load.stop.set()
    await asyncio.gather(*clients)
    await database.close()

    def within(began: float, ended: float) -> list[Request]:
        return [request for request in load.done if began <= request.at < ended]

    print(format_table(HEAD, [format_row(name, within(began, ended)) for name, began, ended in spans]))
    failures = {request.status.decode() for request in load.done if request.version is None}
    for failure in sorted(failures):
        print(f"failed: {failure}")
    return not failures


@click.command()
@click.option("--tier", type=click.Choice(TIERS), default=DEFAULT_TIER, show_default=True)
def main(tier: str) -> None:
    """Print the report; end with 1 if a request failed."""
    print(f"{describe_machine()}; {tier}\n")
    folder = Path(tempfile.mkdtemp(prefix="tagalong-"))
    try:
        register(folder / "models", 1, tier=tier)
        settings: dict[str, Any] = {"MODELS_DIR": str(folder / "models"), "MODEL_TIER": tier, "LOG_LEVEL": "warning"}
        with serving(folder / "data", **{f"TAGALONG_{name}": value for name, value in settings.items()}) as (
            _,
            address,
            _,
        ):
            url = EmbeddedPostgres(folder / "data").running_url()
            assert url is not None
            no_failure = asyncio.run(measure(address, url, folder / "models"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not no_failure:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
