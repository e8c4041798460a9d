"""The checks of a version: each gate's name, whether it was passed, its value beside its bound, and words for it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from model.evaluation.answers import Answer, answer_questions
from model.evaluation.latency import make_drafts
from model.evaluation.metrics import MEANING, compute_differences, compute_metrics
from model.evaluation.unseen import UnseenQuestions, exclude_seen
from model.questions import Question
from model.registry.gates import Gates, LatencyGate
from model.registry.verdict import MAX_QUESTIONS, Verdict, judge, questions_needed
from model.runs.progress import OpenBar
from model.serving.classifier import IMPORTED, MODEL_FILE, Classifier, ReleaseError
from model.training.trained_titles import TrainedTitles, read_trained_titles

WARM_UP: Final = 20
"""Drafts that are answered before any is timed."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``value`` and ``bound`` are numbers, or None where there is none; ``says`` is for people.

    ``undecided``: chance may decide it, and ``passed`` is what the gates say of that.
    """

    name: str
    passed: bool
    value: float | None
    bound: float | None
    says: str
    undecided: bool = False


@dataclass(frozen=True, slots=True)
class ComparedAnswers:
    """The questions that neither the version nor the champion was trained on, and what each answered to them."""

    questions: Sequence[Question] = ()
    given: Sequence[Answer] = ()
    champions: Sequence[Answer] = ()


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What the checks found: themselves, the metrics on dev, and the signature of the graph.

    ``both`` has no question if there are too few, or the model cannot be loaded. ``left_out`` is how many of dev the
    version was trained on.
    """

    checks: tuple[Check, ...]
    metrics: dict[str, float]
    signature: dict[str, list[dict[str, Any]]]
    both: ComparedAnswers = ComparedAnswers()
    left_out: int = 0

    @property
    def passed(self) -> bool:
        """Whether every check was passed."""
        return all(check.passed for check in self.checks)

    def described(self) -> dict[str, Any]:
        """Return it as ``version.json`` has it, but for the state."""
        names = ("name", "passed", "value", "bound", "says")
        return {
            "metrics": self.metrics,
            "signature": self.signature,
            "checks": [{name: getattr(check, name) for name in names} for check in self.checks],
            "left_out": self.left_out,
            "undecided": [check.name for check in self.checks if check.undecided],
        }


@dataclass(frozen=True, slots=True)
class Opponents:
    """What a version is compared with: the champion by quality, and a model of the version's tier by latency.

    ``trained`` is what the champion was trained on, by its version, as ``read_trained_titles`` returns it.
    """

    champion: Classifier
    trained: Mapping[str, TrainedTitles | None]
    timed: Classifier


def check_version(
    folder: Path, questions: Sequence[Question], against: Opponents, gates: Gates, bar: OpenBar
) -> CheckResult:
    """Check the model of a folder.

    Args:
        questions: with complete tags, kept apart from training; at least one.
        bar: opens a progress bar of a label and a length.
    """
    try:
        classifier = Classifier.load(folder)
        trained = read_trained_titles([folder])
    except ReleaseError as error:
        return CheckResult((Check("files", False, None, None, str(error)),), {}, {"inputs": [], "outputs": []})
    signature = read_signature(folder / MODEL_FILE)
    loaded = Check("files", True, None, None, "whole, and loaded")
    own, shared = exclude_seen(questions, trained), exclude_seen(questions, {**against.trained, **trained})
    if not own.enough:
        return CheckResult((loaded, _check_left("unseen questions", own)), {}, signature, left_out=own.left_out)
    answers = answer_questions(classifier, own.questions, bar(f"{classifier.version}: suggesting", len(own.questions)))
    measured = compute_metrics([question.tags for question in own.questions], answers)
    both = _compare_answers(own, shared, answers, against.champion, bar) if shared.enough else ComparedAnswers()
    checks = [
        loaded,
        _check_left("unseen questions", own),
        _check_size(classifier, gates),
        _check_parity(classifier, gates),
        _check_drafts(classifier, gates),
        *_check_quality(measured, len(answers), gates),
        *_check_comparison(shared, both, classifier.version, against.champion.version, gates),
        _check_calibration(measured["ECE"], len(answers), gates),
        *_check_latency(classifier, against.timed, own.questions, gates.latency, bar),
    ]
    rounded = {"n": len(answers), **{name: round(metric["value"], 4) for name, metric in measured.items()}}
    return CheckResult(tuple(checks), rounded, signature, both, own.left_out)


