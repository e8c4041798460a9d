"""What the installs of an experiment did, install by install: two arms are compared by install, not by item."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

Numbers = npt.NDArray[np.float64]

# What the words mean is said in `backend.acceptance.queries`. Drafts count in the arm in which their install was first
# exposed, until a growing share moves it to the other; those of installs in no arm do not count.
COUNTS = """
SELECT assignment.arm = 'challenger' AS in_challenger, assignment.share,
    seen.viewed, seen.accepted, seen.dismissed, seen.posted_viewed, seen.kept, seen.agreed,
    given.answers, given.slow, given.answered, given.covered,
    posts.union_n, posts.jaccard_sum
FROM assignment
LEFT JOIN (
    SELECT drafts.install_id,
        count(*) AS viewed,
        count(*) FILTER (WHERE item.accepted_at IS NOT NULL) AS accepted,
        count(*) FILTER (WHERE item.dismissed_at IS NOT NULL AND item.accepted_at IS NULL) AS dismissed,
        count(*) FILTER (WHERE drafts.posted_at IS NOT NULL) AS posted_viewed,
        count(*) FILTER (WHERE item.tag = ANY(drafts.posted_tags) AND item.accepted_at IS NOT NULL) AS kept,
        count(*) FILTER (WHERE item.tag = ANY(drafts.posted_tags)) AS agreed
    FROM drafts JOIN item ON item.draft_id = drafts.id
    WHERE item.viewed_at IS NOT NULL
    GROUP BY drafts.install_id
) AS seen USING (install_id)
LEFT JOIN (
    SELECT install_id, sum(answers) AS answers, sum(slow) AS slow, count(*) AS answered,
        count(*) FILTER (WHERE covered) AS covered
    FROM (
        SELECT drafts.id, drafts.install_id, count(*) AS answers, bool_or(suggestion.confident > 0) AS covered,
            count(*) FILTER (WHERE suggestion.latency_ms > :slow_ms) AS slow
        FROM drafts JOIN suggestion ON suggestion.draft_id = drafts.id
        GROUP BY drafts.id, drafts.install_id
    ) AS answered_drafts
    GROUP BY install_id
) AS given USING (install_id)
LEFT JOIN (
    SELECT install_id, count(*) FILTER (WHERE either > 0) AS union_n,
        sum(matched::float / nullif(either, 0)) AS jaccard_sum
    FROM (
        SELECT id, install_id, count(*) FILTER (WHERE offered OR posted) AS either,
            count(*) FILTER (WHERE offered AND posted) AS matched
        FROM (
            SELECT id, install_id, tag, bool_or(offered) AS offered, bool_or(posted) AS posted
            FROM (
                SELECT drafts.id, drafts.install_id, tag, tag IS NOT NULL AS offered, false AS posted
                FROM drafts JOIN suggestion ON suggestion.draft_id = drafts.id
                LEFT JOIN LATERAL unnest(
                    (coalesce(suggestion.names, suggestion.tags))[1:suggestion.confident]) AS tag ON true
                WHERE drafts.posted_at IS NOT NULL
                UNION ALL
                SELECT drafts.id, drafts.install_id, tag, false, true FROM drafts, unnest(drafts.posted_tags) AS tag
            ) AS told
            GROUP BY id, install_id, tag
        ) AS tags
        GROUP BY id, install_id
    ) AS posted_drafts
    GROUP BY install_id
) AS posts USING (install_id)
WHERE assignment.deployment_id = :deployment
ORDER BY assignment.first_exposed_at, assignment.install_id
"""

OF_EXPERIMENT = f"""
WITH drafts AS MATERIALIZED (
    SELECT draft.id, draft.install_id, draft.posted_at, coalesce(draft.posted_names, draft.posted_tags) AS posted_tags
    FROM draft JOIN assignment USING (deployment_id, install_id)
    WHERE draft.deployment_id = :deployment AND draft.kind = 'ask'
        AND (assignment.moved_at IS NULL OR draft.started_at < assignment.moved_at)
)
{COUNTS}
"""

PAST = """
SELECT count(*) AS viewed, count(*) FILTER (WHERE item.accepted_at IS NOT NULL) AS accepted
FROM item JOIN draft ON draft.id = item.draft_id
WHERE draft.kind = 'ask' AND item.viewed_at >= :since
GROUP BY draft.install_id
"""


@dataclass(frozen=True, slots=True)
class Installs:
    """The installs that were exposed to an experiment, in the order of their first exposure; each array one entry each.

    Attributes:
        in_challenger: whether the install is in the challenger's arm.
        share: the challenger's share when the install was drawn.
        viewed, …, union_n, jaccard_sum: as in `backend.acceptance.figures.Counts`, of the install's drafts.
        answers: answers it got.
        slow: of them, those that took the model too long.
    """

    in_challenger: npt.NDArray[np.bool_]
    share: Numbers
    viewed: Numbers
    accepted: Numbers
    dismissed: Numbers
    posted_viewed: Numbers
    kept: Numbers
    agreed: Numbers
    answers: Numbers
    slow: Numbers
    answered: Numbers
    covered: Numbers
    union_n: Numbers
    jaccard_sum: Numbers

    @property
    def counted(self) -> int:
        """Installs with a viewed item: what a horizon counts."""
        return int((self.viewed > 0).sum())


async def installs_of(session: AsyncSession, deployment_id: UUID, slow_ms: float) -> Installs:
    """What each install of a challenger's experiment did so far, in questions being asked.

    Args:
        session: where to ask.
        deployment_id: the challenger's deployment.
        slow_ms: an answer that took the model longer is slow.
    """
    rows = (await session.execute(text(OF_EXPERIMENT), {"deployment": deployment_id, "slow_ms": slow_ms})).all()
    columns: dict[str, Any] = {
        field.name: np.array([getattr(row, field.name) or 0 for row in rows], dtype=np.float64)
        for field in fields(Installs)
    }
    return Installs(**columns | {"in_challenger": columns["in_challenger"].astype(bool)})


async def past_installs(session: AsyncSession, since: datetime) -> tuple[Numbers, Numbers]:
    """What each install accepted and viewed since a moment, in questions being asked: two arrays ``(installs,)``."""
    rows = (await session.execute(text(PAST), {"since": since})).all()
    return np.array([row.accepted for row in rows], dtype=np.float64), np.array(
        [row.viewed for row in rows], dtype=np.float64
    )
