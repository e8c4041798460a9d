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

from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.statements import tune_for_counting
from backend.audit.service import SERVICE, record_act
from backend.deployments.failures import sum_failures
from backend.deployments.service import VERDICT, audit_details, promote, read_running, roll_back
from backend.deployments.tables import Deployment
from backend.experiments import verdict
from backend.experiments.comparison import ACCEPTANCE
from backend.experiments.installs import count_past_installs
from backend.experiments.judging import Judgement, Verdict, judge_experiment
from backend.experiments.status import (
    count_experiment,
    list_unfinished_counts,
    make_status,
    store_guardrails,
    store_status,
)
from backend.experiments.tables import VerdictRow
from backend.experiments.verdict import RateDifference
from backend.postgres.database import Database
from backend.postgres.locks import AdvisoryLock, try_lock

log = logging.getLogger(__name__)

EVALUATE_EVERY = 60.0

BY_GUARDRAIL, BY_VERDICT = "guardrail: ", "verdict: "
BY_SERVICE = (BY_GUARDRAIL, BY_VERDICT)
"""How the reasons begin for which the service itself ends an experiment."""

# How many whole weeks an experiment lasts at least, if the operator does not say. Half of them, from each install's
# first draft on, are left out of the verdict (see `Deployment.settling_time`).
MIN_WEEKS = 4

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
    variance = verdict.planning_variance(accepted, viewed, ACCEPTANCE.most)
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
                await _evaluate(session, ended, now)
            challenger = (await read_running(session)).challenger
            if challenger is None:
                return
            judgement = await _evaluate(session, challenger, now)
            if (harm := judgement.harm) is not None:
                await _stop(session, challenger, f"{BY_GUARDRAIL}{harm.name}: {harm.summary}", now)
            elif judgement.verdict is not None:
                await _conclude(session, challenger, judgement.verdict, now)


async def _evaluate(session: AsyncSession, deployment: Deployment, now: datetime) -> Judgement:
    """Count an experiment, judge it, and store its guardrails and status."""
    counts = await count_experiment(session, deployment)
    verdict_row = await session.get(VerdictRow, deployment.id)
    judgement = await asyncio.to_thread(judge_experiment, deployment, counts, now, concluded=verdict_row is not None)
    failed, answers = await sum_failures(session, deployment.id)
    errors = judgement.guardrails[0]
    summary = f"{errors.summary} (of all that were asked for: {failed:,} of {answers:,})"
    judgement.guardrails[0] = replace(errors, summary=summary)
    await store_guardrails(session, deployment.id, judgement.guardrails, now)
    await store_status(session, make_status(deployment, counts, verdict_row, {}), now)
    return judgement


async def _conclude(session: AsyncSession, challenger: Deployment, given: Verdict, now: datetime) -> None:
    """Record the verdict, and act on it."""
    difference = given.difference
    session.add(
        VerdictRow(
            deployment_id=challenger.id,
            given_at=now,
            word=given.word,
            installs=given.installs,
            difference=None if difference is None else difference.value,
            low=None if difference is None else difference.low,
            high=None if difference is None else difference.high,
            figures={compared.figure.name: compared.to_json() for compared in given.arms},
        )
    )
    details: dict[str, Any] = audit_details(challenger) | {"verdict": given.word, "installs": given.installs}
    if difference is not None:
        details |= {"difference": difference.value, "low": difference.low, "high": difference.high}
    await record_act(session, VERDICT, challenger.model_version, details, actor=SERVICE, at=now)
    log.warning("%s is %s (%d installs)", challenger.model_version, given.word, given.installs)
    reason = describe_verdict(given.word, difference)
    if given.word == "better" and challenger.promote_if_better:
        await promote(session, challenger.id, actor=SERVICE, reason=reason, now=now)
    elif given.word == "worse":
        await _stop(session, challenger, reason, now)


def describe_verdict(word: str, difference: RateDifference | None) -> str:
    """Return a verdict as a reason: ``verdict: better, +4.2 points (+2.1 to +6.3)``."""
    if difference is None:
        return f"{BY_VERDICT}{word}"
    value, low, high = (100 * bound for bound in (difference.value, difference.low, difference.high))
    return f"{BY_VERDICT}{word}, {value:+.1f} points ({low:+.1f} to {high:+.1f})"


async def _stop(session: AsyncSession, challenger: Deployment, reason: str, now: datetime) -> None:
    log.warning("%s is rolled back: %s", challenger.model_version, reason)
    await roll_back(session, challenger.id, actor=SERVICE, reason=reason, now=now)
