"""A random search for a recipe's parameters (Bergstra and Bengio 2012), judged on the tune part alone.

The recipe's own parameters are the first trial. The others are drawn from a grid without replacement, in an order that
only the seed decides: more trials go on where fewer ended. Each trial is a file as soon as it ends.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from sklearn.model_selection import ParameterGrid

from model.pipelines.recipes import (
    RECIPES,
    Parameters,
    ParametersError,
    Space,
    list_learned,
    make_labels,
    read_parameters,
)
from model.questions import RANKS, Question, QuestionsError
from model.runs.files import write_atomically
from model.runs.progress import Progress
from model.runs.tracking import has_run, metric_name, open_store
from model.training.calibration import best_first

TRIALS: Final = "trials"
"""The folder of the trials' files."""
EXPERIMENT: Final = "tagalong search"
LARGEST_SPACE: Final = 1_000_000
"""Most combinations of a space, whose order is drawn in memory."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial: its parameters, the seconds that it took, and its figures on tune, or why scikit-learn refused it."""

    identity: str
    parameters: Parameters
    seconds: float
    metrics: dict[str, float]
    error: str | None


def read_space(name: str, file: Path) -> Space:
    """Return a recipe's space from a JSON file.

    Raises:
        ParametersError: it is no object of lists, names a parameter that the recipe has not, or is too large.
        OSError: it cannot be read.
    """
    space = read_parameters(name, file)
    for parameter, values in space.items():
        if not isinstance(values, list) or not values:
            raise ParametersError(f'{file} gives {parameter} no list of values, like {{"{parameter}": [1, 3]}}.')
    if not space:
        raise ParametersError(f"{file} names no parameter to search.")
    if (size := prod(len(values) for values in space.values())) > LARGEST_SPACE:
        raise ParametersError(
            f"{file} has {size:,} combinations; {LARGEST_SPACE:,} can be searched. Give fewer values."
        )
    return space


def draw_parameters(name: str, space: Space, seed: int) -> Iterator[Parameters]:
    """Yield a recipe's own values of the space's parameters, then every other combination of the space, shuffled."""
    own = RECIPES[name].own_parameters()
    first = _as_json({parameter: own[parameter] for parameter in space})
    yield first
    grid = ParameterGrid(dict(space))
    for place in np.random.default_rng(seed).permutation(len(grid)).tolist():
        drawn = _as_json(grid[place])
        if drawn != first:
            yield drawn


def search_recipe(
    name: str,
    questions: Sequence[Question],
    tags: int | None,
    planned: Sequence[Parameters],
    minutes: float,
    identity: str,
    out: Path,
    progress: Progress,
) -> list[Trial]:
    """Fit a recipe with each of the planned parameters, and return the trials that ended, the best first.

    Args:
        tags: how many of the commonest tags to learn, if not the recipe's own number.
        minutes: after which no new trial begins, the seconds of those that are there already included.
        identity: of all else that a trial depends on.
        out: each trial is written to ``out/trials``; one that is there is not run again.

    Raises:
        QuestionsError: there are too few questions to learn from or to judge on, or no trial could be fitted.
    """
    recipe = RECIPES[name]
    learned, judged = list_learned(questions, "train"), list_learned(questions, "tune")
    chosen = recipe.choose_tags(learned, tags)
    if not judged:
        raise QuestionsError("There are no questions with complete tags in the tune part to judge on. Give more.")
    _, labels = make_labels(chosen, learned)
    texts, judged_texts = recipe.texts(learned), recipe.texts(judged)
    progress.log(f"{name}: {len(chosen):,} tags, {len(learned):,} questions to learn from, {len(judged):,} to judge on")
    trials: list[Trial] = []
    advance = progress.open_bar("searching", len(planned))
    for parameters in planned:
        digest = hashlib.sha256(json.dumps([identity, parameters], sort_keys=True).encode()).hexdigest()
        file = out / TRIALS / f"{digest[:16]}.json"
        if not file.is_file():
            if trials and sum(trial.seconds for trial in trials) >= minutes * 60:
                break
            metrics, error, began = {}, None, time.monotonic()
            try:
                pipeline = recipe.fit(texts, labels, parameters)
                metrics = _judge(pipeline.predict_proba(judged_texts), chosen, judged)
            except (ValueError, TypeError) as refused:
                error = str(refused)
            ended = Trial(digest, parameters, time.monotonic() - began, metrics, error)
            write_atomically(file.parent, {file.name: _format_json(asdict(ended))})
        trials.append(Trial(**json.loads(file.read_bytes())))
        advance()
    # Sorting keeps the order of equals, so the earlier trial wins.
    trials.sort(key=lambda trial: -trial.metrics.get("R@5", -1.0))
    if trials[0].error is not None:
        raise QuestionsError(f"scikit-learn cannot fit {name} to these questions: {trials[0].error}")
    write_atomically(out, {"best.json": _format_json(trials[0].parameters)})
    return trials


def track_trials(name: str, trials: Sequence[Trial], uri: str) -> int:
    """Write the trials that were fitted and are not there yet to an MLflow store; return how many they were.

    Raises:
        ModuleNotFoundError: MLflow is not installed.
    """
    mlflow = open_store(uri, EXPERIMENT)
    missing = [t for t in trials if not t.error and not has_run(mlflow, EXPERIMENT, "trial", t.identity)]
    for trial in missing:
        with mlflow.start_run(run_name=f"{name} {trial.identity[:8]}", tags={"trial": trial.identity}):
            mlflow.log_params({"recipe": name, **trial.parameters})
            values = {metric_name(metric): value for metric, value in trial.metrics.items()}
            mlflow.log_metrics(values | {"seconds": trial.seconds})
    return len(missing)


def format_trials(trials: Sequence[Trial], own: Parameters, most: int = 10) -> str:
    """Return the best trials as a table, each with what differs from the recipe's own parameters."""
    lines = ["  R@5    P@1  seconds  parameters"]
    for trial in trials[:most]:
        if trial.error is not None:
            figures = f"{'-':>5}  {'-':>5}"
        else:
            figures = f"{trial.metrics['R@5']:.3f}  {trial.metrics['P@1']:.3f}"
        changed = {key: value for key, value in trial.parameters.items() if value != _as_json(own)[key]}
        described = ", ".join(f"{key}={json.dumps(value)}" for key, value in changed.items()) or "the recipe's own"
        refused = f" (refused: {trial.error})" if trial.error else ""
        lines.append(f"{figures}  {trial.seconds:7.1f}  {described}{refused}")
    return "\n".join(lines)


def _judge(scores: Any, tags: Sequence[str], questions: Sequence[Question]) -> dict[str, float]:
    """Return R@5 and P@1 of scores, [questions, tags]; a posted tag that is not learned is a miss."""
    best = best_first(np.asarray(scores, np.float32), min(RANKS, len(tags)))
    right = np.array(
        [[tags[i] in question.tags for i in row] for row, question in zip(best.tolist(), questions, strict=True)]
    )
    posted = np.array([max(len(question.tags), 1) for question in questions])
    return {"R@5": float(np.mean(right.sum(axis=1) / np.minimum(posted, RANKS))), "P@1": float(right[:, 0].mean())}


def _as_json(parameters: Parameters) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in parameters.items()}


def _format_json(content: Any) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"
