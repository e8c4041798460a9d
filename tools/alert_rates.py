"""How often each alert rule fires without a cause, and how soon with one: ``python -m tools.alert_rates``.

Every figure comes from simulated months (`tools.alert_worlds`) and the functions that judge in the service
(`backend.alerts.judgements`), with the shipped rules. Drift is not among them: its findings carry their own test
against chance, at 99.9 %, once an import.
"""

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, product

import click
import numpy as np

from backend.acceptance.queries.runs import Outcome
from backend.alerts.evaluation import USUAL_DAYS, WEEKS_COMPARED
from backend.alerts.judgements import (
    MINUTES_OF_DAY,
    Dismissal,
    Run,
    Silence,
    judge_bound,
    judge_burst,
    judge_drop,
    judge_lost_events,
    judge_requests,
    judge_silence,
    judge_zero,
    nested_spans,
    sum_capped,
)
from backend.alerts.rules import (
    BoundRule,
    BurstRule,
    DropRule,
    LostEventsRule,
    RequestRule,
    Rule,
    SilenceRule,
    ZeroRule,
    find_figure,
    read_rules,
)
from backend.demo.writers import HOURS
from tools.alert_worlds import MONTH, PAGES, TAGS, WARM_UP, Array, Rates, Traffic, World, draw_tags, simulate

SEED = 17
REQUESTS_OF_DRAFT, ANSWERS_OF_DRAFT = 8, 4
CLUMP = 2  # events that are lost at once, on average
FAILED, SLOW, LOST = 0.002, 0.01, 0.0005  # the usual shares

WORLDS = (
    World(30, 0.15, 0.05, 0.5),
    World(30, 0.03, 0.25, 1.7, True),
    World(100, 0.35, 0.05, 0.5),
    World(100, 0.15, 0.15, 1.0),
    World(100, 0.03, 0.25, 1.7, True),
    World(400, 0.03, 0.05, 0.5),
    World(400, 0.35, 0.25, 1.7, True),
    World(1500, 0.35, 0.05, 0.5),
    World(1500, 0.15, 0.25, 1.7, True),
)

FIGURES_OF_DRAFTS: Mapping[str, Callable[[Traffic], tuple[Array, Array]]] = {
    "acceptance": lambda traffic: (traffic.viewed, traffic.accepted),
    "jaccard": lambda traffic: (traffic.posted, traffic.jaccard),
    "coverage": lambda traffic: (np.ones_like(traffic.offered), traffic.offered > 0),
    "missed": lambda traffic: (traffic.tags, traffic.missed),
}
"""What is counted, and what of it hits, in each draft."""

TRIALS: Mapping[str, Callable[[Traffic], tuple[Array, Array]]] = {
    "accepted": lambda traffic: (traffic.viewed > 0, traffic.accepted > 0),
    "viewed": lambda traffic: (traffic.offered > 0, traffic.viewed > 0),
    "offered": lambda traffic: (np.ones_like(traffic.offered, bool), traffic.offered > 0),
}
"""Drafts in which an outcome can be, and in which it is."""


def daily_firings(rule: DropRule | BoundRule, traffic: Traffic) -> Iterator[float]:
    """Yield when a rule about days fires, in days; it looks at each midnight of the month."""
    n, hits = (
        np.pad(np.cumsum(traffic.by_writer_day(values), axis=1), ((0, 0), (1, 0)))
        for values in FIGURES_OF_DRAFTS[rule.figure](traffic)
    )
    figure, broken = find_figure(rule.figure), False
    for day in range(WARM_UP, WARM_UP + MONTH + 1):
        spans = {
            days: sum_capped(n[:, day] - n[:, day - days], hits[:, day] - hits[:, day - days])
            for days in nested_spans(rule.days)
        }
        if isinstance(rule, DropRule):
            end, begin = day - rule.days, day - rule.days - rule.reference
            before = sum_capped(n[:, end] - n[:, begin], hits[:, end] - hits[:, begin])
            breached = judge_drop(rule, figure, spans, before).breached
        else:
            breached = judge_bound(rule, figure, spans).breached
        if breached and not broken:
            yield day
        broken = broken if breached is None else breached


