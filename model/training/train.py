"""Training of both tiers: a low-rank and a wide sparse part over TF-IDF features, and an encoder's part beside them.

logit[t] = bias[t] + Σ_f x[f] · (embedding[f] · output[:, t] + wide[f, t]) + mean · dense[:, t]: an embedding bag
(Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification") that shares what words have in common, beside
direct weights of each word for the few tags it goes with, which remember names (Cheng et al. 2016, "Wide & Deep
Learning"), beside a linear part over the mean embedding of a sentence encoder. All parts are learned together, each
from the error that the others leave. The light tier is the same without an encoder: its embeddings have width 0.

A word in the title and the same word in the body are two features of one word: while training, each feature's weights
are its own plus those of its word, so that what bodies teach holds for titles too. Since all is linear, the sum is
the feature's weight in the end, and a released model knows nothing of it.
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
from model.training.tfidf import Vocabulary, shared_word_matrix

INCOMPLETE_MIN_COUNT: Final = 50
"""Fewest uses in a source with incomplete tags of a tag that counts as one that the source kept."""
_SMALL_ACCUMULATOR: Final = 1e-6
"""Where Adagrad's sums begin for what has a gradient in every step: only not 0."""


@dataclass(frozen=True, slots=True)
class TrainingParameters:
    """The parameters of a training run; every default was chosen on the tune part.

    ``rank``: width of the embedding. ``wide``: direct weights a feature; ``wide_kept`` of these, the largest, stay in
    the end. ``min_count``: fewest uses of a tag of the vocabulary. ``learning_rate``, ``wide_…``, ``output_…``,
    ``dense_learning_rate``: first steps of embedding, direct weights, output with bias, and the encoder's part;
    ``initial_accumulator``, ``wide_…``: where Adagrad's sums of squares begin, without which the first gradient,
    however small, would be a whole step. ``shared_word_weight``: of a word's weights in those of its features.
    ``body_word_dropout``, ``body_dropout``: share of body words and of whole bodies left out.
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
    """What is learned.

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
class QuestionEmbeddings:
    """The mean embeddings of questions, float16 [questions, width]: of the title alone, and of the whole draft.

    Without an encoder the width is 0.
    """

    title: NDArray[np.float16]
    whole: NDArray[np.float16]

    @classmethod
    def empty(cls, questions: int) -> "QuestionEmbeddings":
        """Return the embeddings of questions without an encoder."""
        none = np.zeros((questions, 0), np.float16)
        return cls(none, none)

    def select(self, rows: Ints, no_body: NDArray[np.bool_]) -> Floats:
        """Return the embeddings of rows, float32 [rows, width], of the title alone where ``no_body`` is set."""
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


def choose_tags(questions: Sequence[Question], min_count: int) -> tuple[str, ...]:
    """Return the tags with at least ``min_count`` uses, the commonest first."""
    uses = Counter(tag for question in questions for tag in question.tags)
    return tuple(sorted((tag for tag, n in uses.items() if n >= min_count), key=lambda tag: (-uses[tag], tag)))


def make_targets(questions: Sequence[Question], tags: Sequence[str]) -> Targets:
    """Return the questions' tags as a matrix, and which tags an incomplete source has kept."""
    number = {tag: i for i, tag in enumerate(tags)}
    columns = [[number[tag] for tag in question.tags if tag in number] for question in questions]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in columns])])
    flat = np.array([column for row in columns for column in row], np.int64)
    matrix = sparse.csr_matrix((np.ones(len(flat), np.float32), flat, starts), shape=(len(questions), len(tags)))
    sources = sorted({question.source for question in questions if not question.tags_complete})
    known = np.zeros((len(sources), len(tags)), np.float32)
    incomplete = np.array(
        [-1 if question.tags_complete else sources.index(question.source) for question in questions], np.int64
    )
    for i in range(len(sources)):
        known[i] = np.asarray(matrix[incomplete == i].sum(axis=0)).ravel() >= INCOMPLETE_MIN_COUNT
    return Targets(matrix, known, incomplete, np.array([question.weight for question in questions], np.float32))


