"""From a trained model's folder to a released one: within its tier's limits, measured, with a card and a picture.

What ships is a copy of the trained files; the manifest says beside what training said how good the model is.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from model.drift import reference
from model.drift.reference import REFERENCE_FILE
from model.evaluation.latency import LIMITED, latency
from model.evaluation.metrics import MEANING, PART_METRICS, answers, baseline, metrics, report, uses_of
from model.evaluation.unseen import unseen
from model.questions import Question, QuestionsError
from model.registry import gates
from model.registry.card import calibration_picture, model_card
from model.runs.files import write_atomically
from model.runs.progress import Progress
from model.serving.classifier import MANIFEST_FILE, Classifier
from model.training.build import format_manifest
from model.training.trained_titles import TITLES_FILE, read_titles

__all__ = ["LIMITED", "SLOWEST", "ReleaseRefused", "of_length", "release"]

CARD_FILE: Final = "MODEL_CARD.md"
PICTURE_FILE: Final = "calibration.svg"
LARGEST: Final = {tier: megabytes * 1e6 for tier, megabytes in gates.read().megabytes.items()}
"""Most bytes of a tier's files together."""
SLOWEST: Final = {"light": 1.0, "full": 15.0}
"""Most milliseconds of half the suggestions at ``LIMITED`` characters of body, on one core: an aim, told if missed."""


class ReleaseRefused(Exception):
    """A model is beyond its tier's limits; the message says by how much."""


def release(questions: Sequence[Question], trained: Path, out: Path, progress: Progress) -> dict[str, Any]:
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
    if manifest["bytes"] > LARGEST[tier]:
        raise ReleaseRefused(
            f"The files of {trained} have {manifest['bytes'] / 1e6:.1f} MB together; {tier} may have "
            f"{LARGEST[tier] / 1e6:.0f} MB. Train with fewer features or a lower rank."
        )
    manifest["metrics"] = {}
    trained_on = [q for q in questions if q.split == "train"]
    uses = uses_of(trained_on)
    parts = {name: [q for q in questions if q.split == name and q.tags_complete] for name in ("tune", "dev")}
    titles = read_titles(trained, manifest)
    left = {
        name: unseen(complete, {classifier.version: titles}, for_choices=name == "tune")
        for name, complete in parts.items()
        if complete
    }
    if not left:
        raise QuestionsError("There are no tune or dev questions with complete tags to measure the model on.")
    # What is asked last, dev where there is one, also gives the times, the picture and the reference.
    for name, of_part in left.items():
        of_part.require_enough()
        asked = of_part.questions
        progress.log(f"{name}: {'; '.join(of_part.sentences())}")
        given = answers(classifier, asked, progress.open_bar(f"measuring on {name}", len(asked)))
        reported = report(asked, given, uses)
        base = metrics([q.tags for q in asked], baseline(trained_on, asked))
        manifest["metrics"][name] = _short(reported, base) | {"left_out": of_part.left_out}
    manifest["latency_ms"] = latency(classifier, asked, progress.open_bar)
    out.mkdir(parents=True, exist_ok=True)
    for name in manifest["files"]:
        if out.resolve() != trained.resolve():
            shutil.copyfile(trained / name, out / name)
    if TITLES_FILE not in manifest["files"] and titles:
        write_atomically(out, {TITLES_FILE: titles.as_bytes()})
    files = {
        MANIFEST_FILE: format_manifest(manifest),
        PICTURE_FILE: calibration_picture(reported["reliability"], len(asked)).encode(),
    }
    files[REFERENCE_FILE] = reference.as_json(reference.of_answers(asked, given, classifier))
    write_atomically(out, files | {CARD_FILE: model_card(manifest).encode()})
    Classifier.load(out)
    return manifest


def of_length(measured: Sequence[dict[str, float]], chars: int) -> dict[str, float]:
    """Return the times of the longest bodies of at most ``chars`` characters."""
    return max((of for of in measured if of["body_chars"] <= chars), key=lambda of: of["body_chars"])


def _short(reported: dict[str, Any], base: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Keep what the model card shows, and four digits of every number."""

    def rounded(measured: dict[str, dict[str, float]], names: Sequence[str]) -> dict[str, dict[str, float]]:
        return {name: {key: round(value, 4) for key, value in measured[name].items()} for name in names}

    return {
        "n": reported["n"],
        "metrics": rounded(reported["metrics"], list(MEANING)),
        "baseline": rounded(base, list(MEANING)),
        "parts": {
            way: {part: {"n": of["n"], "metrics": rounded(of["metrics"], PART_METRICS)} for part, of in parts.items()}
            for way, parts in reported["parts"].items()
        },
        "frequency": rounded(reported["frequency"], list(reported["frequency"])),
    }
