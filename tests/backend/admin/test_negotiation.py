"""Which form of /metrics an Accept header gets."""

import pytest

from backend.admin.negotiation import form_of
from tests.backend.admin.conftest import AUTH, Admin

pytestmark = pytest.mark.anyio

TABLE = [
    ("", "text"),
    ("*/*", "text"),
    ("text/*", "text"),
    ("text/plain", "text"),
    ("application/json", "text"),
    ("text/html", "html"),
    ("TEXT/HTML", "html"),
    ("text/html;q=0.1, text/plain", "html"),
    ("text/html;level=1", "html"),
    ("text/html;q=0", "text"),
    ("text/html; q=0.000, */*", "text"),
    ("text/html;q=high", "html"),
    ("application/xhtml+xml,text/html;q=0.9,*/*;q=0.8", "html"),
    ("text/htmlx", "text"),
    (" , ;;, ", "text"),
    ("application/openmetrics-text", "openmetrics"),
    ("application/openmetrics-text;q=0", "text"),
    ("application/openmetrics-text; version=1.0.0; charset=utf-8", "openmetrics"),
    # Prometheus 3
    (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
        "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        "openmetrics",
    ),
    ("application/openmetrics-text;version=what", "openmetrics"),
    ("application/openmetrics-text, text/html", "html"),
]


@pytest.mark.parametrize(("accept", "form"), TABLE)
def test_the_form_follows_what_is_named(accept: str, form: str) -> None:
    assert form_of(accept) == form


MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "text": "text/plain; version=",
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
}


async def test_the_answer_has_that_form(admin: Admin) -> None:
    for accept, form in TABLE:
        response = await admin.get("/metrics", headers={"Accept": accept})
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(MEDIA_TYPES[form]), accept
        assert response.headers["vary"] == "Accept"
        assert response.headers["cache-control"] == "no-store"


async def test_without_an_accept_header_it_is_the_exposition(admin: Admin) -> None:
    del admin.client.headers["accept"]
    response = await admin.get("/metrics")
    assert "accept" not in response.request.headers
    assert response.headers["content-type"].startswith("text/plain; version=")


async def test_head_gives_the_headers_of_get(admin: Admin) -> None:
    for path in ("/metrics", "/metrics/overview.json", "/metrics/report", "/metrics/style.css"):
        asked = {"headers": {"Accept": "text/html"}, "auth": AUTH}
        response = await admin.client.head(path, **asked)
        assert response.status_code == 200, path
        got = await admin.client.get(path, **asked)
        names = ("content-type", "cache-control", "vary", "content-security-policy")
        assert [response.headers[name] for name in names] == [got.headers[name] for name in names]
    assert (await admin.client.head("/metrics")).status_code == 401
