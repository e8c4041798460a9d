"""From questions to a trained model's folder: model.onnx and manifest.json, in the full tier with its encoder's files.

Features, weights, calibration and decision rule, then the graph, checked against the trainer before it is written.
"""

import dataclasses
import hashlib
import json
import platform
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

from model.questions import RANKS, Question, QuestionsError
from model.runs import steps
from model.runs.arrays import Floats, Ints
from model.runs.files import write_atomically
from model.runs.parameters import to_record
from model.runs.progress import Progress
from model.serving.classifier import ENCODER_FILE, FORMAT, MANIFEST_FILE, MODEL_FILE, TOKENIZER_FILE
from model.serving.decision import Decision
from model.training import calibration, cooccurrence, onnx_export, tag_names, tfidf, train
from model.training.encoder.encode import HEAD_FILE, EncoderFiles, encode
from model.training.encoder.head import Head
from model.training.trained_titles import TITLES_FILE, TrainedTitles

SITES: Final = ("stackoverflow.com",)
LICENCE: Final = "CC BY-SA (2.5, 3.0 or 4.0 by date), by the questions' authors on Stack Overflow"
LARGEST_DIFFERENCE: Final = 1e-4
"""Largest difference of a score between ONNX Runtime and the trainer that a model may have."""
CHECKED: Final = 300
"""Questions on which the two are compared, beside the texts below."""
HARD_TEXTS: Final = (
    ("", ""),
    ("How do I use C# with C++ and F# on .NET?", "<b>not</b> taken away here: x<y>z && a.b.c --flag"),
    ("Как объединить два списка в Python", "ÄÖÜ ß İ 日本語 😀 K"),
    ("", "for (int i = 0; i < n; i++) { a[i] += b[i]; } // ... --- .net..core"),
    ("NODE.JS Node.js node.js.", "word " * 10_000),
)
RARE_MIN_COUNT: Final = 5
"""Uses from which on a tag that is too rare to be learned is known by its name, in questions and tag sets together."""
CHUNK: Final = 1_000
"""Questions of the tune part whose tags are all ordered at once."""
HEAD_WEIGHTS: Final = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
"""How many times the head of the fine-tuning may count beside what is learned together with the words."""
PROCESSES: Final = 2
"""How many encode at once."""


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where the questions came from, for the manifest.

    ``years`` is the first and the last, if any is known; ``tag_sets`` the sha256 of the file of tag sets, if one was
    given.
    """

    name: str
    sha256: str
    rows: int
    years: tuple[int, int] | None
    tag_sets: str | None

    @classmethod
    def describe(cls, path: Path, questions: Sequence[Question], tag_sets: Path | None = None) -> "DataSource":
        """Describe a file and the questions that were read from it, and the file of tag sets."""
        years = [question.year for question in questions if question.year is not None]
        return cls(
            path.name,
            steps.sha256_of(path),
            len(questions),
            (min(years), max(years)) if years else None,
            steps.sha256_of(tag_sets) if tag_sets else None,
        )


@dataclass(frozen=True, slots=True)
class EncoderInput:
    """What makes a model one of the full tier: the encoder, and the folder where states of questions are kept."""

    files: EncoderFiles
    keep: Path


def train_model(
    questions: Sequence[Question],
    tag_sets: Sequence[Sequence[str]],
    data: DataSource,
    out: Path,
    encoder: EncoderInput | None,
    parameters: train.TrainingParameters,
    limits: tfidf.FeatureLimits,
    progress: Progress,
) -> dict[str, Any]:
    """Train, calibrate, export, check and write a model, full with an encoder and light without; give its manifest.

    Args:
        tag_sets: tags of questions without their texts, beside those of the training questions.

    Raises:
        QuestionsError: there are too few questions to learn from.
        model.training.onnx_export.ExportError: ONNX Runtime does not compute what the trainer computes.
    """
    began = time.monotonic()
    parts = {name: [q for q in questions if q.split == name] for name in ("train", "tune", "dev")}
    learned, tuned = parts["train"], [q for q in parts["tune"] if q.tags_complete]
    progress.log(f"{len(learned):,} questions to train on; choosing tags and features")
    tags, vocabulary = choose(learned, tuned, parameters, limits)
    titles, bodies = [q.title for q in learned], [q.body for q in learned]
    weighed = tfidf.weigh(tfidf.count(vocabulary, titles, bodies), vocabulary)
    goal = train.targets(learned, tags)
    states, states_of_tuned = (_states(of, encoder, progress) for of in (learned, tuned))
    step = progress.open_bar(f"training on {len(vocabulary):,} features", train.steps(len(titles), parameters))
    weights = train.train(weighed, vocabulary, goal, parameters, states, after_step=step)
    head_weight = 0.0
    if encoder and encoder.files.head:
        tune_logits = TuneLogits.of(vocabulary, weights, tags, tuned, states_of_tuned)
        head = Head.from_bytes(encoder.files.head)
        weights, head_weight = add_head(weights, head, tags, tune_logits, states_of_tuned)
        progress.log(f"the head of the encoder's fine-tuning counts {head_weight:g} times")
    rounded = onnx_export.quantise(train.strongest(weights, parameters.wide_kept))
    weights = rounded.weights()
    trained_s = time.monotonic() - began

    known_tags = [q.tags for q in learned if q.tags_complete]
    often = Counter(tag for tags_of in [*known_tags, *tag_sets] for tag in tags_of)
    rare = tag_names.rare_tags(often, tags, RARE_MIN_COUNT)
    used = Counter(tag for q in learned for tag in q.tags)
    learned_tags, tags = tags, (*tags, *rare)
    uses = np.array([used[tag] for tag in learned_tags] + [often[tag] for tag in rare], np.int64)
    progress.log(f"what names say: {len(rare):,} tags more, by name alone")
    seen = tag_names.see(tags, [(q.title, q.body) for q in learned if q.tags_complete], known_tags)
    tune_logits = TuneLogits.of(vocabulary, weights, tags, tuned, states_of_tuned)
    scale, naming, decision = calibrate(tune_logits, seen, uses, len(learned_tags))
    progress.log("which tags go together")
    pairs, chosen = _together(tags, [*known_tags, *tag_sets], tune_logits, scale, naming)
    about = {"encoder": encoder.files.digest} if encoder else {}
    graph = onnx_export.build(vocabulary, tags, uses.tolist(), rounded, scale, naming, pairs, about)
    checked = [*HARD_TEXTS, *((q.title, q.body) for q in tuned[:CHECKED])]
    served = encoder.files.load() if encoder else None
    difference = onnx_export.largest_difference(graph, vocabulary, tags, weights, scale, naming, served, checked)
    progress.log(f"largest difference between ONNX Runtime and the trainer on {len(checked)} texts: {difference:.1e}")
    if not difference <= LARGEST_DIFFERENCE:
        raise onnx_export.ExportError(
            f"ONNX Runtime and the trainer differ by {difference:.1e}; at most {LARGEST_DIFFERENCE:.0e} is allowed."
        )

    titles_seen = TrainedTitles.of([*learned, *parts["tune"]], data.sha256)
    titles_seen = titles_seen.with_learned_of(encoder.files.titles if encoder else None)
    files = {TITLES_FILE: titles_seen.as_bytes(), MODEL_FILE: graph}
    if encoder:
        files |= {ENCODER_FILE: encoder.files.graph, TOKENIZER_FILE: encoder.files.tokenizer}
        if encoder.files.head:
            files[HEAD_FILE] = encoder.files.head
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    tier = "full" if encoder else "light"
    manifest: dict[str, Any] = {
        "format": FORMAT,
        # The graph's metadata names its encoder, so its digest stands for both.
        "version": f"{tier}-{digests[MODEL_FILE][:8]}",
        "tier": tier,
        "files": digests,
        "bytes": sum(map(len, files.values())),
        "sites": list(SITES),
        "tags": len(tags),
        "features": {
            "runs": len(vocabulary.runs),
            "title": len(vocabulary.title),
            "body": len(vocabulary.body),
        },
        "names": {
            "title": {"spellings": len(naming.title.spellings), "pull": naming.title.pull},
            "body": {"spellings": len(naming.body.spellings), "pull": naming.body.pull},
            "tags_by_name_alone": len(rare),
        },
        "chosen": chosen,
        "decision": dataclasses.asdict(decision),
        "calibration": calibration.described(scale, uses),
        "parameters": to_record(parameters) | {"features": to_record(limits)},
        "data": dataclasses.asdict(data) | {"licence": LICENCE},
        "split": {
            "dev": "as published in the data",
            "tune": "5 % of the other rows, by sha256 of the title",
            "rows": {name: len(part) for name, part in parts.items()},
        },
        "training": {"seconds": round(trained_s, 1), "largest_difference": difference},
        "made": describe_build(),
        "libraries": steps.library_versions(),
    }
    if encoder:
        manifest["encoder"] = encoder.files.about
        manifest["head_weight"] = head_weight
    write_atomically(out, files | {MANIFEST_FILE: as_json(manifest)})
    return manifest


def choose(
    learned: Sequence[Question],
    tuned: Sequence[Question],
    parameters: train.TrainingParameters,
    limits: tfidf.FeatureLimits,
) -> tuple[tuple[str, ...], tfidf.Vocabulary]:
    """Choose the tags to learn and the features to learn them from.

    Raises:
        QuestionsError: there are too few questions to learn from, or to tune on.
    """
    tags = train.choose_tags(learned, parameters.min_count)
    if len(tags) < 2 or not tuned:
        raise QuestionsError(
            f"There is too little to learn from: {len(learned):,} questions to train on, {len(tuned):,} to tune "
            f"on, {len(tags)} tags with {parameters.min_count} uses. Give more questions, or a lower --least-uses."
        )
    vocabulary = tfidf.choose([q.title for q in learned], [q.body for q in learned], limits)
    if not vocabulary.title:
        raise QuestionsError("No word is in enough titles to learn from. Give more questions.")
    return tags, vocabulary


def describe_build() -> dict[str, Any]:
    """Say when, by which code and where a model is made: with the data and parameters, all that it depends on."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": steps.git_revision(),
        "code": steps.hash_code(__name__),
        "machine": f"{platform.system()} {platform.machine()}",
        "threads": max((of["num_threads"] for of in threadpool_info()), default=1),
    }


