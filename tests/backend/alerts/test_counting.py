"""What the database counts for the rules is what the simulation counts, and what the page shows."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.acceptance.counts import count_grid
from backend.acceptance.figures import FIGURES, Mean
from backend.acceptance.filters import Filters, Span
from backend.acceptance.queries.runs import TRIALS, Outcome, select_dismissals
from backend.acceptance.queries.writers import VALUES
from backend.alerts.evaluation import (
    LONGEST_DRAFT,
    SETTLED,
    USUAL_DAYS,
    EvaluationContext,
    UsualShares,
    read_capped_sums,
    read_run,
)
from backend.alerts.judgements import sum_capped
from tests.backend.acceptance.traffic import KNOWN, Writer, mixed_traffic, store
from tools.alert_rates import FIGURES_OF_DRAFTS
from tools.alert_rates import TRIALS as SIMULATED_TRIALS
from tools.alert_worlds import Traffic, World, simulate

pytestmark = pytest.mark.anyio

MONDAY = datetime(2026, 9, 7, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


@pytest.fixture
async def traffic(engine: AsyncEngine) -> Traffic:
    """Store simulated traffic, and return it."""
    simulated = simulate(World(30, 0.15, 0.25, 1.7, power_users=True), np.random.default_rng(5))
    simulated = simulated.where((simulated.at > 31) & (simulated.at < 61))
    # Whole seconds, so that both compare the same moments.
    simulated = replace(simulated, at=np.round(simulated.at * 86_400) / 86_400)
    writer = Writer(1)
    for index, number in enumerate(simulated.writer):
        begun = MONDAY + timedelta(seconds=round(float(simulated.at[index]) * 86_400))
        draft = writer.draft(begun, install_id=UUID(int=int(number) + 1), page=f"page {simulated.page[index]}")
        offered = KNOWN[:5]
        suggestion = writer.suggestion(draft, offered, confident=int(simulated.offered[index]))
        accepted, dismissed = int(simulated.accepted[index]), int(simulated.dismissed[index])
        for position, tag in enumerate(offered[: int(simulated.viewed[index])]):
            writer.item(
                suggestion,
                tag,
                begun,
                accepted_at=begun if position < accepted else None,
                dismissed_at=begun if accepted <= position < accepted + dismissed else None,
            )
    await store(engine, writer.rows)
    return simulated


def context_at(session: AsyncSession, day: float) -> EvaluationContext:
    return EvaluationContext(session, MONDAY + timedelta(days=day), UsualShares())


async def test_the_database_counts_what_the_simulation_counts(engine: AsyncEngine, traffic: Traffic) -> None:
    await check_sums(engine, traffic)
    for page in (None, 0):
        await check_runs(engine, traffic, page)
    await check_dismissals(engine, traffic)


async def check_sums(engine: AsyncEngine, traffic: Traffic) -> None:
    day = 60
    async with AsyncSession(engine) as session:
        context = context_at(session, day)
        for figure in ("acceptance", "coverage"):
            n, hits = map(traffic.by_writer_day, FIGURES_OF_DRAFTS[figure](traffic))
            spans = [Span((MONDAY + timedelta(days=day - days)).date(), context.yesterday) for days in (1, 7, 28)]
            for days, sums in zip((1, 7, 28), await read_capped_sums(context, figure, spans), strict=True):
                expected = sum_capped(n[:, day - days : day].sum(axis=1), hits[:, day - days : day].sum(axis=1))
                for name in expected.__slots__:
                    assert getattr(sums, name) == pytest.approx(getattr(expected, name)), (figure, days, name)


async def check_runs(engine: AsyncEngine, traffic: Traffic, page: int | None) -> None:
    day = 60.6
    at, until = day, day - SETTLED / timedelta(days=1)
    part = traffic if page is None else traffic.where(traffic.page == page)
    async with AsyncSession(engine) as session:
        context = context_at(session, day)
        await context.usual.update(session, context.yesterday)
        assert context.usual.pages == ["page 0", "page 1"]
        for outcome in TRIALS:
            trial, success = SIMULATED_TRIALS[outcome](part)
            last = part.at[success & (part.at <= at)].max()
            writers = np.unique(part.writer[trial & (part.at > last) & (part.at <= until)])
            tried = part.by_writer_day(trial)[:, int(day) - USUAL_DAYS : int(day)]
            missing = part.by_writer_day(trial & ~success)[:, int(day) - USUAL_DAYS : int(day)]
            run = await read_run(outcome, context, None if page is None else f"page {page}")
            assert run.installs == len(writers)
            assert run.hours == pytest.approx((at - last) * 24, abs=1e-3)
            assert run.draft_days == np.count_nonzero(tried)
            assert run.missing == pytest.approx((missing[tried > 0] / tried[tried > 0]).sum())


async def check_dismissals(engine: AsyncEngine, traffic: Traffic) -> None:
    since, until = MONDAY + timedelta(days=50), MONDAY + timedelta(days=60)
    async with AsyncSession(engine) as session:
        rows = (await session.execute(select_dismissals(since, until, LONGEST_DRAFT))).all()
    chosen = (traffic.at > 50) & (traffic.at <= 60)
    assert len(rows) == traffic.dismissed[chosen].sum()


async def test_the_rules_count_what_the_page_counts(engine: AsyncEngine) -> None:
    await store(engine, mixed_traffic(3, 150, NOW))
    since, until = date(2026, 11, 9), date(2026, 11, 19)
    async with AsyncSession(engine) as session:
        overview = (await count_grid(session, Filters(since, until), (), NOW)).overview()
        context = EvaluationContext(session, NOW, UsualShares())
        for figure in FIGURES:
            if figure.name in VALUES:
                (sums,) = await read_capped_sums(context, figure.name, [Span(since, until)])
                shown = figure.compute(overview)
                assert sums.n == shown.n > 0, figure.name
                assert sums.hits == pytest.approx(shown.sum if isinstance(shown, Mean) else shown.numerator), (
                    figure.name
                )


def test_every_outcome_is_simulated() -> None:
    outcomes: set[Outcome] = set(TRIALS)
    assert set(SIMULATED_TRIALS) == outcomes