def run_firings(rule: ZeroRule, outcome: Outcome, traffic: Traffic, from_day: float = WARM_UP) -> Iterator[float]:
    """Yield when a rule about zeros fires, in days, looking at each draft; a run of drafts fires once."""
    trial, success = TRIALS[outcome](traffic)
    tried = traffic.by_writer_day(trial)
    share = np.divide(traffic.by_writer_day(trial & ~success), tried, where=tried > 0, out=np.zeros_like(tried))
    draft_days, missing = (np.cumsum(values.sum(axis=0)) for values in (tried > 0, share))
    drafts = np.flatnonzero(trial)
    bounds = np.concatenate([[-1], np.flatnonzero(success[drafts]), [len(drafts)]])
    long = (np.diff(bounds) > rule.least) & (traffic.at[drafts[bounds[1:] - 1]] >= from_day)
    for first, last in zip(bounds[:-1][long] + 1, bounds[1:][long], strict=True):
        installs: set[int] = set()
        for draft in drafts[first:last]:
            installs.add(int(traffic.writer[draft]))
            at = float(traffic.at[draft])
            known, without = (
                values[int(at) - 1] - values[int(at) - 1 - USUAL_DAYS] for values in (draft_days, missing)
            )
            run = Run(len(installs), (at - traffic.at[drafts[first]]) * 24, int(known), float(without))
            if judge_zero(rule, outcome, run).breached:
                yield at
                break


def silent_firings(rule: SilenceRule, traffic: Traffic, end: float) -> Iterator[float]:
    """Yield when the rule about silence fires, in days, looking at each hour without a draft, up to ``end``."""
    at = np.append(traffic.at, end)
    for index in np.flatnonzero((np.diff(at) * 24 >= rule.hours) & (at[:-1] >= WARM_UP)):
        for silent in range(rule.hours, int((at[index + 1] - at[index]) * 24) + 1):
            now = at[index] + silent / 24
            spans = [
                Silence(
                    span,
                    [writers_between(traffic, now - week * 7, span / 24) for week in range(1, WEEKS_COMPARED + 1)],
                )
                for span in rule.spans
                if span <= silent
            ]
            if judge_silence(rule, silent, spans).breached:
                yield now
                break


def writers_between(traffic: Traffic, end: float, days: float) -> int:
    """Return how many writers began a draft in a span of time up to a moment."""
    first, last = np.searchsorted(traffic.at, (end - days, end), side="right")
    return len(np.unique(traffic.writer[first:last]))


def burst_firings(rule: BurstRule, traffic: Traffic, random: np.random.Generator) -> Iterator[float]:
    """Yield when the rule about dismissals fires, in days; bursts of a tag within an hour are one alert."""
    draft, tag = draw_tags(traffic.dismissed, random)
    at = traffic.at[draft] + random.random(len(draft)) * 2 / MINUTES_OF_DAY
    order = np.argsort(at)
    draft, tag, at = draft[order], tag[order], at[order]
    for subject in (None,) if rule.together else range(TAGS):
        chosen = slice(None) if subject is None else tag == subject
        moments, drafts = at[chosen], draft[chosen]
        first = np.searchsorted(moments, moments - rule.minutes / MINUTES_OF_DAY)
        fired = 0.0
        for last in np.flatnonzero(np.arange(len(moments)) - first + 1 >= rule.least):
            now = moments[last]
            if now < WARM_UP or now - fired < 1 / 24:
                continue
            items = slice(first[last], last + 1)
            dismissals = [
                Dismissal(moment * 86400, draft, traffic.writer[draft])
                for moment, draft in zip(moments[items], drafts[items], strict=True)
            ]
            begin, end = np.searchsorted(moments, (int(now) - USUAL_DAYS, int(now)))
            before = len(np.unique(drafts[begin:end]))
            if judge_burst(rule, "" if subject is None else "a tag", dismissals, before, USUAL_DAYS).breached:
                fired = now
                yield now


