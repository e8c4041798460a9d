"""Logistic regression, random forest and gradient boosting for many tags at once, each with the graph that serves it.

A fitted classifier's ``scores`` gives float32 [questions, tags], 0..1; its ``graph`` takes ``features``, float [1, n],
and gives ``scores``, float [1, tags].
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Final, Protocol, TypeAlias

import numpy as np
import onnx
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.linear_model import LogisticRegression as OneTag
from threadpoolctl import threadpool_limits

from model.compare.graphs import Trees, build_linear_head
from model.runs.arrays import Floats

Matrix: TypeAlias = Any
"""Features, float32 [questions, features], dense or sparse; scipy has no types."""

_LEAST_PROBABILITY: Final = 1e-6
_TREES_AT_ONCE: Final = 4
"""Trees between two signs of progress; fixed, since a tree's seed follows from it and not from the threads."""


class Fitted(Protocol):
    """A classifier that has learned."""

    def scores(self, x: Matrix) -> Floats:
        """Return the scores of questions, float32 [questions, tags]."""

    def graph(self) -> onnx.ModelProto:
        """Return the ONNX graph from one question's features to its scores."""


class Learner(Protocol):
    """A classifier's hyperparameters, and what learns with them."""

    name: ClassVar[str]

    def fit(self, x: Matrix, y: Floats, seed: int, threads: int, after_each: Callable[[], None]) -> Fitted:
        """Learn from features [questions, n] and tags, 0 or 1, [questions, tags].

        ``after_each`` is called as many times as there are tags, or trees in a forest.
        """

    def steps(self, tags: int) -> int:
        """Return how often ``after_each`` will be called."""

    def drawn(self, random: np.random.Generator) -> "Learner":
        """Draw other hyperparameters, for a random search (Bergstra and Bengio 2012)."""


@dataclass(frozen=True, slots=True)
class LogisticRegression:
    """One logistic regression a tag, with L2 regularisation: ``c`` is the weight of the errors against it."""

    name: ClassVar[str] = "logistic regression"
    c: float = 10.0
    passes: int = 100

    def fit(self, x: Matrix, y: Floats, seed: int, threads: int, after_each: Callable[[], None]) -> "Linear":
        """Learn tag by tag on sparse features (LIBLINEAR, Fan et al. 2008), all tags in one on dense ones."""
        if not sparse.issparse(x):
            fitted = self._together(np.asarray(x), y)
            for _ in range(y.shape[1]):
                after_each()
            return fitted

        fitted_rows = []
        # One after the other: LIBLINEAR's random numbers come from one place for the whole process, so that fits on
        # several threads would take them from each other, and no two runs would be the same.
        for column in y.T:
            one = OneTag(C=self.c, solver="liblinear", dual=True, max_iter=1_000, tol=0.01, random_state=seed)
            one.fit(x, column)
            fitted_rows.append((one.coef_[0].astype(np.float32), float(one.intercept_[0])))
            after_each()
        return Linear(
            np.ascontiguousarray(np.column_stack([row for row, _ in fitted_rows])),
            np.array([start for _, start in fitted_rows], np.float32),
            sparse_features=True,
        )

    def _together(self, x: Floats, y: Floats) -> "Linear":
        """Minimise the sum of all tags' losses at once by L-BFGS: the same least, one pass over ``x`` for all tags."""
        n, tags = x.shape[1], y.shape[1]
        share = np.clip(y.mean(axis=0), _LEAST_PROBABILITY, 0.5)
        first = np.concatenate([np.zeros((n, tags)), np.log(share / (1 - share))[None]])

        def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            w = flat.reshape(n + 1, tags)
            z = x @ w[:n].astype(np.float32) + w[n].astype(np.float32)
            error = expit(z) - y
            value = float((np.logaddexp(0, z) - y * z).sum(dtype=np.float64)) + (w[:n] ** 2).sum() / (2 * self.c)
            gradient = np.concatenate([x.T @ error + w[:n] / self.c, error.sum(axis=0)[None]])
            return value, gradient.astype(np.float64).ravel()

        fitted_rows = minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": self.passes})
        w = fitted_rows.x.reshape(n + 1, tags).astype(np.float32)
        return Linear(w[:n], w[n], sparse_features=False)

    def steps(self, tags: int) -> int:
        """One a tag."""
        return tags

    def drawn(self, random: np.random.Generator) -> "LogisticRegression":
        """Draw ``c`` from .3 to 300."""
        return replace(self, c=float(np.round(10 ** random.uniform(-0.5, 2.5), 2)))


