"""Training of both tiers: a low-rank and a wide sparse part over TF-IDF features, and an encoder's part beside them.

logit[t] = bias[t] + Σ_f x[f] · (embedding[f] · output[:, t] + wide[f, t]) + state · dense[:, t]: an embedding bag
(Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification") that shares what words have in common, beside
direct weights of each word for the few tags it goes with, which remember names (Cheng et al. 2016, "Wide & Deep
Learning"), beside a linear part over the mean state of a sentence encoder. All parts are learned together, each from
what the others leave. The light tier is the same without an encoder: its state has no numbers.

A word in the title and the same word in the body are two features, and kin: while training, each feature's numbers
are its own plus those of its word, so that what bodies teach holds for titles too. Since all is linear, the sum is
the feature's number in the end, and a released model knows nothing of it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit

from model.questions import Question
from model.runs.arrays import Floats, Ints
from model.runs.parameters import stored_as
from model.training.tfidf import Vocabulary, kinship

INCOMPLETE_LEAST: Final = 50
"""Uses in a source with incomplete tags from which on a tag counts as one that the source kept."""
_LITTLE: Final = 1e-6
"""Where Adagrad's sums begin for what has a slope in every step: only not 0."""


@dataclass(frozen=True, slots=True)
class TrainingParameters:
    """What a training run is given; every default was chosen on the tune part.

    ``rank`` and ``wide``: numbers and direct weights a feature; ``wide_kept`` of these, the largest, stay in the end.
    ``least_uses``: of a tag of the vocabulary. ``rate``, ``wide_rate``, ``output_rate``, ``dense_rate``: first steps of
    embedding, direct weights, output with bias, and the encoder's part; ``start``, ``wide_start``: where Adagrad's sums
    of squares begin, without which the first slope, however small, would be a whole step. ``kinship``: weight of a
    word's numbers in those of its features. ``body_word_dropout``, ``body_dropout``: share of body words and of whole
    bodies left out.
    """

    seed: int = 1
    epochs: int = 4
    rank: int = 128
    wide: int = 10
    wide_kept: int = 8
    min_count: int = stored_as("least_uses", 8)
    batch: int = 512
    learning_rate: float = stored_as("rate", 0.2)
    wide_learning_rate: float = stored_as("wide_rate", 0.5)
    output_learning_rate: float = stored_as("output_rate", 0.02)
    dense_learning_rate: float = stored_as("dense_rate", 0.03)
    initial_accumulator: float = stored_as("start", 1e-3)
    wide_initial_accumulator: float = stored_as("wide_start", 1e-2)
    shared_word_weight: float = stored_as("kinship", 2.0)
    body_word_dropout: float = 0.1
    body_dropout: float = 0.3


@dataclass(slots=True)
class Weights:
    """The model's numbers.

    ``embedding`` [words, rank], ``output`` [rank, tags], ``bias`` [tags], and each feature's direct weights ``wide``
    [features, k] for the tags ``wide_tags`` [features, k]. Words are all features but the runs, which come first: a
    run is too rare to need more than direct weights. ``dense`` [width, tags] is the encoder's part; width 0 without.
    """

    embedding: Floats
    output: Floats
    bias: Floats
    wide: Floats
    wide_tags: NDArray[np.int32]
    dense: Floats


