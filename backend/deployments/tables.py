"""Tables of deployed versions, of who is in which arm, of the shadow's answers, and of what each replica serves."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB, REAL
from sqlalchemy.orm import Mapped, mapped_column

from backend.postgres.base import Moment, Table


class ModelVersion(Table):
    """A version that was deployed, as the registry described it then; ``about`` is its ``version.json``."""

    __tablename__ = "model_version"

    version: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    first_deployed_at: Mapped[Moment]
    about: Mapped[dict[str, Any]] = mapped_column(JSONB)


class DeviceVersion(Table):
    """A version with a device form that this service shipped or had in its registry, at any time.

    ``sites`` and ``tags`` bound what an answer of such a device may be. Kept for good: a device goes on with its
    version when the service has a newer one.
    """

    __tablename__ = "device_version"

    version: Mapped[str] = mapped_column(Text, primary_key=True)
    sites: Mapped[list[str]] = mapped_column(ARRAY(Text))
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))


class Deployment(Table):
    """One version in one role, from its start to its end; without a champion's row, the shipped model is champion.

    Attributes:
        share: of the installs that get it: 1 for a champion, 0 for a shadow.
        salt: of the hash that draws an install's arm.
        horizon: installs after which the experiment gets its verdict; fixed at the start, like the next three.
        until: when it gets it at the latest.
        min_weeks: whole weeks that it lasts at least; null: it gets its verdict at the horizon, however soon.
        smallest_difference: of the acceptance rate, that would matter; .02 = 2 points.
        promote_if_better: whether the verdict may promote it.
        replaces: of a champion, the deployment of the champion before it; null: the shipped model.
    """

    __tablename__ = "deployment"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    model_version: Mapped[str] = mapped_column(ForeignKey("model_version.version"))
    number: Mapped[int]
    role: Mapped[str] = mapped_column(Text)
    share: Mapped[float]
    salt: Mapped[str] = mapped_column(Text)
    horizon: Mapped[int | None]
    until: Mapped[Moment | None]
    min_weeks: Mapped[int | None]
    smallest_difference: Mapped[float | None]
    promote_if_better: Mapped[bool]
    started_at: Mapped[Moment]
    started_by: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[Moment | None]
    ended_because: Mapped[str | None] = mapped_column(Text)
    replaces: Mapped[UUID | None] = mapped_column(ForeignKey("deployment.id"))

    __table_args__ = (
        CheckConstraint("role IN ('champion', 'challenger', 'shadow')", name="role"),
        CheckConstraint("share BETWEEN 0 AND 1", name="share"),
        CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name="ended"),
        Index("ix_deployment_current", "role", unique=True, postgresql_where=text("ended_at IS NULL")),
    )

    @property
    def earliest_verdict_at(self) -> datetime:
        """When the verdict may be given at the earliest."""
        return self.started_at + timedelta(weeks=self.min_weeks or 0)

    @property
    def settling_time(self) -> timedelta:
        """How long after its first exposure an install's drafts are left out of the verdict.

        What is new is clicked because it is new, which fades: half of the least duration is left for that.
        """
        return timedelta(weeks=(self.min_weeks or 0) // 2)


class Phase(Table):
    """A time during which a challenger had a constant share of the installs."""

    __tablename__ = "phase"

    deployment_id: Mapped[UUID] = mapped_column(ForeignKey("deployment.id"), primary_key=True)
    started_at: Mapped[Moment] = mapped_column(primary_key=True)
    share: Mapped[float]


class Assignment(Table):
    """Which arm of a challenger's deployment an install was in when it was first exposed to it.

    ``share`` is the challenger's when the arm was drawn. Installs that came from one address on one day share a
    ``crowd``, a random id; null where it is not known.
    ``moved_at`` is when a growing share took an install of the champion's arm over to the challenger.
    """

    __tablename__ = "assignment"

    deployment_id: Mapped[UUID] = mapped_column(ForeignKey("deployment.id"), primary_key=True)
    install_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)
    arm: Mapped[str] = mapped_column(Text)
    share: Mapped[float]
    first_exposed_at: Mapped[Moment]
    moved_at: Mapped[Moment | None]
    crowd: Mapped[UUID | None]

    __table_args__ = (CheckConstraint("arm IN ('champion', 'challenger')", name="arm"),)


class Failure(Table):
    """How many answers a challenger was to give in one minute, and in how many it failed and the champion answered."""

    __tablename__ = "failure"

    deployment_id: Mapped[UUID] = mapped_column(ForeignKey("deployment.id"), primary_key=True)
    minute: Mapped[Moment] = mapped_column(primary_key=True)
    answers: Mapped[int]
    failed: Mapped[int]


class Shadow(Table):
    """What a shadow version would have answered in place of a suggestion; nobody was shown it."""

    __tablename__ = "shadow"

    suggestion_id: Mapped[UUID] = mapped_column(ForeignKey("suggestion.id", ondelete="CASCADE"), primary_key=True)
    deployment_id: Mapped[UUID] = mapped_column(ForeignKey("deployment.id"), primary_key=True)
    model_version: Mapped[str] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    scores: Mapped[list[float]] = mapped_column(ARRAY(REAL))
    confident: Mapped[int] = mapped_column(SmallInteger)
    latency_ms: Mapped[float] = mapped_column(REAL)

    __table_args__ = (Index("ix_shadow_deployment_id", "deployment_id"),)


class Replica(Table):
    """What one process of the service has loaded, and which versions it could not load and why."""

    __tablename__ = "replica"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    seen_at: Mapped[Moment]
    champion: Mapped[str] = mapped_column(Text)
    loaded: Mapped[list[str]] = mapped_column(ARRAY(Text))
    problems: Mapped[dict[str, str]] = mapped_column(JSONB)