def read_signature(graph: Path) -> dict[str, list[dict[str, Any]]]:
    """Return name, type and shape of a graph's inputs and outputs; None in a shape is any length."""
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


def _compare_answers(
    own: UnseenQuestions, shared: UnseenQuestions, answers: Sequence[Answer], champion: Classifier, bar: OpenBar
) -> ComparedAnswers:
    """Ask the champion the questions that neither has seen, and take the version's answers to them from ``answers``."""
    on_shared = [answer for answer, keep in zip(answers, shared.kept[own.kept].tolist(), strict=True) if keep]
    advance = bar(f"{champion.version}: suggesting", len(shared.questions))
    return ComparedAnswers(shared.questions, on_shared, answer_questions(champion, shared.questions, advance))


def _check_left(name: str, unseen: UnseenQuestions) -> Check:
    return Check(name, unseen.enough, len(unseen.questions), unseen.needed, "; ".join(unseen.sentences()))


def _judge(name: str, measured: Mapping[str, float], least: float, n: int, says: str, gates: Gates) -> Check:
    """Judge by the interval; ``measured`` and ``least`` are such that more is better."""
    verdict = judge(measured, least)
    undecided = verdict is Verdict.UNDECIDED
    if undecided:
        needed = questions_needed(measured, least, n)
        number = f"about {needed:,}" if needed else f"more than {MAX_QUESTIONS:,}"
        says += f": cannot tell with n = {n:,}, {number} questions would"
    passed = gates.undecided_passes if undecided else verdict is Verdict.PASSED
    return Check(name, passed, measured["value"], least, says, undecided)


def _check_at_most(name: str, value: float, bound: float, means: str) -> Check:
    passed = value <= bound
    return Check(name, passed, value, bound, f"{value:.4g}, at most {bound:g} is allowed ({means})")


def _check_calibration(error: Mapping[str, float], n: int, gates: Gates) -> Check:
    value, bound = error["value"], gates.most_error
    says = f"{_format_interval(error, '.4f')} on {n:,} questions, at most {bound:g} is allowed ({MEANING['ECE']})"
    less = {"value": -value, "low": -error["high"], "high": -error["low"]}
    return replace(_judge("calibration", less, -bound, n, says, gates), value=value, bound=bound)


def _format_interval(measured: Mapping[str, float], form: str) -> str:
    return f"{measured['value']:{form}} ({measured['low']:{form}} to {measured['high']:{form}})"


def _check_size(classifier: Classifier, gates: Gates) -> Check:
    manifest = classifier.manifest
    megabytes, bound = manifest["bytes"] / 1e6, gates.megabytes[manifest["tier"]]
    return _check_at_most("size", megabytes, bound, f"megabytes of {manifest['tier']}'s files together")


def _check_parity(classifier: Classifier, gates: Gates) -> Check:
    """Take what training measured: the graph's sha256, which loading has checked, says that it is of this file."""
    difference = classifier.manifest.get("training", {}).get("largest_difference")
    if difference is None:
        return Check("parity", False, None, gates.most_difference, "the manifest says nothing of it: train again")
    return _check_at_most(
        "parity", difference, gates.most_difference, "largest difference of a score from the trainer's"
    )


