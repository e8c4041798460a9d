"""Table of what was found of drift."""

from datetime import date
from typing import Any

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.postgres.base import Moment, Table


class Drift(Table):
    """What `tagalong-model drift` found in one span of days, as it was imported; the same span again takes its place.

    Attributes:
        kind: of the drafts that were looked at.
        until: the last of the days.
        model_version: whose answers were looked at.
        reference: what they were compared with, in words.
        findings: the key figures; see `backend.drift.findings`.
    """

    __tablename__ = "drift"

    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    since: Mapped[date] = mapped_column(primary_key=True)
    until: Mapped[date] = mapped_column(primary_key=True)
    model_version: Mapped[str] = mapped_column(Text, primary_key=True)
    reference: Mapped[str] = mapped_column(Text, primary_key=True)
    imported_at: Mapped[Moment]
    findings: Mapped[dict[str, Any]] = mapped_column(JSONB)
