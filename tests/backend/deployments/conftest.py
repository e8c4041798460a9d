"""A service that reads a registry, for the tests of deployments."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.backend.deployments.deployable_service import DeployableService, running_with_registry


@pytest.fixture
async def deployable(database_url: str, models: Path) -> AsyncIterator[DeployableService]:
    """A running service with the light model, that reads the registry."""
    async with running_with_registry(database_url, models) as started:
        yield started
