"""How many of the suggested tags are worth a chip."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decision:
    """Shows as many of the best tags as promise the best Jaccard, ``most`` at most, or none.

    Of the k best tags with calibrated scores, their sum S is expected to be right. Against a question that is reckoned
    to have ``own`` tags, showing k promises a Jaccard of S / (k + own - S) (after Dembczyński et al. 2010, "Bayes
    Optimal Multilabel Classification via Probabilistic Classifier Chains": decide by the expected loss). ``own`` is
    fitted: it makes up for what scores do not say of each other. If the best tag has less than ``first``, a writer is
    better left alone.
    """

    own: float
    first: float
    most: int

    def confident(self, scores: Sequence[float]) -> int:
        """Give how many of the scores, best first, are worth a chip."""
        if not len(scores) or scores[0] < self.first:
            return 0
        best, shown, right = 0.0, 0, 0.0
        for k, score in enumerate(scores[: self.most], start=1):
            right += score
            promised = right / (k + self.own - right)
            if promised > best:
                best, shown = promised, k
        return shown
