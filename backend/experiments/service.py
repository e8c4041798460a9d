"""An experiment from its plan to its verdict: what it shows so far, and what follows from that, judged every minute.

Of several replicas one judges (advisory lock). It reads the guardrails, ends what does harm, and gives the verdict when
the horizon is reached: once, for then it stands in the database. Each of these is in the audit log.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from sqlalchemy import delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.statements import tune_for_counting
from backend.audit.service import SERVICE, note
from backend.deployments.failures import sum_failures
from backend.deployments.service import VERDICT, audit_details, promote, read_running, roll_back
from backend.deployments.tables import Deployment, GuardrailRow, StandingRow, VerdictRow
from backend.experiments import guardrails, verdict
from backend.experiments.guardrails import Reading
from backend.experiments.installs import Installs, Numbers, installs_of, past_installs
from backend.experiments.verdict import MOST_DRAFTS, MOST_ITEMS, Difference, Estimate, Sample, Word
from backend.postgres.database import Database
from backend.postgres.locks import AdvisoryLock, try_lock

log = logging.getLogger(__name__)

JUDGE_EVERY = 60.0

# How the reasons begin for which the service itself ends an experiment.
BY_GUARDRAIL, BY_VERDICT = "guardrail: ", "verdict: "
BY_ITSELF = (BY_GUARDRAIL, BY_VERDICT)

# An experiment that ended longer ago than this is not counted once more: its rows may be forgotten by then.
COUNTED_AFTER_END = timedelta(days=1)

# How far back a plan looks to learn how much installs differ.
PAST = timedelta(days=28)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A figure of the two arms by install: hits of trials, an install counting up to ``most`` of these units."""

    name: str
    title: str
    unit: str
    hits: str
    trials: str
    most: float


ACCEPTANCE = Comparison("acceptance", "Acceptance", "items", "accepted", "viewed", MOST_ITEMS)
"""The figure that the verdict goes by."""

COMPARISONS = (
    ACCEPTANCE,
    Comparison("kept", "Kept", "items", "kept", "posted_viewed", MOST_ITEMS),
    Comparison("agreement", "Agreement", "items", "agreed", "posted_viewed", MOST_ITEMS),
    Comparison("jaccard", "Jaccard", "drafts", "jaccard_sum", "union_n", MOST_DRAFTS),
)


@dataclass(frozen=True, slots=True)
class Arms:
    """A figure of both arms, and the difference; None where there is nothing to count.

    Attributes:
        trials: items or drafts of champion and challenger, before any cap.
        difference: with bounds that hold however often one looks, and so are wide; at the verdict, those of one look.
    """

    comparison: Comparison
    trials: tuple[int, int]
    champion: Estimate | None
    challenger: Estimate | None
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A horizon, and what it rests on: the variance of one install's part, and how many installs showed it."""

    horizon: int
    variance: float
    measured_on: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How an experiment stands.

    Attributes:
        deployment: the challenger's.
        read_at: when it was counted; None: now, or never.
        exposed: installs in the champion's and in the challenger's arm.
        counted: installs with a viewed item, which the horizon counts.
        arms: by figure, the main one first.
        sample_ratio: how probable arms so far out of proportion are; None while there are too few installs.
        guardrails: their last readings, by name.
        verdict: None until it is given.
    """

    deployment: Deployment
    read_at: datetime | None
    exposed: tuple[int, int]
    counted: int
    arms: list[Arms]
    sample_ratio: float | None
    guardrails: dict[str, GuardrailRow]
    verdict: VerdictRow | None

    @property
    def words(self) -> str:
        """The verdict, or how far it is."""
        if self.verdict is not None:
            return self.verdict.word
        if self.deployment.ended_at is not None:
            return f"no verdict: {self.deployment.ended_because}"
        if self.deployment.horizon is None:
            return "no horizon was set, so there will be no verdict"
        return verdict.progress(self.counted, self.deployment.horizon)


async def plan(session: AsyncSession, share: float, smallest_difference: float, now: datetime) -> Plan:
    """How many installs with a viewed item an experiment needs, by what installs did in the last 28 days.

    Args:
        session: where to ask.
        share: the challenger's, between 0 and 1.
        smallest_difference: of the acceptance rate, that would matter; .02 = 2 points.
        now: the moment.

    Raises:
        ValueError: share or difference are not between 0 and 1.
    """
    accepted, viewed = await past_installs(session, now - PAST)
    sample = Sample(accepted, viewed, np.ones(len(viewed)))
    variance = verdict.variance_to_plan(sample, ACCEPTANCE.most)
    return Plan(verdict.required_installs(variance, smallest_difference, share), variance, len(viewed))


async def newest(session: AsyncSession) -> Deployment | None:
    """The experiment that runs, else the last one that ran."""
    found: Deployment | None = await session.scalar(
        select(Deployment)
        .where(Deployment.role == "challenger")
        .order_by(Deployment.ended_at.desc().nulls_first(), Deployment.started_at.desc())
        .limit(1)
    )
    return found


async def verdicts(session: AsyncSession) -> dict[UUID, VerdictRow]:
    """All verdicts, by deployment."""
    return {row.deployment_id: row for row in await session.scalars(select(VerdictRow))}


async def stand(session: AsyncSession, deployment: Deployment) -> Standing:
    """How a challenger's experiment stands now. It is counted anew, which takes seconds where it is large."""
    given, rows = await _found(session, deployment.id)
    installs = await _count_installs(session, deployment)
    return _standing(deployment, installs, given, rows)