@dataclass(frozen=True, slots=True)
class Linear:
    """Logistic regressions: ``coefficients`` [features, tags], ``intercepts`` [tags]."""

    coefficients: Floats
    intercepts: Floats
    sparse_features: bool

    def scores(self, x: Matrix) -> Floats:
        """Return probabilities."""
        return np.asarray(expit(x @ self.coefficients + self.intercepts), np.float32)

    def graph(self) -> onnx.ModelProto:
        """Return one matrix: skl2onnx would make ten nodes a tag."""
        return build_linear_head(self.coefficients, self.intercepts, sparse_features=self.sparse_features)


@dataclass(frozen=True, slots=True)
class RandomForest:
    """A forest whose leaves hold all tags' shares (Breiman 2001), on bootstrap samples of ``sample`` of the questions.

    The trees are regression trees on 0 and 1: their squared error is half of Gini's impurity, so they split as
    classification trees do, and a leaf needs one number a tag. Of sparse features the ``words`` best by χ² are used.
    """

    name: ClassVar[str] = "random forest"
    trees: int = 40
    least_in_leaf: int = 3
    depth: int = 40
    tried: float = 0.06
    sample: float = 0.5
    words: int = 1_500

    def fit(self, x: Matrix, y: Floats, seed: int, threads: int, after_each: Callable[[], None]) -> "Forest":
        """Learn tree by tree."""
        chosen = np.arange(x.shape[1])
        if sparse.issparse(x) and x.shape[1] > self.words:
            chosen = np.sort(np.argsort(-_chi2_of_best_tag(x, y), kind="stable")[: self.words])
        parts = []
        of_part = x[:, chosen] if sparse.issparse(x) else x
        for first in range(0, self.trees, _TREES_AT_ONCE):
            n = min(_TREES_AT_ONCE, self.trees - first)
            forest = RandomForestRegressor(
                n_estimators=n,
                min_samples_leaf=self.least_in_leaf,
                max_depth=self.depth,
                max_features=self.tried,
                max_samples=self.sample,
                random_state=seed + first,
                n_jobs=threads,
            )
            parts.append(forest.fit(of_part, y))
            for _ in range(n):
                after_each()
        # One forest of all trees, so that skl2onnx and scikit-learn see them as one.
        whole = parts[0]
        whole.estimators_ = [tree for part in parts for tree in part.estimators_]
        whole.n_estimators = len(whole.estimators_)
        # On several threads the trees' votes would be added in an order that differs from run to run.
        whole.n_jobs = 1
        return Forest(whole, chosen, x.shape[1], y.shape[1])

    def steps(self, tags: int) -> int:
        """One a tree."""
        return self.trees

    def drawn(self, random: np.random.Generator) -> "RandomForest":
        """Draw the leaves' least size, the features tried at a split, and the sample."""
        return replace(
            self,
            least_in_leaf=int(random.choice([1, 2, 3, 5, 10])),
            tried=float(np.round(10 ** random.uniform(-1.7, -0.5), 3)),
            sample=float(random.choice([0.3, 0.5, 0.8])),
        )


@dataclass(frozen=True, slots=True)
class Forest:
    """A fitted forest, which sees the features ``chosen`` of ``features``."""

    forest: RandomForestRegressor
    chosen: NDArray[np.int64]
    features: int
    tags: int

    def scores(self, x: Matrix) -> Floats:
        """Return the trees' mean share."""
        return np.asarray(self.forest.predict(x[:, self.chosen]), np.float32).reshape(x.shape[0], self.tags)

    def graph(self) -> onnx.ModelProto:
        """Return the trees as skl2onnx converts them, without the leaves' zeros."""
        trees = Trees(self.tags)
        trees.add_forest(self.forest, self.chosen)
        return trees.head(np.zeros(self.tags, np.float32), logistic=False)


