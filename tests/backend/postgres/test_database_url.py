"""A8: a database URL as PostgreSQL's own tools take it works in every command, or is refused in one line."""

import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import make_url

from backend.cli import main
from backend.postgres.database import Database
from backend.postgres.database_url import create_engine, normalize

ORDINARY = {
    "application_name": "a name with spaces & signs",
    "channel_binding": "require",
    "client_encoding": "UTF8",
    "connect_timeout": "7",
    "gssencmode": "prefer",
    "keepalives": "1",
    "keepalives_count": "3",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "load_balance_hosts": "random",
    "options": "-c idle_session_timeout=71s -c work_mem=5MB",
    "sslcompression": "0",
    "sslmode": "prefer",
    "sslsni": "1",
    "target_session_attrs": "read-write",
    "tcp_user_timeout": "1000",
}


def with_parameters(url: str, **parameters: str) -> str:
    """The same database, as a person would write it for psql."""
    parts = make_url(url)
    query = {"host": str(parts.query["host"]), "port": str(parts.query["port"])} | parameters
    written = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return f"postgresql://{parts.username}@/{parts.database}?{written}"


def run(monkeypatch: pytest.MonkeyPatch, url: str, *command: str) -> Result:
    monkeypatch.setenv("TAGALONG_DATABASE_URL", url)
    monkeypatch.setenv("TAGALONG_MODEL_TIER", "light")
    return CliRunner().invoke(main, command)


@pytest.mark.anyio
async def test_a8_what_libpq_takes_reaches_the_server(database_url: str) -> None:
    database = Database(normalize(with_parameters(database_url, **ORDINARY)))
    try:
        shown = "SELECT current_setting('application_name'), current_setting('idle_session_timeout'), "
        shown += "current_setting('work_mem')"
        async with database.session() as session:
            connection = await session.connection()
            pooled = (await connection.exec_driver_sql(shown)).one()
        (direct,) = await database.fetch_many(f"{shown} WHERE $1::int > 0", [(1,)], within=10)
    finally:
        await database.close()
    assert tuple(pooled) == tuple(direct) == ("a name with spaces & signs", "71s", "5MB")


def test_a8_every_command_takes_it(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = with_parameters(database_url, **ORDINARY)
    tmp_path.chmod(0o700)
    monkeypatch.setenv("TAGALONG_DATA_DIR", str(tmp_path))
    file = str(tmp_path / "backup")
    for command in (("migrate",), ("backup", file), ("restore", file), ("recount",)):
        done = run(monkeypatch, url, *command)
        assert done.exit_code == 0, done.output
    checked = run(monkeypatch, url, "check")
    # The tests' server does not write to its disk in earnest, and nothing else is wrong.
    assert [line.split()[0] for line in checked.output.splitlines()] == ["must", "Error:"]
    assert "fsync" in checked.output


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgres://u:p%40w@h/db", ("u", "p@w", "h", 5432, "db", {})),
        ("postgresql://u:p/w?x#y[@h:6/db?sslmode=require", ("u", "p/w?x#y[", "h", 6, "db", {"sslmode": "require"})),
        ("postgresql://h:5432/db?user=a%40b&password=c", ("a@b", "c", "h", 5432, "db", {})),
        ("postgresql://u@h/ignored?dbname=db", ("u", None, "h", 5432, "db", {})),
        ("postgresql://u:ü@[::1]:7/db", ("u", "ü", "::1", 7, "db", {})),
        ("postgresql://u@/db?host=/run/x", ("u", None, None, None, "db", {"host": "/run/x", "port": "5432"})),
        ("postgresql://u@%2Frun%2Fx:7/db", ("u", None, None, None, "db", {"host": "/run/x", "port": "7"})),
        ("postgresql://u@a,b:7/db", ("u", None, None, None, "db", {"host": "a,b", "port": "5432,7"})),
        ("postgresql://u@/db?host=a,b&port=7", ("u", None, None, None, "db", {"host": "a,b", "port": "7,7"})),
        ("postgresql://u@h/db?ssl=disable", ("u", None, "h", 5432, "db", {"sslmode": "disable"})),
        ("postgresql:///db", (None, None, None, None, "db", {})),
    ],
)
def test_a8_it_leads_to_the_server_that_libpq_would_use(url: str, place: tuple[object, ...]) -> None:
    normalized = normalize(url)
    parts = make_url(normalized)
    assert (parts.username, parts.password, parts.host, parts.port, parts.database, dict(parts.query)) == place
    assert normalize(normalized) == normalized
    assert create_engine(url).url.database == parts.database


SECRET = "Zk3hemmelig"


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("h/db?sslmode=on", "sslmode"),
        ("h/db?sslmode=verify-full", "sslrootcert=system"),
        ("h/db?sslrootcert=/nowhere/ca.pem&sslmode=verify-ca", "sslrootcert=/nowhere/ca.pem"),
        ("h/db?sslcert=/dev/null", "no certificate"),
        ("h/db?connect_timeout=soon", "connect_timeout"),
        ("h/db?target_session_attrs=leader", "target_session_attrs"),
        ("h/db?gssencmode=require", "gssencmode"),
        ("h/db?hostaddr=10.0.0.1", "hostaddr"),
        ("h/db?service=x", "service"),
        ("h/db?requirepeer=postgres", "requirepeer"),
        ("h/db?statement_timeout=5", "statement_timeout"),
        ("h/db?sslmode=require&sslmode=disable", "sslmode more than once"),
        ("h/db?sslmode", "postgresql://user:password@host:5432/database"),
        ("h:99999/db", "port"),
        ("h:x/db", "port"),
        ("a..b/db", "host"),
        (f"{'a' * 70}/db", "host"),
        ("h i/db", "host"),
        ("a,b,c/db?port=1,2", "3 hosts and 2 ports"),
    ],
)
def test_a8_an_unsupported_parameter_is_refused_by_name(
    end: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for command in ("check", "migrate", "serve", "backup"):
        done = run(monkeypatch, f"postgresql://u:{SECRET}@{end}", command, *(["-"] if command == "backup" else []))
        assert done.exit_code == 1
        assert isinstance(done.exception, SystemExit)
        assert words in done.output
        assert "TAGALONG_DATABASE_URL: " in done.output
        assert len(done.output.splitlines()) == 2
        assert SECRET not in done.output


@pytest.mark.parametrize("command", [("check",), ("migrate",), ("backup", "unwritten")], ids=" ".join)
@pytest.mark.parametrize("place", ["127.0.0.1:1/db", "nowhere.invalid/db", "/db?host=/no"])
def test_a8_a_missing_database_is_reported_in_one_line(
    command: tuple[str, ...], place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(monkeypatch, f"postgresql://u:{SECRET}@{place}", *command)
    assert done.exit_code == 1
    assert not Path("unwritten").exists()
    assert isinstance(done.exception, SystemExit)
    assert SECRET not in done.output
    assert "Traceback" not in done.output


def test_a8_certificate_files_reach_asyncpg(tmp_path: Path) -> None:
    certificate, key = tmp_path / "client.crt", tmp_path / "client.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", "/CN=tagalong", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    url = f"postgresql://u@h/db?sslmode=verify-full&sslrootcert={certificate}&sslcert={certificate}&sslkey={key}"
    assert dict(make_url(normalize(url)).query).keys() == {"sslmode", "sslrootcert", "sslcert", "sslkey"}
    with pytest.raises(ValueError, match="no certificate or key"):
        normalize(url.replace(f"sslkey={key}", f"sslkey={certificate}"))
