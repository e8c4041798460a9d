"""How often experiments are judged wrongly, in simulated worlds, by the code that the service judges with.

    python -m tools.experiment_rates --write

Each world has its own trouble. In each, experiments without a difference are lived through until their verdict, looked
at again and again: the share of wrong verdicts, and of those stopped for nothing. Then experiments with the difference
that they announced: the share of those found. ``--write`` puts the table into docs/versions.md.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import numpy as np

from backend.deployments.tables import Deployment
from backend.experiments import verdict
from backend.experiments.comparison import ACCEPTANCE
from backend.experiments.installs import COUNT_FIELDS, ExperimentCounts, Installs
from backend.experiments.judging import judge_experiment
from backend.experiments.service import MIN_WEEKS
from backend.experiments.strata import Floats, Ints

PAGE = Path(__file__).parent.parent / "docs" / "versions.md"
MARKS = "<!-- experiment rates -->", "<!-- /experiment rates -->"

SEED = 20261130
START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday

# The smallest difference that the experiments announce: five points of acceptance.
ANNOUNCED = 0.05

# Days after which an experiment gets its verdict, whatever its horizon; and days from which it is planned.
LAST_DAY, PAST_DAYS = 56, 28

# Days at which the service looks: every four hours at first, when little decides, later twice and once a day.
LOOKS = np.r_[np.arange(1, 13) / 6, np.arange(5, 15) / 2, np.arange(8, LAST_DAY + 1)]

ACCEPTANCE_RATE, COVERAGE, DISMISSAL, SLOW = 0.4, 0.92, 0.04, 0.01

# The days in which what a writer does because a version is new falls to 37 %.
NOVELTY_DAYS = 5.0


@dataclass(frozen=True)
class World:
    """What the installs and the service are like.

    Attributes:
        title: for the table.
        installs: how many there ever are; three in five from the start, the others come day by day.
        shares: the challenger's, each with the day from which it has it.
        spread: of the logarithm of drafts a week: 1.7 means that a few write most.
        likeness: how much the chips of an install resemble each other (the correlation of two of them).
        weekend: drafts on a day of the weekend, as a part of those on a weekday.
        changes: of acceptance for everybody, each with its day.
        novelty: of acceptance at first exposure to the challenger; it fades.
        failures: the share of the challenger's answers that fail, and how much they keep to few installs (as likeness).
        worse: whether the challenger is a little worse in what the guardrails watch, within what is allowed.
    """

    title: str
    installs: int = 2_400
    shares: tuple[tuple[float, float], ...] = ((0, 0.5),)
    spread: float = 1.0
    likeness: float = 0.1
    weekend: float = 1.0
    changes: tuple[tuple[float, float], ...] = ()
    novelty: float = 0.0
    failures: tuple[float, float] = (0.003, 0.3)
    worse: bool = False


GROWING = ((0, 0.1), (4, 0.25), (8, 0.5))
FOR_EVERYBODY = ((6, -0.1), (24, 0.15))
CLUMPED = (0.008, 0.9)

WORLDS = {
    "steady": World("Nothing special: half of the installs get the challenger"),
    "growing": World("The share grows (10, 25, 50 %), and acceptance changes for everybody on the way", shares=GROWING,
                     changes=FOR_EVERYBODY, installs=3_000),
    "novelty": World("The challenger is clicked 10 points more for being new, which fades in days", novelty=0.1),
    "heavy": World("A few write most, and each has a taste of its own", spread=1.7, likeness=0.25, installs=6_000),
    "errors": World("Failures keep to few installs, 0.8 % of all answers", failures=CLUMPED),
    "weekends": World("Weekends are quiet, and the share grows", weekend=0.15, shares=GROWING, installs=4_000),
    "worse": World("Failures, and all that guardrails watch, a little worse within what is allowed", failures=CLUMPED,
                   worse=True),
    "all": World("All of it at once", shares=GROWING, spread=1.7, likeness=0.25, weekend=0.15, changes=FOR_EVERYBODY,
                 novelty=0.1, failures=CLUMPED, worse=True, installs=12_000),
}  # fmt: skip


@dataclass(frozen=True)
class Drafts:
    """Drafts in the order of their beginning; arrays ``(drafts,)``. ``owner`` numbers installs by their first draft."""

    owner: Ints
    day: Floats
    items: Floats

    @property
    def first_days(self) -> Floats:
        """The day of each install's first draft; ``(installs,)``."""
        first: Floats = self.day[np.unique(self.owner, return_index=True)[1]]
        return first


