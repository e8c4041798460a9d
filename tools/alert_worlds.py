"""Months of simulated traffic for `tools.alert_rates`: writers who differ, quiet weekends, writers who come and go."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.demo.writers import HOURS

Array = NDArray[Any]

WARM_UP = 42  # days before the month that is judged
MONTH = 30  # days
DRAFTS_OF_WRITER = 6.0  # a month, on average
POWER_SHARE = 0.15  # of all drafts, by each writer who comes and goes, while there
POWER_STAY = (4, 21)  # days
POWER_USERS = 5  # over both months
TAGS = 400
PAGES = 2


@dataclass(frozen=True, slots=True)
class World:
    """What does not change in a world.

    Attributes:
        drafts: begun a day, on average over a week.
        weekend: what a day of the weekend has of a weekday's drafts.
        rho: how alike the chips of one writer are (intraclass correlation).
        sigma: of the lognormal number of drafts of a writer.
        power_users: whether writers of 15 % of all drafts come and go.
    """

    drafts: int
    weekend: float
    rho: float
    sigma: float
    power_users: bool = False

    @property
    def name(self) -> str:
        """The world in a few words."""
        power = ", power users" if self.power_users else ""
        return f"{self.drafts} a day, weekends {self.weekend:.0%}, rho {self.rho:g}, sigma {self.sigma:g}{power}"


@dataclass(frozen=True, slots=True)
class Rates:
    """The mean shares: chips accepted and dismissed, drafts covered and seen, tags agreed on and missed."""

    accepted: float = 0.4
    dismissed: float = 0.05
    covered: float = 0.97
    seen: float = 0.93
    jaccard: float = 0.35
    missed: float = 0.45
    posted: float = 0.7


@dataclass(frozen=True, slots=True)
class Traffic:
    """Drafts, in the order of time; an array for each property, and one entry a draft.

    Attributes:
        writer: the number of its install.
        at: when it was begun, in days from the start, a Monday.
        page: the number of the page's generation.
        offered: chips offered; ``viewed``, ``accepted``, ``dismissed`` of them.
        posted: whether it was.
        jaccard: of the posted tags, 0 if there are none.
        tags, missed: tags posted, and those of them that were not offered.
    """

    writers: int
    days: int
    writer: Array
    at: Array
    page: Array
    offered: Array
    viewed: Array
    accepted: Array
    dismissed: Array
    posted: Array
    jaccard: Array
    tags: Array
    missed: Array

    def where(self, chosen: Array) -> "Traffic":
        """Return the chosen drafts only."""
        arrays = {name: value[chosen] for name, value in asdict(self).items() if name not in ("writers", "days")}
        return Traffic(self.writers, self.days, **arrays)

    def without(self, outcome: str, chosen: Array) -> "Traffic":
        """Return the same drafts, but nothing is accepted, or seen, or offered any more in the chosen ones."""
        order = ("offered", "viewed", "accepted")
        arrays = {name: np.where(chosen, 0, getattr(self, name)) for name in order[order.index(outcome) :]}
        return Traffic(**asdict(self) | arrays)

    def by_writer_day(self, values: Array) -> Array:
        """Return the sums of a property by writer and day, of shape (writers, days)."""
        cells = self.writer * self.days + self.at.astype(int)
        return np.bincount(cells, values, self.writers * self.days).reshape(self.writers, self.days)


def simulate(
    world: World, random: np.random.Generator, usual: Rates = Rates(), changed: Rates | None = None, from_day: float = 0
) -> Traffic:
    """Return the traffic of a warm-up and a month; from a day on, with the ``changed`` rates.

    A writer's own rates are drawn from beta distributions, whose intraclass correlation is the world's rho; when a mean
    changes, all writers' rates change in proportion.
    """
    days = WARM_UP + MONTH
    writer, at, writers = draw_drafts(world, random, days)
    late = at >= from_day
    n = len(writer)

    def tendency(name: str) -> Array:
        mean = getattr(usual, name)
        strength = (1 - world.rho) / world.rho
        own = random.beta(mean * strength, (1 - mean) * strength, writers)[writer]
        if changed is None or getattr(changed, name) == mean:
            return own
        factor = getattr(changed, name) / mean
        # A rate that rises must stay below 1, so that its complement falls in proportion.
        after = own * factor if factor < 1 else 1 - (1 - own) * (1 - getattr(changed, name)) / (1 - mean)
        return np.where(late, after, own)

    chips = 1 + random.binomial(4, 0.5, n)
    offered = chips * (random.random(n) < tendency("covered"))
    viewed = offered * (random.random(n) < tendency("seen"))
    accepted = random.binomial(viewed, tendency("accepted"))
    dismissed = random.binomial(viewed - accepted, tendency("dismissed"))
    posted = random.random(n) < usual.posted
    tags = (1 + random.binomial(4, 0.5, n)) * posted
    missed = random.binomial(tags, tendency("missed"))
    # A draft's value is one of six, as of few tags it can be.
    jaccard = random.binomial(5, tendency("jaccard")) / 5 * posted
    return Traffic(
        writers,
        days,
        writer,
        at,
        random.integers(0, PAGES, n),
        offered,
        viewed,
        accepted,
        dismissed,
        posted,
        jaccard,
        tags,
        missed,
    )


def draw_drafts(world: World, random: np.random.Generator, days: int) -> tuple[Array, Array, int]:
    """Return who begins a draft and when, in order of time, and the number of writers."""
    shape = np.array([1.0] * 5 + [world.weekend] * 2)
    per_day = random.poisson(world.drafts * shape[np.arange(days) % 7] / shape.mean())
    n = int(per_day.sum())
    hour = random.choice(24, n, p=np.array(HOURS) / sum(HOURS))
    at = np.sort(np.repeat(np.arange(days), per_day) + (hour + random.random(n)) / 24)
    writers = max(2, round(world.drafts * days / (DRAFTS_OF_WRITER * days / 30)))
    share = random.lognormal(0, world.sigma, writers)
    cumulated = np.cumsum(share) / share.sum()
    writer = np.minimum(np.searchsorted(cumulated, random.random(n)), writers - 1)
    if world.power_users:
        for number in range(POWER_USERS):
            begin = random.uniform(-5, days)
            there = (at >= begin) & (at < begin + random.uniform(*POWER_STAY)) & (random.random(n) < POWER_SHARE)
            writer[there] = writers + number
        writers += POWER_USERS
    return writer, at, writers


def draw_tags(dismissed: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Return, for each dismissed chip, the number of its draft and that of its tag; few tags make up most (Zipf)."""
    draft = np.repeat(np.arange(len(dismissed)), dismissed)
    weight = 1 / np.arange(1, TAGS + 1)
    tag = random.choice(TAGS, len(draft), p=weight / weight.sum())
    # No draft has the same chip twice.
    pairs = np.unique(np.stack([draft, tag]), axis=1)
    return pairs[0], pairs[1]
