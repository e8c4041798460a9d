"""An experiment as rows of the tables: a challenger, installs in both arms, and a count of its own of what they did."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.audit.tables import Act
from backend.deployments.tables import Assignment, Deployment, ModelVersion, Phase
from backend.experiments.service import Experiments
from backend.experiments.status import ExperimentStatus, measure_status
from backend.postgres.database import Database
from tests.backend.acceptance.traffic import Writer, store

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
CHAMPION, CHALLENGER = "light-champion", "light-challenger"


class Experiment:
    """A challenger at a share of the installs, and what they do, with a count of its own of all that matters."""

    def __init__(self, engine: AsyncEngine, url: str, *, share: float = 0.5, seed: int = 1, **more: Any) -> None:
        self.engine = engine
        self.database = Database(url)
        self.pick = random.Random(seed)
        self.writer = Writer(seed)
        self.share = share
        self.values: dict[str, Any] = {
            "id": uuid4(),
            "model_version": CHALLENGER,
            "number": 2,
            "role": "challenger",
            "share": share,
            "salt": "salt",
            "horizon": 100,
            "until": None,
            "smallest_difference": 0.05,
            "promote_if_better": False,
            "started_at": NOW - timedelta(days=14),
            "started_by": "operator",
        } | more
        self.arms: list[dict[str, Any]] = []
        first_phase = {"deployment_id": self.values["id"], "started_at": self.values["started_at"], "share": share}
        self.phases: list[dict[str, Any]] = [first_phase]
        self.counts: dict[str, dict[str, float]] = {"champion": defaultdict(float), "challenger": defaultdict(float)}

    async def begin(self) -> None:
        async with self.engine.begin() as connection:
            version = {"version": CHALLENGER, "number": 2, "first_deployed_at": NOW, "about": {}}
            await connection.execute(insert(ModelVersion), version)
            await connection.execute(insert(Deployment), self.values)

    def install(
        self,
        arm: str,
        *,
        accepts: float,
        dismisses: float = 0.0,
        offers: float = 1.0,
        latency_ms: float = 5.0,
        drafts: int = 2,
        fails: bool = False,
        crowd: UUID | None = None,
        moved_at: datetime | None = None,
        share: float | None = None,
        exposed_at: datetime | None = None,
        begins: datetime = NOW - timedelta(days=9),
    ) -> UUID:
        """Add an install with some drafts of three chips each, posted with the accepted ones and one more tag."""
        install_id = self.writer.id()
        self.arms.append(
            {
                "deployment_id": self.values["id"],
                "install_id": install_id,
                "arm": arm,
                "share": self.share if share is None else share,
                "first_exposed_at": exposed_at or NOW - timedelta(days=10) + timedelta(minutes=len(self.arms)),
                "moved_at": moved_at,
                "crowd": crowd,
            }
        )
        self.write_drafts(
            install_id, arm, accepts, dismisses, offers, latency_ms, drafts, begins, fails=fails, moved_at=moved_at
        )
        return install_id

    def write_drafts(
        self,
        install_id: UUID,
        arm: str,
        accepts: float,
        dismisses: float = 0.0,
        offers: float = 1.0,
        latency_ms: float = 5.0,
        drafts: int = 2,
        begins: datetime = NOW - timedelta(days=9),
        *,
        fails: bool = False,
        moved_at: datetime | None = None,
    ) -> None:
        """Write an install's drafts, an hour apart."""
        for number in range(drafts):
            at = begins + timedelta(hours=number)
            after = moved_at is not None and at >= moved_at
            version = CHALLENGER if (arm == "challenger") != after else CHAMPION
            tags = ["a", "b", "c"] if self.pick.random() < offers else []
            accepted = [tag for tag in tags if self.pick.random() < accepts]
            posted = [*accepted, "z"]
            draft = self.writer.draft(
                at,
                install_id=install_id,
                model_version=version,
                deployment_id=self.values["id"],
                posted_at=at + timedelta(minutes=9),
                posted_tags=posted,
            )
            given_by: dict[str, Any] = {"model_version": CHAMPION} if fails else {}
            suggestion = self.writer.suggestion(draft, tags, latency_ms=latency_ms, **given_by)
            refused = [tag for tag in tags if tag not in accepted and self.pick.random() < dismisses]
            for tag in tags:
                seen = at + timedelta(minutes=1)
                self.writer.item(
                    suggestion,
                    tag,
                    seen,
                    accepted_at=seen if tag in accepted else None,
                    dismissed_at=seen if tag in refused else None,
                )
            if not after:
                mine = self.counts[arm]
                mine["viewed"] += len(tags)
                mine["accepted"] += len(accepted)
                mine["drafts"] += 1
                mine["jaccard"] += len(accepted) / len({*tags, *posted})

    def raise_share(self, at: datetime, share: float) -> None:
        """Begin a phase of another share; the first one is that of the experiment's start."""
        self.phases.append({"deployment_id": self.values["id"], "started_at": at, "share": share})

    def pairs(self, count: int, champion: float, challenger: float, **more: Any) -> None:
        """Add installs to both arms, which accept with these chances; ``more`` is for the challenger's."""
        for _ in range(count):
            self.install("champion", accepts=champion)
            self.install("challenger", accepts=challenger, **more)

    async def write(self) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(insert(Assignment), self.arms)
            if self.phases:
                await connection.execute(insert(Phase), self.phases)
                self.phases = []
        await store(self.engine, self.writer.rows)

    async def evaluate(self) -> None:
        await Experiments(self.database, now=lambda: NOW).evaluate()

    async def deployment(self) -> Deployment:
        async with self.database.session() as session:
            return await session.get_one(Deployment, self.values["id"])

    async def status(self) -> ExperimentStatus:
        async with self.database.session() as session:
            return await measure_status(session, await session.get_one(Deployment, self.values["id"]))

    async def acts(self) -> list[Act]:
        async with self.database.session() as session:
            return list(await session.scalars(select(Act).order_by(Act.id)))
