"""Which form of /metrics an Accept header gets."""

from typing import Any

import pytest

from tests.backend.admin.conftest import AUTH, Admin

pytestmark = pytest.mark.anyio

PAGE = "text/html; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
OLD_TEXT = "text/plain; version=0.0.4; charset=utf-8"
NEW_TEXT = "text/plain; version=1.0.0; charset=utf-8"

# A10: the format and the version that is asked for, chosen as Prometheus's own server chooses.
TABLE = [
    ("", OLD_TEXT),
    ("*/*", OLD_TEXT),
    ("text/*", OLD_TEXT),
    ("text/plain", OLD_TEXT),
    ("text/plain;version=0.0.4", OLD_TEXT),
    ("Text/Plain; Version=0.0.4; charset=utf-8", OLD_TEXT),
    ('text/plain; version="0.0.4"', OLD_TEXT),
    ("text/plain;version=1.0.0", NEW_TEXT),
    ("text/plain;version=1.0.0;escaping=underscores", NEW_TEXT),
    ("text/plain;version=7.0.0", OLD_TEXT),
    ("text/plain;version=what;q=1,application/openmetrics-text;q=0.1", OPENMETRICS),
    ("application/json", OLD_TEXT),
    ("text/html", PAGE),
    ("TEXT/HTML", PAGE),
    ("text/html;q=0.1, text/plain", PAGE),
    ("text/html;level=1", PAGE),
    ("text/html;q=0", OLD_TEXT),
    ("text/html; q=0.000, */*", OLD_TEXT),
    ("text/html;q=high", PAGE),
    ("application/xhtml+xml,text/html;q=0.9,*/*;q=0.8", PAGE),
    ("text/htmlx", OLD_TEXT),
    (" , ;;, ", OLD_TEXT),
    ("application/openmetrics-text", OPENMETRICS),
    ("application/openmetrics-text;q=0", OLD_TEXT),
    ("application/openmetrics-text; version=1.0.0; charset=utf-8", OPENMETRICS),
    ("application/openmetrics-text;version=0.0.1", OLD_TEXT),
    ("application/openmetrics-text;version=9.9.9", OLD_TEXT),
    ("application/openmetrics-text;version=what", OLD_TEXT),
    ("application/openmetrics-text;q=0.2,text/plain;version=0.0.4;q=0.7", OLD_TEXT),
    ("text/plain;version=0.0.4;q=0.7,application/openmetrics-text;q=0.8", OPENMETRICS),
    # Prometheus 3
    (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
        "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        OPENMETRICS,
    ),
    # Prometheus 2
    (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        OPENMETRICS,
    ),
    ("application/openmetrics-text, text/html", PAGE),
]


async def test_a10_the_answer_has_the_format_and_version_that_accept_names(admin: Admin) -> None:
    for accept, media_type in TABLE:
        response = await admin.get("/metrics", headers={"Accept": accept})
        assert response.status_code == 200
        assert response.headers["content-type"].partition("; escaping=")[0] == media_type, accept
        assert response.headers["vary"] == "Accept"
        assert response.headers["cache-control"] == "no-store"
        assert response.text.endswith("# EOF\n") == (media_type == OPENMETRICS), accept


async def test_without_an_accept_header_it_is_the_exposition(admin: Admin) -> None:
    del admin.client.headers["accept"]
    response = await admin.get("/metrics")
    assert "accept" not in response.request.headers
    assert response.headers["content-type"] == OLD_TEXT


async def test_head_gives_the_headers_of_get(admin: Admin) -> None:
    for path in ("/metrics", "/metrics/overview.json", "/metrics/report", "/metrics/style.css"):
        asked: dict[str, Any] = {"headers": {"Accept": "text/html"}, "auth": AUTH}
        response = await admin.client.head(path, **asked)
        assert response.status_code == 200, path
        got = await admin.client.get(path, **asked)
        names = ("content-type", "cache-control", "vary", "content-security-policy")
        assert [response.headers[name] for name in names] == [got.headers[name] for name in names]
    assert (await admin.client.head("/metrics")).status_code == 401
