"""The check that ONNX Runtime computes what the trainer computes, before a graph is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from scipy import sparse

from model.runs.arrays import Floats, Ints
from model.serving.encoder import EncoderSession
from model.training import tfidf, train
from model.training.calibration import Calibration
from model.training.tag_names import Found, NameMatcher

_SPARSE_OUTPUTS = ("tags", "scores", "features", "evidence")


class ExportError(Exception):
    """The exported graph does not compute what the trainer computes."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model in the trainer's own arrays; ``weights`` are the rounded ones that the graph has."""

    vocabulary: tfidf.Vocabulary
    tags: Sequence[str]
    weights: train.Weights
    calibration: Calibration
    matcher: NameMatcher


@dataclass(frozen=True, slots=True)
class _Expected:
    """What the trainer computes for texts: ``counts`` [texts, features], ``kind`` [texts], ``scores`` [texts, tags]."""

    features: tuple[str, ...]
    counts: sparse.csr_matrix
    kind: Ints
    names: Sequence[Found]
    scores: Floats


def largest_difference(
    graph: bytes, model: TrainedModel, encoder: EncoderSession | None, texts: Sequence[tuple[str, str]]
) -> float:
    """Return the largest difference of any tag's score between ONNX Runtime and the trainer, over (title, body) texts.

    Evidence must add up to the scores, too: what it adds up to counts as another score.

    Raises:
        ExportError: ONNX Runtime has other features than the trainer.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    embeddings = [encoder.encode(title, body)[1] if encoder else np.zeros((1, 0), np.float32) for title, body in texts]
    expected = _compute_expected(model, texts, np.stack([tokens.mean(axis=0) for tokens in embeddings]))
    number = {tag: i for i, tag in enumerate(model.tags)}
    bias = model.matcher.pad(model.weights.bias[None])[0]
    largest = 0.0
    for i, text in enumerate(texts):
        outputs = _run(session, text, len(model.tags), embeddings[i] if encoder else None)
        if _active_features(model, expected, i) != list(outputs["features"]):
            raise ExportError(f"ONNX Runtime sees other words than the trainer in {text[0][:80]!r}.")
        order = np.array([number[tag] for tag in outputs["tags"]])
        largest = max(largest, float(np.abs(outputs["scores"] - expected.scores[i][order]).max()))
        logits = outputs["evidence"].sum(axis=0) + bias[order]
        if encoder:
            logits = logits + outputs["state_evidence"].mean(axis=0)
        summed = _scores_of(model.calibration, logits, int(expected.kind[i]), order)
        # A tag without a learned logit whose name is absent has a penalty that is no feature's evidence.
        explained = (order < model.matcher.learned) | np.isin(order, list(model.matcher.named_tags(expected.names[i])))
        largest = max(largest, float(np.abs(summed - outputs["scores"])[explained].max()))
    return largest


def _compute_expected(model: TrainedModel, texts: Sequence[tuple[str, str]], means: Floats) -> _Expected:
    counts = tfidf.count_features(model.vocabulary, [title for title, _ in texts], [body for _, body in texts])
    x = tfidf.weight_features(counts, model.vocabulary)
    kind = tfidf.draft_kinds(x, model.vocabulary)
    logits = model.matcher.pad(train.compute_logits(model.weights, x, means))
    names = model.matcher.find(texts)
    ordering = model.matcher.apply(model.calibration.order(logits, kind), names)
    return _Expected(model.vocabulary.names, counts, kind, names, model.calibration.scores(ordering, kind))


def _run(
    session: onnxruntime.InferenceSession, text: tuple[str, str], tags: int, embeddings: Floats | None
) -> dict[str, NDArray[Any]]:
    draft: dict[str, NDArray[Any]] = {
        "title": np.array([text[0]], object),
        "body": np.array([text[1]], object),
        "limit": np.array([tags], np.int64),
        "chosen": np.zeros(0, np.int64),
    }
    names = [*_SPARSE_OUTPUTS]
    if embeddings is not None:
        draft["states"] = embeddings
        names.append("state_evidence")
    return dict(zip(names, session.run(names, draft), strict=True))


def _active_features(model: TrainedModel, expected: _Expected, i: int) -> list[str]:
    """Return text i's features by their words, in the graph's order: words, then tag names, of title and body."""
    columns = np.sort(expected.counts[i].indices)
    in_title = columns < model.vocabulary.title_features
    features = []
    for mask, names, numbers in zip(
        (in_title, ~in_title), (model.matcher.title, model.matcher.body), expected.names[i], strict=True
    ):
        features += [expected.features[column] for column in columns[mask]]
        features += [names.spellings[number] for number in numbers]
    return features


def _scores_of(calibration: Calibration, logits: Floats, kind: int, order: Ints) -> Floats:
    """Return the scores of one draft's logits, [tags] in this order."""
    ordering = logits * calibration.slope[kind, order] + calibration.offset[kind, order]
    scores: Floats = calibration.scores(ordering[None], np.array([kind]))[0]
    return scores
