"""The embedded PostgreSQL: real servers and real processes, killed at the worst moments."""

import asyncio
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from sqlalchemy import make_url

from backend.postgres.embedded import service as embedded
from backend.postgres.embedded.account import choose_account
from backend.postgres.embedded.cluster import find_processes, find_socket_folder
from backend.postgres.embedded.errors import AlreadyRunning, EmbeddedFailure
from backend.postgres.embedded.posix_acl import grant_traverse
from backend.postgres.embedded.service import EmbeddedPostgres

ROOT = Path(__file__).parents[3]
AS_ROOT = os.geteuid() == 0
only_as_root = pytest.mark.skipif(not AS_ROOT, reason="needs root")

SERVICE = """
import sys
from pathlib import Path
from backend.postgres.embedded.service import EmbeddedPostgres

server = EmbeddedPostgres(Path(sys.argv[1]), port=8642, durable=sys.argv[2] == "durable")
print(server.start(), flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture
def data_dir(clusters: Path) -> Iterator[Path]:
    """A data folder that is still to be made, in a folder that is closed to others."""
    above = Path(tempfile.mkdtemp(prefix="tagalong-", dir=clusters))
    yield above / "data"
    for process in find_processes(above / "data/postgres"):
        process.kill()
    shutil.rmtree(above)


@pytest.fixture(scope="session")
def made(clusters: Path) -> Iterator[Path]:
    """A data folder as the first start leaves it, to copy: a copy takes a tenth of the time."""
    above = Path(tempfile.mkdtemp(prefix="tagalong-", dir=clusters))
    try:
        with running(above / "data"):
            pass
        yield above / "data"
    finally:
        shutil.rmtree(above)


@pytest.fixture
def made_dir(data_dir: Path, made: Path) -> Path:
    """A data folder in which the service has run before."""
    copy(made, data_dir)
    return data_dir


def copy(folder: Path, to: Path) -> None:
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    subprocess.run(["cp", "-Rp", str(folder), str(to)], check=True)


@contextmanager
def running(data_dir: Path) -> Iterator[str]:
    server = EmbeddedPostgres(data_dir, durable=False)
    try:
        yield server.start()
    finally:
        server.stop()


@contextmanager
def service(data_dir: Path, *, durable: bool = False) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that runs the server on this folder, and the URL that it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVICE, str(data_dir), "durable" if durable else "fast"],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def query(url: str, *statements: str, user: str = "tagalong") -> Any:
    """The first value of the last statement's answer."""

    async def run() -> Any:
        parts = make_url(url)
        connection = await asyncpg.connect(
            host=parts.query["host"], port=int(str(parts.query["port"])), user=user, database="tagalong"
        )
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())


def main_process(data_dir: Path) -> psutil.Process:
    return psutil.Process(int((data_dir / "postgres/postmaster.pid").read_text().splitlines()[0]))


