"""Backup and restore: everything comes back, or nothing changes."""

import asyncio
import gzip
import io
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from backend.admin.panels import TWINS
from backend.cli import main
from backend.postgres.backups import NotABackup, check_backup
from backend.postgres.embedded.programs import program
from backend.postgres.migrate import migrate
from tests.backend.service import ADMIN, DEMO_WEEK, running
from tests.end_to_end.process import SERVER


@pytest.fixture
def command(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs one of the server's commands on a database of the test's own."""
    monkeypatch.setenv("TAGALONG_DATABASE_URL", database_url)
    monkeypatch.setenv("TAGALONG_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TAGALONG_MODEL_TIER", "light")

    def run(*arguments: str, given: bytes | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=given)

    return run


@pytest.fixture
def filled(command: Any) -> Any:
    """The same, on a database with a week of traffic."""
    assert command(*DEMO_WEEK, "--drafts", "4").exit_code == 0
    return command


def statement(url: str, *statements: str) -> Any:
    async def run() -> Any:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            for statement in statements:
                result = await connection.execute(text(statement))
            rows = result.all() if result.returns_rows else None
        await engine.dispose()
        return rows

    return asyncio.run(run())


def figures(url: str) -> dict[str, Any]:
    """Every panel of /metrics as its JSON has it, but those that the commands and the reading itself go on in."""

    async def read() -> dict[str, Any]:
        async with running(url, model_tier="light") as service:
            found = {}
            for panel in TWINS.keys() - {"acts", "requests"}:
                response = await service.client.get(f"/metrics/{panel}.json", params={"kind": "demo"}, auth=ADMIN)
                assert response.status_code == 200, response.text
                found[panel] = response.json()["rows"]
            return found

    return asyncio.run(read())


def counts(url: str) -> tuple[int, int, int]:
    (row,) = statement(
        url, "SELECT (SELECT count(*) FROM draft), (SELECT count(*) FROM event), (SELECT count(*) FROM item)"
    )
    return tuple(row)


def test_a_restored_database_gives_the_same_figures(filled: Any, database_url: str, tmp_path: Path) -> None:
    # The figures come first: reading them makes the service write down that it was there.
    before, rows = figures(database_url), counts(database_url)
    assert rows[1] > 50
    file = tmp_path / "tagalong.sql.gz"
    assert filled("backup", str(file)).exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    statement(database_url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    restored = filled("restore", str(file))
    assert restored.exit_code == 0, restored.output
    assert f"{rows[0]} drafts, {rows[1]} events" in restored.output
    assert counts(database_url) == rows
    assert "0 differ or are missing, 0 differ or are surplus" in filled("recount").output
    assert figures(database_url) == before
    (act,) = statement(database_url, "SELECT act, subject FROM audit WHERE act = 'restore'")
    assert tuple(act) == ("restore", "tagalong.sql.gz")


def test_existing_data_are_not_discarded_without_replace(filled: Any, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "tagalong.sql.gz"
    filled("backup", str(file))
    rows = counts(database_url)
    refused = filled("restore", str(file))
    assert refused.exit_code == 1
    assert "--replace" in refused.output
    statement(database_url, "DELETE FROM item", "DELETE FROM event")
    restored = filled("restore", str(file), "--replace")
    assert restored.exit_code == 0, restored.output
    assert counts(database_url) == rows


def test_a_backup_goes_through_a_pipe(filled: Any, database_url: str) -> None:
    rows = counts(database_url)
    dumped = subprocess.run([SERVER, "backup", "-"], check=True, capture_output=True).stdout
    subprocess.run([SERVER, "restore", "-", "--replace"], check=True, input=dumped)
    assert counts(database_url) == rows


def test_a_truncated_file_changes_nothing(filled: Any, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "tagalong.sql.gz"
    filled("backup", str(file))
    whole, rows = file.read_bytes(), counts(database_url)
    for kept in (0, 10, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:kept])
        failed = filled("restore", str(file), "--replace")
        assert failed.exit_code == 1
        assert "The database is as it was" in failed.output
        assert counts(database_url) == rows


def test_a_file_that_was_cut_off_before_it_was_compressed_changes_nothing(
    filled: Any, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "tagalong.sql.gz"
    filled("backup", str(file))
    lines, rows = gzip.decompress(file.read_bytes()).splitlines(keepends=True), counts(database_url)
    last_table = next(n for n in reversed(range(len(lines))) if lines[n].startswith(b"COPY "))
    for kept in (0, 1, len(lines) // 4, last_table, last_table + 1, len(lines) - 20):
        file.write_bytes(gzip.compress(b"".join(lines[:kept])))
        failed = filled("restore", str(file), "--replace")
        assert failed.exit_code == 1
        assert "no whole backup" in failed.output
        assert counts(database_url) == rows


def test_a_newer_versions_backup_is_refused(filled: Any, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "tagalong.sql.gz"
    statement(database_url, "UPDATE alembic_version SET version_num = '9999'")
    assert filled("backup", str(file)).exit_code == 0
    statement(database_url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    asyncio.run(migrate(database_url))
    failed = filled("restore", str(file))
    assert failed.exit_code == 1
    assert "newer version" in failed.output
    assert counts(database_url) == (0, 0, 0)


def test_restore_refuses_while_a_service_runs(filled: Any, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "tagalong.sql.gz"
    filled("backup", str(file))

    async def beside() -> Result:
        async with running(database_url, model_tier="light"):
            return await asyncio.to_thread(filled, "restore", str(file), "--replace")

    refused = asyncio.run(beside())
    assert refused.exit_code == 1
    assert "stop the service first" in refused.output


def test_a_failed_backup_keeps_the_last_one(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tagalong.sql.gz"
    file.write_text("yesterday's")
    monkeypatch.setenv("TAGALONG_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    assert command("backup", str(file)).exit_code == 1
    assert file.read_text() == "yesterday's"
    assert [path.name for path in tmp_path.iterdir()] == ["tagalong.sql.gz"]


def dumped_by_pg_dump(url: str) -> bytes:
    """The same database as older versions backed it up: as SQL."""
    place = make_url(url)
    return subprocess.run(
        [
            *(program("pg_dump"), "--no-owner", "--no-privileges", f"--host={place.query['host']}"),
            *(f"--username={place.username}", f"--dbname={place.database}"),
        ],
        check=True,
        capture_output=True,
    ).stdout


def everything(url: str) -> dict[str, list[str]]:
    """Every row of every table, but the log of acts."""
    tables = statement(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'audit'")
    return {table: sorted(statement(url, f"SELECT t::text FROM {table} t")) for (table,) in tables}


def schema(url: str) -> bytes:
    """What makes the tables, without the rows and what differs from dump to dump."""
    lines = dumped_by_pg_dump(url).splitlines()
    kept, in_rows = [], False
    for line in lines:
        in_rows = in_rows or line.startswith(b"COPY ")
        # A schema public that is not the first one is named in a dump.
        if (
            not in_rows
            and line
            and not re.match(rb"\\|--|SELECT pg_catalog.setval|(CREATE|COMMENT ON) SCHEMA public", line)
        ):
            kept.append(line)
        in_rows = in_rows and line != b"\\."
    return b"\n".join(kept)


@pytest.mark.parametrize("older", [False, True], ids=["as it is written now", "as older versions wrote it"])
def test_d6_all_rows_and_the_whole_schema_come_back(
    filled: Any, database_url: str, tmp_path: Path, older: bool
) -> None:
    file = tmp_path / "tagalong.sql.gz"
    rows, tables = everything(database_url), schema(database_url)
    if older:
        file.write_bytes(gzip.compress(dumped_by_pg_dump(database_url)))
    else:
        assert filled("backup", str(file)).exit_code == 0
    statement(database_url, "DELETE FROM item", "DELETE FROM event", "CREATE TABLE in_the_way (x int)")
    restored = filled("restore", str(file), "--replace")
    assert restored.exit_code == 0, restored.output
    assert everything(database_url) == rows
    assert schema(database_url) == tables
    # Numbers go on where they were: the restore itself is noted under a new one.
    (taken,) = statement(database_url, "SELECT count(*) = count(DISTINCT id), max(id) FROM audit")
    assert taken[0]


HOSTILE = {
    "another dump": b"CREATE TABLE public.users (id integer);\nCOPY public.users (id) FROM stdin;\n1\n\\.\n",
    "SQL of one's own": b"DROP TABLE public.draft;\n",
    "SQL behind another command": b"SET lock_timeout = 0; DROP TABLE public.draft;\n",
    "SQL over two lines": b"DROP TABLE\npublic.draft;\n",
    "rows by INSERT": b"INSERT INTO public.total VALUES ('2026-01-01', 'suggestions', 7);\n",
    "a command of psql": b"\\! touch {marker}\n",
    "a command of psql behind blanks": b"  \\! touch {marker}\n",
    "a command of psql in a statement": b"CREATE TABLE public.x (\n\\! touch {marker}\n);\n",
    "a file that psql would write": b"\\copy public.draft to program 'touch {marker}'\n",
    "rows from a program": b"COPY public.total (day, name, n) FROM PROGRAM 'touch {marker}';\n",
    "a table twice": b"COPY public.alembic_version (version_num) FROM stdin;\n0001\n\\.\n",
}


@pytest.mark.parametrize("older", [False, True], ids=["as it is written now", "as older versions wrote it"])
def test_d6_a_file_with_anything_else_in_it_changes_and_runs_nothing(
    filled: Any, database_url: str, tmp_path: Path, older: bool
) -> None:
    file, marker = tmp_path / "tagalong.sql.gz", tmp_path / "marker"
    assert filled("backup", str(file)).exit_code == 0
    whole = dumped_by_pg_dump(database_url) if older else gzip.decompress(file.read_bytes())
    first = whole.index(b"\n\n") + 2
    last = whole.rindex(b"-- PostgreSQL database dump complete" if older else b"-- Tagalong database dump complete")
    for name, hostile in HOSTILE.items():
        hostile = hostile.replace(b"{marker}", bytes(marker))
        contents = [whole[:first] + hostile + whole[first:], whole[:last] + hostile + whole[last:]]
        # Tables that are not ours are passed over, and a file with only those is refused.
        for content in [hostile + whole[last:], *(contents if name != "another dump" else [])]:
            with pytest.raises(NotABackup):
                check_backup(io.BytesIO(gzip.compress(content, 1)))
    for content in (gzip.compress(whole + b"SELECT 1;\n"), whole, b"PK\x03\x04", gzip.compress(b"\x00" * 5_000_000)):
        with pytest.raises(NotABackup):
            check_backup(io.BytesIO(content))
    rows = everything(database_url)
    hostile = b"\\! touch " + bytes(marker) + b"\nDROP TABLE public.draft;\n"
    file.write_bytes(gzip.compress(whole[:first] + hostile + whole[first:], 1))
    refused = filled("restore", str(file), "--replace")
    assert refused.exit_code == 1
    assert "no whole backup" in refused.output
    assert "The database is as it was" in refused.output
    assert everything(database_url) == rows
    assert not marker.exists()


def test_d6_rows_that_do_not_fit_change_nothing_and_are_not_quoted(
    filled: Any, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "tagalong.sql.gz"
    filled("backup", str(file))
    whole, rows = gzip.decompress(file.read_bytes()), everything(database_url)
    for change in (
        lambda text: text.replace(b'COPY public.draft ("id"', b'COPY public.draft ("elsewhere"'),
        lambda text: text.replace(b"\tdemo\t", b"\tZk3hemmelig\t", 1),
        lambda text: re.sub(rb"COPY public.event .*?\n\\\.\n", b"", text, flags=re.DOTALL),
        lambda text: re.sub(rb"(COPY public.draft .*?\n).*?(\\\.\n)", rb"\1\2", text, flags=re.DOTALL),
    ):
        assert change(whole) != whole
        file.write_bytes(gzip.compress(change(whole), 1))
        refused = filled("restore", str(file), "--replace")
        assert refused.exit_code == 1
        assert "The database is as it was" in refused.output
        assert len(refused.output.splitlines()) == 1
        assert "Zk3hemmelig" not in refused.output
        assert everything(database_url) == rows
    assert not statement(database_url, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'tagalong%'")
