"""A version in MLflow as well, if it is installed: a run with its figures, and a model version with aliases.

The plain folders stay what the service reads. Aliases name versions (``challenger``, ``champion``), not stages.
"""

import tempfile
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
        _log_model(mlflow, version.folder)
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


def point_champion(store: str, name: str) -> int | None:
    """Point the alias ``champion`` at the model version of a version's name; return its number.

    A version that is not in the store, such as the shipped model, leaves the alias at none: return None.

    Raises:
        ModuleNotFoundError: MLflow is not installed.
    """
    client = open_store(store, EXPERIMENT).MlflowClient()
    known = client.search_model_versions(f"name = '{MODEL}' and tags.version = '{name}'")
    if known:
        newest = max(int(model_version.version) for model_version in known)
        client.set_registered_model_alias(MODEL, "champion", newest)
        return newest
    if client.search_registered_models(f"name = '{MODEL}'"):
        client.delete_registered_model_alias(MODEL, "champion")
    return None


def _log_model(mlflow: Any, folder: Path) -> None:
    """Log a version's folder as a model with signature and input example, which ``mlflow.pyfunc`` loads."""
    import pandas as pd  # of the same extra
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Array, ColSpec, DataType, Schema

    signature = ModelSignature(
        Schema([ColSpec(DataType.string, "title"), ColSpec(DataType.string, "body")]),
        Schema([ColSpec(Array(DataType.string), "tags"), ColSpec(Array(DataType.double), "scores")]),
    )
    example = pd.DataFrame({"title": ["How do I merge two DataFrames?"], "body": ["On a column of dates."]})
    with tempfile.TemporaryDirectory(prefix="tagalong-") as made:
        mlflow.pyfunc.save_model(
            Path(made) / "model",
            loader_module="model.registry.pyfunc_model",
            data_path=str(folder),
            signature=signature,
            input_example=example,
            pip_requirements=["tagalong"],
        )
        mlflow.log_artifacts(str(Path(made) / "model"), "model")


def _flatten(values: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Name what is inside by the way to it: ``data.sha256``."""
    pairs: list[tuple[str, Any]] = []
    for name, value in values.items():
        pairs += _flatten(value, f"{before}{name}.") if isinstance(value, dict) else [(f"{before}{name}", value)]
    return pairs
