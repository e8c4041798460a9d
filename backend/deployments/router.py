"""What this process serves: it follows the table of deployments, loads what is deployed, and lets go of the rest.

A version that can't be loaded changes nothing: what works goes on, and the process says which version it lacks and why
(in its log, on /health/ready, to Prometheus, and in the table of replicas that `tagalong-server deployments` shows).
While the database is away, the last known deployments stand.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from backend.deployments import registry
from backend.deployments.arms import Arm, Begun, Exposure, draw
from backend.deployments.registry import RegistryError
from backend.deployments.service import Current, beat, current, kept
from backend.deployments.tables import Deployment, Failure, Replica
from backend.postgres.database import Database, DatabaseUnavailable
from backend.web.metrics import MODEL, MODELS_MISSING
from model.serving.classifier import Classifier, ReleaseError

log = logging.getLogger(__name__)

# How often the table is looked at: what a switch takes at most, beside the loading. Seconds.
FOLLOW_EVERY = 1.0

# A replica says what it serves at each change, and so often at least. Seconds.
BEAT_EVERY = 10.0

# A version that was replaced goes on answering the drafts that began with it for so long.
KEPT = timedelta(minutes=30)

# A version that could not be loaded is tried again after so long: somebody may have copied its files. Seconds.
TRY_AGAIN_AFTER = 30.0

# No guardrail looks back further than an experiment's start, and experiments end.
FAILURES_KEPT = timedelta(days=90)

# Whose drafts take part in an experiment: not those of the page to try the model, nor simulated ones.
KINDS_WITH_ARMS = frozenset({"ask", "edit"})


@dataclass(frozen=True, slots=True)
class Challenger:
    """A challenger that this process has loaded."""

    deployment_id: UUID
    classifier: Classifier
    share: float
    salt: str


@dataclass(frozen=True, slots=True)
class InShadow:
    """A version in the shadow that this process has loaded."""

    deployment_id: UUID
    classifier: Classifier


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Which version each install's new drafts get, by the versions' names."""

    champion: str
    challenger: str | None = None
    share: float = 0.0
    salt: str = ""

    def version_for(self, install_id: UUID) -> str:
        """The version for an install."""
        if self.challenger is None or draw(self.salt, self.share, install_id) == "champion":
            return self.champion
        return self.challenger


@dataclass(frozen=True, slots=True)
class Choice:
    """Who answers a draft, and what the answer notes of an experiment; None if it takes part in none."""

    classifier: Classifier
    exposure: Exposure | None


