"""Export and erasure of an install, through the features that hold its rows."""

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from backend.feedback.service import disown_events, export_events
from backend.suggestions.service import disown_drafts, export_drafts


async def export_install(session: AsyncSession, install_id: UUID) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The install's drafts with their suggestions, and its events."""
    return await export_drafts(session, install_id), await export_events(session, install_id)


async def erase_install(session: AsyncSession, install_id: UUID) -> int:
    """Put a fresh random id in the install's place everywhere; return how many drafts it had.

    The drafts stay together under the new id, so that the counts stay as they were; nobody holds that id.
    """
    nobody = uuid4()
    drafts = await disown_drafts(session, install_id, nobody)
    await disown_events(session, install_id, nobody)
    return drafts
