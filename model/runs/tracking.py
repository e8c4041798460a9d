"""MLflow's store, if MLflow is installed: comparisons and versions are tracked there."""

import logging
import os
from pathlib import Path
from typing import Any, Final

MISSING: Final = (
    "MLflow is not installed: install tagalong with its extra 'tracking' (pip install 'mlflow-skinny>=3.17')."
)


def open_store(store: str, experiment: str, artifacts: Path | None = None) -> Any:
    """Return the module MLflow, set to an experiment of a store.

    Args:
        store: like ``sqlite:///compared/mlflow.db`` or ``http://127.0.0.1:5000``.
        artifacts: folder for the files of a new experiment's runs, unless the store is a server.

    Raises:
        ModuleNotFoundError: MLflow is not installed.
    """
    # MLflow sends usage statistics to its makers otherwise.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow  # an extra that few install

    for library in ("mlflow", "alembic"):
        logging.getLogger(library).setLevel(logging.WARNING)
    mlflow.set_tracking_uri(store)
    if artifacts is not None and not store.startswith("http") and mlflow.get_experiment_by_name(experiment) is None:
        mlflow.create_experiment(experiment, artifact_location=artifacts.resolve().as_uri())
    mlflow.set_experiment(experiment)
    return mlflow


def store_uri(out: Path) -> str:
    """Return the store to use: what ``MLFLOW_TRACKING_URI`` says, or an SQLite file in the output's folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(out / 'mlflow.db').resolve()}"


def has_run(mlflow: Any, experiment: str, tag: str, identity: str) -> bool:
    """Return whether an experiment has a run whose tag is this identity."""
    return bool(
        mlflow.search_runs(
            [mlflow.get_experiment_by_name(experiment).experiment_id],
            filter_string=f"tags.{tag} = '{identity}'",
            output_format="list",
            max_results=1,
        )
    )


def metric_name(metric: str) -> str:
    """Return the name of a metric as MLflow allows it: without ``@``."""
    return metric.replace("@", " at ")