class Serving:
    """The versions in this process's memory, and who gets which.

    Args:
        shipped: the model that is champion while no deployment is, loaded already.
        shipped_folder: where it was loaded from.
        database: where the deployments stand.
        models_dir: the registry's folder.
        name: what this replica is called where replicas are listed.
        now: the clock, in UTC.
    """

    def __init__(
        self,
        shipped: Classifier,
        shipped_folder: Path,
        database: Database,
        models_dir: Path,
        name: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.champion = shipped
        self.challenger: Challenger | None = None
        self.shadow: InShadow | None = None
        self.problems: dict[str, str] = {}
        """Deployed versions that are not loaded here, and why."""
        self._shipped_version, self._shipped_folder = shipped.version, shipped_folder
        self._database, self._models_dir, self._name, self._now = database, models_dir, name, now
        self._id = uuid4()
        self._loaded = {shipped.version: shipped}
        # A version shall not be loaded twice at once, nor one look at the table overtake a later one.
        self._following = asyncio.Lock()
        self._arrangement = Arrangement(shipped.version)
        self._past: list[tuple[float, Arrangement]] = []
        self._try_again_at: dict[str, float] = {}
        self._beaten: tuple[float, object] | None = None
        self._failures: Counter[tuple[UUID, datetime, str]] = Counter()
        MODEL.info({"version": shipped.version})

    @property
    def versions(self) -> list[str]:
        """What is loaded, in the order of names."""
        return sorted(self._loaded)

    def may_have_begun_otherwise(self, install_id: UUID) -> bool:
        """Whether a draft that this process does not know may have begun with another version that is still loaded.

        Only where a switch has lately changed what its install gets: else another replica gave it the same.
        """
        self._past = [each for each in self._past if each[0] > time.monotonic()]
        present = self._arrangement.version_for(install_id)
        before = {arrangement.version_for(install_id) for _, arrangement in self._past}
        return not before.isdisjoint(self._loaded.keys() - {present})

    def choose(self, install_id: UUID, kind: str, begun: Begun | None) -> Choice:
        """Who answers a draft: the version that it began with while that is loaded, else its install's arm."""
        if kind not in KINDS_WITH_ARMS:
            return Choice(self.champion, None)
        challenger = self.challenger
        if begun is not None:
            classifier = self._loaded.get(begun.version)
            if classifier is not None:
                if challenger is None or begun.deployment_id != challenger.deployment_id:
                    return Choice(classifier, None)
                kept_arm: Arm = "challenger" if classifier is challenger.classifier else "champion"
                return Choice(classifier, Exposure(challenger.deployment_id, kept_arm, challenger.share))
        if challenger is None:
            return Choice(self.champion, None)
        arm = draw(challenger.salt, challenger.share, install_id)
        classifier = challenger.classifier if arm == "challenger" else self.champion
        # A draft that has lost its version is answered, but its writer saw two: it takes part in nothing any more.
        exposure = Exposure(challenger.deployment_id, arm, challenger.share) if begun is None else None
        return Choice(classifier, exposure)

    def count(self, deployment_id: UUID, *, failed: bool) -> None:
        """Count an answer that the challenger was to give, and whether it failed to."""
        minute = self._now().replace(second=0, microsecond=0)
        self._failures[deployment_id, minute, "answers"] += 1
        if failed:
            self._failures[deployment_id, minute, "failed"] += 1

    async def flush(self) -> None:
        """Write what was counted. If the database is away, it goes on waiting."""
        if not self._failures:
            return
        taken, self._failures = self._failures, Counter()
        rows = [
            {"deployment_id": each, "minute": minute, "answers": n, "failed": taken[each, minute, "failed"]}
            for (each, minute, what), n in sorted(taken.items())
            if what == "answers"
        ]
        statement = insert(Failure).values(rows)
        excluded = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=["deployment_id", "minute"],
            set_={"answers": Failure.answers + excluded.answers, "failed": Failure.failed + excluded.failed},
        )
        try:
            async with self._database.session() as session:
                await session.execute(statement)
                await session.execute(delete(Failure).where(Failure.minute < self._now() - FAILURES_KEPT))
        except DatabaseUnavailable:
            self._failures += taken

    async def follow(self) -> None:
        """Bring this process to what the table says, and say what it serves now.

        Raises:
            DatabaseAway: the table can't be read; all stays as it is.
        """
        async with self._following:
            async with self._database.session() as session:
                deployed = await current(session)
                in_use = set(await kept(session, self._now() - KEPT))
            await self._arrange(deployed, in_use)
            await self._beat()

    async def leave(self) -> None:
        """Take this process out of the list of replicas."""
        with suppress(DatabaseUnavailable):
            async with self._database.session(within=3) as session:
                await session.execute(delete(Replica).where(Replica.id == self._id))

    async def _arrange(self, deployed: Current, in_use: set[str]) -> None:
        """Load what is deployed, switch to it, and let go of what is neither deployed nor ``in_use``."""
        wanted = {row.model_version for row in (deployed.champion, deployed.challenger, deployed.shadow) if row}
        for version in self.problems.keys() - wanted - {self._shipped_version}:
            del self.problems[version]
        champion = await self._load_champion(deployed.champion)
        if champion is not None and champion is not self.champion:
            log.warning("the champion is %s now, after %s", champion.version, self.champion.version)
            self.champion = champion
            MODEL.info({"version": champion.version})
        # An experiment compares the two arms that were deployed: without either of them, it does not run here.
        challenger = await self._load(deployed.challenger)
        runs = deployed.challenger is not None and challenger is not None and champion is not None
        self._set_challenger(deployed.challenger if runs else None, challenger)
        shadow = await self._load(deployed.shadow)
        self.shadow = InShadow(deployed.shadow.id, shadow) if deployed.shadow and shadow else None
        self._note_arrangement()
        serving = wanted | in_use | {self.champion.version}
        first = deployed.champion
        if first is None or (first.replaces is None and first.started_at > self._now() - KEPT):
            # No row of its own says that it is champion, nor that it was until lately.
            serving.add(self._shipped_version)
        for version in self._loaded.keys() - serving:
            log.warning("%s is no longer needed", version)
            del self._loaded[version]
        MODELS_MISSING.set(len(self.problems))

    def _set_challenger(self, row: Deployment | None, classifier: Classifier | None) -> None:
        before = self.challenger
        self.challenger = Challenger(row.id, classifier, row.share, row.salt) if row and classifier else None
        if self.challenger and (before is None or before.share != self.challenger.share):
            log.warning(
                "%s gets %.1f %% of the installs", self.challenger.classifier.version, 100 * self.challenger.share
            )
        elif before and self.challenger is None:
            log.warning("%s is no longer tried", before.classifier.version)

    def _note_arrangement(self) -> None:
        """Remember what was served until now, if that changes."""
        arrangement = Arrangement(self.champion.version)
        if self.challenger is not None:
            challenger = self.challenger
            arrangement = Arrangement(
                self.champion.version, challenger.classifier.version, challenger.share, challenger.salt
            )
        if arrangement != self._arrangement:
            self._past.append((time.monotonic() + KEPT.total_seconds(), self._arrangement))
            self._arrangement = arrangement

    async def _load_champion(self, row: Deployment | None) -> Classifier | None:
        """The version that shall be champion, or None if it can't be loaded."""
        if row is not None:
            return await self._load(row)
        return await self._loaded_or(self._shipped_version, lambda: registry.load_warm(self._shipped_folder))

    async def _load(self, row: Deployment | None) -> Classifier | None:
        """A deployed version, loaded now if it is not yet; None if it can't be."""
        if row is None:
            return None
        number, version = row.number, row.model_version

        def from_registry() -> Classifier:
            registered = registry.read_version(self._models_dir, number)
            if registered.version != version:
                raise RegistryError(f"version {number} is {registered.version} in this registry, not {version}.")
            return registry.load(registered)

        return await self._loaded_or(version, from_registry)

    async def _loaded_or(self, version: str, load: Callable[[], Classifier]) -> Classifier | None:
        if version in self._loaded:
            self.problems.pop(version, None)
            return self._loaded[version]
        if version in self.problems and time.monotonic() < self._try_again_at[version]:
            return None
        try:
            classifier = await asyncio.to_thread(load)
        except Exception as error:  # whatever is wrong with its files must not touch what works
            expected = isinstance(error, RegistryError | ReleaseError)
            why = str(error) if expected else f"{type(error).__name__}: {error}"
            if self.problems.get(version) != why:
                log.error("%s can't be loaded, and what works goes on: %s", version, why)
            self.problems[version] = why
            self._try_again_at[version] = time.monotonic() + TRY_AGAIN_AFTER
            return None
        self.problems.pop(version, None)
        self._loaded[version] = classifier
        log.warning("%s is loaded", version)
        return classifier

    async def _beat(self) -> None:
        state = (self.champion.version, self.versions, dict(self.problems))
        if self._beaten and self._beaten[1] == state and time.monotonic() - self._beaten[0] < BEAT_EVERY:
            return
        champion, loaded, problems = state
        async with self._database.session() as session:
            await beat(
                session,
                self._id,
                name=self._name,
                champion=champion,
                loaded=loaded,
                problems=problems,
                now=self._now(),
            )
        self._beaten = time.monotonic(), state
