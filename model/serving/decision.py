"""How many of the suggested tags are worth a chip."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decision:
    """Shows as many of the best tags as maximise the expected Jaccard index, ``most`` at most, or none.

    Of the k best tags with calibrated scores, their sum S is expected to be right. For a question with ``own`` tags,
    showing k has an expected Jaccard index of S / (k + own - S) (after Dembczyński et al. 2010, "Bayes Optimal
    Multilabel Classification via Probabilistic Classifier Chains": decide by the expected loss). ``own`` is fitted,
    which makes up for scores that depend on each other. If the best tag's score is below ``first``, nothing is shown.
    """

    own: float
    first: float
    most: int

    def count_confident(self, scores: Sequence[float]) -> int:
        """Return how many of the scores, best first, are worth a chip."""
        if not len(scores) or scores[0] < self.first:
            return 0
        best_jaccard, best_k, right = 0.0, 0, 0.0
        for k, score in enumerate(scores[: self.most], start=1):
            right += score
            jaccard = right / (k + self.own - right)
            if jaccard > best_jaccard:
                best_jaccard, best_k = jaccard, k
        return best_k
