"""Table of the audit log."""

from typing import Any

from sqlalchemy import BigInteger, Identity, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.postgres.base import Moment, Table


class Act(Table):
    """One act of an admin, written in the transaction of the act and never changed.

    Attributes:
        id: in the order of writing.
        actor: who did it: ``operator``, ``admin`` or ``service`` (see `backend.audit.service`).
        act: what was done, as a short verb: ``erase``, ``deploy``.
        subject: to what; empty where that would name a writer.
        details: figures and names.
    """

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[Moment]
    actor: Mapped[str] = mapped_column(Text)
    act: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)

    __table_args__ = (Index("ix_audit_at", "at"),)
