"""What retraining needs of the posted questions, as lines of JSON: numbers and tags, no draft and no install."""

import json
from collections.abc import AsyncIterator

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.feedback.tables import Feedback


async def feedback_lines(session: AsyncSession, since: str | None = None) -> AsyncIterator[str]:
    """Yield the anonymised questions as lines of JSON, by month and number.

    Each has site, question_id, tags (the posted ones), offered_tags, model_version and month. This is the contract with
    ``tagalong-model``: see ``model/questions/feedback.py``.

    Args:
        session: where to read them.
        since: the first month, like ``2026-11``, which leaves out questions of an unknown month.
    """
    statement = select(Feedback).order_by(Feedback.month.nulls_first(), Feedback.site, Feedback.question_id)
    if since is not None:
        statement = statement.where(Feedback.month >= since)
    async for row in await session.stream_scalars(statement):
        record = {
            "site": row.site,
            "question_id": row.question_id,
            "tags": row.posted_tags,
            "offered_tags": row.offered_tags,
            "model_version": row.model_version,
            "month": row.month,
        }
        yield json.dumps(record, ensure_ascii=False) + "\n"
