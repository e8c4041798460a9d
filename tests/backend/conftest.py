"""Fixtures that several rooms of the backend's tests share."""

from pathlib import Path

import pytest

from backend.suggestions import recording


@pytest.fixture(autouse=True)
def unhurried_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """Record every answer that may be recorded, however busy the machine is."""
    monkeypatch.setattr(recording, "RECORD_WITHIN", 60.0)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The folder of an empty registry."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder
