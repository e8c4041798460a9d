"""What is stored of an install in experiments: its arms, and what the shadow would have answered to its drafts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backend.deployments.tables import Assignment, Deployment, Shadow
from backend.drafts.tables import Draft, Suggestion
from backend.postgres.base import as_dict


async def export_assignments(session: AsyncSession, install_id: UUID) -> list[dict[str, Any]]:
    """Return the arms that an install was in, oldest first."""
    rows = await session.scalars(
        select(Assignment).where(Assignment.install_id == install_id).order_by(Assignment.first_exposed_at)
    )
    return [as_dict(row) for row in rows]


async def export_shadow_answers(session: AsyncSession, install_id: UUID) -> list[dict[str, Any]]:
    """Return what shadow versions would have answered to an install's drafts, oldest first."""
    rows = await session.scalars(
        select(Shadow)
        .join(Suggestion, Suggestion.id == Shadow.suggestion_id)
        .join(Draft, Draft.id == Suggestion.draft_id)
        .where(Draft.install_id == install_id)
        .order_by(Suggestion.created_at, Suggestion.id)
    )
    return [as_dict(row) for row in rows]


async def reassign_assignments(session: AsyncSession, install_id: UUID, anonymous_id: UUID) -> int:
    """Replace an install's id in its assignments; return how many rows had it."""
    result = await session.execute(
        update(Assignment).where(Assignment.install_id == install_id).values(install_id=anonymous_id)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


async def delete_assignments(session: AsyncSession, before: datetime) -> int:
    """Delete who was in which arm of experiments that ended before a moment; return how many rows there were."""
    ended = select(Deployment.id).where(Deployment.ended_at < before)
    result = await session.execute(delete(Assignment).where(Assignment.deployment_id.in_(ended)))
    return int(result.rowcount)  # type: ignore[attr-defined]
