"""How well the shadow would have done: its tags, and those that were shown, against what was posted."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.deployments.tables import Shadow
from backend.drafts.tables import OFFERED_NAMES, POSTED_NAMES, Draft, Suggestion


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over ``drafts`` posted drafts; None without any."""

    drafts: int
    precision: float | None
    recall: float | None
    jaccard: float | None


@dataclass(frozen=True, slots=True)
class ShadowScores:
    """The shadow's scores beside those of what was shown, over the same answers to the same drafts."""

    shadow: Scores
    shown: Scores


async def score_shadow(session: AsyncSession, deployment_id: UUID) -> ShadowScores:
    """Score a shadow's deployment on the posted drafts that it answered.

    Tags are offered in a draft if they were confident in any answer to it; answers that the shadow missed count for
    neither side.
    """
    rows = await session.execute(
        select(
            Draft.id,
            POSTED_NAMES.label("posted_names"),
            Shadow.tags[1 : Shadow.confident].label("by_shadow"),
            OFFERED_NAMES[1 : Suggestion.confident].label("shown"),
        )
        .join(Suggestion, Suggestion.id == Shadow.suggestion_id)
        .join(Draft, Draft.id == Suggestion.draft_id)
        .where(Shadow.deployment_id == deployment_id, Draft.posted_tags.is_not(None), Draft.kind == "ask")
    )
    posted: dict[UUID, set[str]] = {}
    by_shadow: dict[UUID, set[str]] = {}
    shown: dict[UUID, set[str]] = {}
    for row in rows:
        posted[row.id] = set(row.posted_names)
        by_shadow.setdefault(row.id, set()).update(row.by_shadow)
        shown.setdefault(row.id, set()).update(row.shown)
    return ShadowScores(
        shadow=mean_scores((by_shadow[draft], posted[draft]) for draft in posted),
        shown=mean_scores((shown[draft], posted[draft]) for draft in posted),
    )


def mean_scores(drafts: Iterable[tuple[set[str], set[str]]]) -> Scores:
    """Return the means over drafts of (offered, posted); precision over those in which something was offered."""
    pairs = [(offered, posted) for offered, posted in drafts if posted]
    precisions = [len(offered & posted) / len(offered) for offered, posted in pairs if offered]
    return Scores(
        drafts=len(pairs),
        precision=mean_or_none(precisions),
        recall=mean_or_none([len(offered & posted) / len(posted) for offered, posted in pairs]),
        jaccard=mean_or_none([len(offered & posted) / len(offered | posted) for offered, posted in pairs]),
    )


def mean_or_none(values: list[float]) -> float | None:
    """Return the mean, or None of nothing."""
    return fmean(values) if values else None
