"""Keeping this process in step with the table of deployments: load what is deployed, and drop what is not needed.

A version that can't be loaded changes nothing: what works goes on, and the process says which version it lacks and why
(in its log, on /health/ready, to Prometheus, and in the table of replicas that `tagalong-server deployments` shows).
While the database is unavailable, the last known deployments stand.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from backend.deployments import registry
from backend.deployments.replicas import delete_replica, record_heartbeat
from backend.deployments.router import DRAIN_PERIOD, Challenger, Router, ShadowModel
from backend.deployments.service import RunningDeployments, list_replaced_versions, read_running
from backend.deployments.tables import Deployment
from backend.postgres.database import Database, DatabaseUnavailable
from backend.web.metrics import MODEL, MODELS_MISSING
from model.serving import Classifier, RegistryError, ReleaseError

log = logging.getLogger(__name__)

# How often the table is read: what a switch takes at most, besides the loading. Seconds.
SYNC_EVERY = 1.0

# A replica reports what it serves at each change, and at least so often. Seconds.
HEARTBEAT_EVERY = 10.0

# A version that could not be loaded is tried again after so long: somebody may have copied its files. Seconds.
RETRY_AFTER = 30.0


class ModelLoader:
    """Loads what is deployed, switches the router to it, and lists this process among the replicas.

    Args:
        router: routes drafts to the loaded models; its champion is the shipped model, loaded already.
        shipped_folder: where the shipped model was loaded from; it is champion while no deployment is.
        database: where the deployments are.
        models_dir: the registry's folder.
        name: what this replica is called where replicas are listed.
    """

    def __init__(self, router: Router, shipped_folder: Path, database: Database, models_dir: Path, name: str) -> None:
        shipped = router.models.champion
        self.problems: dict[str, str] = {}
        """Deployed versions that are not loaded here, and why."""
        self._router = router
        self._shipped_version, self._shipped_folder = shipped.version, shipped_folder
        self._database, self._models_dir, self._name = database, models_dir, name
        self._id = uuid4()
        self._loaded = {shipped.version: shipped}
        # No version may be loaded twice at once, nor may one reading of the table overtake a later one.
        self._syncing = asyncio.Lock()
        self._retry_at: dict[str, float] = {}
        self._last_heartbeat: tuple[float, object] | None = None
        MODEL.info({"version": shipped.version})

    @property
    def versions(self) -> list[str]:
        """What is loaded, sorted by name."""
        return sorted(self._loaded)

    async def sync(self) -> None:
        """Load and serve what the table says, and report it.

        Raises:
            DatabaseAway: the table can't be read; everything stays as it is.
        """
        async with self._syncing:
            async with self._database.session() as session:
                running = await read_running(session)
                replaced = await list_replaced_versions(session, datetime.now(UTC) - DRAIN_PERIOD)
            await self._load_and_switch(running, set(replaced))
            await self._report()

    async def deregister(self) -> None:
        """Take this process out of the list of replicas."""
        with suppress(DatabaseUnavailable):
            async with self._database.session(within=3) as session:
                await delete_replica(session, self._id)

    async def _load_and_switch(self, running: RunningDeployments, replaced: set[str]) -> None:
        """Load what is deployed, switch to it, and drop what is neither deployed nor ``replaced`` lately."""
        deployed = {row.model_version for row in (running.champion, running.challenger, running.shadow) if row}
        for version in self.problems.keys() - deployed - {self._shipped_version}:
            del self.problems[version]
        champion = await self._load_champion(running.champion)
        if champion is not None and champion is not self._router.models.champion:
            log.warning("the champion is %s now, after %s", champion.version, self._router.models.champion.version)
            self._switch(champion=champion)
            MODEL.info({"version": champion.version})
        challenger = await self._load(running.challenger)
        # An experiment compares the two arms that were deployed: without either of them, it does not run here.
        self._switch_challenger(running.challenger, None if champion is None else challenger)
        shadow = await self._load(running.shadow)
        self._switch(shadow=ShadowModel(running.shadow.id, shadow) if running.shadow and shadow else None)
        for version in self._loaded.keys() - deployed - replaced - self._champions_by_default(running.champion):
            log.warning("%s is no longer needed", version)
            del self._loaded[version]
        self._switch()
        MODELS_MISSING.set(len(self.problems))

    def _switch_challenger(self, row: Deployment | None, classifier: Classifier | None) -> None:
        before = self._router.models.challenger
        if row is not None and classifier is not None:
            self._switch(challenger=Challenger(row.id, classifier, row.share, row.salt))
            if before is None or before.share != row.share:
                log.warning("%s gets %.1f %% of the installs", classifier.version, 100 * row.share)
        else:
            self._switch(challenger=None)
            if before is not None:
                log.warning("%s is no longer tried", before.classifier.version)

    def _switch(self, **roles: Any) -> None:
        """Have the router use what is loaded now, in these roles."""
        self._router.switch_to(replace(self._router.models, by_version=dict(self._loaded), **roles))

    def _champions_by_default(self, row: Deployment | None) -> set[str]:
        """Return the versions that are needed although no deployment may name them."""
        needed = {self._router.models.champion.version}
        # No row says of the shipped model that it is champion, nor that it was until lately.
        if row is None or (row.replaces is None and row.started_at > datetime.now(UTC) - DRAIN_PERIOD):
            needed.add(self._shipped_version)
        return needed

    async def _load_champion(self, row: Deployment | None) -> Classifier | None:
        """Return the version that is to be champion, or None if it can't be loaded."""
        if row is not None:
            return await self._load(row)
        return await self._load_once(self._shipped_version, lambda: registry.load_warm(self._shipped_folder))

    async def _load(self, row: Deployment | None) -> Classifier | None:
        """Return a deployed version, loaded now if it is not yet; None if it can't be loaded."""
        if row is None:
            return None
        number, version = row.number, row.model_version

        def load_from_registry() -> Classifier:
            registered = registry.read_version(self._models_dir, number)
            if registered.version != version:
                raise RegistryError(f"version {number} is {registered.version} in this registry, not {version}.")
            return registry.load(registered)

        return await self._load_once(version, load_from_registry)

    async def _load_once(self, version: str, load: Callable[[], Classifier]) -> Classifier | None:
        if version in self._loaded:
            self.problems.pop(version, None)
            return self._loaded[version]
        if version in self.problems and time.monotonic() < self._retry_at[version]:
            return None
        try:
            classifier = await asyncio.to_thread(load)
        except Exception as error:  # whatever is wrong with its files must not touch what works
            expected = isinstance(error, RegistryError | ReleaseError)
            reason = str(error) if expected else f"{type(error).__name__}: {error}"
            if self.problems.get(version) != reason:
                log.error("%s can't be loaded, and what works goes on: %s", version, reason)
            self.problems[version] = reason
            self._retry_at[version] = time.monotonic() + RETRY_AFTER
            return None
        self.problems.pop(version, None)
        self._loaded[version] = classifier
        log.warning("%s is loaded", version)
        return classifier

    async def _report(self) -> None:
        """Record what this process serves, if that has changed or was recorded long ago."""
        state = (self._router.models.champion.version, self.versions, dict(self.problems))
        if self._last_heartbeat is not None:
            sent_at, sent = self._last_heartbeat
            if sent == state and time.monotonic() - sent_at < HEARTBEAT_EVERY:
                return
        champion, loaded, problems = state
        async with self._database.session() as session:
            await record_heartbeat(
                session,
                self._id,
                name=self._name,
                champion=champion,
                loaded=loaded,
                problems=problems,
                now=datetime.now(UTC),
            )
        self._last_heartbeat = time.monotonic(), state