async def stood(session: AsyncSession, deployment: Deployment) -> Standing:
    """How a challenger's experiment stood when it was last judged: within a minute, while it runs.

    Once the verdict is given, the figures are those that it was given by, and stay.
    """
    given, rows = await _found(session, deployment.id)
    row = await session.get(StandingRow, deployment.id)
    if row is None:
        return await stand(session, deployment)
    figures = row.figures if given is None else given.figures
    return Standing(
        deployment=deployment,
        read_at=row.read_at,
        exposed=(row.champion_installs, row.challenger_installs),
        counted=row.counted,
        arms=[read_arms(each, figures[each.name]) for each in COMPARISONS],
        sample_ratio=row.sample_ratio,
        guardrails=rows,
        verdict=given,
    )


async def _found(session: AsyncSession, deployment_id: UUID) -> tuple[VerdictRow | None, dict[str, GuardrailRow]]:
    rows = await session.scalars(select(GuardrailRow).where(GuardrailRow.deployment_id == deployment_id))
    return await session.get(VerdictRow, deployment_id), {row.name: row for row in rows}


async def _count_installs(session: AsyncSession, deployment: Deployment) -> Installs:
    return await installs_of(
        session, deployment.id, deployment.model_version, guardrails.SLOW_MS, verdict.MOST_OF_CROWD
    )


def _standing(
    deployment: Deployment, installs: Installs, given: VerdictRow | None, rows: dict[str, GuardrailRow]
) -> Standing:
    challengers = int(installs.in_challenger.sum())
    return Standing(
        deployment=deployment,
        read_at=None,
        exposed=(len(installs.share) - challengers, challengers),
        counted=installs.counted,
        arms=[compare(each, installs, once=given is not None) for each in COMPARISONS],
        sample_ratio=verdict.sample_ratio(installs.in_challenger, installs.share),
        guardrails=rows,
        verdict=given,
    )


def compare(comparison: Comparison, installs: Installs, *, once: bool) -> Arms:
    """A figure of both arms.

    Args:
        comparison: which.
        installs: of the experiment.
        once: whether the difference is looked at once, at the horizon, or again and again.
    """
    champion, challenger = samples(installs, comparison.hits, comparison.trials)
    before = verdict.estimate(champion, comparison.most)
    now = verdict.estimate(challenger, comparison.most)
    difference = None
    if before is not None and now is not None:
        difference = verdict.difference(before, now) if once else at_any_time(before, now)
    trials = int(champion.trials.sum()), int(challenger.trials.sum())
    return Arms(comparison, trials, before, now, difference)


def at_any_time(champion: Estimate, challenger: Estimate) -> Difference | None:
    """Challenger less champion with bounds that hold whenever one looks; None where an arm has few installs."""
    if min(champion.installs, challenger.installs) < guardrails.LEAST_INSTALLS:
        return None
    value = challenger.value - champion.value
    pairs = 1 / (1 / champion.installs + 1 / challenger.installs)
    half = guardrails.boundary(pairs, verdict.ALPHA / 2) * math.sqrt(champion.variance + challenger.variance)
    return Difference(value, max(-1.0, value - half), min(1.0, value + half))


