"""From questions to a released folder: model.onnx, manifest.json and MODEL_CARD.md, checked after each stage."""

import dataclasses
import hashlib
import json
import os
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Final

import numpy as np

from model import calibration, export, features, train
from model.card import model_card
from model.classifier import FORMAT, MANIFEST_FILE, MODEL_FILE, Classifier
from model.evaluate import MEANING, PART_METRICS, Answer, answers, commonest, report
from model.questions import Question, QuestionsError

TIER: Final = "light"
SITES: Final = ("stackoverflow.com",)
LICENCE: Final = "CC BY-SA (2.5, 3.0 or 4.0 by date), by the questions' authors on Stack Overflow"
CARD_FILE: Final = "MODEL_CARD.md"
LARGEST_DIFFERENCE: Final = 1e-4
"""Largest difference of a score between ONNX Runtime and the trainer that a release may have."""
CHECKED: Final = 300
"""Questions on which the two are compared, beside the texts below."""
HARD_TEXTS: Final = (
    ("", ""),
    ("How do I use C# with C++ and F# on .NET?", "<b>not</b> taken away here: x<y>z && a.b.c --flag"),
    ("Как объединить два списка в Python", "ÄÖÜ ß İ 日本語 😀 K"),
    ("", "for (int i = 0; i < n; i++) { a[i] += b[i]; } // ... --- .net..core"),
    ("NODE.JS Node.js node.js.", "word " * 10_000),
)

_LIBRARIES: Final = ("numpy", "scipy", "onnx", "onnxruntime", "polars")


