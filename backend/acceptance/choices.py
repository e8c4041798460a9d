"""What the filters can be set to."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.queries.drafts import select_distinct_values
from backend.acceptance.rollups import ROLLUPS, first_day
from backend.drafts.tables import Draft, Suggestion
from backend.postgres.base import day_of


@dataclass(frozen=True, slots=True)
class Choices:
    """What the database holds to choose from: sites and model versions, sorted, and the first draft's day."""

    sites: list[str]
    model_versions: list[str]
    first_day: date | None


async def list_choices(session: AsyncSession) -> Choices:
    """Return the values that filters can be set to."""
    values = {}
    for name, column in (("site", Draft.site), ("model_version", Suggestion.model_version)):
        statements = (select_distinct_values(column), select(ROLLUPS["draft"].table.c[name]).distinct())
        values[name] = {value for statement in statements for value in await session.scalars(statement)}
    return Choices(
        sites=sorted(values["site"]),
        model_versions=sorted(values["model_version"]),
        first_day=await first_day(session),
    )


async def newest_day(session: AsyncSession, kind: str, until: date) -> date | None:
    """Return the newest day, up to ``until``, on which a draft of this kind was begun; None if there is none."""
    end = datetime.combine(until, time.max, UTC)
    rollup = ROLLUPS["draft"].table.c
    days = [
        await session.scalar(
            select(day_of(func.max(Draft.started_at))).where(Draft.kind == kind, Draft.started_at <= end)
        ),
        await session.scalar(select(func.max(rollup.day)).where(rollup.kind == kind, rollup.day <= until)),
    ]
    return max((day for day in days if day is not None), default=None)
