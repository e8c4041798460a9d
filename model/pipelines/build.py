"""From a fitted pipeline to a trained model's folder: calibrate → export → verify → write."""

import dataclasses
import hashlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from model.evaluation.unseen import exclude_seen
from model.pipelines.graph import PipelineParts, export_pipeline, has_body
from model.pipelines.source import FittedPipeline
from model.pipelines.unsupported import UnsupportedStep
from model.questions import Question, QuestionsError
from model.runs import steps
from model.runs.files import write_atomically
from model.runs.progress import Progress
from model.serving.classifier import IMPORTED, INTERFACE_FORMAT, MANIFEST_FILE, MODEL_FILE
from model.serving.decision import Decision
from model.serving.interface import GraphInterface
from model.training import calibration
from model.training.build import (
    HARD_TEXTS,
    LARGEST_DIFFERENCE,
    LICENCE,
    SITES,
    DataSource,
    describe_build,
    format_manifest,
)
from model.training.calibration import Calibration
from model.training.trained_titles import TITLES_FILE, TrainedTitles
from model.training.tune import TuneLogits, fit_curve_and_decision, fit_platt

MIN_QUESTIONS: Final = 50
"""Questions that calibration needs at least."""
_MAX_LOGITS: Final = 50_000_000
"""Most logits, of questions times tags, that calibration holds in memory."""
_COMPARED: Final = 300
"""Questions on which scikit-learn and ONNX Runtime are compared, beside texts that are hard."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a pipeline comes from: its file's name and sha256, and the titles that it learned from, where known."""

    file: str
    sha256: str
    learned: TrainedTitles | None


