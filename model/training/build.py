"""From questions to a trained model's folder: model.onnx and manifest.json, in the full tier with its encoder's files.

``train_model`` is one sitting, read from top to bottom: split → choose → train → quantise → names → calibrate → export
→ verify → write. The figures beside the choices were measured while the released models were made.
"""

import dataclasses
import hashlib
import json
import platform
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_info

from model.questions import Question, QuestionsError
from model.runs import steps
from model.runs.arrays import Ints
from model.runs.files import write_atomically
from model.runs.parameters import to_record
from model.runs.progress import Progress
from model.serving.classifier import ENCODER_FILE, FORMAT, MANIFEST_FILE, MODEL_FILE, TOKENIZER_FILE
from model.training import calibration, onnx_check, tag_names, tfidf, train, tune
from model.training.encoder.encode import HEAD_FILE, EncoderFiles, encode_questions
from model.training.encoder.head import Head
from model.training.onnx_export import export_graph
from model.training.quantisation import quantise_weights
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
"""Fewest uses, in questions and tag sets together, of a tag that is too rare to be learned and is known by its name."""
PROCESSES: Final = 2
"""How many encode at once."""


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where the questions came from, for the manifest.

    ``years`` is the first and the last, if any is known; ``tag_sets`` the sha256 of the file of tag sets, if there is
    one.
    """

    name: str
    sha256: str
    rows: int
    years: tuple[int, int] | None
    tag_sets: str | None

    @classmethod
    def describe(cls, path: Path, questions: Sequence[Question], tag_sets: Path | None = None) -> "DataSource":
        """Describe a file, the questions that were read from it, and the file of tag sets."""
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
    """What makes a model one of the full tier: the encoder, and the folder where embeddings of questions are kept."""

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
    """Train a model and write it, full with an encoder and light without; return its manifest.

    Args:
        tag_sets: tags of questions without their texts, beside those of the training questions.

    Raises:
        QuestionsError: there are too few questions to learn from.
        model.training.onnx_check.ExportError: ONNX Runtime does not compute what the trainer computes.
    """
    began = time.monotonic()
    # Split. Weights are learned on train; everything else is fitted on tune, whose tags must be complete; dev is left
    # for measuring: a decision rule chosen on the questions that it is measured on would flatter itself.
    split = {name: [q for q in questions if q.split == name] for name in ("train", "tune", "dev")}
    learned, tuned = split["train"], [q for q in split["tune"] if q.tags_complete]

    # Choose tags and features. More tags pay: 1,406 tags cover 73 % of all tag uses, 4,900 cover 87 %.
    progress.log(f"{len(learned):,} questions to train on; choosing tags and features")
    learned_tags, vocabulary = choose_vocabulary(learned, tuned, parameters, limits)

    # Train words and encoder together: one head over both beat the mean of the two (P@1 .763 to .748, R@5 .581 to .567
    # on 24,000 questions).
    embeddings, tune_embeddings = (embed_questions(rows, encoder, progress) for rows in (learned, tuned))
    weights = _train_weights(learned, learned_tags, vocabulary, parameters, embeddings, progress)
    head_weight = 0.0
    if encoder and encoder.files.head:
        logits = tune.TuneLogits.compute(vocabulary, weights, learned_tags, tuned, tune_embeddings)
        head = Head.from_bytes(encoder.files.head)
        weights, head_weight = tune.add_head(weights, head, learned_tags, logits, tune_embeddings)
        progress.log(f"the head of the encoder's fine-tuning counts {head_weight:g} times")

    # Quantise before anything is fitted to the scores: 8-bit rows change 9.6 % of the best fives.
    quantised = quantise_weights(train.keep_strongest(weights, parameters.wide_kept))
    weights = quantised.dequantise()
    training_seconds = time.monotonic() - began

    # Names. They add 8,299 tags that are too rare to be learned, and are learned themselves: a rare tag's name in a
    # title is right in 5 % of cases only (line, call).
    known_tags = [q.tags for q in learned if q.tags_complete]
    rare, uses = _find_rare_tags(learned, learned_tags, [*known_tags, *tag_sets])
    tags = (*learned_tags, *rare)
    progress.log(f"what names say: {len(rare):,} tags more, by name alone")
    texts = [(q.title, q.body) for q in learned if q.tags_complete]
    spellings = tag_names.count_spellings(tags, texts, known_tags)

    # Calibrate: the rule for how many tags to show was worth 6.6 points of Jaccard, more than any change of the model.
    # Chosen tags raise R@5 of the others from .641 to .653 (light), .668 to .675 (full).
    logits = tune.TuneLogits.compute(vocabulary, weights, tags, tuned, tune_embeddings)
    scale, matcher, decision = tune.fit_scores(logits, spellings, uses, len(learned_tags))
    progress.log("which tags go together")
    pairs, chosen = tune.fit_cooccurrence(tags, [*known_tags, *tag_sets], logits, scale, matcher)

    # Export, and verify before anything is written.
    metadata = {"encoder": encoder.files.digest} if encoder else {}
    graph = export_graph(vocabulary, tags, uses.tolist(), quantised, scale, matcher, pairs, metadata)
    trained = onnx_check.TrainedModel(vocabulary, tags, weights, scale, matcher)
    difference = _verify(graph, trained, encoder, tuned, progress)

    # Write.
    files = _list_files(graph, encoder, TrainedTitles.of([*learned, *split["tune"]], data.sha256))
    manifest = _describe_model(files, encoder, trained) | {
        "chosen": chosen,
        "decision": dataclasses.asdict(decision),
        "calibration": calibration.describe(scale, uses),
        "parameters": to_record(parameters) | {"features": to_record(limits)},
        "data": dataclasses.asdict(data) | {"licence": LICENCE},
        "split": {
            "dev": "as published in the data",
            "tune": "5 % of the other rows, by sha256 of the title",
            "rows": {name: len(rows) for name, rows in split.items()},
        },
        "training": {"seconds": round(training_seconds, 1), "largest_difference": difference},
        "made": describe_build(),
        "libraries": steps.library_versions(),
    }
    if encoder:
        manifest |= {"encoder": encoder.files.about, "head_weight": head_weight}
    write_atomically(out, files | {MANIFEST_FILE: format_manifest(manifest)})
    return manifest


def choose_vocabulary(
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
    vocabulary = tfidf.choose_features([q.title for q in learned], [q.body for q in learned], limits)
    if not vocabulary.title:
        raise QuestionsError("No word is in enough titles to learn from. Give more questions.")
    return tags, vocabulary


def embed_questions(
    questions: Sequence[Question], encoder: EncoderInput | None, progress: Progress
) -> train.QuestionEmbeddings:
    """Return the embeddings of questions, of width 0 without an encoder."""
    if encoder is None:
        return train.QuestionEmbeddings.empty(len(questions))
    advance = progress.open_bar(f"encoding {len(questions):,} questions", len(questions))
    return encode_questions(questions, encoder.files, encoder.keep, PROCESSES, advance)


def describe_build() -> dict[str, Any]:
    """Return when, by which code and where a model is built: with data and parameters, all that it depends on."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": steps.git_revision(),
        "code": steps.hash_code(__name__),
        "machine": f"{platform.system()} {platform.machine()}",
        "threads": max((pool["num_threads"] for pool in threadpool_info()), default=1),
    }