def write_drafts(world: World, rng: np.random.Generator, days: float) -> Drafts:
    """Let the installs of a world write for some days."""
    n = world.installs
    a_week = np.minimum(rng.lognormal(-(world.spread**2) / 2, world.spread, n), 20.0)
    comes = np.where(rng.random(n) < 0.6, 0.0, rng.uniform(0, days, n))
    goes = np.minimum(comes + rng.exponential(90, n), days)
    owner = np.repeat(np.arange(n), rng.poisson(a_week * (goes - comes) / 7))
    day = rng.uniform(comes[owner], goes[owner])
    kept = (day % 7 < 5) | (rng.random(len(day)) < world.weekend)
    order = np.argsort(day[kept])
    owner, day = owner[kept][order], day[kept][order]
    _, first, place = np.unique(owner, return_index=True, return_inverse=True)
    return Drafts(np.argsort(np.argsort(first))[place], day, rng.integers(1, 6, len(day)).astype(float))


def draw_rates(rng: np.random.Generator, means: Floats, likeness: float) -> Floats:
    """Return a rate for each install around a mean, such that two of its trials have this correlation."""
    size = 1 / likeness - 1
    rates: Floats = rng.beta(np.maximum(means, 1e-6) * size, (1 - means) * size)
    return rates


def plan_horizon(world: World, rng: np.random.Generator) -> int:
    """Return the horizon as the service plans it, from what installs did before."""
    drafts = write_drafts(world, rng, PAST_DAYS)
    n = len(drafts.first_days)
    taste = draw_rates(rng, np.full(n, ACCEPTANCE_RATE), world.likeness)
    accepted = rng.binomial(drafts.items.astype(int), taste[drafts.owner])
    sums: list[Floats] = [np.bincount(drafts.owner, part, n).astype(float) for part in (accepted, drafts.items)]
    variance = verdict.planning_variance(sums[0], sums[1], ACCEPTANCE.most)
    return verdict.required_installs(variance, ANNOUNCED, world.shares[0][1])


def do_drafts(
    world: World, rng: np.random.Generator, drafts: Drafts, in_challenger: Floats, difference: float
) -> dict[str, Floats]:
    """Return what happens in each draft, by the names of the counts."""
    n, owner = len(in_challenger), drafts.owner
    challenger = in_challenger[owner]

    def draw(mean: float, worse: float, likeness: float) -> Floats:
        return draw_rates(rng, mean + worse * world.worse * in_challenger, likeness)[owner]

    taste = draw_rates(rng, np.full(n, ACCEPTANCE_RATE), world.likeness)[owner]
    for day, change in world.changes:
        taste = taste + change * (drafts.day >= day)
    age = drafts.day - drafts.first_days[owner]
    taste = taste + challenger * (difference + world.novelty * np.exp(-age / NOVELTY_DAYS))
    items = drafts.items.astype(int)
    accepted = rng.binomial(items, taste.clip(0, 1))
    failure, clumping = world.failures
    answers = 3
    return {
        "viewed": drafts.items,
        "accepted": accepted.astype(float),
        "dismissed": rng.binomial(items - accepted, draw(DISMISSAL, 0.01, 0.5)).astype(float),
        "answers": np.full(len(owner), float(answers)),
        "failed": answers
        * challenger
        * (rng.random(len(owner)) < draw_rates(rng, np.full(n, failure), clumping)[owner]),
        "slow": rng.binomial(answers, draw(SLOW, 0.01, 0.25)).astype(float),
        "answered": np.ones(len(owner)),
        "covered": (rng.random(len(owner)) < draw(COVERAGE, -0.02, 0.15)).astype(float),
    }


def live_through(world: World, rng: np.random.Generator, difference: float = 0.0) -> tuple[str, float]:
    """Live through one experiment; return its verdict or the guardrail that stopped it, and how many days it took."""
    horizon = plan_horizon(world, rng)
    terms = Deployment(horizon=horizon, until=START + timedelta(days=LAST_DAY), min_weeks=MIN_WEEKS, started_at=START)
    drafts = write_drafts(world, rng, LAST_DAY)
    begins, shares = (np.array(column, float) for column in zip(*world.shares, strict=True))
    phase = np.searchsorted(begins, drafts.day, side="right") - 1
    first_days = drafts.first_days
    cohort = np.searchsorted(begins, first_days, side="right") - 1
    share = shares[cohort]
    place = rng.random(len(first_days))
    in_challenger = place < share
    counts = do_drafts(world, rng, drafts, in_challenger.astype(float), difference)
    # An install that a growing share takes over counts no further.
    counting = in_challenger[drafts.owner] | (place[drafts.owner] >= shares[phase])
    settled = drafts.day - first_days[drafts.owner] >= terms.settling_time / timedelta(days=1)
    cells = phase * len(first_days) + drafts.owner
    shape = (len(shares), len(first_days))
    sums = {name: np.zeros(shape) for name in COUNT_FIELDS}
    settled_sums = {name: np.zeros(shape) for name in COUNT_FIELDS}
    crowd = np.zeros(len(first_days))
    begun = 0
    for today in LOOKS.tolist():
        end = int(np.searchsorted(drafts.day, today))
        for into, taken in ((sums, counting[begun:end]), (settled_sums, (counting & settled)[begun:end])):
            for name, values in counts.items():
                np.add.at(into[name].reshape(-1), cells[begun:end][taken], values[begun:end][taken])
        begun = end
        exposed = int(np.searchsorted(first_days, today))
        about = {
            "in_challenger": in_challenger[:exposed],
            "share": share[:exposed],
            "cohort": cohort[:exposed],
            "crowd": crowd[:exposed],
        }
        seen = [
            Installs(**about | {name: values[:, :exposed] for name, values in part.items()})
            for part in (sums, settled_sums)
        ]
        judgement = judge_experiment(terms, ExperimentCounts(*seen), START + timedelta(days=today), concluded=False)
        if judgement.harm is not None:
            return judgement.harm.name, today
        if judgement.verdict is not None:
            return judgement.verdict.word, today
    raise AssertionError("an experiment has its verdict on its last day")


