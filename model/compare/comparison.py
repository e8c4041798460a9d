"""The comparison: every encoder with every classifier, Parabel and ours, on one split, each result kept on disk.

All learn from the same questions, are shown by the same rule (a threshold fitted on tune, never none) and are measured
on the same dev questions. Not every method can learn thousands of tags in minutes: so all learn the commonest ones, and
those that can learn the whole vocabulary too. A posted tag outside the vocabulary is a miss, for all.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from threadpoolctl import threadpool_limits

from model.compare import classifiers, parabel, tables
from model.compare.combinations import ENCODERS, measure_encoder, measure_quality, read_clocks, time_suggestions
from model.compare.encoders import MiniLM
from model.compare.sample import Settings, Split, draw_split
from model.compare.served import InOnnx
from model.evaluation.answers import answer_questions
from model.questions import Question
from model.runs import steps
from model.runs.files import write_atomically
from model.runs.parameters import to_record
from model.runs.progress import Progress
from model.serving.classifier import Classifier
from model.serving.text import prepare_text
from model.training.build import HARD_TEXTS, DataSource, train_model
from model.training.encoder import minilm
from model.training.tfidf import FeatureLimits
from model.training.train import TrainingParameters, choose_tags
from model.training.trained_titles import read_trained_titles

LARGE: Final = classifiers.LogisticRegression.name
"""The classifier that can learn the whole vocabulary in minutes."""
CLASSIFIERS: Final = (*(learner.name for learner in classifiers.LEARNERS), "Parabel", "ours")
ROWS: Final = "rows"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one result of the comparison stands: what is compared, and on how much of the vocabulary."""

    encoder: str
    classifier: str
    whole: bool

    @property
    def name(self) -> str:
        """The result's name, which is its file's too."""
        parts = [self.encoder, self.classifier, "all tags" if self.whole else "common tags"]
        return " ".join(part for part in parts if part).replace(" ", "-").lower()

    @property
    def made_by(self) -> str:
        """The module whose code, with what it imports, the result depends on."""
        if self.encoder:
            return "model.compare.combinations"
        return "model.compare.parabel" if self.classifier == "Parabel" else "model.training.build"


def list_places(encoders: Sequence[str], wanted: Collection[str]) -> list[Place]:
    """Return the results of the wanted classifiers, in the table's order, but for released models."""
    combinations = [Place(encoder, learner.name, False) for encoder in encoders for learner in classifiers.LEARNERS]
    large = [Place(encoder, LARGE, True) for encoder in encoders]
    others = [Place("", classifier, whole) for whole in (False, True) for classifier in ("Parabel", "ours")]
    return [place for place in combinations + large + others if place.classifier in wanted]


def compare_methods(
    questions: Sequence[Question],
    file: Path,
    out: Path,
    settings: Settings,
    released: Sequence[Path],
    progress: Progress,
    *,
    encoders: Sequence[str] = ENCODERS,
    wanted_classifiers: Collection[str] = CLASSIFIERS,
    force: bool = False,
) -> list[dict[str, Any]]:
    """Train and measure what is not there yet, and return all results, in the table's order.

    Args:
        questions: of all parts, read from ``file``.
        out: each result is written to ``out/rows``, with a record of what it was made of.
        released: folders of released models, measured as they are.
        encoders, wanted_classifiers: names of those to compare.

    Raises:
        QuestionsError: there are too few questions.
        model.training.encoder.minilm.EncoderMissing: MiniLM's weights are not installed.
    """
    wanted = list_places(encoders, wanted_classifiers)
    if any(place.encoder == MiniLM.name for place in wanted):
        minilm.find_folder()  # before minutes of work that would end with the weights missing
    parts = draw_split(questions, settings, read_trained_titles(released))
    for note in parts.notes:
        progress.log(note)
    results, runs = _find_results(wanted, file, out, settings, parts, force=force)

    def keep(place: Place, result: dict[str, Any]) -> None:
        run = runs[place.name]
        results[place.name] = asdict(place) | {"identity": run.identity} | result
        text = json.dumps(results[place.name], indent=1, ensure_ascii=False) + "\n"
        write_atomically(run.out.parent, {run.out.name: text.encode()})
        run.record([run.out])
        progress.log(_format_line(results[place.name]))

    texts = [prepare_text(*text, "text") for text in HARD_TEXTS]
    with threadpool_limits(settings.threads):
        for name in encoders:
            missing = [place for place in wanted if place.encoder == name and place.name in runs]
            if missing:
                classified = [(place.classifier, _choose_vocabulary(parts, settings, place)) for place in missing]
                measured = measure_encoder(name, classified, parts, settings, texts, progress.log, progress.open_bar)
                for place, result in zip(missing, measured, strict=True):
                    keep(place, result)
        for place in wanted:
            if place.name in runs and place.classifier == "Parabel":
                keep(place, _measure_parabel(parts, _choose_vocabulary(parts, settings, place), settings, progress))
            elif place.name in runs and place.classifier == "ours":
                keep(place, _measure_ours(parts, place, settings, DataSource.describe(file, questions), out, progress))
        shipped = [_measure_released(folder, parts, settings, progress) for folder in released]
    return [results[place.name] for place in wanted] + shipped


