"""Routes of the feedback."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request

from backend.feedback.schemas import EventBatch, Receipt
from backend.feedback.service import take

router = APIRouter(prefix="/api/v1/events", tags=["feedback"])


@router.post("")
async def receive_events(batch: EventBatch, request: Request) -> Receipt:
    """Take up to 100 events of one install. Safe to send again: what is known changes nothing."""
    async with request.app.state.database.session() as session:
        return await take(session, batch, datetime.now(UTC))