def samples(installs: Installs, hits: str, trials: str) -> tuple[Sample, Sample]:
    """What the champion's and the challenger's installs did, by the names of two counts."""

    def of(arm: npt.NDArray[np.bool_], chances: Numbers) -> Sample:
        return Sample(getattr(installs, hits)[arm], getattr(installs, trials)[arm], chances[arm])

    return of(~installs.in_challenger, 1 - installs.share), of(installs.in_challenger, installs.share)


def read_guardrails(installs: Installs) -> list[Reading]:
    """What every guardrail says now, the gravest first. Harm that the installs of one address show alone is none."""
    readings = _read_guardrails(installs)
    if any(each.breached for each in readings):
        for crowd in installs.crowds:
            others = _read_guardrails(installs.without(crowd))
            readings = [
                reading if without.breached or not reading.breached else _unconfirmed(reading)
                for reading, without in zip(readings, others, strict=True)
            ]
    return readings


def _unconfirmed(reading: Reading) -> Reading:
    return replace(reading, breached=False, words=f"{reading.words}; not without the installs of one address")


def _read_guardrails(installs: Installs) -> list[Reading]:
    given = installs.in_challenger & (installs.answers > 0)
    return [
        guardrails.errors(int(installs.failed[given].sum()), int(given.sum())),
        guardrails.compare(guardrails.LATENCY, *samples(installs, "slow", "answers")),
        guardrails.compare(guardrails.COVERAGE, *samples(installs, "covered", "answered")),
        guardrails.compare(guardrails.DISMISSALS, *samples(installs, "dismissed", "viewed")),
        guardrails.sample_ratio(installs.in_challenger, installs.share),
    ]


