"""Writing and reading the audit log."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.tables import Act

OPERATOR = "operator"
"""Whoever runs `tagalong-server`'s commands."""

ADMIN = "admin"
"""Whoever comes to /metrics with the admin's password, or tries to."""

SERVICE = "service"
"""The service itself, as when it ends an experiment that does harm."""


async def note(
    session: AsyncSession,
    act: str,
    subject: str = "",
    details: Mapping[str, Any] | None = None,
    *,
    actor: str = OPERATOR,
    at: datetime | None = None,
) -> None:
    """Note an act in the caller's transaction: what is rolled back was never done, and is not in the log.

    Args:
        session: the transaction that does it.
        act: what is done, as a short verb: ``deploy``, ``roll back``.
        subject: to what. Never an install, a draft or a question: their erasure could not reach it here.
        details: the figures of it, as JSON knows them.
        actor: OPERATOR, ADMIN or SERVICE.
        at: when, if not now; aware.
    """
    row = Act(at=at or datetime.now(UTC), actor=actor, act=act, subject=subject, details=dict(details or {}))
    session.add(row)
    await session.flush()


async def acts_between(session: AsyncSession, acts: Collection[str], since: datetime, until: datetime) -> list[Act]:
    """The acts of some names from ``since`` until before ``until``, in order."""
    rows = await session.scalars(
        select(Act).where(Act.act.in_(acts), Act.at >= since, Act.at < until).order_by(Act.at, Act.id)
    )
    return list(rows)


async def newest(session: AsyncSession, limit: int) -> list[Act]:
    """The last acts, the newest first."""
    return list(await session.scalars(select(Act).order_by(Act.at.desc(), Act.id.desc()).limit(limit)))