def add_head(
    weights: train.Weights, head: Head, tags: Sequence[str], tune_logits: "TuneLogits", states: train.States
) -> tuple[train.Weights, float]:
    """Add the fine-tuning's own head to the encoder's part, as many times as is best on tune; give that too.

    The states of train rows know their tags a little, since the encoder was fine-tuned on these rows: what is learned
    from them leans on the encoder too much in some places. The head was learned under dropout, while the states were
    in motion, and errs elsewhere.
    """
    weight, bias = head.of(tags)
    added = states.whole.astype(np.float32) @ weight.T + bias

    def goodness(times: float) -> float:
        best = calibration.best_first(tune_logits.logits + np.float32(times) * added, RANKS)
        right = tune_logits.right(best)
        return float(np.mean(right[:, 0] + right.sum(axis=1) / np.minimum(tune_logits.posted, RANKS)))

    times = max(HEAD_WEIGHTS, key=goodness)
    dense = weights.dense + np.float32(times) * weight.T
    return dataclasses.replace(weights, dense=dense, bias=weights.bias + np.float32(times) * bias), times


def _states(questions: Sequence[Question], encoder: EncoderInput | None, progress: Progress) -> train.States:
    if encoder is None:
        return train.States.none(len(questions))
    advance = progress.open_bar(f"encoding {len(questions):,} questions", len(questions))
    return encode(questions, encoder.files, encoder.keep, PROCESSES, advance)


