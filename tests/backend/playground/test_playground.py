"""The page to try the model."""

import re

import pytest

from tests.backend.service import Service

pytestmark = pytest.mark.anyio


async def test_the_page_loads_nothing_from_elsewhere_and_can_be_framed_by_nobody(service: Service) -> None:
    page = await service.client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {"/trial.css", "/trial.js", "/icon.svg"} <= set(parts)
    for part in parts:
        assert part.startswith("/"), part
    for part in ("/trial.css", "/trial.js", "/icon.svg"):
        assert (await service.client.get(part)).status_code == 200


async def test_the_page_asks_for_no_record(service: Service) -> None:
    script = (await service.client.get("/trial.js")).text
    assert "record: false" in script
    assert 'kind: "try"' in script