def format_manifest(manifest: Mapping[str, Any]) -> bytes:
    """Return a manifest as the JSON of its file."""
    return (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()


def _train_weights(
    learned: Sequence[Question],
    tags: Sequence[str],
    vocabulary: tfidf.Vocabulary,
    parameters: train.TrainingParameters,
    embeddings: train.QuestionEmbeddings,
    progress: Progress,
) -> train.Weights:
    counts = tfidf.count_features(vocabulary, [q.title for q in learned], [q.body for q in learned])
    targets = train.make_targets(learned, tags)
    n_steps = train.count_steps(len(learned), parameters)
    advance = progress.open_bar(f"training on {len(vocabulary):,} features", n_steps)
    features = tfidf.weight_features(counts, vocabulary)
    return train.fit_weights(features, vocabulary, targets, parameters, embeddings, after_step=advance)


def _find_rare_tags(
    learned: Sequence[Question], learned_tags: Sequence[str], tag_sets: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], Ints]:
    """Return the tags that are known by name alone, and the uses of all tags, the learned ones first."""
    in_sets = Counter(tag for tag_set in tag_sets for tag in tag_set)
    in_questions = Counter(tag for q in learned for tag in q.tags)
    rare = tag_names.list_rare_tags(in_sets, learned_tags, RARE_MIN_COUNT)
    return rare, np.array([in_questions[tag] for tag in learned_tags] + [in_sets[tag] for tag in rare], np.int64)


def _verify(
    graph: bytes,
    trained: onnx_check.TrainedModel,
    encoder: EncoderInput | None,
    tuned: Sequence[Question],
    progress: Progress,
) -> float:
    """Return the largest difference of a score between ONNX Runtime and the trainer.

    Raises:
        onnx_check.ExportError: it is larger than ``LARGEST_DIFFERENCE``.
    """
    texts = [*HARD_TEXTS, *((q.title, q.body) for q in tuned[:CHECKED])]
    session = encoder.files.load() if encoder else None
    difference = onnx_check.largest_difference(graph, trained, session, texts)
    progress.log(f"largest difference between ONNX Runtime and the trainer on {len(texts)} texts: {difference:.1e}")
    if not difference <= LARGEST_DIFFERENCE:
        raise onnx_check.ExportError(
            f"ONNX Runtime and the trainer differ by {difference:.1e}; at most {LARGEST_DIFFERENCE:.0e} is allowed."
        )
    return difference


def _list_files(graph: bytes, encoder: EncoderInput | None, titles: TrainedTitles) -> dict[str, bytes]:
    """Return the files of a model by name, but for its manifest."""
    titles = titles.with_learned_of(encoder.files.titles if encoder else None)
    files = {TITLES_FILE: titles.as_bytes(), MODEL_FILE: graph}
    if encoder:
        files |= {ENCODER_FILE: encoder.files.graph, TOKENIZER_FILE: encoder.files.tokenizer}
        if encoder.files.head:
            files[HEAD_FILE] = encoder.files.head
    return files


def _describe_model(
    files: Mapping[str, bytes], encoder: EncoderInput | None, model: onnx_check.TrainedModel
) -> dict[str, Any]:
    """Return the part of the manifest that is about the files and the vocabulary."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    tier, matcher = "full" if encoder else "light", model.matcher
    return {
        "format": FORMAT,
        # The graph's metadata names its encoder, so its digest stands for both.
        "version": f"{tier}-{digests[MODEL_FILE][:8]}",
        "tier": tier,
        "files": digests,
        "bytes": sum(map(len, files.values())),
        "sites": list(SITES),
        "tags": len(model.tags),
        "features": {
            "runs": len(model.vocabulary.runs),
            "title": len(model.vocabulary.title),
            "body": len(model.vocabulary.body),
        },
        "names": {
            field: {"spellings": len(names.spellings), "pull": names.pull_strength}
            for field, names in (("title", matcher.title), ("body", matcher.body))
        }
        | {"tags_by_name_alone": matcher.rare},
    }
