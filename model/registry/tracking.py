"""A version in MLflow as well, if it is installed: a run with its figures, and a model version with aliases.

The plain folders stay what the service reads. Aliases name versions (``challenger``, ``champion``), not stages.
"""

from pathlib import Path
from typing import Any, Final

from model.registry.versions import CHECKED, Version
from model.runs.tracking import metric_name, open_store

EXPERIMENT: Final = "tagalong versions"
MODEL: Final = "tagalong"
"""Name of the registered model."""


def track_version(version: Version, store: str, artifacts: Path) -> int:
    """Write a version to an MLflow store; return the number that it has there.

    It becomes the ``challenger`` if it passed its checks; the version that it was compared with is the ``champion``, if
    it is there too.

    Args:
        store: like ``sqlite:///mlflow.db`` or ``http://127.0.0.1:5000``.
        artifacts: folder for the files of runs, if the store is new and no server.

    Raises:
        ModuleNotFoundError: MLflow is not installed.
    """
    mlflow = open_store(store, EXPERIMENT, artifacts)
    client = mlflow.MlflowClient()
    about = version.about
    tags = {"number": str(version.number), "version": version.name, "state": version.state, "code": about["code"]}
    with mlflow.start_run(run_name=f"version {version.number}, {version.name}", tags=tags) as run:
        mlflow.log_params(dict(_flatten({"data": about["data"], **about["parameters"]})))
        mlflow.log_metrics({metric_name(name): value for name, value in about["metrics"].items()})
        mlflow.log_metric("left out", about.get("left_out", 0))
        mlflow.log_artifacts(str(version.folder), "model")
    if not client.search_registered_models(f"name = '{MODEL}'"):
        client.create_registered_model(MODEL, description="Suggests tags for questions that are being written.")
    source = f"{run.info.artifact_uri}/model"
    model_version = client.create_model_version(MODEL, source, run.info.run_id, tags=tags)
    if version.state == CHECKED:
        client.set_registered_model_alias(MODEL, "challenger", model_version.version)
    champions = client.search_model_versions(f"name = '{MODEL}' and tags.version = '{about['against']}'")
    if champions:
        client.set_registered_model_alias(MODEL, "champion", max(int(champion.version) for champion in champions))
    return int(model_version.version)


def _flatten(values: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Name what is inside by the way to it: ``data.sha256``."""
    pairs: list[tuple[str, Any]] = []
    for name, value in values.items():
        pairs += _flatten(value, f"{before}{name}.") if isinstance(value, dict) else [(f"{before}{name}", value)]
    return pairs
