"""Export and erasure of an install, through the features that hold its rows."""

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.writer_rollups import export_install_sums, reassign_install_sums
from backend.deployments.assignments import export_assignments, export_shadow_answers, reassign_assignments
from backend.drafts.service import export_drafts, reassign_drafts
from backend.feedback.stored_events import (
    export_events,
    export_items,
    export_numbering,
    export_refused,
    reassign_events,
)
from backend.feedback.waiting import export_waiting, reassign_waiting


async def export_install(session: AsyncSession, install_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """Return all rows that name the install or belong to its drafts, by what they are."""
    return {
        "drafts": await export_drafts(session, install_id),
        "items": await export_items(session, install_id),
        "events": await export_events(session, install_id),
        "refused": await export_refused(session, install_id),
        "waiting": await export_waiting(session, install_id),
        "numbering": await export_numbering(session, install_id),
        "daily_sums": await export_install_sums(session, install_id),
        "arms": await export_assignments(session, install_id),
        "shadow_answers": await export_shadow_answers(session, install_id),
    }


async def erase_install(session: AsyncSession, install_id: UUID) -> int:
    """Replace the install's id everywhere by a fresh random one; return how many rows had it.

    The drafts stay together under the new id, which nobody knows, so the counts stay as they were.
    """
    anonymous_id = uuid4()
    # The sums first: this waits for a day being rolled up, which may have read the old id.
    return (
        await reassign_install_sums(session, install_id, anonymous_id)
        + await reassign_drafts(session, install_id, anonymous_id)
        + await reassign_events(session, install_id, anonymous_id)
        + await reassign_waiting(session, install_id, anonymous_id)
        + await reassign_assignments(session, install_id, anonymous_id)
    )