@dataclass(frozen=True, slots=True)
class TuneLogits:
    """What the model says of the tune part before calibration: ``logits`` [questions, learned tags]."""

    logits: Floats
    kind: Ints
    texts: Sequence[tuple[str, str]]
    own: Sequence[frozenset[int]]
    posted: Ints

    @classmethod
    def of(
        cls,
        vocabulary: tfidf.Vocabulary,
        weights: train.Weights,
        tags: Sequence[str],
        tuned: Sequence[Question],
        states: train.States,
    ) -> "TuneLogits":
        """Ask the trained model for the tune questions."""
        number = {tag: i for i, tag in enumerate(tags)}
        counts = tfidf.count(vocabulary, [q.title for q in tuned], [q.body for q in tuned])
        x = tfidf.weigh(counts, vocabulary)
        return cls(
            train.logits(weights, x, states.whole.astype(np.float32)),
            tfidf.kinds(x, vocabulary),
            [(q.title, q.body) for q in tuned],
            [frozenset(number[tag] for tag in q.tags if tag in number) for q in tuned],
            np.array([len(q.tags) for q in tuned]),
        )

    def right(self, best: Ints) -> NDArray[np.bool_]:
        """Say which of each question's tags in ``best`` [questions, n] are its own."""
        return np.array([[tag in own for tag in row] for row, own in zip(best.tolist(), self.own, strict=True)])

    def ordering(self, scale: calibration.Calibration, naming: tag_names.Naming) -> Iterator[Floats]:
        """Give what orders all tags with what names say, ``CHUNK`` questions at a time."""
        found = naming.find(self.texts)
        for first in range(0, len(found), CHUNK):
            rows = slice(first, first + CHUNK)
            ordering = scale.order(naming.padded(self.logits[rows]), self.kind[rows])
            yield naming.added(ordering, found[rows])