def _find_results(
    wanted: Sequence[Place], file: Path, out: Path, settings: Settings, parts: Split, *, force: bool
) -> tuple[dict[str, dict[str, Any]], dict[str, steps.Run]]:
    """Return by their names the results that are there already, and the runs of those that are not."""
    judged = _identity({"titles": [question.title for question in (*parts.tune, *parts.dev)]})
    results: dict[str, dict[str, Any]] = {}
    runs: dict[str, steps.Run] = {}
    for place in wanted:
        path = out / ROWS / f"{place.name}.json"
        step = replace(steps.STEPS["compare"], module=place.made_by)
        run = steps.Run(step, [file], path, asdict(settings) | asdict(place) | {"judged": judged})
        if run.is_done() and not force:
            results[place.name] = json.loads(path.read_bytes())
        else:
            runs[place.name] = run
    return results, runs


def _choose_vocabulary(parts: Split, settings: Settings, place: Place) -> tuple[str, ...]:
    if place.whole:
        return choose_tags(parts.train, settings.least_uses)
    return choose_tags(parts.train, 1)[: settings.tags]


def _measure_parabel(parts: Split, tags: Sequence[str], settings: Settings, progress: Progress) -> dict[str, Any]:
    progress.log(f"Parabel: {len(tags):,} tags")
    began = read_clocks()
    model = parabel.Parabel(parts.train, tags, threads=settings.threads)
    seconds, cpu_seconds = (read_clocks() - began).tolist()
    result = {
        "tags": len(tags),
        "trained_on": len(parts.train),
        "hyperparameters": {"trees": parabel.TREES},
        "training_s": seconds,
        "training_cpu_s": cpu_seconds,
        "megabytes": model.megabytes,
        "runtime": "omikuji",
        "latency_ms": time_suggestions(model.suggest, parts),
    }
    return result | measure_quality(model.answers(parts.tune), model.answers(parts.dev), parts, settings.seed)


def _measure_ours(
    parts: Split, place: Place, settings: Settings, data: DataSource, out: Path, progress: Progress
) -> dict[str, Any]:
    """Train the light tier on the same questions, as ``train`` does, and measure what it wrote."""
    tags = set(_choose_vocabulary(parts, settings, place))

    def keep_known_tags(question: Question) -> Question:
        return replace(question, tags=tuple(tag for tag in question.tags if tag in tags))

    taught = [keep_known_tags(question) for question in parts.train]
    tuned = [question for question in map(keep_known_tags, parts.tune) if question.tags]
    parameters = replace(TrainingParameters(), seed=settings.seed, min_count=1)
    began = read_clocks()
    folder = out / "models" / place.name
    train_model([*taught, *tuned], [], data, folder, None, parameters, FeatureLimits(), progress)
    seconds, cpu_seconds = (read_clocks() - began).tolist()
    classifier = Classifier.load(folder)
    result: dict[str, Any] = {"trained_on": len(parts.train), "hyperparameters": to_record(parameters)}
    result |= {"training_s": seconds, "training_cpu_s": cpu_seconds}
    return result | _measure_classifier(classifier, parts, settings.seed, progress)


def _measure_released(folder: Path, parts: Split, settings: Settings, progress: Progress) -> dict[str, Any]:
    classifier = Classifier.load(folder)
    rows = classifier.manifest.get("split", {}).get("rows", {}).get("train")
    seconds = classifier.manifest.get("training", {}).get("seconds")
    about = {"encoder": "", "classifier": f"ours, released: {classifier.version}", "whole": True}
    about |= {"trained_on": rows, "hyperparameters": {}, "training_s": seconds, "training_cpu_s": None}
    about["identity"] = _identity({"version": classifier.version, "left out": parts.left_out} | asdict(settings))
    return about | _measure_classifier(classifier, parts, settings.seed, progress)


def _identity(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _measure_classifier(classifier: Classifier, parts: Split, seed: int, progress: Progress) -> dict[str, Any]:
    tune_answers, dev_answers = (
        answer_questions(classifier, questions, progress.open_bar(f"{classifier.version}: suggesting", len(questions)))
        for questions in (parts.tune, parts.dev)
    )
    result = {
        "tags": len(classifier.tags),
        "megabytes": classifier.manifest["bytes"] / 1e6,
        "runtime": InOnnx.runtime,
        "latency_ms": time_suggestions(lambda title, body: classifier.suggest(title, body, body_format="text"), parts),
    }
    return result | measure_quality(tune_answers, dev_answers, parts, seed)


def _format_line(result: dict[str, Any]) -> str:
    quality = ", ".join(f"{name} {result['metrics'][name]['value']:.3f}" for name in ("P@1", "R@5", "Jaccard"))
    return (
        f"{tables.result_name(result)}, {result['tags']:,} tags: {quality}; {result['training_s']:.0f} s, "
        f"{result['megabytes']:.1f} MB, p50 {result['latency_ms']['p50']:.2f} ms"
    )
