"""Fixtures of the deployments: a registry with versions, and a service that reads it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.suggestions import recording
from tests.backend.deployments.deploying import Deploying, deploying


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine, what may be recorded is."""
    monkeypatch.setattr(recording, "RECORD_WITHIN", 60.0)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The folder of an empty registry."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
async def deployable(database_url: str, models: Path) -> AsyncIterator[Deploying]:
    """A running service with the light model, that reads the registry."""
    async with deploying(database_url, models) as started:
        yield started
