"""`tagalong-server check`: each unsafe or missing thing is found, and says what to do."""

import asyncio
import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from backend.cli import main
from backend.commands.check import (
    Finding,
    check_access,
    check_alerts,
    check_database,
    check_machine,
    check_models,
    check_proxy,
)
from backend.settings import RELEASED, Settings

Command = Callable[..., Result]

PUBLIC: dict[str, Any] = {
    "host": "0.0.0.0",
    "allowed_hosts": "tags.example.org,127.0.0.1",
    "forwarded_allow_ips": "172.30.86.0/24",
    "database_url": "postgresql://tagalong@database/tagalong",
    "admin_password": "a password that nobody guesses",
    "api_key": "a key that nobody guesses",
    "drain_seconds": 5,
    "model_tier": "light",
}


def public(**changes: Any) -> Settings:
    """A service that is set up well but for what a test changes."""
    return Settings(**PUBLIC | changes)


def list_findings(settings: Settings) -> list[Finding]:
    """What is found without the database."""
    return [*check_access(settings), *check_proxy(settings), *check_machine(settings), *check_alerts(settings)]


def test_nothing_is_found_in_a_sound_installation(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with socket.create_server(("127.0.0.1", 0)) as hook:
        settings = public(data_dir=tmp_path, webhook_url=f"http://127.0.0.1:{hook.getsockname()[1]}/hook")
        assert list_findings(settings) == []
    assert list(check_models(settings)) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"allowed_hosts": "*"}, ["TAGALONG_ALLOWED_HOSTS", "any web page"]),
        ({"allowed_hosts": "localhost"}, ["TAGALONG_ALLOWED_HOSTS", "Add your host name"]),
        ({"admin_password": ""}, ["TAGALONG_ADMIN_PASSWORD", "each replica"]),
        ({"admin_password": "", "database_url": ""}, ["TAGALONG_ADMIN_PASSWORD", "output of every start"]),
        ({"admin_password": "secret"}, ["TAGALONG_ADMIN_PASSWORD", "guess"]),
        ({"api_key": "secret"}, ["TAGALONG_API_KEY", "guess"]),
        ({"rate_limit": 0}, ["TAGALONG_RATE_LIMIT", "600"]),
        ({"forwarded_allow_ips": "*"}, ["TAGALONG_FORWARDED_ALLOW_IPS", "invent"]),
        ({"alert_rules": "/nonexistent"}, ["TAGALONG_ALERT_RULES"]),
        ({"webhook_url": "http://127.0.0.1:1/hook"}, ["TAGALONG_WEBHOOK_URL", "alerts reach nobody"]),
        ({"smtp_url": "smtp://127.0.0.1:1/?from=a@x.org&to=b@x.org"}, ["TAGALONG_SMTP_URL", "alerts reach nobody"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_is_unsafe_or_missing_is_reported(changes: dict[str, object], words: list[str]) -> None:
    (finding,) = [finding for finding in list_findings(public(**changes)) if finding.severity == "must"]
    for word in words:
        assert word in f"{finding.subject}: {finding.message}"


@pytest.mark.parametrize("changes", [{"api_key": ""}, {"forwarded_allow_ips": ""}, {"drain_seconds": 0}], ids=str)
def test_what_may_be_intended_is_only_advice(changes: dict[str, object]) -> None:
    found = list_findings(public(webhook_url="", **changes))
    assert {finding.severity for finding in found} == {"should"}
    assert f"TAGALONG_{next(iter(changes)).upper()}" in {finding.subject for finding in found}


def test_on_a_personal_machine_nothing_must_be_fixed(tmp_path: Path) -> None:
    assert [
        finding
        for finding in list_findings(Settings(data_dir=tmp_path / "new", rate_limit=0))
        if finding.severity == "must"
    ] == []


def test_files_that_others_can_read_are_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    password = tmp_path / "admin-password"
    password.write_text("secret")
    password.chmod(0o644)
    said = " ".join(finding.message for finding in check_machine(Settings(data_dir=tmp_path)))
    assert f"chmod 700 {tmp_path}" in said
    assert f"chmod 600 {password}" in said


def test_a_model_with_a_changed_byte_is_reported(tmp_path: Path) -> None:
    shutil.copytree(RELEASED / "light", tmp_path / "model")
    with (tmp_path / "model" / "model.onnx").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\x00\x01\x02\x03")
    (finding,) = check_models(Settings(model_dir=tmp_path / "model"))
    assert "model.onnx" in finding.message


def test_a_damaged_registered_version_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "7"
    shutil.copytree(RELEASED / "light", folder)
    version = json.loads((folder / "manifest.json").read_text())["version"]
    about = {"format": 1, "number": 7, "version": version, "state": "checked", "checks": []}
    (folder / "version.json").write_text(json.dumps(about))
    settings = Settings(models_dir=tmp_path / "models", model_tier="light")
    assert list(check_models(settings)) == []
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"!")
    (finding,) = check_models(settings)
    assert finding.subject == "the registry, version 7"
    assert "model.onnx" in finding.message


async def run(url: str, *statements: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


A_DRAFT = (
    "INSERT INTO draft (id, install_id, kind, site, model_version, started_at) "
    "SELECT gen_random_uuid(), gen_random_uuid(), 'ask', 'stackoverflow.com', 'x', now()"
)
AN_ANSWER_OF_TOMORROW = (
    "INSERT INTO suggestion (id, draft_id, model_version, created_at, latency_ms, title_chars, body_chars, "
    "chosen_tags, tags, scores, confident) SELECT gen_random_uuid(), id, 'x', now() + interval '1 day', 1, 1, 1, "
    "'{}', '{}', '{}', 0 FROM draft"
)


A_VERSION = "INSERT INTO model_version (version, number, first_deployed_at, about) VALUES ('full-1', 7, now(), '{}')"
A_DEPLOYMENT = (
    "INSERT INTO deployment (id, model_version, number, role, share, salt, promote_if_better, started_at, started_by) "
    "SELECT gen_random_uuid(), 'full-1', 7, 'challenger', 0.1, 's', false, now(), 'operator'"
)


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["UPDATE alembic_version SET version_num = '0001'"], "tagalong-server migrate"),
        (["DELETE FROM alembic_version"], "tagalong-server migrate"),
        (["UPDATE alembic_version SET version_num = '9999'"], "newer version"),
        ([A_DRAFT, AN_ANSWER_OF_TOMORROW], "set back"),
        ([A_VERSION, A_DEPLOYMENT], "no version 7 in"),
    ],
    ids=["older schema", "no schema", "newer schema", "answers from the future", "a deployed version that is gone"],
)
def test_what_is_wrong_with_the_database_is_reported(database_url: str, statements: list[str], words: str) -> None:
    # The tests' server does not write to its disk in earnest, and that is always found.
    (unsafe,) = check_database(Settings(database_url=database_url))
    assert "acknowledged events can be lost" in unsafe.message
    asyncio.run(run(database_url, *statements))
    found = check_database(Settings(database_url=database_url))
    assert len(found) == 2
    assert words in found[0].message