def _check_drafts(classifier: Classifier, gates: Gates) -> Check:
    failed, drafts = [], gates.drafts
    if classifier.manifest["tier"] == IMPORTED:
        drafts = tuple(draft for draft in drafts if classifier.known.issuperset(draft.tags))
    for draft in drafts:
        best = {item.tag for item in classifier.suggest(draft.title, draft.body, limit=gates.best)}
        if missing := [tag for tag in draft.tags if tag not in best]:
            failed.append(f"{draft.title!r} lacks {', '.join(missing)}")
    right = len(drafts) - len(failed)
    says = f"{right} of {len(drafts)} drafts have their tags among the best {gates.best}"
    if unknown := len(gates.drafts) - len(drafts):
        says += f", {unknown} others have tags that it does not know"
    return Check("drafts", not failed, right, len(drafts), "; ".join([says, *failed]))


def _check_quality(measured: Mapping[str, Mapping[str, float]], n: int, gates: Gates) -> list[Check]:
    checks = []
    for gate in gates.quality:
        metric = measured[gate.metric]
        says = f"{_format_interval(metric, '.3f')} on {n:,} questions, at least {gate.least:g} is needed"
        checks.append(_judge(gate.metric, metric, gate.least, n, says, gates))
    return checks


def _check_comparison(
    shared: UnseenQuestions, both: ComparedAnswers, version: str, champion: str, gates: Gates
) -> list[Check]:
    """Compare with the champion on the questions that neither was trained on, or say that too few are left."""
    n, left_out = len(shared.questions), "; ".join(shared.sentences())
    if not shared.enough:
        says = f"cannot tell, {n:,} questions are too few: {left_out}"
        return [Check("against the champion", gates.undecided_passes, n, shared.needed, says, undecided=True)]
    checks = []
    compared = compute_differences([question.tags for question in both.questions], both.given, both.champions)
    for gate in gates.quality:
        gap = compared[gate.metric]
        says = f"{_format_interval(gap, '+.3f')} against {champion} on {n:,} questions, it may lose {gate.may_lose:g}"
        checks.append(_judge(f"{gate.metric} against the champion", gap, -gate.may_lose, n, says, gates))
    compared_on = _check_left("compared on", shared)
    if version == champion:
        compared_on = replace(compared_on, says=f"{compared_on.says}; the champion is this very model")
    return [compared_on, *checks]


def _check_latency(
    classifier: Classifier, other: Classifier, questions: Sequence[Question], gate: LatencyGate, bar: OpenBar
) -> list[Check]:
    texts = make_drafts(questions, gate.chars, gate.drafts)
    advance = bar("timing", gate.rounds * len(texts))
    rounds = np.array([_time_both(classifier, other, texts, advance) for _ in range(gate.rounds)])
    p50, other_p50 = (float(np.percentile(rounds[:, i], 50, axis=1).min()) for i in (0, 1))
    p99, other_p99 = (float(np.percentile(rounds[:, i], 99, axis=1).min()) for i in (0, 1))
    return [
        _check_ratio("p50", p50, other_p50, gate.p50_times, other.version),
        _check_ratio("p99", p99, other_p99, gate.p99_times, other.version),
    ]


def _check_ratio(name: str, own: float, others: float, bound: float, other: str) -> Check:
    times = own / others
    says = f"{times:.2f} times that of {other} ({own:.2f} and {others:.2f} ms), at most {bound:g} times is allowed"
    return Check(f"latency {name}", times <= bound, times, bound, says)


def _time_both(
    classifier: Classifier, other: Classifier, texts: Sequence[tuple[str, str]], advance: Callable[[], None]
) -> list[list[float]]:
    """Time two models turn by turn on the same drafts, [2, drafts] milliseconds: what disturbs one disturbs both."""
    both = (classifier, other)
    for model in both:
        for title, body in texts[:WARM_UP]:
            model.suggest(title, body)
    times: list[list[float]] = [[], []]
    for turn, (title, body) in enumerate(texts):
        for which in (0, 1) if turn % 2 else (1, 0):
            before = time.perf_counter()
            both[which].suggest(title, body)
            times[which].append((time.perf_counter() - before) * 1_000)
        advance()
    return times
