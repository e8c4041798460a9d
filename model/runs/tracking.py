"""MLflow's store, if MLflow is installed: where comparisons and versions are kept beside the ones before."""

import logging
import os
from pathlib import Path
from typing import Any, Final

MISSING: Final = (
    "MLflow is not installed: install tagalong with its extra 'tracking' (pip install 'mlflow-skinny>=3.17')."
)


def open_store(store: str, experiment: str, artifacts: Path | None = None) -> Any:
    """Give MLflow, writing to an experiment of a store.

    Args:
        store: like ``sqlite:///compared/mlflow.db`` or ``http://127.0.0.1:5000``.
        artifacts: folder for the files of the experiment's runs, where a new one is made and the store is no server.

    Raises:
        ModuleNotFoundError: MLflow is not installed.
    """
    # MLflow would else send counts of its use to its makers.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    for library in ("mlflow", "alembic"):
        logging.getLogger(library).setLevel(logging.WARNING)
    mlflow.set_tracking_uri(store)
    if artifacts is not None and not store.startswith("http") and mlflow.get_experiment_by_name(experiment) is None:
        mlflow.create_experiment(experiment, artifact_location=artifacts.resolve().as_uri())
    mlflow.set_experiment(experiment)
    return mlflow


def metric_name(metric: str) -> str:
    """Name a metric as MLflow allows: ``@`` is not among its characters."""
    return metric.replace("@", " at ")
