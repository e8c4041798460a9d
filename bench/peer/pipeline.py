"""The peer's pipeline: TF-IDF and one-vs-rest in scikit-learn, of the shape of the shipped ``light`` model.

Its features, their idf, its tags and its weights are that model's own: 144,329 features, 6,371 learned tags, and the 8
direct weights that each feature has. So it needs no training, and an answer is as much work as a trained one's. The
model's low-rank part is left out, in the peer's favour: multiplied out it would be a dense matrix of 7 GB.
"""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import LabelBinarizer

from model.serving.text import WORD


@dataclass(frozen=True, slots=True)
class OneMatrix:
    """A one-vs-rest whose estimators' weights were put together into one matrix: the peer at its best."""

    weights: sparse.csr_matrix
    bias: NDArray[np.float64]

    def decision_function(self, features: sparse.csr_matrix) -> NDArray[np.float64]:
        """Logits, [drafts, tags]."""
        return np.asarray((features @ self.weights).todense()) + self.bias


def write(model: Path, one_vs_rest: Path, one_matrix: Path) -> None:
    """Write two pickles, each of the features' vectorisers, a classifier and its tags.

    Args:
        model: the graph of a released ``light`` model, of which they are made.
        one_vs_rest: gets the classifier as scikit-learn makes it, with an estimator for each tag.
        one_matrix: gets the same with all estimators in one matrix.
    """
    graph = onnx.load(str(model)).graph
    value = {initializer.name: numpy_helper.to_array(initializer) for initializer in graph.initializer}
    features = [str(name) for name in value["feature_names"]]
    in_title = len(value["title_idf"])
    bias = value["bias"].astype(np.float64)
    tags = [str(name) for name in value["tag_names"][: len(bias)]]
    rows = np.repeat(np.arange(len(features)), value["wide"].shape[1])
    numbers = (value["wide"] * value["wide_scale"][:, None]).astype(np.float64)
    weights = sparse.csr_matrix((numbers.ravel(), (rows, value["wide_tags"].ravel())), (len(features), len(bias)))
    both = FeatureUnion(
        [
            ("title", _field(0, features[:in_title], value["title_idf"])),
            ("body", _field(1, features[in_title:], value["body_idf"])),
        ]
    )
    for path, classifier in ((one_vs_rest, _one_vs_rest(weights, bias)), (one_matrix, OneMatrix(weights, bias))):
        with path.open("wb") as file:
            pickle.dump((both, classifier, tags), file)


def _field(place: int, names: Sequence[str], idf: NDArray[Any]) -> TfidfVectorizer:
    """The vectoriser of the title (0) or the body (1)."""
    longest = max(name.count(" ") for name in names) + 1
    vectoriser = TfidfVectorizer(
        preprocessor=_Field(place), token_pattern=WORD, ngram_range=(1, longest), vocabulary=list(names)
    )
    vectoriser.idf_ = idf.astype(np.float64)
    return vectoriser


class _Field:
    """Takes one field of a draft, in lower case."""

    def __init__(self, place: int) -> None:
        self._take = itemgetter(place)

    def __call__(self, draft: tuple[str, str]) -> str:
        return str(self._take(draft)).lower()


def _one_vs_rest(weights: sparse.csr_matrix, bias: NDArray[np.float64]) -> OneVsRestClassifier:
    """The classifier with an estimator for each column of weights, as fitting and ``sparsify`` would leave it."""
    estimators = []
    for column, constant in zip(weights.T.tocsr(), bias, strict=True):
        estimator = LogisticRegression()
        estimator.coef_, estimator.intercept_ = column, np.array([constant])
        estimator.classes_, estimator.n_features_in_ = np.array([0, 1]), weights.shape[0]
        estimators.append(estimator)
    classifier = OneVsRestClassifier(LogisticRegression())
    classifier.estimators_ = estimators
    classifier.label_binarizer_ = LabelBinarizer(sparse_output=True).fit(np.arange(len(bias)))
    classifier.classes_ = classifier.label_binarizer_.classes_
    return classifier
