"""What each part of the model gives, measured on the tune part: models that differ in one part, on the same rows.

Each variant is trained anew on every ``share``-th train row, so the figures are lower than a released model's: they
are for comparing with each other. What is fitted on tune itself, Platt scaling and what names say, are some thirty
numbers against thousands of questions.
"""

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.evaluation.answers import answer_questions, count_tags
from model.evaluation.metrics import compute_metrics
from model.evaluation.unseen import exclude_seen
from model.questions import RANKS, Question
from model.runs.arrays import Ints
from model.runs.progress import Progress
from model.serving.classifier import MANIFEST_FILE, Classifier
from model.training import calibration, tag_names, tfidf, train
from model.training.build import RARE_MIN_COUNT, EncoderInput, choose_vocabulary, embed_questions
from model.training.encoder.encode import read_encoder
from model.training.encoder.head import Head
from model.training.trained_titles import read_trained_titles
from model.training.tune import TuneLogits, add_head, fit_platt, fit_scores

RECENT: Final = 2022
"""The year from which on questions count as recent."""
TIMED: Final = 300
"""Drafts whose encoding is timed."""


@dataclass(frozen=True, slots=True)
class Row:
    """A variant on tune: all questions, titles alone, and titles of 2022 and later; each ``(P@1, R@5, hit@5)``."""

    variant: str
    tags: int
    everything: tuple[float, ...]
    titles: tuple[float, ...]
    recent: tuple[float, ...]


def run_ablation(
    questions: Sequence[Question],
    tag_sets: Sequence[Sequence[str]],
    encoders: Mapping[str, EncoderInput],
    parameters: train.TrainingParameters,
    limits: tfidf.FeatureLimits,
    share: int,
    progress: Progress,
) -> list[Row]:
    """Train and measure the variants: words alone, beside each of the encoders by name, each without and with names.

    An encoder that was fine-tuned is measured without and with the head of its fine-tuning.

    Args:
        tag_sets: tags of questions without their texts: rare ones of them are found by name.

    Raises:
        QuestionsError: there are too few questions to learn from.
    """
    learned = [q for q in questions if q.split == "train"][::share]
    trained = {name: encoder.files.titles for name, encoder in encoders.items()}
    left = exclude_seen([q for q in questions if q.split == "tune" and q.tags_complete], trained, for_choices=True)
    left.require_enough()
    progress.log("; ".join(left.sentences()))
    tuned = left.questions
    tags, vocabulary = choose_vocabulary(learned, tuned, parameters, limits)
    titles, bodies = [q.title for q in learned], [q.body for q in learned]
    weighed = tfidf.weight_features(tfidf.count_features(vocabulary, titles, bodies), vocabulary)
    goal = train.make_targets(learned, tags)
    known = [q.tags for q in learned if q.tags_complete]
    often = count_tags([q for q in learned if q.tags_complete])
    often.update(tag for own in tag_sets for tag in own)
    rare = tag_names.list_rare_tags(often, tags, RARE_MIN_COUNT)
    seen = tag_names.count_spellings((*tags, *rare), [(q.title, q.body) for q in learned if q.tags_complete], known)
    counted = count_tags(learned)
    uses = np.array([counted[tag] for tag in tags], np.int64)
    rows = []
    for name, encoder in ({"words": None} | dict(encoders)).items():
        states, of_tuned = (embed_questions(part, encoder, progress) for part in (learned, tuned))
        step = progress.open_bar(f"training {name}", train.count_steps(len(learned), parameters))
        weights = train.fit_weights(weighed, vocabulary, goal, parameters, states, after_step=step)
        tune_logits = TuneLogits.compute(vocabulary, weights, (*tags, *rare), tuned, of_tuned)
        label = name if encoder is None else f"words and {name}"
        rows.append(_make_row(label, len(tags), _right_tags(tune_logits, uses), tuned))
        if encoder and encoder.files.head:
            weights, _ = add_head(weights, Head.from_bytes(encoder.files.head), tags, tune_logits, of_tuned)
            tune_logits = TuneLogits.compute(vocabulary, weights, (*tags, *rare), tuned, of_tuned)
            label = f"{label}, its head"
            rows.append(_make_row(label, len(tags), _right_tags(tune_logits, uses), tuned))
        scale, matcher, _ = fit_scores(tune_logits, seen, np.pad(uses, (0, len(rare))), len(tags))
        best = np.concatenate(
            [calibration.best_first(ordering, RANKS) for ordering in tune_logits.order(scale, matcher)]
        )
        rows.append(_make_row(f"{label}, names", len(tags) + len(rare), tune_logits.is_right(best), tuned))
    return rows


