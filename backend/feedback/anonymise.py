"""Anonymising posted questions: a day after posting, a question's number is removed from its draft and its events.

The number identifies the author. What training needs, the number with the posted and the offered tags, moves to the
table ``feedback``, which links it to neither draft nor install.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.counters.skipped import work_through
from backend.postgres.database import Conflict, Database
from backend.postgres.locks import AdvisoryLock, try_lock

ANONYMISE_EVERY = 3600.0

# Drafts in one transaction.
BATCH = 1000

ANONYMISE = text("""
WITH due AS (
    SELECT id, site, kind, question_id, posted_tags, model_version,
        to_char(posted_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month
    FROM draft
    WHERE id = ANY(:drafts) AND question_id IS NOT NULL AND posted_at < now() - interval '24 hours'
    ORDER BY id
    FOR UPDATE
), moved AS (
    INSERT INTO feedback (site, question_id, posted_tags, offered_tags, model_version, month)
    SELECT due.site, due.question_id, due.posted_tags,
        coalesce((
            SELECT array_agg(DISTINCT offered.tag)
            FROM suggestion, unnest(suggestion.tags[1:suggestion.confident]) AS offered (tag)
            WHERE suggestion.draft_id = due.id
        ), '{}'),
        due.model_version,
        due.month
    FROM due
    WHERE due.kind = 'ask'
    ON CONFLICT DO NOTHING
), cleared AS (
    UPDATE event SET question_id = NULL
    FROM due WHERE event.draft_id = due.id AND event.question_id IS NOT NULL
)
UPDATE draft SET question_id = NULL FROM due WHERE draft.id = due.id
""").bindparams(bindparam("drafts", type_=ARRAY(Uuid(as_uuid=True))))

# An event that waits has its number for no longer than a draft.
CLEAR_WAITING = text("""
UPDATE waiting_event SET content = content || '{"question_id": null}'
WHERE received_at < now() - interval '24 hours' AND content ->> 'question_id' IS NOT NULL
""")

DUE = text("""
SELECT id FROM draft
WHERE question_id IS NOT NULL AND posted_at < now() - interval '24 hours' AND id > :after
ORDER BY id LIMIT :most
""").bindparams(bindparam("after", type_=Uuid(as_uuid=True)))


async def anonymise_questions(database: Database) -> int:
    """Anonymise the questions that are due; return how many. Of several replicas, one does the work."""
    async with database.session(within=60) as session:
        await session.execute(CLEAR_WAITING)
    anonymised, after = 0, UUID(int=0)
    while True:
        async with database.session(within=60) as session:
            due = list(await session.scalars(DUE, {"after": after, "most": BATCH}))
        try:
            anonymised += len(await work_through(database, "settle", due, _anonymise_drafts))
        except Conflict:
            return anonymised
        if len(due) < BATCH:
            return anonymised
        after = due[-1]


async def _anonymise_drafts(session: AsyncSession, drafts: Sequence[UUID]) -> None:
    if not await try_lock(session, AdvisoryLock.ANONYMISE):
        raise Conflict("another replica anonymises questions")
    await session.execute(ANONYMISE, {"drafts": list(drafts)})


WAITING = text("""
SELECT count(DISTINCT (site, question_id)) FROM draft
WHERE question_id IS NOT NULL AND kind = 'ask'
    AND to_char(posted_at AT TIME ZONE 'UTC', 'YYYY-MM') >= coalesce(CAST(:since AS text), '')
""")


async def count_waiting_questions(session: AsyncSession, since: str | None = None) -> int:
    """Return how many posted questions are not anonymised yet, of those posted in the month ``since`` or later."""
    return int(await session.scalar(WAITING, {"since": since}) or 0)
