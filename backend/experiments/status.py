"""What an experiment shows so far: counted now, or as it was stored when it was last evaluated."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.deployments.tables import Deployment
from backend.experiments import guardrails, verdict
from backend.experiments.comparison import COMPARED_FIGURES, ArmComparison, compare_arms
from backend.experiments.guardrails import GuardrailResult
from backend.experiments.installs import ExperimentCounts, count_installs
from backend.experiments.tables import GuardrailRow, StatusRow, VerdictRow

# An experiment that ended longer ago than this is not counted once more: its rows may have been deleted by then.
COUNTED_AFTER_END = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ExperimentStatus:
    """What an experiment shows so far.

    Attributes:
        deployment: the challenger's.
        read_at: when it was counted; None: now, or never.
        exposed: installs in the champion's and in the challenger's arm.
        counted: installs with a viewed item, which the horizon counts.
        arms: by figure, the main one first.
        sample_ratio: p-value of the proportion of the arms; None while there are too few installs.
        visible_loss: the smallest part of an arm's installs whose loss that proportion would show; None like it.
        guardrails: their last results, by name.
        verdict: None until it is given.
    """

    deployment: Deployment
    read_at: datetime | None
    exposed: tuple[int, int]
    counted: int
    arms: list[ArmComparison]
    sample_ratio: float | None
    visible_loss: float | None
    guardrails: dict[str, GuardrailRow]
    verdict: VerdictRow | None

    @property
    def summary(self) -> str:
        """The verdict, or how far it is."""
        if self.verdict is not None:
            return self.verdict.word
        if self.deployment.ended_at is not None:
            return f"no verdict: {self.deployment.ended_because}"
        if self.deployment.horizon is None:
            return "no horizon was set, so there will be no verdict"
        if self.counted >= self.deployment.horizon and self.deployment.min_weeks:
            return f"enough installs; the verdict comes on {self.deployment.earliest_verdict_at:%Y-%m-%d}"
        return verdict.describe_progress(self.counted, self.deployment.horizon)


async def find_latest_experiment(session: AsyncSession) -> Deployment | None:
    """Return the challenger's deployment that runs, else the last one that ran."""
    deployment: Deployment | None = await session.scalar(
        select(Deployment)
        .where(Deployment.role == "challenger")
        .order_by(Deployment.ended_at.desc().nulls_first(), Deployment.started_at.desc())
        .limit(1)
    )
    return deployment


async def list_unfinished_counts(session: AsyncSession, now: datetime) -> list[Deployment]:
    """Return the experiments that have ended since they were last counted, if ever."""
    statement = (
        select(Deployment)
        .outerjoin(StatusRow, StatusRow.deployment_id == Deployment.id)
        .where(
            Deployment.role == "challenger",
            Deployment.ended_at > now - COUNTED_AFTER_END,
            StatusRow.read_at.is_(None) | (StatusRow.read_at < Deployment.ended_at),
        )
    )
    return list(await session.scalars(statement))


async def read_verdicts(session: AsyncSession) -> dict[UUID, VerdictRow]:
    """Return all verdicts, by deployment."""
    return {row.deployment_id: row for row in await session.scalars(select(VerdictRow))}


async def measure_status(session: AsyncSession, deployment: Deployment) -> ExperimentStatus:
    """Count the status of an experiment now, which takes seconds where it is large.

    Args:
        session: where to count.
        deployment: the challenger's.
    """
    verdict_row = await session.get(VerdictRow, deployment.id)
    guardrail_rows = await _read_guardrails(session, deployment.id)
    return make_status(deployment, await count_experiment(session, deployment), verdict_row, guardrail_rows)


async def last_status(session: AsyncSession, deployment: Deployment) -> ExperimentStatus:
    """Return the status of an experiment at its last evaluation, less than a minute ago while it runs.

    Once the verdict is given, the figures are those that it was given by, and stay. An experiment that was never
    evaluated is counted now.
    """
    row = await session.get(StatusRow, deployment.id)
    if row is None:
        return await measure_status(session, deployment)
    verdict_row = await session.get(VerdictRow, deployment.id)
    figures = row.figures if verdict_row is None else verdict_row.figures
    return ExperimentStatus(
        deployment=deployment,
        read_at=row.read_at,
        exposed=(row.champion_installs, row.challenger_installs),
        counted=row.counted,
        arms=[ArmComparison.from_json(figure, figures[figure.name]) for figure in COMPARED_FIGURES],
        sample_ratio=row.sample_ratio,
        visible_loss=row.visible_loss,
        guardrails=await _read_guardrails(session, deployment.id),
        verdict=verdict_row,
    )


async def _read_guardrails(session: AsyncSession, deployment_id: UUID) -> dict[str, GuardrailRow]:
    rows = await session.scalars(select(GuardrailRow).where(GuardrailRow.deployment_id == deployment_id))
    return {row.name: row for row in rows}


async def count_experiment(session: AsyncSession, deployment: Deployment) -> ExperimentCounts:
    """Count what each install of a challenger's experiment did so far."""
    return await count_installs(session, deployment, guardrails.SLOW_MS, verdict.MAX_OF_CROWD)


def make_status(
    deployment: Deployment,
    counts: ExperimentCounts,
    verdict_row: VerdictRow | None,
    guardrail_rows: dict[str, GuardrailRow],
) -> ExperimentStatus:
    """Return the status of an experiment by what its installs did."""
    in_challenger, shares = counts.all.in_challenger, counts.all.share
    challengers = int(in_challenger.sum())
    return ExperimentStatus(
        deployment=deployment,
        read_at=None,
        exposed=(len(shares) - challengers, challengers),
        counted=counts.settled.counted,
        arms=[compare_arms(figure, counts.settled, once=verdict_row is not None) for figure in COMPARED_FIGURES],
        sample_ratio=verdict.sample_ratio_p_value(in_challenger, shares),
        visible_loss=verdict.smallest_visible_loss(shares),
        guardrails=guardrail_rows,
        verdict=verdict_row,
    )


async def store_status(session: AsyncSession, status: ExperimentStatus, now: datetime) -> None:
    """Store the status of an experiment in place of its last one."""
    values = {
        "read_at": now,
        "champion_installs": status.exposed[0],
        "challenger_installs": status.exposed[1],
        "counted": status.counted,
        "sample_ratio": status.sample_ratio,
        "visible_loss": status.visible_loss,
        "figures": {arms.figure.name: arms.to_json() for arms in status.arms},
    }
    await session.execute(
        upsert(StatusRow)
        .values(deployment_id=status.deployment.id, **values)
        .on_conflict_do_update(index_elements=["deployment_id"], set_=values)
    )


async def store_guardrails(
    session: AsyncSession, deployment_id: UUID, results: list[GuardrailResult], now: datetime
) -> None:
    """Store the results of an experiment's guardrails in place of the last ones."""
    await session.execute(delete(GuardrailRow).where(GuardrailRow.deployment_id == deployment_id))
    rows = [
        {
            "deployment_id": deployment_id,
            "name": result.name,
            "read_at": now,
            "n": result.n,
            "champion": result.champion,
            "challenger": result.challenger,
            "breached": result.breached,
            "words": result.summary,
        }
        for result in results
    ]
    await session.execute(insert(GuardrailRow).values(rows))
