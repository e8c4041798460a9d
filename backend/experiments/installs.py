"""What each install of an experiment did: two arms are compared by install, not by item."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.deployments.service import list_phases
from backend.deployments.tables import Deployment
from backend.experiments.strata import Floats, Ints, Sample

# `backend.acceptance.queries` defines the terms. Drafts count in the arm in which their install was first
# exposed, until a growing share moves it to the other; those of installs in no arm do not count. An install has a row
# for each phase in which it began a draft, and there one for drafts from before it had settled in and one for others.
COUNTS = """
SELECT assignment.install_id, assignment.arm = 'challenger' AS in_challenger, assignment.share, assignment.crowd,
    parts.phase, parts.settled,
    seen.viewed, seen.accepted, seen.dismissed, seen.posted_viewed, seen.kept, seen.agreed,
    given.answers, given.slow, given.failed, given.answered, given.covered,
    posts.union_n, posts.jaccard_sum
FROM exposed AS assignment
LEFT JOIN (SELECT DISTINCT install_id, phase, settled FROM drafts) AS parts USING (install_id)
LEFT JOIN (
    SELECT drafts.install_id, drafts.phase, drafts.settled,
        count(*) AS viewed,
        count(*) FILTER (WHERE item.accepted_at IS NOT NULL) AS accepted,
        count(*) FILTER (WHERE item.dismissed_at IS NOT NULL AND item.accepted_at IS NULL) AS dismissed,
        count(*) FILTER (WHERE drafts.posted_at IS NOT NULL) AS posted_viewed,
        count(*) FILTER (WHERE item.tag = ANY(drafts.posted_tags) AND item.accepted_at IS NOT NULL) AS kept,
        count(*) FILTER (WHERE item.tag = ANY(drafts.posted_tags)) AS agreed
    FROM drafts JOIN item ON item.draft_id = drafts.id
    WHERE item.viewed_at IS NOT NULL
    GROUP BY drafts.install_id, drafts.phase, drafts.settled
) AS seen USING (install_id, phase, settled)
LEFT JOIN (
    SELECT install_id, phase, settled, sum(answers) AS answers, sum(slow) AS slow, sum(failed) AS failed,
        count(*) AS answered, count(*) FILTER (WHERE covered) AS covered
    FROM (
        SELECT drafts.id, drafts.install_id, drafts.phase, drafts.settled, count(*) AS answers,
            bool_or(suggestion.confident > 0) AS covered,
            count(*) FILTER (WHERE suggestion.model_version <> :version) AS failed,
            count(*) FILTER (WHERE suggestion.latency_ms > :slow_ms) AS slow
        FROM drafts JOIN suggestion ON suggestion.draft_id = drafts.id
        GROUP BY drafts.id, drafts.install_id, drafts.phase, drafts.settled
    ) AS answered_drafts
    GROUP BY install_id, phase, settled
) AS given USING (install_id, phase, settled)
LEFT JOIN (
    SELECT install_id, phase, settled, count(*) FILTER (WHERE either > 0) AS union_n,
        sum(matched::float / nullif(either, 0)) AS jaccard_sum
    FROM (
        SELECT id, install_id, phase, settled, count(*) FILTER (WHERE offered OR posted) AS either,
            count(*) FILTER (WHERE offered AND posted) AS matched
        FROM (
            SELECT id, install_id, phase, settled, tag, bool_or(offered) AS offered, bool_or(posted) AS posted
            FROM (
                SELECT drafts.id, drafts.install_id, drafts.phase, drafts.settled, tag,
                    tag IS NOT NULL AS offered, false AS posted
                FROM drafts JOIN suggestion ON suggestion.draft_id = drafts.id
                LEFT JOIN LATERAL unnest(
                    (coalesce(suggestion.names, suggestion.tags))[1:suggestion.confident]) AS tag ON true
                WHERE drafts.posted_at IS NOT NULL
                UNION ALL
                SELECT drafts.id, drafts.install_id, drafts.phase, drafts.settled, tag, false, true
                FROM drafts, unnest(drafts.posted_tags) AS tag
            ) AS offered_or_posted
            GROUP BY id, install_id, phase, settled, tag
        ) AS tags
        GROUP BY id, install_id, phase, settled
    ) AS posted_drafts
    GROUP BY install_id, phase, settled
) AS posts USING (install_id, phase, settled)
ORDER BY assignment.first_exposed_at, assignment.install_id
"""

# Of the installs that one address started on one day, the first few count: more could be one person's.
OF_EXPERIMENT = f"""
WITH exposed AS (
    SELECT *
    FROM (
        SELECT assignment.*,
            row_number() OVER (PARTITION BY coalesce(crowd, install_id) ORDER BY first_exposed_at, install_id) AS nth
        FROM assignment
        WHERE deployment_id = :deployment
    ) AS assigned
    WHERE nth <= :max_of_crowd
), drafts AS MATERIALIZED (
    SELECT draft.id, draft.install_id, draft.posted_at, coalesce(draft.posted_names, draft.posted_tags) AS posted_tags,
        width_bucket(draft.started_at, CAST(:phases AS timestamptz[])) AS phase,
        draft.started_at >= exposed.first_exposed_at + CAST(:settling AS interval) AS settled
    FROM draft JOIN exposed USING (deployment_id, install_id)
    WHERE draft.kind = 'ask' AND (exposed.moved_at IS NULL OR draft.started_at < exposed.moved_at)
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
    """The installs that were exposed to an experiment, in the order of their first exposure.

    Counts have the shape ``(phases, installs)``, by the phase of constant share in which a draft was begun.

    Attributes:
        in_challenger: whether the install is in the challenger's arm; ``(installs,)``, like the next three.
        share: the challenger's share when the install was drawn.
        cohort: which of the shares that is, counted from 0.
        crowd: a number shared by installs that came from one address on one day; 0 where that is not known.
        viewed, …, union_n, jaccard_sum: as in `backend.acceptance.figures.Counts`, of the install's drafts.
        answers: how many the install got.
        slow: of them, those for which the model took too long.
        failed: of them, those that another version than the challenger gave.
    """

    in_challenger: npt.NDArray[np.bool_]
    share: Floats
    cohort: Ints
    crowd: Floats
    viewed: Floats
    accepted: Floats
    dismissed: Floats
    posted_viewed: Floats
    kept: Floats
    agreed: Floats
    answers: Floats
    slow: Floats
    failed: Floats
    answered: Floats
    covered: Floats
    union_n: Floats
    jaccard_sum: Floats

    @property
    def counted(self) -> int:
        """How many have a viewed item: what a horizon counts."""
        return int(self.viewed.any(axis=0).sum())

    @property
    def crowds(self) -> list[int]:
        """The crowds of more than one install."""
        numbers, sizes = np.unique(self.crowd[self.crowd > 0], return_counts=True)
        return [int(number) for number, size in zip(numbers, sizes, strict=True) if size > 1]

    def samples(self, hits: str, trials: str) -> tuple[Sample, Sample]:
        """Return what the champion's and the challenger's installs did, by the names of two counts."""

        def sample(arm: npt.NDArray[np.bool_]) -> Sample:
            return Sample(getattr(self, hits)[:, arm], getattr(self, trials)[:, arm], self.cohort[arm])

        return sample(~self.in_challenger), sample(self.in_challenger)

    def without(self, crowd: int) -> "Installs":
        """Return the installs that are not of a crowd."""
        others = self.crowd != crowd
        return Installs(**{field.name: getattr(self, field.name)[..., others] for field in fields(Installs)})


INSTALL_FIELDS = ("in_challenger", "share", "cohort", "crowd")
COUNT_FIELDS = tuple(field.name for field in fields(Installs) if field.name not in INSTALL_FIELDS)


@dataclass(frozen=True, slots=True)
class ExperimentCounts:
    """What the installs did so far: in all drafts, and in those that a verdict rests on."""

    all: Installs
    settled: Installs


async def count_installs(
    session: AsyncSession, deployment: Deployment, slow_ms: float, max_of_crowd: int
) -> ExperimentCounts:
    """Count what each install of a challenger's experiment did so far, in questions being asked.

    Args:
        session: where to ask.
        deployment: the challenger's.
        slow_ms: an answer that took the model longer is slow.
        max_of_crowd: how many installs of one address and day count.
    """
    phases = await list_phases(session, deployment)
    values = {
        "deployment": deployment.id,
        "version": deployment.model_version,
        "slow_ms": slow_ms,
        "max_of_crowd": max_of_crowd,
        "phases": [phase.started_at for phase in phases],
        "settling": deployment.settling_time,
    }
    rows = (await session.execute(text(OF_EXPERIMENT), values)).all()
    places: dict[UUID, int] = {}
    installs = np.array([places.setdefault(row.install_id, len(places)) for row in rows], dtype=np.intp)
    # A draft from before the first phase is that of a replica whose clock is behind.
    columns = np.array([max(row.phase or 1, 1) - 1 for row in rows], dtype=np.intp)
    settled = np.array([row.settled or not deployment.settling_time for row in rows], dtype=np.float64)
    by_install = _collect_by_install(rows, installs, len(places))
    everything: dict[str, Floats] = {}
    later: dict[str, Floats] = {}
    for name in COUNT_FIELDS:
        values_of_rows = np.array([getattr(row, name) or 0 for row in rows], dtype=np.float64)
        for sums, weights in ((everything, 1.0), (later, settled)):
            sums[name] = np.zeros((len(phases), len(places)))
            np.add.at(sums[name], (columns, installs), values_of_rows * weights)
    return ExperimentCounts(Installs(**by_install | everything), Installs(**by_install | later))


def _collect_by_install(rows: Sequence[Any], installs: Ints, n: int) -> dict[str, Any]:
    """Return what is the same in all rows of an install, as arrays ``(n,)``."""
    numbers: dict[UUID | None, int] = {None: 0}
    in_challenger, share, crowd = np.zeros(n, bool), np.zeros(n), np.zeros(n)
    for row, install in zip(rows, installs, strict=True):
        in_challenger[install] = row.in_challenger
        share[install] = row.share
        crowd[install] = numbers.setdefault(row.crowd, len(numbers))
    cohort = np.unique(share, return_inverse=True)[1]
    return {"in_challenger": in_challenger, "share": share, "cohort": cohort, "crowd": crowd}


async def count_past_installs(session: AsyncSession, since: datetime) -> tuple[Floats, Floats]:
    """Count what each install accepted and viewed since a moment, in questions being asked.

    Returns:
        Two arrays ``(installs,)``.
    """
    rows = (await session.execute(text(PAST), {"since": since})).all()
    accepted, viewed = [row.accepted for row in rows], [row.viewed for row in rows]
    return np.array(accepted, dtype=np.float64), np.array(viewed, dtype=np.float64)