def test_a_database_that_can_not_be_reached_is_reported() -> None:
    (finding,) = check_database(Settings(database_url="postgresql://u:p@127.0.0.1:1/x"))
    assert "can't be reached" in finding.message


@pytest.fixture
def command(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command itself, on one's own machine."""
    tmp_path.chmod(0o700)

    def check(**settings: str) -> Result:
        for name, value in {
            "TAGALONG_DATA_DIR": str(tmp_path),
            "TAGALONG_MODEL_TIER": "light",
        }.items() | settings.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(main, ["check"])

    return check


def test_the_command_exits_with_1_if_something_must_be_fixed(
    command: Command, database_url: str, tmp_path: Path
) -> None:
    fine = command()
    assert (fine.exit_code, fine.output) == (0, "Nothing that must be fixed.\n")
    unsafe = command(TAGALONG_ALLOWED_HOSTS="*")
    assert unsafe.exit_code == 1
    assert unsafe.output.startswith("must    TAGALONG_ALLOWED_HOSTS: ")


def test_a_secret_can_come_from_a_file(command: Command, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("short\n")
    unsafe = command(TAGALONG_HOST="0.0.0.0", TAGALONG_API_KEY_FILE=str(secret))
    assert "TAGALONG_API_KEY: shorter than" in unsafe.output
    both = command(TAGALONG_API_KEY="a key that nobody guesses", TAGALONG_API_KEY_FILE=str(secret))
    assert both.exit_code == 1
    assert "given both" in both.output
    missing = command(TAGALONG_API_KEY="", TAGALONG_API_KEY_FILE=str(tmp_path / "nowhere"))
    assert missing.exit_code == 1
    assert "TAGALONG_API_KEY_FILE" in missing.output