def import_pipeline(
    fitted: FittedPipeline,
    origin: Origin,
    questions: Sequence[Question],
    data: DataSource,
    out: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Write a pipeline as a trained model's folder; return its manifest.

    Raises:
        QuestionsError: there are too few questions to calibrate it on.
        UnsupportedStep: ONNX Runtime does not compute what scikit-learn computes.
    """
    began = time.monotonic()
    for line in fitted.parts.describe_conversion():
        progress.log(line)
    chosen = _choose_questions(fitted, questions, origin.learned, progress)
    uses = _count_uses(fitted.tags, questions)
    progress.log(f"calibrating on {len(chosen):,} questions")
    scale, decision = _calibrate(fitted, chosen, uses)
    graph = export_pipeline(fitted.parts, fitted.tags, uses.tolist(), scale)
    compared = [question for question in questions if question.split == "dev"] + chosen
    difference = _verify(graph, fitted, scale, compared[:: max(len(compared) // _COMPARED, 1)], progress)
    titles = TrainedTitles.of([replace(question, split="tune") for question in chosen], data.sha256)
    files = {TITLES_FILE: titles.with_learned_of(origin.learned).as_bytes(), MODEL_FILE: graph}
    manifest = _describe_files(files) | {
        "tags": len(fitted.tags),
        "features": len(fitted.parts.text.features.terms),
        "interface": _describe_interface(fitted.parts),
        "decision": dataclasses.asdict(decision),
        "calibration": calibration.describe(scale, uses),
        "parameters": {"pipeline": {name: str(step)[:500] for name, step in fitted.pipeline.steps}},
        "data": dataclasses.asdict(data) | {"licence": LICENCE},
        "split": {"rows": dict(Counter(question.split for question in questions)), "calibrated_on": len(chosen)},
        "training": {"seconds": round(time.monotonic() - began, 1), "largest_difference": difference},
        "imported": {"file": origin.file, "sha256": origin.sha256, "knows_what_it_learned_from": bool(origin.learned)},
        "made": describe_build() | {"code": steps.hash_code(__name__)},
        "libraries": steps.library_versions(),
    }
    write_atomically(out, files | {MANIFEST_FILE: format_manifest(manifest)})
    return manifest


def _choose_questions(
    fitted: FittedPipeline, questions: Sequence[Question], learned: TrainedTitles | None, progress: Progress
) -> list[Question]:
    """Return the questions to calibrate on: those kept apart for choices, and others if it has surely not seen them."""
    complete = [q for q in questions if q.split != "dev" and q.tags_complete]
    if learned is None:
        progress.log(
            "What the pipeline was trained on is not known (--trained-on FILE tells it): calibrating on the tune part "
            "alone. If it has seen these questions, its scores will promise too much."
        )
        complete = [question for question in complete if question.split == "tune"]
    else:
        unseen = exclude_seen(complete, {"the pipeline": learned}, for_choices=True)
        progress.log(f"to calibrate: {'; '.join(unseen.sentences())}")
        complete = unseen.questions
    if len(complete) < MIN_QUESTIONS:
        raise QuestionsError(
            f"There are {len(complete)} questions with complete tags to calibrate on, beside those marked dev, that "
            f"the pipeline has not learned from; {MIN_QUESTIONS} are needed. Give more questions"
            + ("." if learned else ", or say with --trained-on what it was trained on, to use all others.")
        )
    return complete[: _MAX_LOGITS // len(fitted.tags)]


def _count_uses(tags: Sequence[str], questions: Sequence[Question]) -> NDArray[np.int64]:
    counts = Counter(tag for question in questions if question.split != "dev" for tag in question.tags)
    return np.array([counts[tag] for tag in tags], np.int64)


def _calibrate(
    fitted: FittedPipeline, questions: Sequence[Question], uses: NDArray[np.int64]
) -> tuple[Calibration, Decision]:
    """Fit Platt scaling, the curve and the decision to scikit-learn's logits."""
    number = {tag: i for i, tag in enumerate(fitted.tags)}
    texts = [(question.title, question.body) for question in questions]
    logits = fitted.logits(texts)
    best = calibration.best_first(logits.astype(np.float32), calibration.CANDIDATES)
    # Each classifier's logits have a size of their own: naive Bayes' go into hundreds.
    unit = float(np.std(np.take_along_axis(logits, best, axis=1))) or 1.0
    tuned = TuneLogits(
        np.asarray(logits / unit, np.float32),
        np.array([has_body(body) for _, body in texts], np.int64),
        texts,
        [frozenset(number[tag] for tag in question.tags if tag in number) for question in questions],
        np.array([len(question.tags) for question in questions]),
    )
    scale = fit_platt(tuned, uses)
    scale, decision = fit_curve_and_decision(tuned, scale, [scale.order(tuned.logits, tuned.kind)])
    return replace(scale, slope=np.asarray(scale.slope / np.float32(unit), np.float32)), decision


def _verify(
    graph: bytes, fitted: FittedPipeline, scale: Calibration, questions: Sequence[Question], progress: Progress
) -> float:
    """Return the largest difference of a score between ONNX Runtime and scikit-learn.

    Raises:
        UnsupportedStep: they have other features, or scores that differ by more than ``LARGEST_DIFFERENCE``.
    """
    texts = [*HARD_TEXTS, *((question.title, question.body) for question in questions)]
    expected_features = fitted.text_features(texts).tocsr()
    kind = np.array([has_body(body) for _, body in texts], np.int64)
    expected = scale.scores(scale.order(np.asarray(fitted.logits(texts), np.float32), kind), kind)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    number = {tag: i for i, tag in enumerate(fitted.tags)}
    features, largest = fitted.parts.text.features, 0.0
    for i, (title, body) in enumerate(texts):
        read = (title.lower(), body.lower()) if features.lower_case else (title, body)
        tags, scores, terms = session.run(["tags", "scores", "features"], _draft(*read, len(number)))
        columns = expected_features[i]
        columns.eliminate_zeros()
        if sorted(terms) != sorted(features.terms[column] for column in columns.indices):
            name, step = fitted.pipeline.steps[0]
            raise UnsupportedStep(name, step, f"finds other words in ONNX Runtime than here in {title[:80]!r}.")
        order = [number[tag] for tag in tags]
        largest = max(largest, float(np.abs(scores - expected[i][order]).max()))
    progress.log(f"largest difference between ONNX Runtime and scikit-learn on {len(texts)} texts: {largest:.1e}")
    if not largest <= LARGEST_DIFFERENCE:
        name, step = fitted.pipeline.steps[-1]
        reason = f"gives other scores in ONNX Runtime, by up to {largest:.1e}; {LARGEST_DIFFERENCE:.0e} is allowed."
        raise UnsupportedStep(name, step, reason)
    return largest


def _draft(title: str, body: str, limit: int) -> dict[str, NDArray[Any]]:
    return {
        "title": np.array([title], object),
        "body": np.array([body], object),
        "limit": np.array([limit], np.int64),
    }


def _describe_interface(parts: PipelineParts) -> dict[str, Any]:
    features = parts.text.features
    interface = GraphInterface(features.lower_case, features.joined, reasons=parts.explains, chosen_tags=False)
    return dataclasses.asdict(interface)


def _describe_files(files: Mapping[str, bytes]) -> dict[str, Any]:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return {
        "format": INTERFACE_FORMAT,
        "version": f"{IMPORTED}-{digests[MODEL_FILE][:8]}",
        "tier": IMPORTED,
        "files": digests,
        "bytes": sum(map(len, files.values())),
        "sites": list(SITES),
    }