class Experiments:
    """Judges the experiment that runs, if one does.

    Args:
        database: where it stands.
        now: the clock, in UTC.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    async def judge(self) -> None:
        """Read the guardrails and see to the horizon, all in one transaction; of several replicas, one does it."""
        async with self._database.session(within=60) as session:
            if not await try_lock(session, AdvisoryLock.EVALUATE_EXPERIMENT):
                return
            now = self._now()
            await tune_for_counting(session)
            for ended in await _ended_uncounted(session, now):
                await _count(session, ended, now)
            challenger = (await read_running(session)).challenger
            if challenger is None:
                return
            installs, readings = await _read(session, challenger, now)
            harm = next((each for each in readings if each.breached), None)
            if harm is not None:
                await _stop(session, challenger, f"{BY_GUARDRAIL}{harm.name}: {harm.words}", now)
            elif is_due(challenger, installs.counted, now):
                await _conclude(session, challenger, installs, now)
            given = await session.get(VerdictRow, challenger.id)
            await _keep_standing(session, _standing(challenger, installs, given, {}), now)


async def _ended_uncounted(session: AsyncSession, now: datetime) -> list[Deployment]:
    """Return the experiments that have ended since they were last counted, if ever."""
    statement = (
        select(Deployment)
        .outerjoin(StandingRow, StandingRow.deployment_id == Deployment.id)
        .where(
            Deployment.role == "challenger",
            Deployment.ended_at > now - COUNTED_AFTER_END,
            StandingRow.read_at.is_(None) | (StandingRow.read_at < Deployment.ended_at),
        )
    )
    return list(await session.scalars(statement))


async def _count(session: AsyncSession, ended: Deployment, now: datetime) -> None:
    """Write down how an experiment stood at its end; nothing follows from it any more."""
    installs, _ = await _read(session, ended, now)
    given = await session.get(VerdictRow, ended.id)
    await _keep_standing(session, _standing(ended, installs, given, {}), now)


async def _read(session: AsyncSession, challenger: Deployment, now: datetime) -> tuple[Installs, list[Reading]]:
    """Count the installs of an experiment, and write down what its guardrails say."""
    installs = await _count_installs(session, challenger)
    readings = await asyncio.to_thread(read_guardrails, installs)
    failed, answers = await sum_failures(session, challenger.id)
    readings[0] = replace(
        readings[0], words=f"{readings[0].words} (of all that were asked for: {failed:,} of {answers:,})"
    )
    await _keep(session, challenger.id, readings, now)
    return installs, readings


def is_due(deployment: Deployment, counted: int, now: datetime) -> bool:
    """Whether the verdict is to be given: so many installs have seen an item, or the last day has come."""
    reached = deployment.horizon is not None and counted >= deployment.horizon
    return reached or (deployment.until is not None and now >= deployment.until)


async def _keep(session: AsyncSession, deployment_id: UUID, readings: list[Reading], now: datetime) -> None:
    await session.execute(delete(GuardrailRow).where(GuardrailRow.deployment_id == deployment_id))
    rows = [
        {
            "deployment_id": deployment_id,
            "name": each.name,
            "read_at": now,
            "n": each.n,
            "champion": each.champion,
            "challenger": each.challenger,
            "breached": each.breached,
            "words": each.words,
        }
        for each in readings
    ]
    await session.execute(insert(GuardrailRow).values(rows))


async def _keep_standing(session: AsyncSession, standing: Standing, now: datetime) -> None:
    values = {
        "read_at": now,
        "champion_installs": standing.exposed[0],
        "challenger_installs": standing.exposed[1],
        "counted": standing.counted,
        "sample_ratio": standing.sample_ratio,
        "figures": {each.comparison.name: written_arms(each) for each in standing.arms},
    }
    await session.execute(
        upsert(StandingRow)
        .values(deployment_id=standing.deployment.id, **values)
        .on_conflict_do_update(index_elements=["deployment_id"], set_=values)
    )


def written_arms(arms: Arms) -> dict[str, Any]:
    """A figure of both arms as JSON."""
    parts = {"champion": arms.champion, "challenger": arms.challenger, "difference": arms.difference}
    return {"trials": arms.trials} | {name: None if part is None else asdict(part) for name, part in parts.items()}


def read_arms(comparison: Comparison, written: dict[str, Any]) -> Arms:
    """A figure of both arms, as `written_arms` has written it."""
    champion, challenger, found = (written[name] for name in ("champion", "challenger", "difference"))
    items, others = written["trials"]
    return Arms(
        comparison,
        (items, others),
        None if champion is None else Estimate(**champion),
        None if challenger is None else Estimate(**challenger),
        None if found is None else Difference(**found),
    )


async def _conclude(session: AsyncSession, challenger: Deployment, installs: Installs, now: datetime) -> None:
    """Give the verdict, if it was not given before, and do what follows from it."""
    if await session.get(VerdictRow, challenger.id) is not None:
        return
    ratio = verdict.sample_ratio(installs.in_challenger, installs.share)
    # The guardrail needs more to be sure, since it looks often. At the verdict one look is enough.
    if ratio is not None and ratio < verdict.SAMPLE_RATIO_ALPHA:
        await _stop(session, challenger, f"{BY_GUARDRAIL}sample ratio: p = {ratio:.2g}", now)
        return
    arms = [compare(each, installs, once=True) for each in COMPARISONS]
    found = arms[0].difference
    word = word_of(installs, found)
    session.add(
        VerdictRow(
            deployment_id=challenger.id,
            given_at=now,
            word=word,
            installs=installs.counted,
            difference=None if found is None else found.value,
            low=None if found is None else found.low,
            high=None if found is None else found.high,
            figures={each.comparison.name: written_arms(each) for each in arms},
        )
    )
    details: dict[str, Any] = audit_details(challenger) | {"verdict": word, "installs": installs.counted}
    if found is not None:
        details |= {"difference": found.value, "low": found.low, "high": found.high}
    await note(session, VERDICT, challenger.model_version, details, actor=SERVICE, at=now)
    log.warning("%s is %s (%d installs)", challenger.model_version, word, installs.counted)
    if word == "better" and challenger.promote_if_better:
        await promote(session, challenger.id, actor=SERVICE, reason=in_words(word, found), now=now)
    elif word == "worse":
        await _stop(session, challenger, in_words(word, found), now)


def word_of(installs: Installs, found: Difference | None) -> Word:
    """Return the verdict; what would be another one without the installs of some address shows no difference."""
    others = [compare(ACCEPTANCE, installs.without(crowd), once=True).difference for crowd in installs.crowds]
    words = {"no difference shown" if each is None else each.word for each in (found, *others)}
    return words.pop() if len(words) == 1 else "no difference shown"


def in_words(word: str, found: Difference | None) -> str:
    """A verdict as a reason: ``verdict: better by +4.2 points (2.1 to 6.3)``."""
    if found is None:
        return f"{BY_VERDICT}{word}"
    return f"{BY_VERDICT}{word}, {found.value * 100:+.1f} points ({found.low * 100:+.1f} to {found.high * 100:+.1f})"


async def _stop(session: AsyncSession, challenger: Deployment, reason: str, now: datetime) -> None:
    log.warning("%s is rolled back: %s", challenger.model_version, reason)
    await roll_back(session, challenger.id, actor=SERVICE, reason=reason, now=now)