@dataclass(frozen=True, slots=True)
class Data:
    """Where the questions came from, for the manifest; ``years`` is the first and the last, if any is known."""

    name: str
    sha256: str
    rows: int
    years: tuple[int, int] | None

    @classmethod
    def of(cls, path: Path, questions: Sequence[Question]) -> "Data":
        """Describe a file and the questions that were read from it."""
        years = [question.year for question in questions if question.year is not None]
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(path.name, digest, len(questions), (min(years), max(years)) if years else None)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a release says while it is made: ``say`` a line, ``bar`` a length and get what advances it."""

    say: Callable[[str], None]
    bar: Callable[[str, int], Callable[[], None]]


def release(
    questions: Sequence[Question],
    data: Data,
    out: Path,
    parameters: train.Parameters,
    limits: features.FeatureLimits,
    progress: Progress,
) -> dict[str, Any]:
    """Train, export, check, measure and write a released model; give its manifest.

    Raises:
        QuestionsError: there are too few questions to learn from.
        model.export.ExportError: ONNX Runtime does not compute what the trainer computes.
    """
    began = time.monotonic()
    parts = {name: [q for q in questions if q.split == name] for name in ("train", "tune", "dev")}
    tuned = [q for q in parts["tune"] if q.tags_complete]
    tags = train.choose_tags(parts["train"], parameters.least_uses)
    if len(tags) < 2 or not tuned:
        raise QuestionsError(
            f"There is too little to learn from: {len(parts['train']):,} questions to train on, {len(tuned):,} to tune "
            f"on, {len(tags)} tags with {parameters.least_uses} uses. Give more questions, or a lower --least-uses."
        )
    progress.say(f"{len(parts['train']):,} questions to train on, {len(tags):,} tags; choosing features")
    titles, bodies = [q.title for q in parts["train"]], [q.body for q in parts["train"]]
    vocabulary = features.choose(titles, bodies, limits)
    if not vocabulary.title:
        raise QuestionsError("No word is in enough titles to learn from. Give more questions.")
    weighed = features.weigh(features.count(vocabulary, titles, bodies), vocabulary)
    goal = train.targets(parts["train"], tags)
    step = progress.bar(f"training on {len(vocabulary):,} features", train.steps(len(titles), parameters))
    weights = train.train(weighed, vocabulary, goal, parameters, after_step=step)
    rounded = export.quantise(weights)
    weights = rounded.weights()
    trained_s = time.monotonic() - began

    uses = np.asarray(goal.tags.sum(axis=0)).ravel().astype(np.int64)
    scale, decision = calibrate(vocabulary, weights, tags, uses, tuned)
    graph = export.build(vocabulary, tags, uses.tolist(), rounded, scale)
    checked = [*HARD_TEXTS, *((q.title, q.body) for q in tuned[:CHECKED])]
    difference = export.largest_difference(graph, vocabulary, tags, weights, scale, checked)
    progress.say(f"largest difference between ONNX Runtime and the trainer on {len(checked)} texts: {difference:.1e}")
    if not difference <= LARGEST_DIFFERENCE:
        raise export.ExportError(
            f"ONNX Runtime and the trainer differ by {difference:.1e}; at most {LARGEST_DIFFERENCE:.0e} is allowed."
        )

    digest = hashlib.sha256(graph).hexdigest()
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": f"{TIER}-{digest[:8]}",
        "tier": TIER,
        "sha256": digest,
        "bytes": len(graph),
        "sites": list(SITES),
        "tags": len(tags),
        "features": {
            "runs": len(vocabulary.runs),
            "title": len(vocabulary.title),
            "body": len(vocabulary.body),
        },
        "decision": dataclasses.asdict(decision),
        "calibration": calibration.described(scale, uses),
        "parameters": dataclasses.asdict(parameters) | {"features": dataclasses.asdict(limits)},
        "data": dataclasses.asdict(data) | {"licence": LICENCE},
        "split": {
            "dev": "as published in the data",
            "tune": "5 % of the other rows, by sha256 of the title",
            "rows": {name: len(part) for name, part in parts.items()},
        },
        "training": {"seconds": round(trained_s, 1), "largest_difference": difference},
        "libraries": {"python": platform.python_version()} | {name: installed(name) for name in _LIBRARIES},
        "metrics": {},
    }
    write_atomically(out, {MODEL_FILE: graph, MANIFEST_FILE: _json(manifest)})
    classifier = Classifier.load(out)
    for name in ("tune", "dev"):
        complete = [q for q in parts[name] if q.tags_complete]
        if complete:
            advance = progress.bar(f"measuring on {name}", len(complete))
            given = answers(classifier, complete, advance)
            manifest["metrics"][name] = _short(report(complete, given, baseline(parts["train"], complete)))
    write_atomically(out, {MANIFEST_FILE: _json(manifest), CARD_FILE: model_card(manifest).encode()})
    return manifest


def baseline(trained_on: Sequence[Question], asked: Sequence[Question]) -> list[Answer]:
    """Give the most-frequent-tags baseline, from the training questions with complete tags."""
    return commonest(asked, Counter(tag for q in trained_on if q.tags_complete for tag in q.tags))


def calibrate(
    vocabulary: features.Vocabulary,
    weights: train.Weights,
    tags: Sequence[str],
    uses: features.Ints,
    tuned: Sequence[Question],
) -> tuple[calibration.Calibration, calibration.Decision]:
    """Fit the calibration, then the decision rule, on the tune part."""
    number = {tag: i for i, tag in enumerate(tags)}
    counts = features.count(vocabulary, [q.title for q in tuned], [q.body for q in tuned])
    x = features.weigh(counts, vocabulary)
    posted = [{number[tag] for tag in q.tags if tag in number} for q in tuned]

    kind = features.kinds(x, vocabulary)

    def candidates(scale: calibration.Calibration | None) -> tuple[Any, Any, Any]:
        """Give values, whether right, and numbers of the best tags, by logits or by the order of ``scale``."""
        parts = []
        for first in range(0, len(tuned), 1_000):
            values = train.logits(weights, x[first : first + 1_000])
            if scale is not None:
                values = scale.order(values, kind[first : first + 1_000])
            best = calibration.best_first(values, calibration.CANDIDATES)
            right = np.array([[tag in posted[first + i] for tag in row] for i, row in enumerate(best.tolist())])
            parts.append((np.take_along_axis(values, best, axis=1), right, best))
        values, right, best = (np.concatenate(part) for part in zip(*parts, strict=True))
        return values, right, best

    scale = calibration.fit_order(*candidates(None), kind, uses)
    ordering, right, _ = candidates(scale)
    scale = calibration.fit_curve(scale, ordering, right, kind)
    decision = calibration.choose_decision(scale.scores(ordering, kind), right, np.array([len(q.tags) for q in tuned]))
    return scale, decision


def write_atomically(folder: Path, files: dict[str, bytes]) -> None:
    """Write files into a folder, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp gives 0600; a released model is for everyone who may read the folder.
            Path(temporary).chmod(0o644)
            Path(temporary).replace(folder / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def _short(reported: dict[str, Any]) -> dict[str, Any]:
    """Keep of each part what the model card shows, and four digits of every number."""

    def rounded(measured: dict[str, dict[str, float]], names: Sequence[str]) -> dict[str, dict[str, float]]:
        return {name: {key: round(value, 4) for key, value in measured[name].items()} for name in names}

    return {
        "n": reported["n"],
        "metrics": rounded(reported["metrics"], list(MEANING)),
        "baseline": rounded(reported["baseline"], list(MEANING)),
        "parts": {
            way: {part: {"n": of["n"], "metrics": rounded(of["metrics"], PART_METRICS)} for part, of in parts.items()}
            for way, parts in reported["parts"].items()
        },
    }


def _json(manifest: dict[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()
