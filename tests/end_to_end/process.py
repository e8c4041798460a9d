"""The service as a person starts it: a process of its own, on a data folder of the test's own."""

import base64
import json
import os
import random
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parent.parent.parent
SERVER = str(Path(sys.executable).with_name("tagalong-server"))
PATIENCE_S = 60.0


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TAGALONG_")}
    ours = {"TAGALONG_DATA_DIR": str(data_dir), "TAGALONG_PORT": "0"}
    # All clients are this machine.
    limits = ("RATE_LIMIT", "INSTALLS_PER_ADDRESS", "DRAFTS_PER_ADDRESS")
    return clean | ours | {f"TAGALONG_{limit}": "0" for limit in limits} | settings


@contextmanager
def serving(
    data_dir: Path, *, stderr: IO[str] | None = None, **settings: str
) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The service: its process, its address, and what it printed at its start."""
    process = subprocess.Popen(
        [SERVER, "serve"],
        cwd=ROOT,
        env=environment(data_dir, **settings),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    assert process.stdout
    try:
        printed = ""
        while "Admin" not in printed:
            line = process.stdout.readline()
            assert line, f"ended with {process.wait()} after printing {printed!r}"
            printed += line
        yield process, re.search(r"Try it +(http://\S+?)/\n", printed)[1], printed  # type: ignore[index]
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(PATIENCE_S)
        process.stdout.close()


def run(data_dir: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run one of the server's commands to its end."""
    return subprocess.run(
        [SERVER, *arguments],
        cwd=ROOT,
        env=environment(data_dir, **settings),
        capture_output=True,
        text=True,
        timeout=240,
    )


def free_port() -> str:
    """A port that nobody listens on, for a service that comes back at the same address.

    Below the ports that systems hand out by themselves, so that no other test's connection gets it meanwhile.
    """
    while True:
        port = random.randrange(10_000, 32_768)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return str(port)


def post(address: str, message: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        address, data=json.dumps(message).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def get(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(address, timeout=PATIENCE_S) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def as_admin(data_dir: Path, address: str, accept: str = "*/*") -> str:
    """What the admin gets at an address, with the password that the service has made."""
    password = (data_dir / "admin-password").read_text().strip()
    credentials = base64.b64encode(f"admin:{password}".encode()).decode()
    request = urllib.request.Request(address, headers={"Authorization": f"Basic {credentials}", "Accept": accept})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
        text: str = response.read().decode()
        return text


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until the condition holds, or fail."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