def choose_wide_tags(features: sparse.csr_matrix, targets: Targets, k: int) -> NDArray[np.int32]:
    """Return for each feature the ``k`` tags that it is most surely associated with: int32 [features, k].

    The measure is the signed root of the likelihood ratio of Dunning 1993 ("Accurate Methods for the Statistics of
    Surprise and Coincidence"), in its leading term: n · ln(n / expected). Unused places get tags from 0 on, and learn
    what they can.
    """
    present = features.copy()
    present.data = np.ones_like(present.data)
    rows, k = features.shape[0], min(k, targets.tags.shape[1])
    tag_uses = np.asarray(targets.tags.sum(axis=0)).ravel()
    pairs = np.zeros((features.shape[1], k), np.int32)
    by_feature = present.tocsc()
    for first in range(0, features.shape[1], 4096):
        cooccurrences = (by_feature[:, first : first + 4096].T @ targets.tags).tocsr()
        uses = np.diff(by_feature.indptr[first : first + 4097])
        for i in range(cooccurrences.shape[0]):
            span = slice(cooccurrences.indptr[i], cooccurrences.indptr[i + 1])
            n, tags = cooccurrences.data[span], cooccurrences.indices[span]
            surprise = n * np.log(n * rows / (uses[i] * tag_uses[tags]))
            best = np.argsort(-surprise, kind="stable")[:k]
            chosen = tags[best]
            if len(chosen) < k:
                others = np.setdiff1d(np.arange(min(2 * k, targets.tags.shape[1])), chosen)
                chosen = np.concatenate([chosen, others[: k - len(chosen)]])
            pairs[first + i] = chosen
    return pairs


def fit_weights(
    features: sparse.csr_matrix,
    vocabulary: Vocabulary,
    targets: Targets,
    parameters: TrainingParameters,
    embeddings: QuestionEmbeddings,
    *,
    after_step: Callable[[], None] = lambda: None,
) -> Weights:
    """Learn weights by binary cross-entropy with Adagrad (Duchi et al. 2011), the learning rate falling to 0.

    The same input, parameters, machine and number of threads give the same weights.

    Args:
        features: weighted features of the vocabulary, float32 [questions, features].
        after_step: called after each of ``count_steps()`` steps, to show progress.
    """
    p = parameters
    random = np.random.default_rng(p.seed)
    questions, tags = targets.tags.shape
    share = np.clip(targets.tags.T @ targets.weight / targets.weight.sum(), 1e-6, 0.5)
    words = shared_word_matrix(vocabulary) * np.float32(p.shared_word_weight)
    wide_tags = _choose_shared_tags(features, words, targets, p.wide)
    weights = Weights(
        embedding=np.zeros((len(wide_tags) - len(vocabulary.runs), p.rank), np.float32),
        output=random.standard_normal((p.rank, tags), np.float32) / np.float32(np.sqrt(p.rank)),
        bias=np.log(share / (1 - share)).astype(np.float32),
        wide=np.zeros(wide_tags.shape, np.float32),
        wide_tags=wide_tags,
        dense=np.zeros((embeddings.whole.shape[1], tags), np.float32),
    )
    sums = Weights(
        embedding=np.full_like(weights.embedding, p.initial_accumulator),
        output=np.full_like(weights.output, _SMALL_ACCUMULATOR),
        bias=np.full_like(weights.bias, _SMALL_ACCUMULATOR),
        wide=np.full_like(weights.wide, p.wide_initial_accumulator),
        wide_tags=weights.wide_tags,
        dense=np.full_like(weights.dense, _SMALL_ACCUMULATOR),
    )
    total, done = count_steps(questions, p), 0
    for _ in range(p.epochs):
        order = random.permutation(questions)
        for start in range(0, questions - questions % p.batch or questions, p.batch):
            rows = np.sort(order[start : start + p.batch])
            no_body = random.random(len(rows)) < p.body_dropout
            x = _with_dropout(features[rows], vocabulary.title_features, no_body, p, random)
            x = sparse.hstack([x, x @ words], format="csr", dtype=np.float32)
            _step(weights, sums, x, embeddings.select(rows, no_body), targets, rows, p, 1 - done / total)
            done += 1
            after_step()
    return _add_word_weights(weights, words)


def count_steps(questions: int, parameters: TrainingParameters) -> int:
    """Return the number of steps of a whole training run."""
    return parameters.epochs * max(1, questions // parameters.batch)


def _choose_shared_tags(
    features: sparse.csr_matrix, words: sparse.csr_matrix, targets: Targets, k: int
) -> NDArray[np.int32]:
    """Return the tags of each feature, then of each word; features of one word have the word's tags."""
    of_features = choose_wide_tags(features, targets, k)
    of_words = choose_wide_tags((features @ words).tocsr(), targets, k)
    feature, word = words.nonzero()
    of_features[feature] = of_words[word]
    return np.concatenate([of_features, of_words])


def _add_word_weights(weights: Weights, words: sparse.csr_matrix) -> Weights:
    """Add the weights of each word to those of its features: from [features + words] to [features]."""
    n, runs = words.shape[0], len(weights.wide) - len(weights.embedding)
    return Weights(
        embedding=weights.embedding[: n - runs] + words[runs:] @ weights.embedding[n - runs :],
        output=weights.output,
        bias=weights.bias,
        wide=weights.wide[:n] + words @ weights.wide[n:],
        wide_tags=weights.wide_tags[:n],
        dense=weights.dense,
    )


def keep_strongest(weights: Weights, k: int) -> Weights:
    """Return the weights with the ``k`` largest direct ones of each feature."""
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
    """Drop words of bodies, and where ``no_body`` is set the whole body, since writers type the title first.

    A title is too short to lose a word: dropping there made suggestions worse.
    """
    rows = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
    in_body = x.indices >= title_features
    dropped = (random.random(len(rows)) < p.body_word_dropout) | no_body[rows]
    kept = ~(in_body & dropped)
    data = np.where(in_body, x.data / np.float32(1 - p.body_word_dropout), x.data)[kept]
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows[kept], minlength=x.shape[0]))])
    return sparse.csr_matrix((data, x.indices[kept], starts), shape=x.shape)