@dataclass(frozen=True, slots=True)
class GradientBoosting:
    """Boosted trees a tag, on histograms (Friedman 2001; Ke et al. 2017).

    A tag's trees learn from all its questions and ``others`` times as many without it (``least_others`` at least),
    which weigh as all of them: 40 thousand questions a tag would take hours. Of sparse features each tag's trees see
    the ``words`` best by χ², since histograms need dense ones.
    """

    name: ClassVar[str] = "gradient boosting"
    rounds: int = 40
    leaves: int = 8
    rate: float = 0.15
    others: int = 10
    least_others: int = 3_000
    words: int = 64

    def fit(self, x: Matrix, y: Floats, seed: int, threads: int, after_each: Callable[[], None]) -> "Boosted":
        """Learn tag by tag, each on one thread."""

        def one(tag: int) -> tuple[HistGradientBoostingClassifier, NDArray[np.int64]]:
            with_tag, without = np.flatnonzero(y[:, tag]), np.flatnonzero(y[:, tag] == 0)
            n = min(len(without), max(self.least_others, self.others * len(with_tag)))
            drawn = np.random.default_rng([seed, tag]).choice(without, n, replace=False)
            rows = np.sort(np.concatenate([with_tag, drawn]))
            target = y[rows, tag]
            chosen = np.arange(x.shape[1])
            if sparse.issparse(x):
                best = SelectKBest(chi2, k=min(self.words, x.shape[1])).fit(x, y[:, tag])
                chosen = np.flatnonzero(best.get_support())
            own = x[rows][:, chosen]
            model = HistGradientBoostingClassifier(
                max_iter=self.rounds,
                max_leaf_nodes=self.leaves,
                learning_rate=self.rate,
                early_stopping=False,
                random_state=seed,
            )
            weight = np.where(target > 0, 1.0, len(without) / max(n, 1))
            # OpenMP's limit is the calling thread's own.
            with threadpool_limits(1, user_api="openmp"):
                model.fit(own.toarray() if sparse.issparse(own) else own, target, sample_weight=weight)
            return model, chosen

        fitted_rows = _run_jobs(threads, (delayed(one)(tag) for tag in range(y.shape[1])), after_each)
        return Boosted(tuple(fitted_rows), x.shape[1])

    def steps(self, tags: int) -> int:
        """One a tag."""
        return tags

    def drawn(self, random: np.random.Generator) -> "GradientBoosting":
        """Draw the rounds, the leaves of a tree, and the rate."""
        return replace(
            self,
            rounds=int(random.choice([20, 40, 80])),
            leaves=int(random.choice([4, 8, 16, 31])),
            rate=float(np.round(10 ** random.uniform(-1.5, -0.5), 3)),
        )


@dataclass(frozen=True, slots=True)
class Boosted:
    """Each tag's trees, with the features that they see."""

    models: tuple[tuple[HistGradientBoostingClassifier, NDArray[np.int64]], ...]
    features: int

    def scores(self, x: Matrix) -> Floats:
        """Return probabilities."""
        columns = []
        for model, chosen in self.models:
            own = x[:, chosen]
            columns.append(model.predict_proba(own.toarray() if sparse.issparse(own) else own)[:, 1])
        return np.column_stack(columns).astype(np.float32)

    def graph(self) -> onnx.ModelProto:
        """Return all tags' trees in one ensemble."""
        trees = Trees(len(self.models))
        start = [trees.add_boosted(model, chosen, tag) for tag, (model, chosen) in enumerate(self.models)]
        return trees.head(np.array(start, np.float32), logistic=True)


LEARNERS: Final[tuple[Learner, ...]] = (LogisticRegression(), RandomForest(), GradientBoosting())


def hyperparameters(learner: Learner) -> dict[str, Any]:
    """Return a learner's hyperparameters by name."""
    assert isinstance(learner, LogisticRegression | RandomForest | GradientBoosting)
    return asdict(learner)


def _run_jobs(threads: int, jobs: Iterable[Any], after_each: Callable[[], None]) -> list[Any]:
    """Do jobs on threads; results come in the order of the jobs."""
    fitted_rows = []
    for result in Parallel(n_jobs=threads, prefer="threads", return_as="generator")(jobs):
        fitted_rows.append(result)
        after_each()
    return fitted_rows


def _chi2_of_best_tag(x: sparse.csr_matrix, y: Floats) -> NDArray[np.float64]:
    """Return each feature's largest χ² with a tag, [features]."""
    best = np.zeros(x.shape[1])
    for column in y.T:
        if column.any():
            best = np.maximum(best, np.nan_to_num(chi2(x, column)[0]))
    return best