@dataclass(frozen=True)
class Rates:
    """How the experiments of one world ended, without a difference and with the announced one; and after how long."""

    without: Counter[str]
    announced: Counter[str]
    days: float

    @property
    def wrong(self) -> float:
        """The share of verdicts of a difference where there is none."""
        return (self.without["better"] + self.without["worse"]) / self.without.total()

    @property
    def stopped(self) -> float:
        """The share of those without a difference that a guardrail stopped."""
        words = {"better", "worse", "no difference shown"}
        return sum(n for name, n in self.without.items() if name not in words) / self.without.total()

    @property
    def found(self) -> float:
        """The share of announced differences that the verdict found."""
        return self.announced["better"] / max(self.announced.total(), 1)


def measure_rates(name: str, experiments: int, announced: int, seed: int) -> Rates:
    """Live through experiments without a difference, and with the announced one, in one world."""
    world, number = WORLDS[name], list(WORLDS).index(name)
    ends: dict[str, list[tuple[str, float]]] = {"without": [], "announced": []}
    for kind, (times, difference) in enumerate(((experiments, 0.0), (announced, ANNOUNCED))):
        for run in range(times):
            rng = np.random.default_rng([seed, number, kind, run])
            ends["announced" if kind else "without"].append(live_through(world, rng, difference))
    days = float(np.median([days for _, days in ends["without"]]))
    without, announced_ends = (Counter(word for word, _ in ends[kind]) for kind in ("without", "announced"))
    return Rates(without, announced_ends, days)


def join_rates(rates: Sequence[Rates]) -> Rates:
    """Return the rates of several worlds taken together."""
    return Rates(
        sum((part.without for part in rates), Counter[str]()),
        sum((part.announced for part in rates), Counter[str]()),
        float(np.median([part.days for part in rates])),
    )


@click.command()
@click.option("--experiments", type=click.IntRange(1), default=1_000, show_default=True, help="Without a difference.")
@click.option("--announced", type=click.IntRange(0), default=250, show_default=True, help="With the announced one.")
@click.option("--seed", type=click.IntRange(0), default=SEED, show_default=True)
@click.option("--world", "names", multiple=True, type=click.Choice(list(WORLDS)), help="Only this one, or these.")
@click.option("--write", is_flag=True, help="Put the table into docs/versions.md.")
def main(experiments: int, announced: int, seed: int, names: tuple[str, ...], write: bool) -> None:
    """Print how often experiments are judged wrongly in each world."""
    print(f"seed {seed}, {experiments:,} experiments without a difference and {announced:,} with one, in each world")
    rates = {}
    for name in names or WORLDS:
        rates[name] = measure_rates(name, experiments, announced, seed)
        print(f"{name}: {rates[name]}", flush=True)
    table = format_table(rates)
    print(table)
    if write:
        page = PAGE.read_text()
        begin, end = (re.escape(mark) for mark in MARKS)
        PAGE.write_text(re.sub(f"(?s)({begin}\n).*({end})", lambda match: f"{match[1]}{table}\n{match[2]}", page))


def format_table(rates: dict[str, Rates]) -> str:
    """Return the rates as a Markdown table."""
    rows = [(WORLDS[name].title, each) for name, each in rates.items()]
    rows.append(("**All worlds together**", join_rates(list(rates.values()))))
    lines = ["| world | wrong verdicts | stopped for nothing | announced difference found | days until the verdict |",
             "| --- | --- | --- | --- | --- |"]  # fmt: skip
    for title, each in rows:
        lines.append(
            f"| {title} | {each.wrong * 100:.1f} % | {each.stopped * 100:.1f} % | {each.found * 100:.0f} % | "
            f"{each.days:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