def _right_tags(tune_logits: TuneLogits, uses: Ints) -> NDArray[np.bool_]:
    """Return which of the best learned tags are right, [questions, RANKS]."""
    ordering = fit_platt(tune_logits, uses).order(tune_logits.logits, tune_logits.kind)
    return tune_logits.is_right(calibration.best_first(ordering, RANKS))


def _make_row(variant: str, tags: int, right: NDArray[np.bool_], tuned: Sequence[Question]) -> Row:
    own = np.array([len(q.tags) for q in tuned])
    title_only = np.array([not q.body for q in tuned])
    recent = title_only & np.array([(q.year or 0) >= RECENT for q in tuned])

    def measured(rows: NDArray[np.bool_]) -> tuple[float, ...]:
        hits, posted = right[rows], np.minimum(own[rows], RANKS)
        if not len(hits):
            return (0.0, 0.0, 0.0)
        return float(hits[:, 0].mean()), float((hits.sum(axis=1) / posted).mean()), float(hits.any(axis=1).mean())

    return Row(variant, tags, measured(np.ones(len(tuned), bool)), measured(title_only), measured(recent))


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading ``tokens`` of a draft gives: ``(P@1, R@5, hit@5)`` on drafts with a body, and the encoder's time."""

    tokens: int
    measured: tuple[float, ...]
    milliseconds: float


def measure_token_limits(
    questions: Sequence[Question], folder: Path, most: Sequence[int], after_each: Callable[[], None]
) -> list[Reading]:
    """Ask a trained full model for the tune questions with a body, reading fewer or more tokens than it was made for.

    Args:
        folder: of the model.
        most: tokens to read.
        after_each: called for each answer.
    """
    manifest = json.loads((folder / MANIFEST_FILE).read_bytes())
    with_body = [q for q in questions if q.split == "tune" and q.tags_complete and q.body]
    left = exclude_seen(with_body, read_trained_titles([folder]), for_choices=True)
    left.require_enough()
    drafts = left.questions
    posted = [q.tags for q in drafts]
    readings = []
    with TemporaryDirectory() as copied:
        copy = Path(copied) / "model"
        shutil.copytree(folder, copy)
        for tokens in most:
            changed = manifest | {"encoder": manifest["encoder"] | {"tokens": tokens}}
            (copy / MANIFEST_FILE).write_text(json.dumps(changed))
            metrics = compute_metrics(posted, answer_questions(Classifier.load(copy), drafts, after_each))
            encoder = read_encoder(copy).load()
            times = []
            for question in drafts[:TIMED]:
                # Of this thread, which does all the work: what else the machine does is not counted.
                before = time.thread_time()
                encoder.encode(question.title, question.body)
                times.append(time.thread_time() - before)
            measured = tuple(metrics[name]["value"] for name in ("P@1", "R@5", "hit@5"))
            readings.append(Reading(tokens, measured, 1_000 * float(np.median(times))))
    return readings


def format_tables(rows: Sequence[Row], readings: Sequence[Reading], share: int) -> str:
    """Lay both out for a terminal."""
    head = f"{'P@1   R@5   hit@5':>20}"
    lines = [f"every {share}. train question; tune questions with complete tags", ""]
    lines.append(f"{'':<36}{'tags':>7}  {'all':>17}  {'titles alone':>17}  {f'titles of {RECENT} on':>18}")
    lines.append(f"{'':<43}" + head * 3)
    for row in rows:
        cells = "".join(f"{'  '.join(f'{v:.3f}' for v in of):>20}" for of in (row.everything, row.titles, row.recent))
        lines.append(f"{row.variant:<36}{row.tags:>7,}{cells}")
    if readings:
        lines += ["", f"{'tokens read':<14}{head}  encoder, p50"]
    for reading in readings:
        cells = "  ".join(f"{v:.3f}" for v in reading.measured)
        lines.append(f"{reading.tokens:<14}{cells:>20}  {reading.milliseconds:.2f} ms")
    return "\n".join(lines)
