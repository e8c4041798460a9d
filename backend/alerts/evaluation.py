"""Evaluation of the rules: the counts that each kind of rule is judged by, read from the database at one moment."""

import asyncio
import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import psutil
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.bookkeeping import count_bookkeeping
from backend.acceptance.filters import Filters, Span
from backend.acceptance.queries.runs import (
    TRIALS,
    Outcome,
    select_dismissals,
    select_drafts_with_dismissals,
    select_first_and_last_draft,
    select_last,
    select_run,
    select_usual_shares,
    select_writers_between,
)
from backend.acceptance.queries.writers import SUM_NAMES, select_capped_sums
from backend.alerts.judgements import (
    MAX_WEIGHT,
    CappedSums,
    Dismissal,
    Run,
    Silence,
    judge_bound,
    judge_burst,
    judge_drop,
    judge_lost_events,
    judge_requests,
    judge_resource,
    judge_silence,
    judge_target,
    judge_zero,
    nested_spans,
)
from backend.alerts.rules import (
    BoundRule,
    BurstRule,
    DriftRule,
    DropRule,
    LostEventsRule,
    RequestRule,
    ResourceRule,
    Rule,
    SilenceRule,
    TargetRule,
    ZeroRule,
    find_figure,
)
from backend.alerts.states import Evaluation
from backend.drift.findings import Findings
from backend.drift.service import newest_findings
from backend.web.request_stats import read_request_stats

Evaluations = dict[str, Evaluation]
"""By subject; a rule that watches one thing has the subject ''."""

TARGET_DAYS = 7
"""A target is missed when the figure of so many whole days surely misses it."""

USUAL_DAYS = 7
"""So many whole days say what is usual in drafts."""

WEEKS_COMPARED = 4
"""So many weeks before are compared with, at the same weekday and hour."""

LOOK_BACK = timedelta(days=3)
"""No run of drafts is followed further back."""

SETTLED = timedelta(minutes=15)
"""After so long it is known what became of a draft: its chips were seen, or accepted, and the events have arrived."""

LONGEST_DRAFT = timedelta(days=1)
"""Between the first view of a chip and its dismissal, and in a draft."""

LATE = timedelta(minutes=30)
"""Dismissals are looked at for so long, since events may arrive late."""


@dataclass
class UsualShares:
    """How often outcomes are missing in drafts; see `select_usual_shares`. Whoever keeps it spares counting it again.

    Attributes:
        day: up to which whole day it was counted; None: never.
        by_page: the days of writers, and the missing shares summed over them, by page (None: all) and outcome.
    """

    day: date | None = None
    by_page: dict[str | None, dict[Outcome, tuple[int, float]]] = field(default_factory=dict)

    async def update(self, session: AsyncSession, yesterday: date) -> None:
        """Count anew if a day has passed."""
        if self.day == yesterday:
            return
        span = Span(yesterday - timedelta(days=USUAL_DAYS - 1), yesterday)
        shares: dict[str | None, dict[Outcome, tuple[int, float]]] = {}
        for by_page in (False, True):
            for page, *numbers in await session.execute(select_usual_shares(span, by_page=by_page)):
                if by_page == (page is not None):
                    shares[page] = {
                        outcome: (int(numbers[2 * index]), float(numbers[2 * index + 1]))
                        for index, outcome in enumerate(TRIALS)
                    }
        self.by_page, self.day = shares, yesterday

    @property
    def pages(self) -> list[str]:
        """The generations of the page on which drafts were begun."""
        return sorted(page for page in self.by_page if page is not None)


@dataclass(frozen=True, slots=True)
class EvaluationContext:
    """The database at one moment, and the folder whose disk holds the data."""

    session: AsyncSession
    now: datetime
    usual: UsualShares
    data_dir: Path = Path()

    @property
    def yesterday(self) -> date:
        """The last whole day, in UTC."""
        return self.now.date() - timedelta(days=1)


async def evaluate_rule(rule: Rule, context: EvaluationContext) -> Evaluations:
    """Evaluate a rule now."""
    match rule:
        case DropRule() | BoundRule() | TargetRule():
            return {"": await evaluate_figure(rule, context)}
        case ResourceRule():
            return {"": await asyncio.to_thread(evaluate_resource, rule, context.data_dir)}
        case BurstRule():
            return await evaluate_burst(rule, context)
        case ZeroRule():
            return await evaluate_zero(rule, context)
        case RequestRule():
            return {"": await evaluate_requests(rule, context)}
        case LostEventsRule():
            return {"": await evaluate_lost_events(rule, context)}
        case SilenceRule():
            return await evaluate_silence(rule, context)
        case DriftRule():
            return await evaluate_drift(rule, context)


