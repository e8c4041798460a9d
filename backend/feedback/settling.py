"""Settling: a day after posting, a question's number leaves its draft and its events.

The number names its author. What training needs of it, number, posted and offered tags, moves to the table
``feedback``, where neither draft nor install stands beside it.
"""

from sqlalchemy import text

from backend.database import Database

SETTLE_EVERY = 3600.0

# Any number that no other user of the database takes as an advisory lock.
SETTLE_LOCK = 8600_0002

SETTLE = text("""
WITH due AS (
    SELECT id, site, kind, question_id, posted_tags, model_version,
        to_char(posted_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month
    FROM draft
    WHERE question_id IS NOT NULL AND posted_at < now() - interval '24 hours'
    ORDER BY id
    FOR UPDATE
), told AS (
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
), forgotten AS (
    UPDATE event SET question_id = NULL
    FROM due WHERE event.draft_id = due.id AND event.question_id IS NOT NULL
)
UPDATE draft SET question_id = NULL FROM due WHERE draft.id = due.id
""")


async def settle(database: Database) -> int:
    """Settle what is due; return how many drafts. Of several replicas at once, one does the work."""
    async with database.session(within=60) as session:
        mine = await session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": SETTLE_LOCK})
        if not mine:
            return 0
        settled = await session.execute(SETTLE)
        return int(settled.rowcount)  # type: ignore[attr-defined]
