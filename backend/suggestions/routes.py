"""Routes of the suggestions."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from backend import logs
from backend.suggestions.schemas import Batch, BatchAnswer, DraftState, RecordedAnswer
from backend.suggestions.service import Suggester

router = APIRouter(prefix="/api/v1/suggestions", tags=["suggestions"])


def suggester(request: Request) -> Suggester:
    """The service's suggester."""
    found: Suggester = request.app.state.suggester
    return found


Suggesting = Annotated[Suggester, Depends(suggester)]


@router.post("")
async def suggest(draft: DraftState, suggester: Suggesting) -> RecordedAnswer:
    """Suggest tags for one state of a draft."""
    logs.note(extension_version=draft.extension_version)
    return await suggester.answer(draft)


@router.post("/batch")
async def suggest_batch(batch: Batch, suggester: Suggesting) -> BatchAnswer:
    """Suggest tags for up to 100 drafts; nothing is recorded."""
    return await suggester.answer_batch(batch.drafts)
