"""Parabel, the sparse linear model that others are measured against: trees of tags, a linear classifier a node.

Prabhu et al. 2018, "Parabel: Partitioned Label Trees for Extreme Classification", in omikuji's implementation, over the
TF-IDF features of a title and a body. omikuji draws without a seed: two trainings on the same questions differ a bit.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import omikuji
from scipy import sparse

from model.compare.decision import fit_threshold, show_tags
from model.compare.encoders import TfIdf
from model.evaluation.answers import Answer
from model.questions import RANKS, Question
from model.training.train import choose_tags

LEAST_USES: Final = 15
TREES: Final = 3
_FEATURES: Final = 200_000
_BEAM: Final = 10


class Parabel:
    """A trained Parabel. Its threshold shows every tag until one is fitted.

    Attributes:
        tags: the vocabulary, the commonest first.
        megabytes: what it takes on disk.
    """

    def __init__(self, questions: Sequence[Question], tags: Sequence[str], *, threads: int = 2) -> None:
        """Learn from questions; those without any of the tags, or without any known word, teach nothing."""
        number = {tag: i for i, tag in enumerate(tags)}
        taught = [question for question in questions if any(tag in number for tag in question.tags)]
        self.tags = tuple(tags)
        self.threshold = 0.0
        self._encoder = TfIdf(taught, _FEATURES)
        features = sparse.csr_matrix(self._encoder.encode(taught))
        with_words = np.flatnonzero(np.diff(features.indptr))
        features = features[with_words]
        labels = [[number[tag] for tag in taught[i].tags if tag in number] for i in with_words.tolist()]
        with tempfile.TemporaryDirectory() as folder, _silence():
            file = Path(folder, "questions.txt")
            _write_training_set(file, features, labels, len(tags))
            parameters = omikuji.Model.default_hyper_param()
            parameters.n_trees = TREES
            self._model = omikuji.Model.train_on_data(str(file), parameters, threads)
            saved = Path(folder, "model")
            self._model.save(str(saved))
            self.megabytes = sum(each.stat().st_size for each in saved.rglob("*") if each.is_file()) / 1e6
            self._model.densify_weights(0.05)
        self._model.init_prediction_thread_pool(1)

    def suggest(self, title: str, body: str, *, body_format: str = "text") -> Answer:
        """Return the best ``RANKS`` tags of one draft, whose body is plain text."""
        question = Question(title, body, (), True, None, None, "", "")
        return self._answer(sparse.csr_matrix(self._encoder.encode([question])), 0)

    def answers(self, questions: Sequence[Question], after_each: Callable[[], None] = lambda: None) -> list[Answer]:
        """Return the best ``RANKS`` tags of each question, with those shown that reach the threshold, at least one."""
        features = sparse.csr_matrix(self._encoder.encode(questions))
        answers = []
        for i in range(len(questions)):
            answers.append(self._answer(features, i))
            after_each()
        return answers

    def _answer(self, features: sparse.csr_matrix, row: int) -> Answer:
        span = slice(features.indptr[row], features.indptr[row + 1])
        pairs = list(zip(features.indices[span].tolist(), features.data[span].tolist(), strict=True))
        predicted = self._model.predict(pairs, beam_size=_BEAM, top_k=RANKS) if pairs else []
        best = Answer(tuple(self.tags[i] for i, _ in predicted), tuple(score for _, score in predicted), 0)
        return show_tags([best], self.threshold)[0]


def train_parabel(
    trained_on: Sequence[Question],
    tuned: Sequence[Question],
    *,
    least_uses: int = LEAST_USES,
    threads: int = 2,
) -> Parabel:
    """Train Parabel on the tags with ``least_uses`` uses, and fit its threshold on the complete ``tuned`` questions."""
    parabel = Parabel(trained_on, choose_tags(trained_on, least_uses), threads=threads)
    complete = [question for question in tuned if question.tags_complete]
    parabel.threshold = fit_threshold(parabel.answers(complete), [question.tags for question in complete])
    return parabel


@contextmanager
def _silence() -> Iterator[None]:
    """Keep omikuji's own log and bars, thousands of lines, off the terminal; it writes past Python."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(descriptor) for descriptor in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for descriptor in (1, 2):
            os.dup2(nowhere, descriptor)
        yield
    finally:
        for descriptor, before in zip((1, 2), saved, strict=True):
            os.dup2(before, descriptor)
            os.close(before)
        os.close(nowhere)


def _write_training_set(file: Path, features: sparse.csr_matrix, labels: Sequence[Sequence[int]], tags: int) -> None:
    """Write a training set as omikuji reads it: a line with the three sizes, then a line a question."""
    starts, columns, values = features.indptr.tolist(), features.indices.tolist(), features.data.tolist()
    with file.open("w", encoding="ascii") as out:
        out.write(f"{len(labels)} {features.shape[1]} {tags}\n")
        for i, own in enumerate(labels):
            span = slice(starts[i], starts[i + 1])
            pairs = " ".join(f"{column}:{value:.6g}" for column, value in zip(columns[span], values[span], strict=True))
            out.write(f"{','.join(map(str, own))} {pairs}\n")
