"""A fitted pipeline and the names of its labels, read from files that joblib or pickle wrote."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import joblib
import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.feature_selection import SelectFromModel, SelectKBest, SelectPercentile, VarianceThreshold
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, Normalizer, StandardScaler

from model.pipelines.graph import PipelineParts
from model.pipelines.heads import compute_logits, read_head
from model.pipelines.labels import is_tag
from model.pipelines.text_steps import read_first_step, read_weighting
from model.pipelines.unsupported import UnsupportedStep

_NUMERIC: Final = (
    MaxAbsScaler,
    Normalizer,
    SelectFromModel,
    SelectKBest,
    SelectPercentile,
    StandardScaler,
    TruncatedSVD,
    VarianceThreshold,
)
"""Steps between text and classifier, which skl2onnx converts exactly."""


class PipelineFileError(Exception):
    """A file holds no fitted pipeline, or no names of tags; the message says what to do."""


@dataclass(frozen=True, slots=True)
class FittedPipeline:
    """A fitted pipeline of scikit-learn, the tags that its labels stand for, and the parts that it consists of.

    ``notices`` says what its user should know.
    """

    pipeline: Pipeline
    tags: tuple[str, ...]
    parts: PipelineParts
    notices: tuple[str, ...]

    @classmethod
    def load(cls, pipeline: Path, labels: Path) -> "FittedPipeline":
        """Load both files. Loading a pickle runs the code in it: only files that one trusts may be loaded.

        Raises:
            PipelineFileError: a file cannot be read, or holds something else.
            UnsupportedStep: a step cannot be carried over exactly.
        """
        loaded, notices = _load(pipeline)
        binarizer, _ = _load(labels)
        if isinstance(loaded, GridSearchCV | RandomizedSearchCV):
            loaded = getattr(loaded, "best_estimator_", loaded)
        if type(loaded) is not Pipeline or len(loaded.steps) < 2:
            raise PipelineFileError(
                f"{pipeline} holds a {type(loaded).__name__}, not a Pipeline from text to a classifier. Put vectorizer "
                "and classifier together with sklearn.pipeline.make_pipeline, as fitted."
            )
        tags = _read_tags(labels, binarizer)
        return cls(loaded, tags, _read_parts(loaded, len(tags)), tuple(notices))

    def transform(self, texts: Sequence[tuple[str, str]]) -> Any:
        """Return what reaches the classifier, and what the text's steps give, of prepared (title, body) texts."""
        return self.pipeline[:-1].transform(self._inputs(texts))

    def text_features(self, texts: Sequence[tuple[str, str]]) -> Any:
        """Return scikit-learn's own features of prepared texts before the numeric steps: sparse [texts, features]."""
        n = len(self.pipeline.steps) - 1 - (len(self.parts.numeric.steps) if self.parts.numeric is not None else 0)
        return self.pipeline[:n].transform(self._inputs(texts))

    def logits(self, texts: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Return scikit-learn's own logits of prepared (title, body) texts: [texts, tags]."""
        return compute_logits(self.parts.head, self.pipeline.steps[-1][1], self.transform(texts))

    def _inputs(self, texts: Sequence[tuple[str, str]]) -> Any:
        first = self.pipeline.steps[0][1]
        if not isinstance(first, ColumnTransformer):
            return ["\n".join(text) for text in texts]
        names = getattr(first, "feature_names_in_", None)
        if names is None:
            return np.array([list(text) for text in texts], dtype=object).reshape(-1, 2)
        columns = {"title": [title for title, _ in texts], "body": [body for _, body in texts]}
        return pl.DataFrame({str(name): columns.get(str(name).lower(), [""] * len(texts)) for name in names})


def _load(path: Path) -> tuple[Any, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            content = joblib.load(path)
        except OSError as error:
            raise PipelineFileError(f"{path} cannot be read: {error.strerror or error}.") from error
        except (AttributeError, ImportError) as error:
            raise PipelineFileError(
                f"{path} cannot be loaded: {error}. It holds code of its writer's own; a pipeline must consist of "
                "scikit-learn's steps alone."
            ) from error
        except Exception as error:  # a pickle can raise anything
            raise PipelineFileError(
                f"{path} is not what joblib.dump or pickle.dump wrote: {type(error).__name__}: {str(error)[:200]}."
            ) from error
    old = [warning.message for warning in caught if isinstance(warning.message, InconsistentVersionWarning)]
    return content, [
        f"{path.name} was pickled by scikit-learn {old[0].original_sklearn_version}, here is "
        f"{old[0].current_sklearn_version}: its steps may compute something else."
    ] if old else []


def _read_tags(path: Path, binarizer: Any) -> tuple[str, ...]:
    """Return the tags of a MultiLabelBinarizer, or of a list, in the order of the labels."""
    names = getattr(binarizer, "classes_", binarizer)
    if not isinstance(names, list | tuple | np.ndarray) or not all(isinstance(name, str) for name in names):
        raise PipelineFileError(
            f"{path} holds a {type(binarizer).__name__}, not the fitted MultiLabelBinarizer (or a list of strings)."
        )
    tags = tuple(map(str, names))
    if wrong := [tag for tag in tags if not is_tag(tag)]:
        raise PipelineFileError(
            f"{path} names labels that are no tags, {len(wrong)} of {len(tags)}, such as {wrong[0][:60]!r}. A tag has "
            "1 to 35 of the characters a-z 0-9 . + # -."
        )
    if len(set(tags)) < max(len(tags), 2):
        raise PipelineFileError(f"{path} names a tag twice, or fewer than two tags.")
    return tags


def _read_parts(pipeline: Pipeline, n_tags: int) -> PipelineParts:
    (first_name, first), *between, (last_name, classifier) = pipeline.steps
    text = read_first_step(first_name, first)
    numeric: list[tuple[str, Any]] = []
    for name, step in between:
        if step is None or step == "passthrough":
            continue
        if isinstance(step, TfidfTransformer) and not numeric:
            text = read_weighting(name, step, text)
        elif type(step) in _NUMERIC:
            numeric.append((name, step))
        else:
            known = ", ".join(kind.__name__ for kind in _NUMERIC)
            raise UnsupportedStep(name, step, f"cannot be carried over. Between text and classifier can: {known}.")
    head = read_head(last_name, classifier, n_tags)
    return PipelineParts(text, Pipeline(numeric) if numeric else None, head)