async def evaluate_figure(rule: DropRule | BoundRule | TargetRule, context: EvaluationContext) -> Evaluation:
    """Compare a figure of whole days with the days before, with a bound or with its target."""
    figure = find_figure(rule.figure)
    if isinstance(rule, TargetRule):
        week = Span(context.yesterday - timedelta(days=TARGET_DAYS - 1), context.yesterday)
        (sums,) = await read_capped_sums(context, rule.figure, [week])
        return judge_target(rule, figure, TARGET_DAYS, sums)
    spans = last_spans(rule.days, context)
    if isinstance(rule, DropRule):
        end = context.yesterday - timedelta(days=rule.days)
        spans.append(Span(end - timedelta(days=rule.reference - 1), end))
    sums_by_span = await read_capped_sums(context, rule.figure, spans)
    nested = dict(zip(nested_spans(rule.days), sums_by_span, strict=False))
    if isinstance(rule, DropRule):
        return judge_drop(rule, figure, nested, sums_by_span[-1])
    return judge_bound(rule, figure, nested)


def evaluate_resource(rule: ResourceRule, data_dir: Path) -> Evaluation:
    """Compare what this machine uses of its memory, or of the disk with the data, with the bound."""
    if rule.kind == "memory":
        memory = psutil.virtual_memory()
        return judge_resource(rule, memory.total - memory.available, memory.total)
    try:
        disk = shutil.disk_usage(data_dir)
    except OSError as error:
        return Evaluation(None, f"{data_dir} can't be looked at: {error.strerror}.")
    # Of what is kept free for root, the service gets nothing.
    return judge_resource(rule, disk.used, disk.used + disk.free)


def last_spans(days: int, context: EvaluationContext) -> list[Span]:
    """Return the spans of whole days that a rule about so many days looks at."""
    return [Span(context.yesterday - timedelta(days=span - 1), context.yesterday) for span in nested_spans(days)]


async def read_capped_sums(context: EvaluationContext, figure: str, spans: list[Span]) -> list[CappedSums]:
    """Return a figure's sums over writers in each span."""
    row = (await context.session.execute(select_capped_sums(figure, spans, MAX_WEIGHT))).one()
    size = len(SUM_NAMES)
    return [
        CappedSums(**dict(zip(SUM_NAMES, row[start : start + size], strict=True))) for start in range(0, len(row), size)
    ]


async def evaluate_burst(rule: BurstRule, context: EvaluationContext) -> Evaluations:
    """Look for many dismissals at once: of one tag, each an alert of its own, or of all tags together."""
    since = context.now - LATE - timedelta(minutes=rule.minutes)
    rows = await context.session.execute(select_dismissals(since, context.now, LONGEST_DRAFT))
    dismissals: dict[str, list[Dismissal]] = defaultdict(list)
    for tag, at, draft_id, install_id in rows:
        dismissals["" if rule.together else tag].append(Dismissal(at.timestamp(), draft_id, install_id))
    evaluations = {"": Evaluation(False, "No chips were dismissed.")} if rule.together else {}
    since_day = context.now.date() - timedelta(days=USUAL_DAYS)
    for subject, some in dismissals.items():
        # What is usual is counted only where it matters.
        before = 0
        if len(some) >= rule.least:
            statement = select_drafts_with_dismissals(since_day, context.yesterday, subject or None)
            before = await context.session.scalar(statement) or 0
        evaluation = judge_burst(rule, subject, some, before, USUAL_DAYS)
        if evaluation.breached or rule.together:
            evaluations[subject] = evaluation
    return evaluations


async def evaluate_zero(rule: ZeroRule, context: EvaluationContext) -> Evaluations:
    """Look for outcomes that do not happen any more, in all drafts or on one generation of the page."""
    await context.usual.update(context.session, context.yesterday)
    evaluations: Evaluations = {}
    for page in context.usual.pages if rule.by_page else (None,):
        runs = {outcome: await read_run(outcome, context, page) for outcome in rule.outcomes}
        verdicts = [judge_zero(rule, outcome, run) for outcome, run in runs.items()]
        # What is broken counts first, then what could be judged.
        evaluations[page or ""] = min(verdicts, key=lambda verdict: (True, False, None).index(verdict.breached))
    return evaluations


async def read_run(outcome: Outcome, context: EvaluationContext, page: str | None) -> Run:
    """Return the drafts since an outcome last happened."""
    draft_days, missing = context.usual.by_page.get(page, {}).get(outcome, (0, 0.0))
    since, until = context.now - LOOK_BACK, context.now - SETTLED
    last: datetime = await context.session.scalar(select_last(outcome, since, context.now, page)) or since
    installs = 0
    if last < until:
        installs = await context.session.scalar(select_run(outcome, last, until, page)) or 0
    return Run(installs, (context.now - last) / timedelta(hours=1), draft_days, missing)


async def evaluate_requests(rule: RequestRule, context: EvaluationContext) -> Evaluation:
    """Compare the share of requests that failed, or of suggestions that were slow, with the bound."""
    stats = await read_request_stats(context.session, context.now - timedelta(minutes=rule.minutes))
    if rule.kind == "failing":
        return judge_requests(rule, stats.failed, stats.requests)
    return judge_requests(rule, stats.slow, stats.suggestions)


