"""Fixtures that several rooms of the backend's tests share."""

from pathlib import Path

import pytest

from backend.admin import routes
from backend.suggestions import recording


@pytest.fixture(autouse=True)
def unhurried_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Record every answer that may be recorded, and count to the end, however busy the machine is."""
    monkeypatch.setattr(recording, "RECORD_WITHIN", 60.0)
    monkeypatch.setattr(routes, "PAGE_LIMIT", 60.0)
    monkeypatch.setattr(routes, "SCRAPE_LIMIT", 60.0)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The folder of an empty registry."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder
