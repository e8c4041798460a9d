"""Counts whose writers are known, for tests that need a figure with an interval."""

from collections.abc import Sequence

import numpy as np

from backend.acceptance.figures import ACCEPTANCE, Counts, Mean, Rate
from backend.acceptance.writers import InstallCounts


def counts_of(rows: Sequence[tuple[int, int]], first_install: int = 0) -> Counts:
    """Return the counts of writers who accepted so many of so many chips each; no two calls need share a writer."""
    accepted, viewed = np.array(rows, dtype=np.float64).reshape(-1, 2).T
    installs = InstallCounts(
        np.arange(first_install, first_install + len(rows)), {}, {"accepted": accepted, "viewed": viewed}
    )
    writers = installs.group_by(None, [("accepted", "viewed")])[None]
    return Counts(viewed=int(viewed.sum()), accepted=int(accepted.sum()), writers=writers)


def acceptance_of(rows: Sequence[tuple[int, int]], first_install: int = 0) -> Rate | Mean:
    """Return the acceptance of `counts_of` the same writers."""
    return ACCEPTANCE.compute(counts_of(rows, first_install))
