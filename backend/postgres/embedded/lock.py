"""One service a data folder: the lock that says whose it is."""

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from backend.postgres.embedded.errors import AlreadyRunning

if sys.platform != "win32":
    import fcntl


class DataFolderLock:
    """The right to run a service on a data folder: a locked file that names the owner's process and port.

    The kernel releases the lock when its process ends, however it ends, so no lock is ever stale.
    """

    def __init__(self, path: Path, port: int | None) -> None:
        self.path = path
        self.port = port
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock, or raise AlreadyRunning."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        owner: dict[str, int | None] = {}
        try:
            for _ in range(50):  # an owner writes its name a moment after it has locked; `is_held` never does
                if try_flock(file):
                    os.ftruncate(file, 0)
                    os.pwrite(file, json.dumps({"pid": os.getpid(), "port": self.port}).encode(), 0)
                    self._file, file = file, -1
                    return
                with suppress(ValueError):
                    owner = json.loads(os.pread(file, 1000, 0))
                    break
                time.sleep(0.01)
        finally:
            if file >= 0:
                os.close(file)
        raise AlreadyRunning(owner.get("pid"), owner.get("port"))

    def release(self) -> None:
        """Release the lock. The file stays: another process may have opened this very file to lock it."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None

    def is_held(self) -> bool:
        """Return whether a process has the lock."""
        try:
            file = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        try:
            if not try_flock(file):
                return True
            os.ftruncate(file, 0)  # the name of a killed owner, which is not who holds the lock now
            return False
        finally:
            os.close(file)


def try_flock(file: int) -> bool:
    """Lock an open file for this process and return True; return False if another one has locked it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
