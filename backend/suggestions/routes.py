"""Routes of the suggestions."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from backend.suggestions.schemas import Batch, BatchAnswer, DraftState, RecordedAnswer
from backend.suggestions.service import Suggester
from backend.web import logs
from backend.web.clients import client_of

router = APIRouter(prefix="/api/v1/suggestions", tags=["suggestions"])


async def get_suggester(request: Request) -> Suggester:
    """Return the application's suggester. Async, since FastAPI runs other dependencies in a thread."""
    suggester: Suggester = request.app.state.suggester
    return suggester


SuggesterDependency = Annotated[Suggester, Depends(get_suggester)]


@router.post("")
async def suggest(draft: DraftState, request: Request, suggester: SuggesterDependency) -> RecordedAnswer:
    """Suggest tags for one state of a draft."""
    logs.note(extension_version=draft.extension_version)
    return await suggester.answer(draft, client_of(request.scope))


@router.post("/batch")
async def suggest_batch(batch: Batch, suggester: SuggesterDependency) -> BatchAnswer:
    """Suggest tags for up to 100 drafts; nothing is recorded."""
    return await suggester.answer_batch(batch.drafts)
