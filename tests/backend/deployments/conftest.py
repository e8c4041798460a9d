"""A service that reads a registry, for the tests of deployments."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.backend.deployments.deploying import Deploying, deploying


@pytest.fixture
async def deployable(database_url: str, models: Path) -> AsyncIterator[Deploying]:
    """A running service with the light model, that reads the registry."""
    async with deploying(database_url, models) as started:
        yield started
