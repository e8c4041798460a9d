"""Simulated installs as arrays: most write once, a few write hundreds of questions, and each has a taste of its own."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backend.experiments.installs import COUNT_FIELDS, Installs
from backend.experiments.strata import Floats


@dataclass(frozen=True)
class Population:
    """Rates of the champion's writers; ``dismissal`` is of chips that they do not accept.

    Drafts of an install follow a Pareto law (exponent 1.3, at most 200), each with 1 to 5 items. An install's own
    rates follow beta laws around the arm's, and a draft's around the install's, so items are far from independent.
    """

    acceptance: float = 0.35
    dismissal: float = 0.04
    coverage: float = 0.92
    slow: float = 0.01
    days: int = 28

    def drafts(self, rng: np.random.Generator, installs: int) -> tuple[npt.NDArray[np.intp], Floats]:
        """Whose each draft is, and on which day it was begun, day by day."""
        many = np.minimum(1 + rng.pareto(1.3, installs), 200).astype(int)
        owner = np.repeat(np.arange(installs), many)
        # Installs come over the days, and then write every few of them.
        day = rng.uniform(0, self.days, installs)[owner] + rng.exponential(6, len(owner)) * (
            rng.random(len(owner)) < 0.8
        )
        order = np.argsort(day, kind="stable")
        return owner[order], day[order]

    def experiment(
        self, rng: np.random.Generator, installs: int, share: float, *, looks: int, **changes: float
    ) -> Iterator[Installs]:
        """What the installs did so far, at ``looks`` times over the days; ``changes`` add to the challenger's rates."""
        in_challenger = rng.random(installs) < share
        owner, day = self.drafts(rng, installs)
        items = rng.integers(1, 6, len(owner))

        def rate(name: str, likeness: float) -> Floats:
            mean = np.where(in_challenger, getattr(self, name) + changes.get(name, 0.0), getattr(self, name))
            rates: Floats = rng.beta(mean * likeness, (1 - mean) * likeness).clip(1e-9, 1 - 1e-9)
            return rates

        taste = rate("acceptance", 2.0)[owner]
        accepted = rng.binomial(items, rng.beta(taste * 8, (1 - taste) * 8))
        dismissed = rng.binomial(items - accepted, rate("dismissal", 1.0)[owner])
        covered = rng.random(len(owner)) < rate("coverage", 6.0)[owner]
        slow = rng.binomial(3, rate("slow", 3.0)[owner])
        counts = {
            "viewed": items,
            "accepted": accepted,
            "dismissed": dismissed,
            "answers": np.full(len(owner), 3),
            "slow": slow,
            "answered": np.ones(len(owner)),
            "covered": covered,
        }
        sums: dict[str, Floats] = {name: np.zeros((1, installs)) for name in COUNT_FIELDS}
        sums |= {"share": np.full(installs, share), "crowd": np.zeros(installs)}
        sums |= {"cohort": np.zeros(installs, np.intp)}
        begun = 0
        for end in np.searchsorted(day, np.linspace(0, self.days, looks + 1)[1:]):
            for name, values in counts.items():
                sums[name][0] += np.bincount(owner[begun:end], values[begun:end], installs)
            begun = int(end)
            exposed = sums["answers"][0] > 0
            seen = {name: values[..., exposed] for name, values in sums.items()}
            yield Installs(**seen | {"in_challenger": in_challenger[exposed]})

    def past(self, rng: np.random.Generator, installs: int) -> tuple[Floats, Floats]:
        """What installs accepted and viewed before the experiment."""
        last = list(self.experiment(rng, installs, 0.0, looks=1))[-1]
        return last.accepted[0], last.viewed[0]
