"""Results of a comparison as runs of MLflow, if it is installed: a run a result, each only once."""

from collections.abc import Sequence
from typing import Any, Final

from model.compare.tables import result_name
from model.runs.tracking import has_run, metric_name, open_store

EXPERIMENT: Final = "tagalong compare"


def track_results(results: Sequence[dict[str, Any]], settings: dict[str, Any], uri: str) -> int:
    """Write results that are not there yet to an MLflow store; return how many they were.

    Args:
        uri: of the store, like ``sqlite:///compared/mlflow.db`` or ``http://127.0.0.1:5000``.

    Raises:
        ModuleNotFoundError: MLflow is not installed.
    """
    mlflow = open_store(uri, EXPERIMENT)
    written = 0
    for result in results:
        if has_run(mlflow, EXPERIMENT, "result", result["identity"]):
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


def _metric_values(result: dict[str, Any]) -> dict[str, float]:
    values = {metric_name(name): metric["value"] for name, metric in result["metrics"].items()}
    values |= {"megabytes": result["megabytes"], "latency p50 ms": result["latency_ms"]["p50"]}
    return values | {key.replace("_", " "): result[key] for key in ("training_s", "training_cpu_s") if result[key]}
