"""Routes of the suggestions."""

from fastapi import APIRouter, Request

from backend.suggestions.schemas import Batch, BatchAnswer, DraftState, RecordedAnswer
from backend.suggestions.service import Suggester
from backend.web import logs
from backend.web.clients import client_of

router = APIRouter(prefix="/api/v1/suggestions", tags=["suggestions"])


@router.post("")
async def suggest(draft: DraftState, request: Request) -> RecordedAnswer:
    """Suggest tags for one state of a draft."""
    logs.note(extension_version=draft.extension_version)
    return await suggester(request).answer(draft, client_of(request.scope))


@router.post("/batch")
async def suggest_batch(batch: Batch, request: Request) -> BatchAnswer:
    """Suggest tags for up to 100 drafts; nothing is recorded."""
    return await suggester(request).answer_batch(batch.drafts)


def suggester(request: Request) -> Suggester:
    """The service's suggester. No dependency of FastAPI's, which would ask a thread for it at each request."""
    found: Suggester = request.app.state.suggester
    return found
