"""Routes of the feedback."""

from datetime import UTC, datetime
from functools import partial

from fastapi import APIRouter

from backend.feedback.schemas import EventBatch, Receipt
from backend.feedback.service import ingest_events
from backend.web.dependencies import DatabaseDependency
from backend.web.metrics import EVENTS

router = APIRouter(prefix="/api/v1/events", tags=["feedback"])


@router.post("")
async def receive_events(batch: EventBatch, database: DatabaseDependency) -> Receipt:
    """Store up to 100 events of one install. Safe to send again: what is known changes nothing."""
    receipt = await database.run(partial(ingest_events, batch=batch, received_at=datetime.now(UTC)))
    count_events(receipt)
    return receipt


def count_events(receipt: Receipt) -> None:
    """Count what became of a stored batch; before the commit it could still be stored twice."""
    for outcome, n in (("new", receipt.new), ("known", receipt.known), ("refused", len(receipt.refused))):
        EVENTS.labels(outcome).inc(n)
