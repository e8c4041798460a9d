"""Load over HTTP, made by wrk for whatever is measured: a client in Python would cost more than the service."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What a number of clients got who each sent the next request once the last was answered.

    ``rate`` is requests a second that were answered; ``p50`` and ``p99`` are of the time of one request, in seconds.
    ``failed`` counts those that were refused or lost: where there are any, the machine could not take the load. Where
    none was answered within the load's time, this time stands for theirs.
    """

    clients: int
    rate: float
    p50: float
    p99: float
    failed: int


class LoadFailed(Exception):
    """All requests were refused or lost, or wrk is missing."""


def put_load(
    url: str, messages: Iterable[dict[str, Any]], clients: int, seconds: int, *, replicas: Sequence[str] = ()
) -> Load:
    """Post messages in turn, from the first again after the last, over ``clients`` connections.

    Args:
        url: where to.
        messages: what to post.
        clients: how many connections; where there are replicas, each gets the same number.
        seconds: how long.
        replicas: addresses of other processes that take their share of the messages.

    Raises:
        LoadFailed: all answers were refusals, or connections broke.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise LoadFailed("wrk makes the load. On Debian: apt-get install wrk")
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(json.dumps(message) + "\n" for message in messages)
        file.flush()
        addresses = [urlsplit(address).netloc for address in (url, *replicas)]
        options = [
            f"-t{len(addresses)}",
            f"-c{clients}",
            f"-d{seconds}s",
            "--timeout",
            "60s",
            "--latency",
            "-s",
            str(SCRIPT),
        ]
        ended = subprocess.run(
            [wrk, *options, "-s", str(SCRIPT), url, "--", file.name],
            env=os.environ | {"BENCH_ADDRESSES": " ".join(addresses)},
            capture_output=True,
            text=True,
        )
    if ended.returncode:
        raise LoadFailed(f"wrk ended with {ended.returncode}: {ended.stderr.strip() or ended.stdout.strip()}")
    printed = json.loads(ended.stdout.strip().splitlines()[-1])
    answered = printed["requests"] - printed["failed"]
    if printed["failed"] and answered <= 0:
        raise LoadFailed(f"{url}: none of {printed['failed']} requests was answered as it should be")
    p50, p99 = (printed["p50"], printed["p99"]) if answered else (seconds, seconds)
    return Load(clients, answered / printed["seconds"], p50, p99, printed["failed"])