def request_firings(
    rule: RequestRule, world: World, random: np.random.Generator, share: float, days: int = MONTH
) -> Iterator[float]:
    """Yield when a rule about requests fires, in days; what fails comes in threes, since clients try again."""
    hour = np.arange(days * MINUTES_OF_DAY) // 60 % 24
    busy = np.array(HOURS)[hour] / sum(HOURS) / 60 * world.drafts
    requests = random.poisson(busy * (REQUESTS_OF_DRAFT if rule.kind == "failing" else ANSWERS_OF_DRAFT))
    part = np.minimum(requests, 3 * random.binomial(requests, share / 3))
    recent = [np.convolve(values, np.ones(rule.minutes, int))[: len(values)] for values in (part, requests)]
    broken = False
    for minute in np.flatnonzero(recent[0] > rule.bound * recent[1]):
        breached = judge_requests(rule, int(recent[0][minute]), int(recent[1][minute])).breached
        if breached and not broken:
            yield minute / MINUTES_OF_DAY
        broken = bool(breached)


def lost_firings(rule: LostEventsRule, traffic: Traffic, random: np.random.Generator, share: float) -> Iterator[float]:
    """Yield when the rule about lost events fires, in days; they are lost two at a time, on average."""
    per_day = traffic.by_writer_day(2 + traffic.viewed + traffic.accepted).sum(axis=0).astype(int)
    lost = np.array([random.geometric(1 / CLUMP, random.poisson(n * share / CLUMP)).sum() for n in per_day], int)
    broken = False
    for day in range(WARM_UP, WARM_UP + MONTH + 1):
        gone, sent = (int(values[day - rule.days : day].sum()) for values in (lost, per_day))
        breached = judge_lost_events(rule, min(gone, sent), max(0, sent - gone)).breached
        if breached and not broken:
            yield day
        broken = broken if breached is None else breached


