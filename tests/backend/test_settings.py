"""Settings that can't work are refused at the start; the message names the variable and what to write."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.cli import main
from backend.settings import Settings


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "80000", "less than or equal to 65535"),
        ("MODEL_TIER", "huge", "'full' or 'light'"),
        ("DATABASE_URL", "mysql://a@b/c", "postgresql://user:password@host:5432/database"),
        ("ALLOWED_HOSTS", "", "names no host"),
        ("ALLOWED_HOSTS", "localhost,https://tags.example.org", "as tags.example.org"),
        ("ALLOWED_HOSTS", "tags.example.org:8600", "as tags.example.org"),
        ("ALLOWED_HOSTS", "*.example.org", "as tags.example.org"),
        ("FORWARDED_ALLOW_IPS", "127.0.0.1,proxy", "10.0.0.0/24"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.0/99", "10.0.0.0/24"),
        # A9
        ("API_KEY", "sésame ouvre-toi", "ASCII"),
        ("API_KEY", "сезам", "ASCII"),
        ("API_KEY", "open\tsesame", "ASCII"),
        ("API_KEY", " open sesame", "ASCII"),
        ("API_KEY", "open \udce9", "UTF-8"),
        ("ADMIN_PASSWORD", "correct \udce9", "UTF-8"),
    ],
)
def test_what_can_never_work_is_refused(name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TAGALONG_{name}", value)
    done = CliRunner().invoke(main, ["serve"])
    assert done.exit_code == 1
    assert f"  TAGALONG_{name}: " in done.output
    assert words in done.output


def test_every_notation_of_a_host_or_a_proxy_is_accepted() -> None:
    named = Settings(allowed_hosts="Tags.Example.org, ::1,10.0.0.5,service-1", forwarded_allow_ips="10.0.0.5, fd00::/8")
    assert named.allowed_hosts == ["tags.example.org", "::1", "10.0.0.5", "service-1"]
    assert Settings(allowed_hosts="*", forwarded_allow_ips="*").allowed_hosts == ["*"]


def test_d8_a_password_that_was_not_written_whole_is_replaced(tmp_path: Path) -> None:
    kept = tmp_path / "admin-password"
    for left in (b"", b"\n", b"Zk3", bytes(17), b"\xff\xfe" * 10):
        kept.write_bytes(left)
        password = Settings(data_dir=tmp_path).resolve_admin_password()
        assert len(password) == 16
        assert kept.read_text() == f"{password}\n"
        assert kept.stat().st_mode & 0o777 == 0o600
        assert Settings(data_dir=tmp_path).resolve_admin_password() == password
    assert list(tmp_path.iterdir()) == [kept]


def test_d8_simultaneous_first_starts_share_one_password(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as starts:
        passwords = starts.map(lambda _: Settings(data_dir=tmp_path).resolve_admin_password(), range(40))
        assert len(set(passwords)) == 1


def test_d8_a_full_disk_leaves_no_password_and_the_next_start_makes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            Settings(data_dir=tmp_path).resolve_admin_password()
    assert list(tmp_path.iterdir()) == []
    assert Settings(data_dir=tmp_path).resolve_admin_password()
