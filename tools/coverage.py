"""How often the intervals hold the truth, in simulated months: ``python -m tools.coverage``.

A world has writers who differ in how much they write (lognormal drafts, ``sigma``) and in how much they accept (beta,
so that two items of one writer correlate by ``rho``), over two months in which nothing changes. Power users come and
go: each writes some drafts a day for some days and is gone. What is shown, and how wide, is decided by the functions
that decide it on /metrics. The truth is the world's share of accepted items, weighted by item.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import click
import numpy as np
import numpy.typing as npt

from backend.acceptance.clusters import clustered_change, clustered_interval, sum_over_writers, sum_products
from backend.acceptance.intervals import wilson_interval

Floats = npt.NDArray[np.float64]

SEED = 20261130
DAYS = 28
# Chips that a draft shows: one, and up to four more.
MORE_CHIPS, CHANCE_OF_MORE = 4, 0.5
POWER_USERS, POWER_DRAFTS_A_DAY, POWER_DAYS = 8, 4.0, (5.0, 40.0)


@dataclass(frozen=True, slots=True)
class World:
    """One kind of traffic.

    Attributes:
        drafts_a_day: on average, power users apart.
        drafts_a_writer: in a month, on average.
        sigma: of the lognormal number of drafts per writer.
        rho: correlation of two items of one writer.
        share: of the items accepted in the long run.
        power_users: how many come and go within the two months.
    """

    drafts_a_day: int
    drafts_a_writer: float
    sigma: float
    rho: float
    share: float = 0.4
    power_users: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was shown in the months of one world, all in 0..1; None where nothing was.

    Attributes:
        by_item: how often the interval that takes items as independent held the truth.
        shown: in how many months an interval was shown.
        covered: how often that held the truth.
        bold: in how many pairs of months a change was shown as more than chance.
    """

    by_item: float
    shown: float
    covered: float | None
    bold: float


def draw_months(world: World, rng: np.random.Generator) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Return accepted and viewed items by writer ``(writers,)``, in a month and in the one before it."""
    writers = max(2, round(world.drafts_a_day * DAYS / world.drafts_a_writer))
    rates = np.exp(world.sigma * rng.standard_normal(writers) - world.sigma**2 / 2) * world.drafts_a_writer
    begin = rng.uniform(-POWER_DAYS[1], 2 * DAYS, world.power_users)
    end = begin + rng.uniform(*POWER_DAYS, world.power_users)
    pace = rng.lognormal(np.log(POWER_DRAFTS_A_DAY), 0.5, world.power_users)
    shares = rng.beta(
        world.share * (1 / world.rho - 1), (1 - world.share) * (1 / world.rho - 1), writers + world.power_users
    )
    months = []
    for first_day in (DAYS, 0):
        days = np.clip(np.minimum(end, first_day + DAYS) - np.maximum(begin, first_day), 0, None)
        drafts = rng.poisson(np.concatenate([rates, days * pace]))
        viewed = drafts + rng.binomial(MORE_CHIPS * drafts, CHANCE_OF_MORE)
        months.append((rng.binomial(viewed, shares).astype(np.float64), viewed.astype(np.float64)))
    return months[0], months[1]


def measure_world(world: World, months: int, rng: np.random.Generator) -> Outcome:
    """Return how often intervals and changes were right."""
    by_item = shown = covered = bold = 0
    for _ in range(months):
        (accepted, viewed), (accepted_before, viewed_before) = draw_months(world, rng)
        now, before = sum_over_writers(accepted, viewed), sum_over_writers(accepted_before, viewed_before)
        low, high = wilson_interval(now.x, now.n) or (0.0, 1.0)
        by_item += low <= world.share <= high
        bounds = clustered_interval(now)
        if bounds is not None:
            shown += 1
            covered += bounds[0] <= world.share <= bounds[1]
        pairs = sum_products((accepted, accepted_before), (viewed, viewed_before))
        change = clustered_change(now, before, pairs)
        bold += change is not None and not change[0] <= 0 <= change[1]
    return Outcome(by_item / months, shown / months, covered / shown if shown else None, bold / months)


def list_worlds() -> Iterator[World]:
    """Return the worlds of the table."""
    for drafts, sigma, rho, power in product((30, 100, 400, 1500), (0.5, 1.0, 1.7), (0.05, 0.25), (0, POWER_USERS)):
        yield World(drafts, 3.0, sigma, rho, power_users=power)
    for drafts, per_writer in product((100, 1500), (12.0, 40.0)):
        yield World(drafts, per_writer, 1.0, 0.15)
    for share in (0.02, 0.1, 0.9):
        yield World(100, 3.0, 1.0, 0.1, share=share)


def percent(share: float | None) -> str:
    """Return a share in per cent, n/a where there is none."""
    return "n/a" if share is None else f"{share * 100:.1f}"


@click.command()
@click.option("--months", default=500, show_default=True, help="simulated in each world")
@click.option("--seed", default=SEED, show_default=True)
def main(months: int, seed: int) -> None:
    """Print, world by world, how often intervals hold the truth and how often a change is bold without cause."""
    click.echo(f"{months:,} months a world, seed {seed}. All in per cent.\n")
    click.echo(
        "| drafts a day | per writer | sigma | rho | accepted | power users | by item | shown | covered | bold |\n"
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    rng = np.random.default_rng(seed)
    for world in list_worlds():
        outcome = measure_world(world, months, rng)
        click.echo(
            f"| {world.drafts_a_day:,} | {world.drafts_a_writer:g} | {world.sigma:g} | {world.rho:g} "
            f"| {world.share * 100:g} | {world.power_users} | {percent(outcome.by_item)} | {percent(outcome.shown)} "
            f"| {percent(outcome.covered)} | {percent(outcome.bold)} |"
        )


if __name__ == "__main__":
    main()
