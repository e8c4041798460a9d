"""An experiment from its plan to its verdict, evaluated every minute.

Of several replicas one evaluates (advisory lock). It checks the guardrails, ends what does harm, and gives the verdict
when the horizon is reached: once, since then it is in the database. Each of these is in the audit log.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.statements import tune_for_counting
from backend.audit.service import SERVICE, record_act
from backend.deployments.failures import sum_failures
from backend.deployments.service import VERDICT, audit_details, promote, read_running, roll_back
from backend.deployments.tables import Deployment
from backend.experiments import verdict
from backend.experiments.comparison import ACCEPTANCE, COMPARED_FIGURES, compare_arms
from backend.experiments.guardrails import GuardrailResult, check_guardrails
from backend.experiments.installs import Installs, count_past_installs
from backend.experiments.status import (
    count_experiment,
    list_unfinished_counts,
    make_status,
    store_guardrails,
    store_status,
)
from backend.experiments.tables import VerdictRow
from backend.experiments.verdict import RateDifference, Sample, VerdictWord
from backend.postgres.database import Database
from backend.postgres.locks import AdvisoryLock, try_lock

log = logging.getLogger(__name__)

EVALUATE_EVERY = 60.0

BY_GUARDRAIL, BY_VERDICT = "guardrail: ", "verdict: "
BY_SERVICE = (BY_GUARDRAIL, BY_VERDICT)
"""How the reasons begin for which the service itself ends an experiment."""

# How far back a plan looks to learn how much installs differ.
PLANNING_PERIOD = timedelta(days=28)


@dataclass(frozen=True, slots=True)
class Plan:
    """A horizon and what it rests on: the variance of one install's part, and how many installs showed it."""

    horizon: int
    variance: float
    measured_on: int


async def plan_experiment(session: AsyncSession, share: float, smallest_difference: float, now: datetime) -> Plan:
    """Return how many installs with a viewed item an experiment needs, by what installs did in the last 28 days.

    Args:
        session: where to count.
        share: the challenger's, between 0 and 1.
        smallest_difference: of the acceptance rate, that would matter; .02 = 2 points.
        now: the present.

    Raises:
        ValueError: share or difference are not between 0 and 1.
    """
    accepted, viewed = await count_past_installs(session, now - PLANNING_PERIOD)
    variance = verdict.planning_variance(Sample(accepted, viewed, np.ones(len(viewed))), ACCEPTANCE.most)
    return Plan(verdict.required_installs(variance, smallest_difference, share), variance, len(viewed))


class Experiments:
    """Evaluates the experiment that runs, if one does.

    Args:
        database: where it is.
        now: the clock, in UTC.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    async def evaluate(self) -> None:
        """Check the guardrails and the horizon, in one transaction; of several replicas, one does it."""
        async with self._database.session(within=60) as session:
            if not await try_lock(session, AdvisoryLock.EVALUATE_EXPERIMENT):
                return
            now = self._now()
            await tune_for_counting(session)
            for ended in await list_unfinished_counts(session, now):
                installs, _ = await _count_and_check(session, ended, now)
                await _store_status(session, ended, installs, now)
            challenger = (await read_running(session)).challenger
            if challenger is None:
                return
            installs, results = await _count_and_check(session, challenger, now)
            harm = next((result for result in results if result.breached), None)
            if harm is not None:
                await _stop(session, challenger, f"{BY_GUARDRAIL}{harm.name}: {harm.summary}", now)
            elif is_due(challenger, installs.counted, now):
                await _conclude(session, challenger, installs, now)
            await _store_status(session, challenger, installs, now)


async def _count_and_check(
    session: AsyncSession, challenger: Deployment, now: datetime
) -> tuple[Installs, list[GuardrailResult]]:
    """Count the installs of an experiment, and check and store its guardrails."""
    installs = await count_experiment(session, challenger)
    results = await asyncio.to_thread(check_guardrails, installs)
    failed, answers = await sum_failures(session, challenger.id)
    summary = f"{results[0].summary} (of all that were asked for: {failed:,} of {answers:,})"
    results[0] = replace(results[0], summary=summary)
    await store_guardrails(session, challenger.id, results, now)
    return installs, results


async def _store_status(session: AsyncSession, challenger: Deployment, installs: Installs, now: datetime) -> None:
    verdict_row = await session.get(VerdictRow, challenger.id)
    await store_status(session, make_status(challenger, installs, verdict_row, {}), now)


def is_due(deployment: Deployment, counted: int, now: datetime) -> bool:
    """Return whether the verdict is due: so many installs have seen an item, or the last day has come."""
    reached = deployment.horizon is not None and counted >= deployment.horizon
    return reached or (deployment.until is not None and now >= deployment.until)


async def _conclude(session: AsyncSession, challenger: Deployment, installs: Installs, now: datetime) -> None:
    """Record the verdict, unless there is one already, and act on it."""
    if await session.get(VerdictRow, challenger.id) is not None:
        return
    p_value = verdict.sample_ratio_p_value(installs.in_challenger, installs.share)
    # The guardrail needs more to be sure, since it looks often. At the verdict one look is enough.
    if p_value is not None and p_value < verdict.SAMPLE_RATIO_ALPHA:
        await _stop(session, challenger, f"{BY_GUARDRAIL}sample ratio: p = {p_value:.2g}", now)
        return
    arms = [compare_arms(figure, installs, once=True) for figure in COMPARED_FIGURES]
    difference = arms[0].difference
    word = decide_verdict(installs, difference)
    session.add(
        VerdictRow(
            deployment_id=challenger.id,
            given_at=now,
            word=word,
            installs=installs.counted,
            difference=None if difference is None else difference.value,
            low=None if difference is None else difference.low,
            high=None if difference is None else difference.high,
            figures={compared.figure.name: compared.to_json() for compared in arms},
        )
    )
    details: dict[str, Any] = audit_details(challenger) | {"verdict": word, "installs": installs.counted}
    if difference is not None:
        details |= {"difference": difference.value, "low": difference.low, "high": difference.high}
    await record_act(session, VERDICT, challenger.model_version, details, actor=SERVICE, at=now)
    log.warning("%s is %s (%d installs)", challenger.model_version, word, installs.counted)
    reason = describe_verdict(word, difference)
    if word == "better" and challenger.promote_if_better:
        await promote(session, challenger.id, actor=SERVICE, reason=reason, now=now)
    elif word == "worse":
        await _stop(session, challenger, reason, now)


def decide_verdict(installs: Installs, difference: RateDifference | None) -> VerdictWord:
    """Return the verdict: no difference if it would be another one without the installs of some address."""
    others = [compare_arms(ACCEPTANCE, installs.without(crowd), once=True).difference for crowd in installs.crowds]
    words = {"no difference shown" if each is None else each.word for each in (difference, *others)}
    return words.pop() if len(words) == 1 else "no difference shown"


def describe_verdict(word: str, difference: RateDifference | None) -> str:
    """Return a verdict as a reason: ``verdict: better, +4.2 points (+2.1 to +6.3)``."""
    if difference is None:
        return f"{BY_VERDICT}{word}"
    value, low, high = (100 * bound for bound in (difference.value, difference.low, difference.high))
    return f"{BY_VERDICT}{word}, {value:+.1f} points ({low:+.1f} to {high:+.1f})"


async def _stop(session: AsyncSession, challenger: Deployment, reason: str, now: datetime) -> None:
    log.warning("%s is rolled back: %s", challenger.model_version, reason)
    await roll_back(session, challenger.id, actor=SERVICE, reason=reason, now=now)