Firings = Iterator[float]


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a world, by what happens in it.

    Attributes:
        usual: nothing changes.
        at_bound: nor here, where coverage and missed tags stand at the bounds of their rules.
        fallen: from ``day`` on, acceptance, Jaccard and coverage are 30 % lower, and missed tags as many more.
        moment: when, in days, what breaks at once breaks.
    """

    world: World
    usual: Traffic
    at_bound: Traffic
    fallen: Traffic
    day: int
    moment: float
    random: np.random.Generator

    @property
    def broken(self) -> Array:
        """Which usual drafts come after the moment."""
        after: Array = self.usual.at >= self.moment
        return after


def draw_month(world: World, random: np.random.Generator) -> Month:
    """Simulate a month of a world."""
    day = WARM_UP + int(random.integers(7))
    return Month(
        world,
        simulate(world, random),
        simulate(world, random, replace(USUAL, covered=0.8, missed=0.6)),
        simulate(world, random, USUAL, FALLEN, day),
        day,
        WARM_UP + random.uniform(0, 7),
        random,
    )


USUAL = Rates()
FALLEN = replace(
    USUAL, accepted=0.7 * USUAL.accepted, jaccard=0.7 * USUAL.jaccard, covered=0.7 * USUAL.covered, missed=0.75
)


def false_alarms(rule: Rule, month: Month) -> Firings:
    """Return when a rule fires in a month without a change."""
    usual, random = month.usual, month.random
    match rule:
        case DropRule():
            return daily_firings(rule, usual)
        case BoundRule():
            return daily_firings(rule, month.at_bound)
        case ZeroRule():
            runs = product(parts_of(rule, usual), rule.outcomes)
            return chain.from_iterable(run_firings(rule, outcome, part) for part, outcome in runs)
        case SilenceRule():
            return chain.from_iterable(silent_firings(rule, part, WARM_UP + MONTH) for part in parts_of(rule, usual))
        case BurstRule():
            return burst_firings(rule, usual, random)
        case RequestRule():
            return request_firings(rule, month.world, random, FAILED if rule.kind == "failing" else SLOW)
        case LostEventsRule():
            return lost_firings(rule, usual, random, LOST)
    return iter(())


def parts_of(rule: ZeroRule | SilenceRule, traffic: Traffic) -> list[Traffic]:
    """Return the drafts of each generation of the page, if the rule looks at each by itself."""
    return [traffic.where(traffic.page == page) for page in range(PAGES)] if rule.by_page else [traffic]


def hours_until_found(rule: Rule, month: Month) -> float | None:
    """Return how many hours after something broke the rule fires; None: it does not within the month."""
    usual, since = month.usual, month.moment
    firings: Firings
    match rule:
        case DropRule() | BoundRule():
            firings, since = daily_firings(rule, month.fallen), month.day
        case ZeroRule():
            outcome = "viewed" if "viewed" in rule.outcomes else rule.outcomes[0]
            traffic = parts_of(rule, usual)[0]
            firings = run_firings(rule, outcome, traffic.without(outcome, traffic.at >= since), since)
        case SilenceRule():
            traffic = parts_of(rule, usual)[0]
            firings = silent_firings(rule, traffic.where(traffic.at < since), since + 7)
        case BurstRule():
            worse = np.where(month.broken, month.random.binomial(usual.viewed - usual.accepted, 0.5), usual.dismissed)
            firings = burst_firings(rule, replace(usual, dismissed=worse), month.random)
        case RequestRule():
            firings, since = request_firings(rule, month.world, month.random, 0.25), month.moment % 1
        case LostEventsRule():
            firings, since = lost_firings(rule, usual, month.random, 0.05), WARM_UP
        case _:
            return None
    return next(((at - since) * 24 for at in firings if at >= since), None)


def measure(world: World, names: Iterable[str], months: int, seed: int) -> dict[str, tuple[int, float]]:
    """Return, by rule, its alerts in months without a change, and the median hours until what is broken is found."""
    rules = read_rules()
    random = np.random.default_rng((seed, WORLDS.index(world)))
    alarms = dict.fromkeys(names, 0)
    hours: dict[str, list[float]] = {name: [] for name in alarms}
    for _ in range(months):
        month = draw_month(world, random)
        for name in alarms:
            alarms[name] += sum(1 for _ in false_alarms(rules[name], month))
            found = hours_until_found(rules[name], month)
            hours[name].append(float("inf") if found is None else found)
    return {name: (alarms[name], statistics.median(hours[name])) for name in alarms}


def judged_rules() -> list[str]:
    """Return the names of the shipped rules that can be simulated."""
    return [name for name, rule in read_rules().items() if isinstance(rule, SIMULATED)]


SIMULATED = (DropRule, BoundRule, ZeroRule, SilenceRule, BurstRule, RequestRule, LostEventsRule)


def describe_hours(hours: float) -> str:
    """Return hours as a cell of the table: ``3 h``, ``4 d``, and a hyphen for never."""
    if hours == float("inf"):
        return "-"
    return f"{hours:.1f} h" if hours < 24 else f"{hours / 24:.0f} d"


@click.command()
@click.option(
    "--months", default=100, show_default=True, help="simulated in each world; of those with most drafts, a third"
)
@click.option("--seed", default=SEED, show_default=True)
def main(months: int, seed: int) -> None:
    """Print alerts per hundred months without cause, and the median until a fault is found, by rule and world."""
    names = judged_rules()
    click.echo(f"{months} months a world ({months // 3} of those with 1,500 drafts), seed {seed}.\n")
    cells: dict[str, list[str]] = {name: [] for name in names}
    for world in WORLDS:
        count = months // 3 if world.drafts > 1000 else months
        for name, (alarms, hours) in measure(world, names, count, seed).items():
            cells[name].append(f"{alarms * 100 / count:.0f} · {describe_hours(hours)}")
    click.echo(f"| rule | {' | '.join(world.name for world in WORLDS)} |")
    click.echo(f"| --- |{' --- |' * len(WORLDS)}")
    for name in names:
        click.echo(f"| `{name}` | {' | '.join(cells[name])} |")


if __name__ == "__main__":
    main()
