"""Writing and reading the audit log."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.tables import Act

OPERATOR = "operator"
"""Runs the commands of `tagalong-server`."""

ADMIN = "admin"
"""A successful or failed sign-in to /metrics."""

SERVICE = "service"
"""The service itself, as when it ends an experiment that does harm."""


async def record_act(
    session: AsyncSession,
    act: str,
    subject: str = "",
    details: Mapping[str, Any] | None = None,
    *,
    actor: str = OPERATOR,
    at: datetime | None = None,
) -> None:
    """Record an act in the caller's transaction: if that is rolled back, nothing was done and nothing is in the log.

    Args:
        session: the transaction of the act.
        act: what is done, as a short verb: ``deploy``, ``roll back``.
        subject: to what. Never an install, a draft or a question: erasure could not reach them here.
        details: figures and names, as JSON values.
        actor: OPERATOR, ADMIN or SERVICE.
        at: when, if not now; timezone-aware.
    """
    row = Act(at=at or datetime.now(UTC), actor=actor, act=act, subject=subject, details=dict(details or {}))
    session.add(row)
    await session.flush()


async def list_acts_between(
    session: AsyncSession, acts: Collection[str], since: datetime, until: datetime
) -> list[Act]:
    """Return the acts of some names from ``since`` until before ``until``, in order."""
    rows = await session.scalars(
        select(Act).where(Act.act.in_(acts), Act.at >= since, Act.at < until).order_by(Act.at, Act.id)
    )
    return list(rows)


async def list_newest_acts(session: AsyncSession, limit: int) -> list[Act]:
    """Return the last acts, the newest first."""
    return list(await session.scalars(select(Act).order_by(Act.at.desc(), Act.id.desc()).limit(limit)))
