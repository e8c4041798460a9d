"""The projection of events: items and posts, computed from all events of a draft.

One statement makes both the live tables, draft by draft, and the recount of everything, so that the two can't drift
apart. Events are ordered by ``sequence``, which the client assigns; the order of arrival means nothing. Definitions:
README, "How acceptance is counted".
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

ITEM_COLUMNS = (
    "draft_id",
    "tag",
    "suggestion_id",
    "rank",
    "score",
    "position",
    "viewed_at",
    "accepted_at",
    "removed_at",
    "dismissed_at",
    "impossible",
)

# An item's events have three strands: views, acceptance (accepted, removed) and dismissal (dismissed, restored). Within
# the last two the kinds must alternate, and the first event of all must be a view: the client sends a view with any
# action. Whatever breaks this was lost or made up, and is shown as a fault of bookkeeping.
ITEMS = """
WITH acted AS (
    SELECT draft_id, tag, suggestion_id, position, kind, sequence, id, at,
        lag(kind) OVER (strand ORDER BY sequence, id) AS before,
        first_value(kind) OVER (PARTITION BY draft_id, tag ORDER BY sequence, id) AS beginning
    FROM (
        SELECT draft_id, coalesce(names[1], tag) AS tag, suggestion_id, position, kind, sequence, id, at
        FROM event
        WHERE kind NOT IN ('posted', 'suggested') {restriction}
    ) AS item_event
    WINDOW strand AS (
        PARTITION BY draft_id, tag, kind IN ('accepted', 'removed'), kind IN ('dismissed', 'restored')
    )
), item_life AS (
    SELECT draft_id, tag,
        (array_agg(suggestion_id ORDER BY kind = 'viewed' DESC, sequence, id))[1] AS suggestion_id,
        (array_agg(position ORDER BY sequence, id) FILTER (WHERE kind = 'viewed'))[1] AS position,
        (array_agg(at ORDER BY sequence, id) FILTER (WHERE kind = 'viewed'))[1] AS viewed_at,
        (array_agg(at ORDER BY sequence, id) FILTER (WHERE kind = 'accepted'))[1] AS accepted_at,
        (array_agg(CASE kind WHEN 'removed' THEN at END ORDER BY sequence DESC, id DESC)
            FILTER (WHERE kind IN ('accepted', 'removed')))[1] AS removed_at,
        (array_agg(CASE kind WHEN 'dismissed' THEN at END ORDER BY sequence DESC, id DESC)
            FILTER (WHERE kind IN ('dismissed', 'restored')))[1] AS dismissed_at,
        bool_or(
            beginning <> 'viewed'
            OR CASE kind
                WHEN 'accepted' THEN before = 'accepted'
                WHEN 'removed' THEN before IS DISTINCT FROM 'accepted'
                WHEN 'dismissed' THEN before = 'dismissed'
                WHEN 'restored' THEN before IS DISTINCT FROM 'dismissed'
                ELSE false
            END
        ) AS impossible
    FROM acted
    GROUP BY draft_id, tag
)
SELECT life.draft_id, life.tag, life.suggestion_id,
    array_position(coalesce(suggestion.names, suggestion.tags), life.tag)::smallint AS rank,
    suggestion.scores[array_position(coalesce(suggestion.names, suggestion.tags), life.tag)] AS score,
    life.position, life.viewed_at, life.accepted_at, life.removed_at, life.dismissed_at,
    coalesce(life.impossible, false) AS impossible
FROM item_life AS life JOIN suggestion ON suggestion.id = life.suggestion_id
"""

WRITE_ITEMS = f"""
INSERT INTO item ({", ".join(ITEM_COLUMNS)})
{ITEMS}
ON CONFLICT (draft_id, tag) DO UPDATE SET {", ".join(f"{c} = excluded.{c}" for c in ITEM_COLUMNS[2:])}
"""

# Tags may be changed and posted again (a validation error that only the server saw): the last post counts.
WRITE_POSTS = """
UPDATE draft SET posted_at = post.at, posted_tags = post.tags, posted_names = post.names,
    question_id = post.question_id
FROM (
    SELECT DISTINCT ON (draft_id) draft_id, at, tags, names, question_id
    FROM event
    WHERE kind = 'posted' {restriction}
    ORDER BY draft_id, sequence DESC, id DESC
) AS post
WHERE draft.id = post.draft_id
"""

OF_DRAFTS = "AND draft_id = ANY(:drafts)"

# Drafts whose ids begin with one byte: a part that is counted within seconds, however many drafts there are.
IN_BYTE_RANGE = "AND draft_id >= :first AND draft_id <= :last"

RECOUNT = f"""
WITH recounted AS ({ITEMS.format(restriction=IN_BYTE_RANGE)}),
    stored AS (SELECT {", ".join(ITEM_COLUMNS)} FROM item WHERE true {IN_BYTE_RANGE})
SELECT (SELECT count(*) FROM recounted) AS items,
    (SELECT count(*) FROM (SELECT * FROM recounted EXCEPT SELECT * FROM stored) AS missing) AS missing,
    (SELECT count(*) FROM (SELECT * FROM stored EXCEPT SELECT * FROM recounted) AS surplus) AS surplus
"""


def _for_drafts(statement: str) -> TextClause:
    return text(statement.format(restriction=OF_DRAFTS)).bindparams(
        bindparam("drafts", type_=ARRAY(Uuid(as_uuid=True)))
    )


PROJECT_ITEMS, PROJECT_POSTS = _for_drafts(WRITE_ITEMS), _for_drafts(WRITE_POSTS)


async def project_items(session: AsyncSession, drafts: Collection[UUID]) -> None:
    """Compute the items of these drafts again. The caller holds the drafts' locks."""
    await session.execute(PROJECT_ITEMS, {"drafts": list(drafts)})


async def project_posts(session: AsyncSession, drafts: Collection[UUID]) -> None:
    """Compute again when and with which tags these drafts were posted. The caller holds their locks."""
    await session.execute(PROJECT_POSTS, {"drafts": list(drafts)})


@dataclass(frozen=True, slots=True)
class RecountDifference:
    """How many items the events make, and how many of the stored ones are missing or surplus."""

    items: int
    missing: int
    surplus: int


async def recount_items(session: AsyncSession) -> RecountDifference:
    """Compute every item again and compare it with the stored one; nothing is changed."""
    statement = text(RECOUNT).bindparams(
        bindparam("first", type_=Uuid(as_uuid=True)), bindparam("last", type_=Uuid(as_uuid=True))
    )
    items = missing = surplus = 0
    for byte in range(256):
        byte_range = {"first": UUID(bytes=bytes([byte]) + bytes(15)), "last": UUID(bytes=bytes([byte]) + b"\xff" * 15)}
        row = (await session.execute(statement, byte_range)).one()
        items, missing, surplus = items + row.items, missing + row.missing, surplus + row.surplus
    return RecountDifference(items, missing, surplus)