def as_user(name: str, work: Callable[[], object]) -> str:
    """What `work` returns or raises, as text, in a child process that runs as this user."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            entry = pwd.getpwnam(name)
            os.setgroups([])
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
            answer = str(work())
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading) as file:
        return file.read()


# Start and stop


def test_first_start_makes_an_empty_database_and_the_second_finds_what_was_written(data_dir: Path) -> None:
    with running(data_dir) as url:
        assert query(url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)", "SELECT 1") == 1
        assert query(url, "SELECT current_setting('server_version_num')::int / 10000") == 18
        assert query(url, "SELECT current_database() || current_setting('TimeZone')") == "tagalongUTC"
    assert find_processes(data_dir / "postgres") == []
    with running(data_dir) as url:
        assert query(url, "SELECT n FROM kept") == 7


def test_stop_may_be_called_at_any_time(made_dir: Path) -> None:
    server = EmbeddedPostgres(made_dir, durable=False)
    server.stop()
    server.start()
    server.stop()
    server.stop()
    server.ensure_running()
    assert find_processes(server.pgdata) == []
    server.start()
    server.stop()


def test_acknowledged_writes_are_durable_unless_a_test_says_otherwise(made_dir: Path) -> None:
    server = EmbeddedPostgres(made_dir)
    try:
        url = server.start()
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert query(url, f"SELECT current_setting('{setting}')") == "on"
    finally:
        server.stop()


def test_postgres_variables_of_the_environment_change_nothing(made_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "1", "PGHOST": "nowhere", "PGDATA": "/nowhere", "PGUSER": "x"}.items():
        monkeypatch.setenv(name, value)
    with running(made_dir) as url:
        assert query(url, "SELECT 1") == 1


# Kills


def test_server_of_a_killed_service_is_taken_over_and_then_stopped(made_dir: Path) -> None:
    with service(made_dir) as (process, url):
        query(url, "CREATE TABLE kept AS SELECT 7 AS n", "SELECT 1")
        # Ctrl-C in the service's terminal is not for PostgreSQL.
        assert os.getsid(main_process(made_dir).pid) != os.getsid(process.pid)
        process.kill()
    left = main_process(made_dir)
    assert left.is_running()
    with running(made_dir) as url:
        assert main_process(made_dir) == left
        assert query(url, "SELECT n FROM kept") == 7
    assert not left.is_running()
    assert find_processes(made_dir / "postgres") == []


def test_server_left_with_other_settings_is_restarted(made_dir: Path) -> None:
    with service(made_dir) as (process, _):
        process.kill()
    left = main_process(made_dir)
    server = EmbeddedPostgres(made_dir, durable=True)
    try:
        assert query(server.start(), "SELECT current_setting('fsync')") == "on"
        assert not left.is_running()
    finally:
        server.stop()


def test_start_recovers_after_service_and_server_were_killed(made_dir: Path) -> None:
    with service(made_dir, durable=True) as (process, url):
        query(
            url,
            "CREATE TABLE kept (n int)",
            "INSERT INTO kept SELECT generate_series(1, 100000)",
            "SELECT 1",
        )
        process.kill()
        for left in find_processes(made_dir / "postgres"):
            left.kill()
    with running(made_dir) as url:
        assert query(url, "SELECT count(*) FROM kept") == 100_000
    assert "recovery" in (made_dir / "postgres.log").read_text()
    assert find_processes(made_dir / "postgres") == []


def test_killed_server_is_restarted_at_the_same_url(made_dir: Path) -> None:
    server = EmbeddedPostgres(made_dir, durable=False)
    try:
        url = server.start()
        query(url, "CREATE TABLE kept AS SELECT 7 AS n", "SELECT 1")
        server.ensure_running()
        first = main_process(made_dir)
        first.kill()
        first.wait(5)
        server.ensure_running()
        assert main_process(made_dir) != first
        assert query(url, "SELECT n FROM kept") == 7
    finally:
        server.stop()
    assert find_processes(made_dir / "postgres") == []


def test_server_that_was_taken_over_and_then_killed_is_restarted(made_dir: Path) -> None:
    with service(made_dir) as (process, _):
        process.kill()
    server = EmbeddedPostgres(made_dir, durable=False)
    try:
        url = server.start()
        main_process(made_dir).kill()
        time.sleep(0.1)
        server.ensure_running()
        assert query(url, "SELECT 1") == 1
    finally:
        server.stop()
    assert find_processes(made_dir / "postgres") == []


def test_backend_that_outlives_its_main_process_does_not_keep_the_next_from_starting(made_dir: Path) -> None:
    with service(made_dir) as (process, _):
        process.kill()
    busy = next(child for child in main_process(made_dir).children() if "checkpointer" in child.cmdline()[0])
    busy.suspend()  # it cannot notice that its main process is gone
    main_process(made_dir).kill()
    with running(made_dir) as url:
        assert query(url, "SELECT 1") == 1
    assert not busy.is_running()


@pytest.mark.parametrize("after", [0.1, 0.5])
def test_first_start_that_was_killed_leaves_nothing_in_the_way(data_dir: Path, after: float) -> None:
    process = subprocess.Popen([sys.executable, "-c", SERVICE, str(data_dir), "fast"], cwd=ROOT)
    until = time.monotonic() + 10
    while not data_dir.exists() and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(after)
    process.kill()
    process.wait()
    with running(data_dir) as url:
        assert query(url, "SELECT 1") == 1
    assert find_processes(data_dir / "postgres") == []
    assert list(data_dir.glob(".postgres*")) == []


def test_pid_of_another_program_in_postmaster_pid_is_no_obstacle(made_dir: Path) -> None:
    with running(made_dir):
        pidfile = (made_dir / "postgres/postmaster.pid").read_text().splitlines()
    account = choose_account(made_dir / "postgres")
    stranger = subprocess.Popen(["sleep", "60"], user=None if account.is_us else account.uid)
    try:
        path = made_dir / "postgres/postmaster.pid"
        path.write_text("\n".join([str(stranger.pid), *pidfile[1:]]) + "\n")
        os.chown(path, account.uid, account.gid)
        with running(made_dir) as url:
            assert query(url, "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_recovery_that_takes_too_long_goes_on_and_is_taken_over_by_the_next_start(
    made_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(made_dir):
        pass
    server = EmbeddedPostgres(made_dir, durable=False)
    with monkeypatch.context() as patched:
        patched.setattr(embedded, "START_TIMEOUT", 0.0)
        with pytest.raises(EmbeddedFailure, match="start again in a while"):
            server.start()
    (recovering,) = [process for process in find_processes(server.pgdata) if process.ppid() == os.getpid()]
    # Without any patience, `start` may have given up before the process had written its name.
    while not (server.pgdata / "postmaster.pid").exists():
        assert recovering.is_running()
        time.sleep(0.01)
    with running(made_dir) as url:
        assert main_process(made_dir) == recovering
        assert query(url, "SELECT 1") == 1
    assert find_processes(server.pgdata) == []


# One service per folder


def test_second_service_on_a_folder_learns_where_the_first_one_is(made_dir: Path) -> None:
    with service(made_dir) as (process, url):
        server = EmbeddedPostgres(made_dir)
        with pytest.raises(AlreadyRunning, match=r"already running on http://127\.0\.0\.1:8642") as told:
            server.start()
        assert (told.value.port, told.value.pid) == (8642, process.pid)
        server.stop()
        assert query(url, "SELECT 1") == 1
    server.start()
    server.stop()


def test_running_url_is_known_only_while_another_process_owns_the_folder(made_dir: Path) -> None:
    server = EmbeddedPostgres(made_dir)
    assert server.running_url() is None
    with service(made_dir) as (process, url):
        assert server.running_url() == url
        process.kill()
        process.wait()
        assert main_process(made_dir).is_running()
        assert server.running_url() is None
    server.start()
    server.stop()
    assert server.running_url() is None


def test_command_without_a_port_says_that_it_uses_the_folder(made_dir: Path) -> None:
    with running(made_dir), pytest.raises(AlreadyRunning, match="in use by another") as told:
        EmbeddedPostgres(made_dir).start()
    assert told.value.port is None


# Who may reach what


def test_service_is_no_superuser_of_its_database(made_dir: Path) -> None:
    with running(made_dir) as url:
        assert query(url, "SELECT current_user::text") == "tagalong"
        assert query(url, "SELECT rolsuper FROM pg_roles WHERE rolname = 'tagalong'") is False
        assert query(url, "SELECT current_user::text", user="postgres") == "postgres"


def test_folders_and_socket_are_closed_to_others(data_dir: Path) -> None:
    above = stat.S_IMODE(data_dir.parent.stat().st_mode)
    with running(data_dir) as url:
        socket = Path(str(make_url(url).query["host"])) / ".s.PGSQL.5432"
        for path in (data_dir / "postgres", socket):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        for path in (data_dir / "tagalong.lock", data_dir / "postgres.log"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        # Under root the group's rights are the mask of the access control list that lets PostgreSQL's user pass.
        assert stat.S_IMODE(data_dir.stat().st_mode) == (0o710 if AS_ROOT else 0o700)
        assert stat.S_IMODE(data_dir.parent.stat().st_mode) & 0o707 == above & 0o707
        assert query(url, "SELECT current_setting('listen_addresses')") == ""


def test_an_existing_folder_is_closed_only_if_it_is_empty(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o755)
    with running(data_dir):
        assert stat.S_IMODE(data_dir.stat().st_mode) & 0o007 == 0
    shared = data_dir.parent / "shared"
    shared.mkdir(mode=0o755)
    (shared / "letter.txt").touch()
    with running(shared):
        assert stat.S_IMODE(shared.stat().st_mode) == 0o755


@only_as_root
def test_another_user_has_no_access(data_dir: Path) -> None:
    with running(data_dir) as url:
        assert "PermissionError" in as_user("nobody", lambda: os.listdir(data_dir))
        assert "PermissionError" in as_user("nobody", lambda: (data_dir / "postgres.log").read_text())
        assert "PermissionError" in as_user("nobody", lambda: query(url, "SELECT 1"))
        # Even if somebody opens every folder and the socket.
        for path in (data_dir.parent, data_dir, data_dir / "postgres", data_dir / "postgres/.s.PGSQL.5432"):
            path.chmod(0o777)
        for role in ("tagalong", "postgres", "nobody"):
            assert "InvalidAuthorization" in as_user("nobody", lambda r=role: query(url, "SELECT 1", user=r))  # type: ignore[misc]
        (data_dir / "postgres").chmod(0o700)


@only_as_root
def test_postgres_user_may_pass_through_the_folders_but_not_list_them(made_dir: Path) -> None:
    with running(made_dir):
        (made_dir / "admin-password").write_text("secret")
        for folder in (made_dir.parent, made_dir):
            assert "PermissionError" in as_user("pgserver", lambda f=folder: os.listdir(f))  # type: ignore[misc]
        assert as_user("pgserver", lambda: len(os.listdir(made_dir / "postgres")) > 10) == "True"


@only_as_root
@pytest.mark.parametrize("mode", [0o700, 0o750, 0o2770])
def test_the_right_to_pass_through_a_folder_is_one_users_only(short_folder: Path, mode: int) -> None:
    folder = short_folder / "closed"
    folder.mkdir()
    folder.chmod(mode)
    (folder / "open").mkdir()
    users = [pwd.getpwnam(name).pw_uid for name in ("nobody", "daemon")]
    for uid in users:
        for _ in range(2):
            grant_traverse(folder, uid)
    assert stat.S_IMODE(folder.stat().st_mode) == mode | 0o010
    short_folder.chmod(0o755)
    for name in ("nobody", "daemon"):
        assert as_user(name, lambda: os.listdir(folder / "open")) == "[]"
        assert "PermissionError" in as_user(name, lambda: os.listdir(folder))
    assert "PermissionError" in as_user("bin", lambda: os.listdir(folder / "open"))


@only_as_root
def test_ordinary_user_runs_postgres_as_itself_in_a_folder_of_its_own(data_dir: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(data_dir.parent, nobody.pw_uid, nobody.pw_gid)

    def start() -> str:
        with running(data_dir) as url:
            modes = [oct(path.stat().st_mode & 0o777) for path in (data_dir, data_dir / "postgres")]
            return f"{modes} {query(url, 'CREATE TABLE kept AS SELECT 7 AS n', 'SELECT n FROM kept')}"

    assert as_user("nobody", start) == "['0o700', '0o700'] 7"
    # Root takes it over as its owner.
    with running(data_dir) as url:
        assert main_process(data_dir).username() == "nobody"
        assert query(url, "SELECT n FROM kept") == 7
    # And gives it back.
    assert as_user("nobody", lambda: query(EmbeddedPostgres(data_dir, durable=False).start(), "SELECT 3")) == "3"


@only_as_root
def test_data_of_another_user_is_refused_with_the_way_out(made_dir: Path) -> None:
    with running(made_dir):
        pass
    for path in (made_dir, made_dir / "tagalong.lock"):
        os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
    made_dir.parent.chmod(0o755)
    told = as_user("nobody", lambda: EmbeddedPostgres(made_dir).start())
    assert "belongs to pgserver" in told
    assert "sudo chown -R nobody" in told


# Unusual folders


@pytest.mark.parametrize("name", ["of $HOME d€pth 'quoted' 50%20&host=x", 'with "comma", and quotes'])
def test_any_folder_name_works(made: Path, data_dir: Path, name: str) -> None:
    copy(made, data_dir / name)
    for _ in range(2):
        with running(data_dir / name) as url:
            assert query(url, "SELECT 1") == 1


def test_socket_of_a_deep_folder_is_in_a_closed_folder_elsewhere(made: Path, data_dir: Path) -> None:
    deep = data_dir / ("d" * 60) / ("e" * 60)
    copy(made, deep)
    with running(deep) as url:
        place = Path(str(make_url(url).query["host"]))
        assert not place.is_relative_to(data_dir)
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert place.stat().st_uid == choose_account(deep / "postgres").uid
        assert query(url, "SELECT 1") == 1
        assert EmbeddedPostgres(deep).running_url() == url
    assert not place.exists()


@only_as_root
def test_folder_that_another_user_put_where_the_socket_belongs_is_refused(made: Path, data_dir: Path) -> None:
    deep = data_dir / ("d" * 60) / ("e" * 60)
    copy(made, deep)
    place = find_socket_folder(deep / "postgres", choose_account(deep / "postgres"))
    try:
        os.chown(place, pwd.getpwnam("nobody").pw_uid, -1)
        with pytest.raises(EmbeddedFailure, match="is not a closed folder of"):
            EmbeddedPostgres(deep).start()
    finally:
        place.rmdir()


def test_a_file_in_place_of_the_folder_is_reported(data_dir: Path) -> None:
    data_dir.write_text("a letter")
    with pytest.raises(EmbeddedFailure, match=r"is not a folder: .* TAGALONG_DATA_DIR"):
        EmbeddedPostgres(data_dir).start()
    with pytest.raises(EmbeddedFailure, match=r"is not a folder: .* TAGALONG_DATA_DIR"):
        EmbeddedPostgres(data_dir / "below").start()


def test_a_folder_without_write_permission_is_reported(data_dir: Path) -> None:
    data_dir.parent.chmod(0o555)
    start = EmbeddedPostgres(data_dir).start
    if AS_ROOT:
        told = as_user("nobody", start)
    else:
        with pytest.raises(EmbeddedFailure) as failure:
            start()
        told = str(failure.value)
    data_dir.parent.chmod(0o700)
    assert "cannot write in" in told
    assert "TAGALONG_DATA_DIR" in told


@only_as_root
def test_a_full_disk_is_reported(data_dir: Path) -> None:
    data_dir.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(data_dir)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        with running(data_dir):
            pass
        with open(data_dir / "ballast", "wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, shutil.disk_usage(data_dir).free)
        with pytest.raises(EmbeddedFailure, match="is full"):
            EmbeddedPostgres(data_dir).start()
        assert find_processes(data_dir / "postgres") == []
        (data_dir / "ballast").unlink()
        with running(data_dir) as url:
            assert query(url, "SELECT 1") == 1
    finally:
        subprocess.run(["umount", str(data_dir)], check=True)


@only_as_root
@pytest.mark.parametrize("left", [pytest.param(0, marks=pytest.mark.slow), 20 << 20], ids="{:,} bytes left".format)
def test_d8_first_start_on_a_full_disk_leaves_nothing_in_the_way(data_dir: Path, left: int) -> None:
    data_dir.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(data_dir)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        with open(data_dir / "ballast", "wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, shutil.disk_usage(data_dir).free - left)
        with pytest.raises(EmbeddedFailure, match="is full"):
            EmbeddedPostgres(data_dir, durable=False).start()
        (data_dir / "ballast").unlink()
        with running(data_dir) as url:
            assert query(url, "SELECT 1") == 1
    finally:
        subprocess.run(["umount", str(data_dir)], check=True)


def test_a_failed_start_shows_the_log(made_dir: Path) -> None:
    with running(made_dir):
        pass
    with (made_dir / "postgres/postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedFailure, match='unrecognized configuration parameter "no_such_setting"'):
        EmbeddedPostgres(made_dir).start()


@pytest.mark.parametrize("name", ["PG_VERSION", "global/pg_control"])
def test_damaged_data_are_reported_with_the_way_out(made_dir: Path, name: str) -> None:
    (made_dir / "postgres" / name).write_bytes(b"")
    with pytest.raises(EmbeddedFailure, match="`tagalong-server restore`") as failure:
        EmbeddedPostgres(made_dir).start()
    assert str(made_dir / "postgres") in str(failure.value)


# Versions


@pytest.mark.parametrize(("version", "way_out"), [(99, "install the newer Tagalong"), (16, "pg_dump"), (12, "pg_dump")])
def test_data_of_another_postgres_is_refused_and_left_alone(made_dir: Path, version: int, way_out: str) -> None:
    (made_dir / "postgres/PG_VERSION").write_text(f"{version}\n")
    with pytest.raises(EmbeddedFailure, match=rf"written by PostgreSQL {version}, .*{way_out}"):
        EmbeddedPostgres(made_dir).start()
    (made_dir / "postgres/PG_VERSION").write_text("18\n")
    with running(made_dir) as url:
        assert query(url, "SELECT 1") == 1