@dataclass(frozen=True, slots=True)
class States:
    """What the encoder makes of questions, its mean states: float16 [questions, width], of the title alone and whole.

    Without an encoder the width is 0.
    """

    title: NDArray[np.float16]
    whole: NDArray[np.float16]

    @classmethod
    def none(cls, questions: int) -> "States":
        """Give the states of questions without an encoder."""
        nothing = np.zeros((questions, 0), np.float16)
        return cls(nothing, nothing)

    def of(self, rows: Ints, no_body: NDArray[np.bool_]) -> Floats:
        """Give the states of some questions, float32 [rows, width], of the title alone where ``no_body`` says so."""
        return np.where(no_body[:, None], self.title[rows], self.whole[rows]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Targets:
    """The tags of questions, and what is unknown about them.

    ``tags`` is float32 [questions, tags]. ``known`` is [sources with incomplete tags, tags]: 1 where a missing tag
    is a real no; ``incomplete`` [questions] is the row of ``known`` for a question, or -1 if its tags are complete.
    ``weight`` [questions] says how many times each question counts.
    """

    tags: sparse.csr_matrix
    known: Floats
    incomplete: Ints
    weight: Floats


def choose_tags(questions: Sequence[Question], least_uses: int) -> tuple[str, ...]:
    """Give the tags with at least ``least_uses`` uses, the commonest first."""
    uses = Counter(tag for question in questions for tag in question.tags)
    return tuple(sorted((tag for tag, n in uses.items() if n >= least_uses), key=lambda tag: (-uses[tag], tag)))


def targets(questions: Sequence[Question], tags: Sequence[str]) -> Targets:
    """Turn the questions' tags into a matrix, and learn which tags an incomplete source has kept."""
    number = {tag: i for i, tag in enumerate(tags)}
    columns = [[number[tag] for tag in question.tags if tag in number] for question in questions]
    starts = np.concatenate([[0], np.cumsum([len(found) for found in columns])])
    flat = np.array([column for found in columns for column in found], np.int64)
    matrix = sparse.csr_matrix((np.ones(len(flat), np.float32), flat, starts), shape=(len(questions), len(tags)))
    sources = sorted({question.source for question in questions if not question.tags_complete})
    known = np.zeros((len(sources), len(tags)), np.float32)
    incomplete = np.array(
        [-1 if question.tags_complete else sources.index(question.source) for question in questions], np.int64
    )
    for i in range(len(sources)):
        known[i] = np.asarray(matrix[incomplete == i].sum(axis=0)).ravel() >= INCOMPLETE_LEAST
    return Targets(matrix, known, incomplete, np.array([question.weight for question in questions], np.float32))


def wide_pairs(features: sparse.csr_matrix, goal: Targets, k: int) -> NDArray[np.int32]:
    """Choose for each feature the ``k`` tags it goes with most surely: [features, k], int32.

    The measure is the signed root of the likelihood ratio of Dunning 1993 ("Accurate Methods for the Statistics of
    Surprise and Coincidence"), in its leading term: n · ln(n / expected). Places that are left over get tag 0.. in
    order and simply learn what they can.
    """
    present = features.copy()
    present.data = np.ones_like(present.data)
    rows, k = features.shape[0], min(k, goal.tags.shape[1])
    tag_uses = np.asarray(goal.tags.sum(axis=0)).ravel()
    pairs = np.zeros((features.shape[1], k), np.int32)
    by_feature = present.tocsc()
    for first in range(0, features.shape[1], 4096):
        together = (by_feature[:, first : first + 4096].T @ goal.tags).tocsr()
        uses = np.diff(by_feature.indptr[first : first + 4097])
        for i in range(together.shape[0]):
            span = slice(together.indptr[i], together.indptr[i + 1])
            n, tags = together.data[span], together.indices[span]
            surprise = n * np.log(n * rows / (uses[i] * tag_uses[tags]))
            best = np.argsort(-surprise, kind="stable")[:k]
            chosen = tags[best]
            if len(chosen) < k:
                others = np.setdiff1d(np.arange(min(2 * k, goal.tags.shape[1])), chosen)
                chosen = np.concatenate([chosen, others[: k - len(chosen)]])
            pairs[first + i] = chosen
    return pairs


def train(
    features: sparse.csr_matrix,
    vocabulary: Vocabulary,
    goal: Targets,
    parameters: TrainingParameters,
    states: States,
    *,
    after_step: Callable[[], None] = lambda: None,
) -> Weights:
    """Learn weights by binary cross-entropy with Adagrad (Duchi et al. 2011), the rate falling to 0.

    The same input, parameters, machine and number of threads give the same weights.

    Args:
        features: weighed features of the vocabulary, float32 [questions, features].
        states: what the encoder makes of the questions.
        after_step: called after each of ``steps()`` steps, to show progress.
    """
    p = parameters
    random = np.random.default_rng(p.seed)
    questions, tags = goal.tags.shape
    share = np.clip(goal.tags.T @ goal.weight / goal.weight.sum(), 1e-6, 0.5)
    kin = kinship(vocabulary) * np.float32(p.shared_word_weight)
    pairs = _pairs_of_kin(features, kin, goal, p.wide)
    weights = Weights(
        embedding=np.zeros((len(pairs) - len(vocabulary.runs), p.rank), np.float32),
        output=random.standard_normal((p.rank, tags), np.float32) / np.float32(np.sqrt(p.rank)),
        bias=np.log(share / (1 - share)).astype(np.float32),
        wide=np.zeros(pairs.shape, np.float32),
        wide_tags=pairs,
        dense=np.zeros((states.whole.shape[1], tags), np.float32),
    )
    sums = Weights(
        embedding=np.full_like(weights.embedding, p.initial_accumulator),
        output=np.full_like(weights.output, _LITTLE),
        bias=np.full_like(weights.bias, _LITTLE),
        wide=np.full_like(weights.wide, p.wide_initial_accumulator),
        wide_tags=weights.wide_tags,
        dense=np.full_like(weights.dense, _LITTLE),
    )
    total, done = steps(questions, p), 0
    for _ in range(p.epochs):
        order = random.permutation(questions)
        for start in range(0, questions - questions % p.batch or questions, p.batch):
            rows = np.sort(order[start : start + p.batch])
            no_body = random.random(len(rows)) < p.body_dropout
            x = _with_dropout(features[rows], vocabulary.of_title, no_body, p, random)
            x = sparse.hstack([x, x @ kin], format="csr", dtype=np.float32)
            _step(weights, sums, x, states.of(rows, no_body), goal, rows, p, 1 - done / total)
            done += 1
            after_step()
    return _united(weights, kin)


def steps(questions: int, parameters: TrainingParameters) -> int:
    """Give the number of steps of a whole training run."""
    return parameters.epochs * max(1, questions // parameters.batch)


def _pairs_of_kin(features: sparse.csr_matrix, kin: sparse.csr_matrix, goal: Targets, k: int) -> NDArray[np.int32]:
    """Choose the tags of each feature, then of each word; features that are one word have the word's tags."""
    own, words = wide_pairs(features, goal, k), wide_pairs((features @ kin).tocsr(), goal, k)
    feature, word = kin.nonzero()
    own[feature] = words[word]
    return np.concatenate([own, words])


def _united(weights: Weights, kin: sparse.csr_matrix) -> Weights:
    """Add the numbers of each word to those of its features: from [features + words] to [features]."""
    n, runs = kin.shape[0], len(weights.wide) - len(weights.embedding)
    return Weights(
        embedding=weights.embedding[: n - runs] + kin[runs:] @ weights.embedding[n - runs :],
        output=weights.output,
        bias=weights.bias,
        wide=weights.wide[:n] + kin @ weights.wide[n:],
        wide_tags=weights.wide_tags[:n],
        dense=weights.dense,
    )


def strongest(weights: Weights, k: int) -> Weights:
    """Keep the ``k`` largest direct weights of each feature."""
    kept = np.sort(np.argsort(-np.abs(weights.wide), axis=1, kind="stable")[:, :k], axis=1)
    return replace(
        weights,
        wide=np.take_along_axis(weights.wide, kept, axis=1),
        wide_tags=np.take_along_axis(weights.wide_tags, kept, axis=1),
    )


def _with_dropout(
    x: sparse.csr_matrix,
    title_features: int,
    no_body: NDArray[np.bool_],
    p: TrainingParameters,
    random: np.random.Generator,
) -> sparse.csr_matrix:
    """Drop words of bodies, and where ``no_body`` says so the whole body, since writers type the title first.

    A title is too short to lose a word: dropping there made suggestions worse.
    """
    rows = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
    of_body = x.indices >= title_features
    lost = (random.random(len(rows)) < p.body_word_dropout) | no_body[rows]
    kept = ~(of_body & lost)
    data = np.where(of_body, x.data / np.float32(1 - p.body_word_dropout), x.data)[kept]
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows[kept], minlength=x.shape[0]))])
    return sparse.csr_matrix((data, x.indices[kept], starts), shape=x.shape)


