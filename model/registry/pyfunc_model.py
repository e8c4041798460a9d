"""A version as MLflow loads it: ``mlflow.pyfunc.load_model("models:/tagalong@champion")`` calls ``_load_pyfunc``."""

from pathlib import Path
from typing import Any

from model.serving.classifier import Classifier


class Suggester:
    """Suggests tags for each row of a table with the columns ``title`` and ``body``."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    def predict(self, drafts: Any, params: dict[str, Any] | None = None) -> list[dict[str, list[Any]]]:
        """Return tags and scores of each draft, best first, as the service gives them."""
        answers = [
            self._classifier.suggest(title, body) for title, body in zip(drafts["title"], drafts["body"], strict=True)
        ]
        return [{"tags": [item.tag for item in items], "scores": [item.score for item in items]} for items in answers]


def _load_pyfunc(path: str) -> Suggester:
    """Load the version in a folder; MLflow calls it by this name."""
    return Suggester(Classifier.load(Path(path)))
