"""Settings that could never work are refused at the start, in words that name the variable and what to write."""

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
    ],
)
def test_what_can_never_work_is_refused(name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TAGALONG_{name}", value)
    done = CliRunner().invoke(main, ["serve"])
    assert done.exit_code == 1
    assert f"  TAGALONG_{name}: " in done.output
    assert words in done.output


def test_every_way_to_name_a_host_or_a_proxy_is_taken() -> None:
    named = Settings(allowed_hosts="Tags.Example.org, ::1,10.0.0.5,service-1", forwarded_allow_ips="10.0.0.5, fd00::/8")
    assert named.allowed_hosts == ["tags.example.org", "::1", "10.0.0.5", "service-1"]
    assert Settings(allowed_hosts="*", forwarded_allow_ips="*").allowed_hosts == ["*"]
