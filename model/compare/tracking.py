"""Results of a comparison as runs of MLflow, if it is installed: a run a result, each only once."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from model.compare.tables import result_name
from model.runs.tracking import metric_name, open_store

EXPERIMENT: Final = "tagalong compare"


def track_results(results: Sequence[dict[str, Any]], settings: dict[str, Any], uri: str) -> int:
    """Write results that are not there yet to an MLflow store; return how many they were.

    Args:
        uri: of the store, like ``sqlite:///compared/mlflow.db`` or ``http://127.0.0.1:5000``.

    Raises:
        ModuleNotFoundError: MLflow is not installed.
    """
    mlflow = open_store(uri, EXPERIMENT)
    experiment = mlflow.get_experiment_by_name(EXPERIMENT)
    written = 0
    for result in results:
        known = mlflow.search_runs(
            [experiment.experiment_id],
            filter_string=f"tags.result = '{result['identity']}'",
            output_format="list",
            max_results=1,
        )
        if known:
            continue
        with mlflow.start_run(
            run_name=f"{result_name(result)}, {result['tags']} tags", tags={"result": result["identity"]}
        ):
            of_learner = {f"learner.{key}": value for key, value in result["hyperparameters"].items()}
            mlflow.log_params({key: result[key] for key in ("encoder", "classifier", "tags", "runtime")} | of_learner)
            mlflow.log_params({f"comparison.{key}": value for key, value in settings.items()})
            mlflow.log_metrics(_metric_values(result))
        written += 1
    return written


def store_uri(out: Path) -> str:
    """Return the store to use: what ``MLFLOW_TRACKING_URI`` says, or an SQLite file in the comparison's folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(out / 'mlflow.db').resolve()}"


def _metric_values(result: dict[str, Any]) -> dict[str, float]:
    values = {metric_name(name): metric["value"] for name, metric in result["metrics"].items()}
    values |= {"megabytes": result["megabytes"], "latency p50 ms": result["latency_ms"]["p50"]}
    return values | {key.replace("_", " "): result[key] for key in ("training_s", "training_cpu_s") if result[key]}
