"""A service with a registry, for tests that deploy versions to it."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from backend.audit.service import OPERATOR
from backend.deployments import registry, service
from backend.deployments.loader import ModelLoader
from backend.deployments.router import LoadedModels
from backend.deployments.tables import Deployment
from backend.postgres.database import Database
from model.serving.classifier import Classifier, Suggested
from tests.backend.service import Service, running


@dataclass
class DeployableService:
    """A running service and the registry that it reads. It follows each step at once, rather than a second later.

    ``database`` is for the steps, which commands take in processes of their own.
    """

    service: Service
    models: Path
    database: Database

    @property
    def loader(self) -> ModelLoader:
        loader: ModelLoader = self.service.app.state.loader
        return loader

    @property
    def loaded(self) -> LoadedModels:
        loaded: LoadedModels = self.service.app.state.router.models
        return loaded

    async def deploy(self, number: int, share: float = 0.5, **more: Any) -> Deployment:
        registered = registry.read_version(self.models, number)
        async with self.database.session() as session:
            deployment = await service.deploy(
                session, registered, share=share, actor=OPERATOR, now=datetime.now(UTC), **more
            )
        await self.loader.sync()
        return deployment

    async def promote(self) -> Deployment:
        async with self.database.session() as session:
            challenger = (await service.read_running(session)).challenger
            assert challenger is not None
            promoted = await service.promote(
                session, challenger.id, actor=OPERATOR, reason="test", now=datetime.now(UTC)
            )
        await self.loader.sync()
        return promoted

    async def roll_back(self, role: str) -> str:
        async with self.database.session() as session:
            ending = getattr(await service.read_running(session), role)
            instead = await service.roll_back(session, ending.id, actor=OPERATOR, reason="test", now=datetime.now(UTC))
        await self.loader.sync()
        return instead


@asynccontextmanager
async def running_with_registry(database_url: str, models: Path, **settings: Any) -> AsyncIterator[DeployableService]:
    """A service with the light model, that reads a registry."""
    database = Database(database_url)
    try:
        async with running(database_url, model_tier="light", models_dir=models, **settings) as started:
            yield DeployableService(started, models, database)
    finally:
        await database.close()


def fail_on_titles_that_say_so(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """Let a version fail at drafts whose title has the word "fails"."""
    suggest = Classifier.suggest

    def failing(self: Classifier, title: str, *args: Any, **more: Any) -> list[Suggested]:
        if self.version == version and "fails" in title:
            raise RuntimeError("as ONNX Runtime would")
        return suggest(self, title, *args, **more)

    monkeypatch.setattr(Classifier, "suggest", failing)


def install_ids(count: int, seed: int = 1) -> list[str]:
    """Return ids of installs, the same ones for the same seed."""
    pick = random.Random(seed)
    return [str(UUID(int=pick.getrandbits(128), version=4)) for _ in range(count)]