def _step(
    weights: Weights,
    sums: Weights,
    x: sparse.csr_matrix,
    state: Floats,
    goal: Targets,
    rows: Ints,
    p: TrainingParameters,
    rate: float,
) -> None:
    """Take one step on a batch ``x`` with its ``state``; only the rows of its features change in the sparse parts."""
    used, columns = np.unique(x.indices, return_inverse=True)
    local = sparse.csr_matrix((x.data, columns, x.indptr), shape=(x.shape[0], len(used)))
    wide, wide_tags = weights.wide[used], weights.wide_tags[used]
    runs = len(weights.wide) - len(weights.embedding)
    of_words = local[:, np.searchsorted(used, runs) :]
    words = used[used >= runs] - runs
    embedding = weights.embedding[words]
    hidden = of_words @ embedding
    error = hidden @ weights.output
    error += state @ weights.dense
    error += weights.bias
    direct = local @ _wide_matrix(wide, wide_tags, error.shape[1])
    error[np.repeat(np.arange(len(rows)), np.diff(direct.indptr)), direct.indices] += direct.data
    expit(error, out=error)
    wanted = goal.tags[rows]
    wanted_rows = np.repeat(np.arange(len(rows)), np.diff(wanted.indptr))
    hits = error[wanted_rows, wanted.indices]
    unknown = np.flatnonzero(goal.incomplete[rows] >= 0)
    error[unknown] *= goal.known[goal.incomplete[rows[unknown]]]
    error[wanted_rows, wanted.indices] = hits - 1
    error *= goal.weight[rows, None]

    by_feature = local.tocsc()
    feature = np.repeat(np.arange(len(used)), np.diff(by_feature.indptr))
    wide_error = error[by_feature.indices[:, None], wide_tags[feature]] * by_feature.data[:, None]
    wide_slope = np.add.reduceat(wide_error, by_feature.indptr[:-1], axis=0)
    embedding_slope = of_words.T @ (error @ weights.output.T)
    _adagrad(weights.output, sums.output, hidden.T @ error, rate * p.output_learning_rate)
    _adagrad(weights.dense, sums.dense, state.T @ error, rate * p.dense_learning_rate)
    _adagrad(weights.bias, sums.bias, error.sum(axis=0), rate * p.output_learning_rate)
    sums.embedding[words] = _adagrad(embedding, sums.embedding[words], embedding_slope, rate * p.learning_rate)
    weights.embedding[words] = embedding
    sums.wide[used] = _adagrad(wide, sums.wide[used], wide_slope, rate * p.wide_learning_rate)
    weights.wide[used] = wide


def _wide_matrix(wide: Floats, wide_tags: NDArray[np.int32], tags: int) -> sparse.csr_matrix:
    starts = np.arange(len(wide) + 1) * wide.shape[1]
    return sparse.csr_matrix((wide.ravel(), wide_tags.ravel(), starts), shape=(len(wide), tags))


def _adagrad(values: Floats, sums: Floats, slope: Floats, rate: float) -> Floats:
    """Move ``values`` against ``slope`` in place; give the new sums of squares."""
    sums += slope * slope
    values -= np.float32(rate) * slope / np.sqrt(sums)
    return sums


def logits(weights: Weights, x: sparse.csr_matrix, state: Floats) -> Floats:
    """Give the logits of questions from their features and states: float32 [questions, tags]."""
    words = x[:, len(weights.wide) - len(weights.embedding) :]
    result = (words @ weights.embedding) @ weights.output + state @ weights.dense + weights.bias
    direct = x @ _wide_matrix(weights.wide, weights.wide_tags, result.shape[1])
    result[np.repeat(np.arange(x.shape[0]), np.diff(direct.indptr)), direct.indices] += direct.data
    return np.asarray(result, np.float32)
