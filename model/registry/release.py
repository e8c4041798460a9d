"""From a trained model's folder to a released one: within its tier's limits, measured, with a card and a picture.

What ships is a copy of the trained files; the manifest says beside what training said how good the model is.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from model.drift import reference
from model.drift.reference import REFERENCE_FILE
from model.evaluation.answers import answer_baseline, answer_questions, count_tags
from model.evaluation.latency import measure_latency
from model.evaluation.metrics import MEANING, PART_METRICS, compute_metrics
from model.evaluation.report import build_report
from model.evaluation.unseen import exclude_seen
from model.questions import Question, QuestionsError
from model.registry import gates
from model.registry.card import draw_calibration, format_card
from model.runs.files import write_atomically
from model.runs.progress import Progress
from model.serving.classifier import MANIFEST_FILE, Classifier
from model.training.build import format_manifest
from model.training.trained_titles import TITLES_FILE, read_titles

CARD_FILE: Final = "MODEL_CARD.md"
PICTURE_FILE: Final = "calibration.svg"
MAX_BYTES: Final = {tier: megabytes * 1e6 for tier, megabytes in gates.read_gates().megabytes.items()}
"""Most bytes of a tier's files together."""
TARGET_MS: Final = {"light": 1.0, "full": 15.0}
"""Target for the median milliseconds at ``LIMITED_LENGTH`` characters of body, on one core; printed if missed."""


class ReleaseRefused(Exception):
    """A model is beyond its tier's limits; the message says by how much."""


def release_model(questions: Sequence[Question], trained: Path, out: Path, progress: Progress) -> dict[str, Any]:
    """Check a trained model, measure it on tune and dev, write it as a released one; return its manifest.

    A model that answers too slowly here is released with that in its manifest: another machine is another figure.

    Raises:
        model.serving.classifier.ReleaseError: the trained folder is not whole.
        model.questions.QuestionsError: there are no questions to measure it on.
        ReleaseRefused: its files are larger than the tier allows.
    """
    classifier = Classifier.load(trained)
    manifest = dict(classifier.manifest)
    tier = manifest["tier"]
    if manifest["bytes"] > MAX_BYTES[tier]:
        raise ReleaseRefused(
            f"The files of {trained} have {manifest['bytes'] / 1e6:.1f} MB together; {tier} may have "
            f"{MAX_BYTES[tier] / 1e6:.0f} MB. Train with fewer features or a lower rank."
        )
    manifest["metrics"] = {}
    trained_on = [q for q in questions if q.split == "train"]
    uses = count_tags(trained_on)
    parts = {name: [q for q in questions if q.split == name and q.tags_complete] for name in ("tune", "dev")}
    titles = read_titles(trained, manifest)
    unseen = {
        name: exclude_seen(complete, {classifier.version: titles}, for_choices=name == "tune")
        for name, complete in parts.items()
        if complete
    }
    if not unseen:
        raise QuestionsError("There are no tune or dev questions with complete tags to measure the model on.")
    # What is asked last, dev where there is one, also gives the times, the picture and the reference.
    *others, judging = unseen
    unseen[judging].require_enough()
    unseen = {name: of_part for name, of_part in unseen.items() if name not in others or of_part.enough}
    for name, of_part in unseen.items():
        part_questions = of_part.questions
        progress.log(f"{name}: {'; '.join(of_part.sentences())}")
        answers = answer_questions(
            classifier, part_questions, progress.open_bar(f"measuring on {name}", len(part_questions))
        )
        reported = build_report(part_questions, answers, uses)
        base = compute_metrics([q.tags for q in part_questions], answer_baseline(trained_on, part_questions))
        manifest["metrics"][name] = _round_report(reported, base) | {"left_out": of_part.left_out}
    manifest["latency_ms"] = measure_latency(classifier, part_questions, progress.open_bar)
    out.mkdir(parents=True, exist_ok=True)
    for name in manifest["files"]:
        if out.resolve() != trained.resolve():
            shutil.copyfile(trained / name, out / name)
    if TITLES_FILE not in manifest["files"] and titles:
        write_atomically(out, {TITLES_FILE: titles.as_bytes()})
    files = {
        MANIFEST_FILE: format_manifest(manifest),
        PICTURE_FILE: draw_calibration(reported["reliability"], len(part_questions)).encode(),
    }
    files[REFERENCE_FILE] = reference.as_json(reference.reference_of_answers(part_questions, answers, classifier))
    write_atomically(out, files | {CARD_FILE: format_card(manifest).encode()})
    Classifier.load(out)
    return manifest


def latency_up_to(measured: Sequence[dict[str, float]], chars: int) -> dict[str, float]:
    """Return the times of the longest bodies of at most ``chars`` characters."""
    return max((entry for entry in measured if entry["body_chars"] <= chars), key=lambda entry: entry["body_chars"])


def _round_report(reported: dict[str, Any], base: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Keep what the model card shows, and four digits of every number."""

    def rounded(measured: dict[str, dict[str, float]], names: Sequence[str]) -> dict[str, dict[str, float]]:
        return {name: {key: round(value, 4) for key, value in measured[name].items()} for name in names}

    return {
        "n": reported["n"],
        "metrics": rounded(reported["metrics"], list(MEANING)),
        "baseline": rounded(base, list(MEANING)),
        "parts": {
            division: {
                part: {"n": entry["n"], "metrics": rounded(entry["metrics"], PART_METRICS)}
                for part, entry in parts.items()
            }
            for division, parts in reported["parts"].items()
        },
        "frequency": rounded(reported["frequency"], list(reported["frequency"])),
    }