async def evaluate_lost_events(rule: LostEventsRule, context: EvaluationContext) -> Evaluation:
    """Compare the share of events lost on their way with the bound."""
    filters = Filters(context.yesterday - timedelta(days=rule.days - 1), context.yesterday)
    bookkeeping = await count_bookkeeping(context.session, filters, context.now)
    return judge_lost_events(rule, bookkeeping.lost, bookkeeping.received)


async def evaluate_silence(rule: SilenceRule, context: EvaluationContext) -> Evaluations:
    """Compare the last hours with the same weekday and hours of the weeks before."""
    if not rule.by_page:
        return {"": await evaluate_silence_on(rule, context, None)}
    await context.usual.update(context.session, context.yesterday)
    return {page: await evaluate_silence_on(rule, context, page) for page in context.usual.pages}


async def evaluate_silence_on(rule: SilenceRule, context: EvaluationContext, page: str | None) -> Evaluation:
    """Judge how long there was no draft."""
    now = context.now
    first, last = (await context.session.execute(select_first_and_last_draft(now, page))).one()
    if last is None:
        return judge_silence(rule, None, [])
    silent = (now - last) / timedelta(hours=1)
    hours = [span for span in rule.spans if span <= silent]
    weeks = [week for week in range(1, WEEKS_COMPARED + 1) if now - timedelta(weeks=week) > first]
    spans = [(now - timedelta(weeks=week, hours=span), now - timedelta(weeks=week)) for span in hours for week in weeks]
    counts: list[int] = []
    if spans:
        counts = list((await context.session.execute(select_writers_between(spans, page))).one())
    by_span = [counts[index * len(weeks) : (index + 1) * len(weeks)] for index in range(len(hours))]
    silences = [Silence(span, installs) for span, installs in zip(hours, by_span, strict=True)]
    return judge_silence(rule, silent, silences)


async def evaluate_drift(rule: DriftRule, context: EvaluationContext) -> Evaluations:
    """Evaluate the newest findings of drift, each kind an alert of its own; old findings can't be judged by."""
    findings = await newest_findings(context.session, kind="ask")
    words = ""
    if findings is None:
        words = "No findings have been imported."
    elif is_old(findings, rule, context.yesterday):
        words = (
            f"The newest import ends on {findings.until}, more than {rule.days} whole days ago, and says nothing of "
            "today. Export, compare and import again."
        )
    elif findings.drafts < rule.least:
        words = f"The newest import, up to {findings.until}, has {findings.drafts:,} drafts, too few to judge by."
    if findings is None or words:
        return {kind: Evaluation(None, words) for kind in ("data", "concept", "model")}
    return {
        "data": evaluate_data_drift(rule, findings),
        "concept": evaluate_concept_drift(findings),
        "model": evaluate_model_drift(findings),
    }


def is_old(findings: Findings, rule: DriftRule, yesterday: date) -> bool:
    """Return whether findings ended so long ago that the rule can't be judged by them."""
    return findings.until < yesterday - timedelta(days=rule.days)


def evaluate_data_drift(rule: DriftRule, findings: Findings) -> Evaluation:
    """Look for columns further from the reference than the bound, and than chance explains."""
    far = [column for column in findings.columns if column.psi > max(rule.bound, column.psi_noise)]
    columns = ", ".join(f"{column.title} ({column.column}: PSI {column.psi:.2f})" for column in far)
    words = (
        f"{findings.drafts:,} drafts of {findings.since} to {findings.until} "
        + (f"differ from the reference in {columns}" if far else "are like those of the reference")
        + f"; a PSI, or population stability index, above {rule.bound:g} is drift."
    )
    return Evaluation(bool(far), words)


def evaluate_concept_drift(findings: Findings) -> Evaluation:
    """Evaluate the relation between scores and posted tags."""
    relation = findings.relation
    words = (
        f"At equal scores, the share of right tags differs by {relation.shift * 100:.1f} points on average; chance "
        f"brings {relation.noise * 100:.1f}. {relation.n:,} tags of {findings.since} to {findings.until}."
    )
    return Evaluation(relation.drifted, words)


def evaluate_model_drift(findings: Findings) -> Evaluation:
    """Evaluate the performance on posted drafts."""
    performance = findings.performance
    unexplained = -(performance.by_model.value if performance.by_model else 0.0)
    words = (
        f"Jaccard {(performance.jaccard or 0) * 100:.1f} %, reference {performance.reference * 100:.1f} %; neither "
        f"other drafts nor another relation explain {unexplained * 100:.1f} points of it. {performance.n:,} posted "
        f"drafts of {findings.since} to {findings.until}."
    )
    return Evaluation(performance.drifted, words)
