"""The checks of a version: each gate's name, whether it was passed, its value beside its bound, and words for it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from model.classifier import MODEL_FILE, Classifier, ReleaseError
from model.evaluate import MEANING, Answer, answers, differences, metrics
from model.latency import Bar, drafts
from model.questions import Question
from model.registry.gates import Gates, Latency

WARM_UP: Final = 20
"""Drafts that are answered before any is timed."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``value`` and ``bound`` are numbers, or None where there is none; ``says`` is for people."""

    name: str
    passed: bool
    value: float | None
    bound: float | None
    says: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checks found: themselves, the metrics on dev, and the signature of the graph.

    ``given`` and ``champions`` are the answers to the questions, empty if the model cannot be loaded.
    """

    checks: tuple[Check, ...]
    metrics: dict[str, float]
    signature: dict[str, list[dict[str, Any]]]
    given: Sequence[Answer] = ()
    champions: Sequence[Answer] = ()

    @property
    def passed(self) -> bool:
        """Whether every check was passed."""
        return all(check.passed for check in self.checks)

    def described(self) -> dict[str, Any]:
        """Give it as ``version.json`` has it, but for the state."""
        return {
            "metrics": self.metrics,
            "signature": self.signature,
            "checks": [asdict(check) for check in self.checks],
        }


@dataclass(frozen=True, slots=True)
class Against:
    """What a version is compared with: the champion by quality, and a model of the version's tier by latency."""

    champion: Classifier
    timed: Classifier


def check(folder: Path, questions: Sequence[Question], against: Against, gates: Gates, bar: Bar) -> Checked:
    """Check the model of a folder.

    Args:
        questions: with complete tags, kept apart from training; at least one.
        bar: opens a progress bar of a label and a length.
    """
    try:
        classifier = Classifier.load(folder)
    except ReleaseError as error:
        return Checked((Check("files", False, None, None, str(error)),), {}, {"inputs": [], "outputs": []})
    posted = [question.tags for question in questions]
    given = answers(classifier, questions, bar(f"{classifier.version}: suggesting", len(questions)))
    champions = answers(against.champion, questions, bar(f"{against.champion.version}: suggesting", len(questions)))
    measured = {name: of["value"] for name, of in metrics(posted, given).items()}
    found = [
        Check("files", True, None, None, "whole, and loaded"),
        _size(classifier, gates),
        _parity(classifier, gates),
        _drafts(classifier, gates),
        *_quality(posted, given, champions, measured, against.champion.version, gates),
        _at_most("calibration", measured["ECE"], gates.most_error, MEANING["ECE"]),
        *_latency(classifier, against.timed, questions, gates.latency, bar),
    ]
    rounded = {"n": len(questions), **{name: round(value, 4) for name, value in measured.items()}}
    return Checked(tuple(found), rounded, signature(folder / MODEL_FILE), given, champions)


def signature(graph: Path) -> dict[str, list[dict[str, Any]]]:
    """Give name, type and shape of a graph's inputs and outputs; None in a shape is any length."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph.read_bytes(), options, providers=["CPUExecutionProvider"])

    def described(node: Any) -> dict[str, Any]:
        shape = [length if isinstance(length, int) else None for length in node.shape]
        return {"name": node.name, "type": node.type, "shape": shape}

    return {
        "inputs": [described(node) for node in session.get_inputs()],
        "outputs": [described(node) for node in session.get_outputs()],
    }


def _at_most(name: str, value: float, bound: float, means: str) -> Check:
    passed = value <= bound
    return Check(name, passed, value, bound, f"{value:.4g}, at most {bound:g} is allowed ({means})")


def _size(classifier: Classifier, gates: Gates) -> Check:
    manifest = classifier.manifest
    megabytes, bound = manifest["bytes"] / 1e6, gates.megabytes[manifest["tier"]]
    return _at_most("size", megabytes, bound, f"megabytes of {manifest['tier']}'s files together")


def _parity(classifier: Classifier, gates: Gates) -> Check:
    """Take what training measured: the graph's sha256, which loading has checked, says that it is of this file."""
    difference = classifier.manifest.get("training", {}).get("largest_difference")
    if difference is None:
        return Check("parity", False, None, gates.most_difference, "the manifest says nothing of it: train again")
    return _at_most("parity", difference, gates.most_difference, "largest difference of a score from the trainer's")


def _drafts(classifier: Classifier, gates: Gates) -> Check:
    failed = []
    for draft in gates.drafts:
        best = {item.tag for item in classifier.suggest(draft.title, draft.body, limit=gates.best)}
        if missing := [tag for tag in draft.tags if tag not in best]:
            failed.append(f"{draft.title!r} lacks {', '.join(missing)}")
    right = len(gates.drafts) - len(failed)
    says = f"{right} of {len(gates.drafts)} drafts have their tags among the best {gates.best}"
    return Check("drafts", not failed, right, len(gates.drafts), "; ".join([says, *failed]))


def _quality(
    posted: Sequence[Sequence[str]],
    given: Sequence[Answer],
    champions: Sequence[Answer],
    measured: dict[str, float],
    champion: str,
    gates: Gates,
) -> list[Check]:
    found = []
    compared = differences(posted, given, champions)
    for of in gates.quality:
        value = measured[of.metric]
        says = f"{value:.3f} on {len(posted):,} questions, at least {of.least:g} is needed"
        found.append(Check(of.metric, value >= of.least, value, of.least, says))
    for of in gates.quality:
        gap = compared[of.metric]
        says = (
            f"{gap['value']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f}) against {champion} on the same questions, "
            f"it may lose {of.may_lose:g}"
        )
        name = f"{of.metric} against the champion"
        found.append(Check(name, gap["value"] >= -of.may_lose, gap["value"], -of.may_lose, says))
    return found


def _latency(
    classifier: Classifier, other: Classifier, questions: Sequence[Question], gate: Latency, bar: Bar
) -> list[Check]:
    texts = drafts(questions, gate.chars, gate.drafts)
    advance = bar("timing", gate.rounds * len(texts))
    rounds = np.array([_timed(classifier, other, texts, advance) for _ in range(gate.rounds)])
    p50, other_p50 = (float(np.percentile(rounds[:, i], 50)) for i in (0, 1))
    p99, other_p99 = (float(np.percentile(rounds[:, i], 99, axis=1).min()) for i in (0, 1))
    return [
        _times("p50", p50, other_p50, gate.p50_times, other.version),
        _times("p99", p99, other_p99, gate.p99_times, other.version),
    ]


def _times(name: str, own: float, others: float, bound: float, other: str) -> Check:
    times = own / others
    says = f"{times:.2f} times that of {other} ({own:.2f} and {others:.2f} ms), at most {bound:g} times is allowed"
    return Check(f"latency {name}", times <= bound, times, bound, says)


def _timed(
    classifier: Classifier, other: Classifier, texts: Sequence[tuple[str, str]], advance: Callable[[], None]
) -> list[list[float]]:
    """Time two models turn by turn on the same drafts, [2, drafts] milliseconds: what disturbs one disturbs both."""
    both = (classifier, other)
    for each in both:
        for title, body in texts[:WARM_UP]:
            each.suggest(title, body)
    times: list[list[float]] = [[], []]
    for turn, (title, body) in enumerate(texts):
        for which in (0, 1) if turn % 2 else (1, 0):
            before = time.perf_counter()
            both[which].suggest(title, body)
            times[which].append((time.perf_counter() - before) * 1_000)
        advance()
    return times
