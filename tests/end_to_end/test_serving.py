"""The command that serves: what it says, how it starts, how it ends, and what it leaves behind."""

import signal
import socket
import subprocess
import time
import urllib.error
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.backend.service import a_draft
from tests.end_to_end.process import PATIENCE_S, ROOT, SERVER, environment, get, post, run, serving


@pytest.fixture
def data_dir(short_folder: Path) -> Path:
    return short_folder / "data"


def databases(data_dir: Path) -> list[psutil.Process]:
    """The PostgreSQL main processes that run on a data folder."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        command = " ".join(process.info["cmdline"] or [])
        if (process.info["name"] or "").startswith("postgres") and str(data_dir) in command:
            found.append(process)
    return found


def test_the_start_says_how_to_go_on_and_everything_works(data_dir: Path) -> None:
    with serving(data_dir) as (_, address, printed):
        assert str(ROOT / "extension") in printed
        password = (data_dir / "admin-password").read_text().strip()
        assert f"password {password}" in printed
        assert (data_dir / "admin-password").stat().st_mode & 0o777 == 0o600
        assert data_dir.stat().st_mode & 0o007 == 0
        assert get(f"{address}/health/ready")["database"] == "present"
        assert post(f"{address}/api/v1/suggestions", a_draft())["suggestion_id"]
        assert "paths" in get(f"{address}/openapi.json")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_the_service_and_its_database(data_dir: Path, sign: signal.Signals) -> None:
    with serving(data_dir) as (process, _, _):
        assert databases(data_dir)
        process.send_signal(sign)
        process.wait(20)
    assert databases(data_dir) == []


def test_after_a_kill_the_next_start_keeps_the_data_and_leaves_no_orphan(data_dir: Path) -> None:
    with serving(data_dir) as (process, address, _):
        draft = a_draft()
        post(f"{address}/api/v1/suggestions", draft)
        process.kill()
        process.wait(20)
    with serving(data_dir) as (_, address, _):
        assert get(f"{address}/api/v1/installs/{draft['install_id']}")["drafts"]
        assert len(databases(data_dir)) == 1
    assert databases(data_dir) == []


def test_a_killed_database_is_started_again(data_dir: Path) -> None:
    with serving(data_dir) as (_, address, _):
        draft = a_draft()
        post(f"{address}/api/v1/suggestions", draft)
        for process in databases(data_dir):
            process.kill()
        assert post(f"{address}/api/v1/suggestions", a_draft())["items"]
        end = time.monotonic() + 30
        while get(f"{address}/health/ready")["database"] == "away":
            assert time.monotonic() < end
            time.sleep(0.2)
        assert get(f"{address}/api/v1/installs/{draft['install_id']}")["drafts"]
    assert databases(data_dir) == []


def test_a_second_start_on_the_same_folder_says_where_the_first_one_runs(data_dir: Path) -> None:
    with serving(data_dir) as (_, address, _):
        second = subprocess.run(
            [SERVER, "serve"], cwd=ROOT, env=environment(data_dir), capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert second.returncode == 1
        port = address.rsplit(":", 1)[1]
        assert "already running" in second.stderr
        assert port in second.stderr
        assert "Traceback" not in second.stderr
        assert get(f"{address}/health/ready")["database"] == "present"


def test_commands_work_beside_a_running_service_and_without_one(data_dir: Path) -> None:
    with serving(data_dir) as (_, address, _):
        draft = a_draft()
        post(f"{address}/api/v1/suggestions", draft)
        assert "0 items recounted: 0 differ" in run(data_dir, "recount").stdout
        assert "1 drafts and events" in run(data_dir, "erase", draft["install_id"]).stdout
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(f"{address}/api/v1/installs/{draft['install_id']}")
    assert "Nothing was stored" in run(data_dir, "erase", draft["install_id"]).stdout
    assert run(data_dir, "migrate").returncode == 0
    assert databases(data_dir) == []


def test_a_taken_port_is_told_before_anything_starts(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        failed = run(data_dir, "serve", TAGALONG_PORT=port)
    assert failed.returncode == 1
    assert port in failed.stderr
    assert "TAGALONG_PORT" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not data_dir.exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"TAGALONG_MODEL_DIR": "/nonexistent"}, ["model"]),
        ({"TAGALONG_PORT": "http"}, ["TAGALONG_PORT"]),
        ({"TAGALONG_DATABASE_URL": "mysql://localhost/x"}, ["TAGALONG_DATABASE_URL", "postgresql://"]),
        (
            {"TAGALONG_DATABASE_URL": "postgresql://u@127.0.0.1:port/x"},
            ["TAGALONG_DATABASE_URL", "port that is no number"],
        ),
        ({"TAGALONG_DATABASE_URL": "postgresql://u@127.0.0.1:70000/x"}, ["TAGALONG_DATABASE_URL", "65535"]),
        ({"TAGALONG_RATE_LIMIT": "-1"}, ["TAGALONG_RATE_LIMIT"]),
    ],
    ids=lambda value: (
        "".join(f"{name}={setting}" for name, setting in value.items()) if isinstance(value, dict) else ""
    ),
)
def test_a_wrong_setting_is_named_without_a_traceback(
    data_dir: Path, settings: dict[str, str], words: list[str]
) -> None:
    failed = run(data_dir, "serve", **settings)
    assert failed.returncode == 1
    for word in words:
        assert word in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_database_that_cannot_be_used_is_told_without_a_traceback(data_dir: Path, database_url: str) -> None:
    for wrong in (
        database_url.replace("/test_", "/no_such_"),
        database_url.replace("tagalong@", "nobody@"),
        "postgresql://u:p@127.0.0.1:1/x?sslmode=require",
    ):
        failed = run(data_dir, "migrate", TAGALONG_DATABASE_URL=wrong)
        assert failed.returncode == 1
        assert "the database can't be reached" in failed.stderr
        assert "Traceback" not in failed.stderr


def test_a_file_in_the_place_of_the_data_folder_is_told(data_dir: Path) -> None:
    data_dir.write_text("not a folder")
    failed = run(data_dir, "serve")
    assert failed.returncode == 1
    assert "TAGALONG_DATA_DIR" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert data_dir.read_text() == "not a folder"


def test_two_services_can_share_one_database(data_dir: Path, database_url: str) -> None:
    shared: dict[str, Any] = {"TAGALONG_DATABASE_URL": database_url}
    with serving(data_dir, **shared) as (_, one, _), serving(data_dir, **shared) as (_, two, _):
        draft = a_draft()
        first = post(f"{one}/api/v1/suggestions", draft)["suggestion_id"]
        second = post(f"{two}/api/v1/suggestions", draft)["suggestion_id"]
        exported = get(f"{two}/api/v1/installs/{draft['install_id']}")
        assert [each["id"] for each in exported["drafts"][0]["suggestions"]] == [first, second]
