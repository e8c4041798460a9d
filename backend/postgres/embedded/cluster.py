"""A PostgreSQL cluster: one folder of data, the processes that run on it, and the socket that leads to them."""

import hashlib
import os
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from sqlalchemy import URL

from backend.postgres.embedded.account import Account, user_name
from backend.postgres.embedded.errors import EmbeddedFailure
from backend.postgres.embedded.programs import program

DATABASE = ROLE = "tagalong"
SUPERUSER = "postgres"
PORT = 5432  # of the socket's file name only: nothing listens on the network
SOCKET = f".s.PGSQL.{PORT}"
SOCKET_PATH_BYTES = 103  # sun_path of macOS holds 104 bytes with the final zero, that of Linux 108
MAX_LOG_BYTES = 10_000_000


class Cluster:
    """One folder of PostgreSQL data and the processes that run on it."""

    def __init__(self, folder: Path, account: Account, log_file: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self.account = account
        self.log_file = log_file
        self._sync: list[str] = [] if durable else ["--no-sync"]  # for the programs that write a whole cluster
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def socket_folder(self) -> Path:
        """The folder of the socket."""
        return find_socket_folder(self.folder, self.account)

    def run(self, name: str, *arguments: str, script: str = "") -> str:
        """Run one of PostgreSQL's programs to its end and return what it printed; EmbeddedFailure if it fails."""
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [program(name), *arguments],
            **self.account.popen_arguments(),
            cwd="/",
            input=script,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise EmbeddedFailure(f"{name} failed in {self.folder}:\n{tail(done.stdout)}")
        return done.stdout

    def initialise(self) -> None:
        """Make the folder's contents. Text sorts by code point, the same on every machine."""
        self.run(
            "initdb",
            *("-D", str(self.folder), "-U", SUPERUSER, "--encoding=UTF8", "--no-instructions"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--auth-local=peer", "--auth-host=reject", *self._sync),
        )

    def write_access_rules(self) -> bool:
        """Let in this process's user and PostgreSQL's own, as either role; return whether a file changed."""
        users = sorted({user_name(os.geteuid()), self.account.name})
        names = [f'tagalong "{user}" {role}\n' for user in users for role in (SUPERUSER, ROLE)]
        rules = {"pg_ident.conf": "".join(names), "pg_hba.conf": "local all all peer map=tagalong\n"}
        changed = {name: text for name, text in rules.items() if (self.folder / name).read_text() != text}
        for name, text in changed.items():
            (self.folder / name).write_text(text)
        return bool(changed)

    def start(self, settings: Mapping[str, str], timeout: float) -> None:
        """Start it, or take over the one that a killed service left running, and wait until it answers.

        Raises:
            EmbeddedFailure: it ended, or is not ready after `timeout` seconds (then it goes on recovering).
        """
        deadline = time.monotonic() + timeout
        # In its double quotes a folder may hold spaces.
        options = {"unix_socket_directories": f'"{self.socket_folder}"', **settings}
        command = [program("postgres"), "-D", str(self.folder), "-p", str(PORT)]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        outdated = self.write_access_rules()
        process = self.main_process()
        if process is not None and (outdated or not self._runs(process, command)):
            self.stop()
            process = None
        while not self._is_ready(process or self._spawn(command), deadline):
            # One that was being started when its service was killed may have got in first.
            if not find_processes(self.folder) or time.monotonic() > deadline:
                raise EmbeddedFailure(
                    f"PostgreSQL ended while it started in {self.folder}. The end of its log, below, says why. If the"
                    " data are damaged: move that folder elsewhere, start again, and bring back the newest backup with"
                    f" `tagalong-server restore`.\n{self.log_tail()}"
                )
            process = None

    def _runs(self, process: psutil.Process, command: Sequence[str]) -> bool:
        """Return whether a process runs this very command, and is not stopping."""
        with suppress(psutil.Error):  # it may be ending right now
            return process.cmdline() == command and self.status(process.pid) != "stopping"
        return False

    def _spawn(self, command: Sequence[str]) -> psutil.Process:
        self._end_orphans()
        if self.log_file.exists() and self.log_file.stat().st_size > MAX_LOG_BYTES:
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
        """Wait until the process answers, and return True; return False if it ends."""
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
        """Return the process's state by line 8 of postmaster.pid: starting, ready, stopping; empty if unknown."""
        with suppress(OSError):
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
            if len(lines) >= 8 and lines[0].strip() == str(pid):
                return lines[7].strip()
        return ""

    def main_process(self) -> psutil.Process | None:
        """Return the running main process of this folder, whoever started it; None if there is none."""
        if self._child is not None and self._child.poll() is None:
            return psutil.Process(self._child.pid)
        with suppress(OSError, ValueError, IndexError):
            # The number alone proves nothing: numbers are used again.
            pid = int((self.folder / "postmaster.pid").read_text().splitlines()[0])
            return next((process for process in find_processes(self.folder) if process.pid == pid), None)
        return None

    def stop(self) -> None:
        """Shut it down (SIGINT: clients are cut off, everything is written), by force if that takes too long."""
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
        """End processes whose main process is gone, and remove its lock files.

        PostgreSQL would respect them while any process has the number in them: an unrelated one, or a zombie, as in a
        container without an init.
        """
        if self._child is not None:
            self._child.wait()  # it has ended: reap it
            self._child = None
        end_processes(find_processes(self.folder))
        for lock in (self.folder / "postmaster.pid", self.socket_folder / f"{SOCKET}.lock"):
            lock.unlink(missing_ok=True)

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
        """Return the last lines of PostgreSQL's log."""
        try:
            with self.log_file.open("rb") as file:
                file.seek(max(0, self.log_file.stat().st_size - 4000))
                return tail(file.read().decode(errors="replace"))
        except OSError:
            return ""


def find_processes(folder: Path) -> list[psutil.Process]:
    """Return the PostgreSQL processes of a data folder: it is the working folder of all of them."""
    processes = []
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error, OSError):
            # The main process has it among its arguments before it changes into it.
            if (process.info["name"] or "").startswith("postgres") and (
                process.cwd() == str(folder) or str(folder) in process.cmdline()
            ):
                processes.append(process)
    return processes


def end_processes(processes: list[psutil.Process]) -> None:
    """End PostgreSQL's processes at once (SIGQUIT), or by force, and wait for them."""
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        _, processes = psutil.wait_procs(processes, timeout=2)


def url_at(socket_folder: Path) -> str:
    """Return the SQLAlchemy URL of the service's database, for asyncpg."""
    # asyncpg would take a missing port from PGPORT.
    query = {"host": str(socket_folder), "port": str(PORT)}
    return URL.create("postgresql+asyncpg", ROLE, database=DATABASE, query=query).render_as_string()


def find_socket_folder(pgdata: Path, account: Account) -> Path:
    """Return the socket's folder: the data's, or, if that path is too long, a runtime folder of its own.

    That folder must be the account's own and closed: in the temporary folder anybody could have made one of this name,
    with a server in it that only looks like ours.

    Raises:
        EmbeddedFailure: it is not, or every path is too long.
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
            status = folder.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == account.uid and not status.st_mode & 0o077:
                return folder
            raise EmbeddedFailure(
                f"{folder} is not a closed folder of {account.name}: remove it, or choose a shorter TAGALONG_DATA_DIR."
            )
    raise EmbeddedFailure(f"{pgdata.parent} is too long a path for a socket: choose a shorter TAGALONG_DATA_DIR.")


def fits_socket(folder: Path) -> bool:
    """Return whether a socket's path in this folder is short enough, and has nothing that splits a list of folders."""
    return len(os.fsencode(folder / SOCKET)) <= SOCKET_PATH_BYTES and not {",", '"'} & set(str(folder))


def tail(text: str, lines: int = 15) -> str:
    """Return the last lines of a program's output."""
    return "\n".join(text.strip().splitlines()[-lines:])
