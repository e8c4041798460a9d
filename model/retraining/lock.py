"""One retraining of a registry at a time, and a word on who holds it."""

import fcntl
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path


class LockHeldError(Exception):
    """Another process holds the lock; the message says which."""


@contextmanager
def hold_lock(file: Path) -> Iterator[None]:
    """Hold a lock file for the block; it is let go when the process ends, however that comes.

    Raises:
        Held: another process has it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    # Not "w": that would wipe out who holds it.
    with file.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise LockHeldError(f"{_describe_holder(lock.read())} is at it. Wait for it, or stop it.") from None
        lock.truncate(0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        json.dump({"process": os.getpid(), "host": platform.node(), "since": since}, lock)
        lock.flush()
        yield
        lock.truncate(0)


def _describe_holder(content: str) -> str:
    try:
        who = json.loads(content)
        return f"Process {who['process']} on {who['host']}, since {who['since']},"
    except (ValueError, KeyError, TypeError):  # it has the lock, and has not said yet who it is
        return "Another process"
