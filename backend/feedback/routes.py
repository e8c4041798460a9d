"""Routes of the feedback."""

from datetime import UTC, datetime
from functools import partial

from fastapi import APIRouter, Request

from backend.deployments.device_versions import DeviceVersions
from backend.drafts.addresses import AddressHasher
from backend.feedback.schemas import DeviceAnswer, EventBatch, Receipt
from backend.feedback.service import ingest_events
from backend.web.clients import client_of
from backend.web.dependencies import DatabaseDependency
from backend.web.metrics import EVENTS

router = APIRouter(prefix="/api/v1/events", tags=["feedback"])


@router.post("")
async def receive_events(batch: EventBatch, request: Request, database: DatabaseDependency) -> Receipt:
    """Store up to 100 events of one install. Safe to send again: what is known changes nothing."""
    received_at = datetime.now(UTC)
    ingest = partial(ingest_events, batch=batch, received_at=received_at)
    if any(event.origin == "device" for event in batch.events):
        versions = {event.model_version for event in batch.events if isinstance(event, DeviceAnswer)}
        device_versions: DeviceVersions = request.app.state.device_versions
        hasher: AddressHasher = request.app.state.hasher
        vocabularies = await device_versions.find(versions)
        sender = await hasher.identify(client_of(request.scope), received_at)
        ingest = partial(ingest, vocabularies=vocabularies, sender=sender)
    receipt = await database.run(ingest)
    count_events(receipt)
    return receipt


def count_events(receipt: Receipt) -> None:
    """Count what became of a stored batch; before the commit it could still be stored twice."""
    for outcome, n in (("new", receipt.new), ("known", receipt.known), ("refused", len(receipt.refused))):
        EVENTS.labels(outcome).inc(n)
