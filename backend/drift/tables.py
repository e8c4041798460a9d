"""Table of the findings of drift."""

from datetime import date
from typing import Any

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.postgres.base import Moment, Table


class Drift(Table):
    """The findings of `tagalong-model drift` for one span of days, as imported; the same span again replaces them.

    Attributes:
        kind: of the drafts.
        until: the last of the days.
        model_version: whose answers were analysed.
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
