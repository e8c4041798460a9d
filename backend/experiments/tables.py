"""Tables of experiments: their last status and guardrails, and their verdicts."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.postgres.base import Moment, Table


class VerdictRow(Table):
    """The verdict on an experiment at its horizon; written once. ``figures`` has the secondary ones, by name."""

    __tablename__ = "verdict"

    deployment_id: Mapped[UUID] = mapped_column(ForeignKey("deployment.id"), primary_key=True)
    given_at: Mapped[Moment]
    word: Mapped[str] = mapped_column(Text)
    installs: Mapped[int]
    difference: Mapped[float | None]
    low: Mapped[float | None]
    high: Mapped[float | None]
    figures: Mapped[dict[str, Any]] = mapped_column(JSONB)

    __table_args__ = (CheckConstraint("word IN ('better', 'worse', 'no difference shown')", name="word"),)


class StatusRow(Table):
    """The status of an experiment at its last evaluation; ``figures`` has both arms and the difference, by name.

    ``visible_loss`` is the smallest part of an arm's installs whose loss would show in the proportion of the arms.
    """

    __tablename__ = "standing"

    deployment_id: Mapped[UUID] = mapped_column(ForeignKey("deployment.id"), primary_key=True)
    read_at: Mapped[Moment]
    champion_installs: Mapped[int]
    challenger_installs: Mapped[int]
    counted: Mapped[int]
    sample_ratio: Mapped[float | None]
    visible_loss: Mapped[float | None]
    figures: Mapped[dict[str, Any]] = mapped_column(JSONB)


class GuardrailRow(Table):
    """The last result of a guardrail (see `backend.experiments.guardrails.GuardrailResult`)."""

    __tablename__ = "guardrail"

    deployment_id: Mapped[UUID] = mapped_column(ForeignKey("deployment.id"), primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    read_at: Mapped[Moment]
    n: Mapped[int] = mapped_column(BigInteger)
    champion: Mapped[float | None]
    challenger: Mapped[float | None]
    breached: Mapped[bool | None]
    words: Mapped[str] = mapped_column(Text)