def fit_platt(tune_logits: TuneLogits, uses: Ints) -> calibration.Calibration:
    """Fit Platt scaling of the learned tags, by their ``uses``; the curve is still straight."""
    best = calibration.best_first(tune_logits.logits, calibration.CANDIDATES)
    logits = np.take_along_axis(tune_logits.logits, best, axis=1)
    return calibration.fit_order(logits, tune_logits.right(best), best, tune_logits.kind, uses)


def calibrate(
    tune_logits: TuneLogits, seen: tag_names.Seen, uses: Ints, learned: int
) -> tuple[calibration.Calibration, tag_names.Naming, Decision]:
    """Fit Platt scaling of the ``learned`` tags, what names say, the curve, then the decision rule."""
    kind = tune_logits.kind
    scale = fit_platt(tune_logits, uses[:learned])
    ordering = scale.order(tune_logits.logits, kind)
    naming = tag_names.fit(
        seen, tag_names.Case(ordering, kind, tune_logits.own, tune_logits.texts), len(uses) - learned
    )
    scale = scale.padded(len(uses) - learned)

    parts = []
    for values in tune_logits.ordering(scale, naming):
        best = calibration.best_first(values, calibration.CANDIDATES)
        parts.append((np.take_along_axis(values, best, axis=1), best))
    candidates, best = (np.concatenate(part) for part in zip(*parts, strict=True))
    right = tune_logits.right(best)
    scale = calibration.fit_curve(scale, candidates, right, kind)
    decision = calibration.choose_decision(scale.scores(candidates, kind), right, tune_logits.posted)
    return scale, naming, decision


def _together(
    tags: Sequence[str],
    tag_sets: Sequence[Sequence[str]],
    tune_logits: TuneLogits,
    scale: calibration.Calibration,
    naming: tag_names.Naming,
) -> tuple[cooccurrence.Together, dict[str, float]]:
    """Count which tags go together, and weigh it by what finds most of the other tags when one is given.

    Then a chosen tag lowers the others by as much as makes their scores right on average.
    """
    pairs = cooccurrence.count_together(tags, tag_sets)
    kinds, parts = [], []
    for first, ordering in enumerate(tune_logits.ordering(scale, naming)):
        rows = slice(first * CHUNK, first * CHUNK + len(ordering))
        own, posted = tune_logits.own[rows], tune_logits.posted[rows]
        parts.append(
            [
                cooccurrence.given_one(pairs.weighed(weight), ordering, own, posted, np.random.default_rng(first))
                for weight in cooccurrence.WEIGHTS
            ]
        )
        kinds.append(tune_logits.kind[rows][parts[-1][0].rows])
    by_weight = [cooccurrence.joined(of) for of in zip(*parts, strict=True)]
    recall = [remaining.recall() for remaining in by_weight]
    best = int(np.argmax(recall))
    kind, remaining = np.concatenate(kinds), by_weight[best]

    def error(less: float) -> float:
        scores = scale.scores(remaining.values - np.float32(less), kind)
        return abs(float(np.mean(scores - remaining.right))) if len(scores) else 0.0

    less = min(cooccurrence.LESS_TRIED, key=error)
    measured = {
        "weight": cooccurrence.WEIGHTS[best],
        "less": less,
        "n": len(kind),
        "R@5 without": round(recall[0], 4),
        "R@5 with": round(recall[best], 4),
    }
    return dataclasses.replace(pairs.weighed(cooccurrence.WEIGHTS[best]), less=less), measured


def as_json(manifest: dict[str, Any]) -> bytes:
    """Write a manifest as people read it."""
    return (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()