def _step(
    weights: Weights,
    sums: Weights,
    x: sparse.csr_matrix,
    mean_embedding: Floats,
    targets: Targets,
    rows: Ints,
    p: TrainingParameters,
    rate: float,
) -> None:
    """Take one step on a batch; only the rows of its features change in the sparse parts."""
    used, columns = np.unique(x.indices, return_inverse=True)
    local = sparse.csr_matrix((x.data, columns, x.indptr), shape=(x.shape[0], len(used)))
    wide, wide_tags = weights.wide[used], weights.wide_tags[used]
    runs = len(weights.wide) - len(weights.embedding)
    of_words = local[:, np.searchsorted(used, runs) :]
    words = used[used >= runs] - runs
    embedding = weights.embedding[words]
    hidden = of_words @ embedding
    logit = hidden @ weights.output
    logit += mean_embedding @ weights.dense
    logit += weights.bias
    direct = local @ _wide_matrix(wide, wide_tags, logit.shape[1])
    logit[np.repeat(np.arange(len(rows)), np.diff(direct.indptr)), direct.indices] += direct.data
    error = _logit_gradient(logit, targets, rows)

    by_feature = local.tocsc()
    feature = np.repeat(np.arange(len(used)), np.diff(by_feature.indptr))
    wide_error = error[by_feature.indices[:, None], wide_tags[feature]] * by_feature.data[:, None]
    wide_gradient = np.add.reduceat(wide_error, by_feature.indptr[:-1], axis=0)
    embedding_gradient = of_words.T @ (error @ weights.output.T)
    _adagrad(weights.output, sums.output, hidden.T @ error, rate * p.output_learning_rate)
    _adagrad(weights.dense, sums.dense, mean_embedding.T @ error, rate * p.dense_learning_rate)
    _adagrad(weights.bias, sums.bias, error.sum(axis=0), rate * p.output_learning_rate)
    sums.embedding[words] = _adagrad(embedding, sums.embedding[words], embedding_gradient, rate * p.learning_rate)
    weights.embedding[words] = embedding
    sums.wide[used] = _adagrad(wide, sums.wide[used], wide_gradient, rate * p.wide_learning_rate)
    weights.wide[used] = wide


def _logit_gradient(logit: Floats, targets: Targets, rows: Ints) -> Floats:
    """Turn the logits of a batch, [rows, tags], into the gradient of the loss by them, in place; return it.

    It is the probability, less 1 at the question's own tags; 0 where an incomplete source does not keep a tag.
    """
    error: Floats = expit(logit, out=logit)
    own = targets.tags[rows]
    own_rows = np.repeat(np.arange(len(rows)), np.diff(own.indptr))
    hits = error[own_rows, own.indices]
    unknown = np.flatnonzero(targets.incomplete[rows] >= 0)
    error[unknown] *= targets.known[targets.incomplete[rows[unknown]]]
    error[own_rows, own.indices] = hits - 1
    error *= targets.weight[rows, None]
    return error


def _wide_matrix(wide: Floats, wide_tags: NDArray[np.int32], tags: int) -> sparse.csr_matrix:
    starts = np.arange(len(wide) + 1) * wide.shape[1]
    return sparse.csr_matrix((wide.ravel(), wide_tags.ravel(), starts), shape=(len(wide), tags))


def _adagrad(values: Floats, sums: Floats, gradient: Floats, rate: float) -> Floats:
    """Move ``values`` against the gradient in place; return the new sums of squares."""
    sums += gradient * gradient
    values -= np.float32(rate) * gradient / np.sqrt(sums)
    return sums


def compute_logits(weights: Weights, x: sparse.csr_matrix, mean_embedding: Floats) -> Floats:
    """Return the logits of questions from their features and mean embeddings: float32 [questions, tags]."""
    words = x[:, len(weights.wide) - len(weights.embedding) :]
    result = (words @ weights.embedding) @ weights.output + mean_embedding @ weights.dense + weights.bias
    direct = x @ _wide_matrix(weights.wide, weights.wide_tags, result.shape[1])
    result[np.repeat(np.arange(x.shape[0]), np.diff(direct.indptr)), direct.indices] += direct.data
    return np.asarray(result, np.float32)
