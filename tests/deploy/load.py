"""Writers that never stop: they ask, send events, and record every answer, for tests of faults."""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2

from tests.backend.service import a_batch, a_draft, an_event


@dataclass
class Ledger:
    """What was answered: ids of events that the service acknowledged, and requests that failed."""

    answered: int = 0
    acknowledged: list[str] = field(default_factory=list)
    unrecorded: int = 0
    failed: list[str] = field(default_factory=list)


async def write(
    address: str,
    ledger: Ledger,
    stop: asyncio.Event,
    *,
    verify: ssl.SSLContext | bool = True,
    keep: bool = True,
    pause: float = 0.03,
) -> None:
    """One writer: a draft, then the events of what it looked at, over and over, until told to stop.

    Args:
        keep: go on with one connection, as a browser does; else each request makes its own.
        pause: seconds between one draft and the next.
    """
    limits = httpx2.Limits() if keep else httpx2.Limits(max_keepalive_connections=0)
    async with httpx2.AsyncClient(base_url=address, verify=verify, limits=limits, timeout=30) as client:
        writer = Writer()
        while not stop.is_set():
            await writer.draft(client, ledger)
            await asyncio.sleep(pause)


@dataclass
class Writer:
    """An install, and how many events it has given a number.

    Args:
        states: how many states of a draft it asks about before it begins another one.
    """

    states: int = 1
    install_id: str = field(default_factory=lambda: str(uuid4()))
    sequence: int = 0
    _draft_id: str = ""
    _asked: int = 0

    async def draft(self, client: httpx2.AsyncClient, ledger: Ledger, **text: str) -> None:
        """Ask for the tags of one state of a draft, and send that each chip was seen."""
        if self._asked % self.states == 0:
            self._draft_id = str(uuid4())
        self._asked += 1
        draft = a_draft(install_id=self.install_id, draft_id=self._draft_id, **text)
        answer = await send(client, "/api/v1/suggestions", draft, ledger)
        if answer is None:
            return
        if answer["suggestion_id"] is None:
            ledger.unrecorded += 1
            return
        events = []
        for position, item in enumerate(item for item in answer["items"] if item["confident"]):
            self.sequence += 1
            more = {"suggestion_id": answer["suggestion_id"], "tag": item["tag"], "position": position + 1}
            events.append(an_event("viewed", self.sequence, draft, **more))
        receipt = await send(client, "/api/v1/events", a_batch(self.install_id, events), ledger)
        if receipt is not None:
            assert receipt["refused"] == []
            ledger.acknowledged += [event["id"] for event in events]


async def send(client: httpx2.AsyncClient, path: str, message: dict[str, Any], ledger: Ledger) -> dict[str, Any] | None:
    """Post one message once; a failure is noted, not tried again."""
    try:
        response = await client.post(path, json=message)
    except httpx2.HTTPError as error:
        ledger.failed.append(f"{path}: {error!r}")
        await asyncio.sleep(0.05)
        return None
    if response.status_code != 200:
        ledger.failed.append(f"{path}: {response.status_code} {response.text[:200]}")
        await asyncio.sleep(0.05)
        return None
    ledger.answered += 1
    answer: dict[str, Any] = response.json()
    return answer
