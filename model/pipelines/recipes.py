"""Plain recipes: how a newcomer's first model goes, with scikit-learn alone, and ready to import.

All but the last read words of the title, single ones and pairs, and words of the body, each with its own TF-IDF.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import joblib
import polars as pl
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MultiLabelBinarizer
from sklearn.svm import LinearSVC

from model.pipelines.labels import is_tag
from model.questions import Question, QuestionsError
from model.runs.files import write_atomically
from model.runs.progress import Progress
from model.training.trained_titles import TITLES_FILE, TrainedTitles

PIPELINE_FILE, BINARIZER_FILE = "pipeline.joblib", "binarizer.joblib"
WORD: Final = r"[a-zA-Z0-9_#+.\-]+"
Parameters = Mapping[str, Any]
"""Values by scikit-learn's names of parameters, such as ``tags__estimator__C``; as JSON holds them."""
Space = Mapping[str, Sequence[Any]]
"""The values of each parameter that a search chooses from."""


class ParametersError(Exception):
    """Parameters are not those of a recipe; the message says what to do."""


def _tfidf(classifier: Any) -> Pipeline:
    title = TfidfVectorizer(token_pattern=WORD, ngram_range=(1, 2), min_df=2, max_features=60_000, sublinear_tf=True)
    body = TfidfVectorizer(token_pattern=WORD, min_df=3, max_features=40_000, sublinear_tf=True)
    texts = ColumnTransformer([("title", title, "title"), ("body", body, "body")])
    return Pipeline([("texts", texts), ("tags", OneVsRestClassifier(classifier))])


def _student() -> Pipeline:
    """Return the recipe that an earlier student study deployed: words of at least one question in twenty."""
    return Pipeline([("text", TfidfVectorizer(min_df=0.05)), ("tags", OneVsRestClassifier(LogisticRegression()))])


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make a pipeline that is not fitted, what it reads, and how many of the commonest tags it learns.

    ``space`` is what a search chooses from.
    """

    make: Callable[[], Pipeline]
    tags: int
    space: Space
    joined: bool = False

    def own_parameters(self) -> dict[str, Any]:
        """Return the parameters that can be set, with the recipe's own values: no steps, no types."""
        parameters = self.make().get_params().items()
        return {name: value for name, value in parameters if isinstance(value, str | int | float | tuple | None)}

    def texts(self, questions: Sequence[Question]) -> Any:
        """Return the questions' texts as its pipeline reads them."""
        titles, bodies = [question.title for question in questions], [question.body for question in questions]
        if self.joined:
            return ["\n".join(both) for both in zip(titles, bodies, strict=True)]
        return pl.DataFrame({"title": titles, "body": bodies})

    def choose_tags(self, learned: Sequence[Question], tags: int | None) -> list[str]:
        """Return the commonest tags of questions, as many as asked for or else as its own number.

        Raises:
            QuestionsError: there are fewer than two.
        """
        counts = Counter(tag for question in learned for tag in question.tags if is_tag(tag))
        chosen = [tag for tag, _ in counts.most_common(tags or self.tags)]
        if len(chosen) < 2:
            raise QuestionsError("There are no two tags to learn in the questions to train on. Give more questions.")
        return chosen

    def fit(self, texts: Any, labels: Any, parameters: Parameters) -> Pipeline:
        """Return its pipeline fitted to texts and labels, 0 or 1, [texts, tags].

        Raises:
            ValueError, TypeError: scikit-learn refuses a value, or no words remain.
        """
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()}
        return self.make().set_params(**values).fit(texts, labels)


_TFIDF_SPACE: Final[dict[str, list[Any]]] = {
    "texts__title__ngram_range": [[1, 1], [1, 2]],
    "texts__title__min_df": [2, 3, 5],
    "texts__title__max_features": [30_000, 60_000, 120_000],
    "texts__body__ngram_range": [[1, 1], [1, 2]],
    "texts__body__min_df": [3, 5, 10],
    "texts__body__max_features": [20_000, 40_000, 80_000],
}
_STUDENT_SPACE: Final[dict[str, list[Any]]] = {
    "text__min_df": [0.001, 0.002, 0.005, 0.01, 0.02, 0.05],
    "text__ngram_range": [[1, 1], [1, 2]],
    "text__sublinear_tf": [False, True],
    "tags__estimator__C": [0.3, 1.0, 3.0, 10.0, 30.0],
}
RECIPES: Final[Mapping[str, Recipe]] = {
    "tfidf-logreg": Recipe(
        # liblinear and LinearSVC draw from a generator: a fixed state gives the same model each time.
        lambda: _tfidf(LogisticRegression(solver="liblinear", C=10.0, random_state=1)),
        100,
        _TFIDF_SPACE | {"tags__estimator__C": [1.0, 3.0, 10.0, 30.0, 100.0]},
    ),
    "tfidf-svm": Recipe(
        lambda: _tfidf(CalibratedClassifierCV(LinearSVC(random_state=1), cv=3)),
        100,
        _TFIDF_SPACE | {"tags__estimator__estimator__C": [0.1, 0.3, 1.0, 3.0]},
    ),
    "tfidf-nb": Recipe(
        lambda: _tfidf(ComplementNB(alpha=0.1)),
        300,
        _TFIDF_SPACE | {"tags__estimator__alpha": [0.01, 0.03, 0.1, 0.3, 1.0]},
    ),
    "tfidf-student": Recipe(_student, 20, _STUDENT_SPACE, joined=True),
}


def read_parameters(name: str, file: Path) -> dict[str, Any]:
    """Return a recipe's parameters from a JSON file, such as the ``best.json`` of a search.

    Raises:
        ParametersError: it is no JSON object, or names a parameter that the recipe has not.
        OSError: it cannot be read.
    """
    try:
        parameters = json.loads(file.read_bytes())
    except ValueError as error:
        raise ParametersError(f"{file} is not JSON: {error}.") from error
    if not isinstance(parameters, dict):
        raise ParametersError(f'{file} holds no object like {{"tags__estimator__C": 3.0}}.')
    unknown = parameters.keys() - RECIPES[name].own_parameters().keys()
    if unknown:
        raise ParametersError(
            f"{name} has no parameter {', '.join(sorted(unknown))} ({file}). Its parameters are those of its "
            f"scikit-learn pipeline, such as {', '.join(RECIPES[name].space)}."
        )
    return parameters


def list_learned(questions: Sequence[Question], split: str) -> list[Question]:
    """Return the questions of a split that a recipe can learn from or be judged on: those with complete tags."""
    return [question for question in questions if question.split == split and question.tags_complete]


def make_labels(tags: Sequence[str], questions: Sequence[Question]) -> tuple[MultiLabelBinarizer, Any]:
    """Return the fitted binarizer of the tags, and which question has which of them: 0 or 1, [questions, tags]."""
    binarizer, known = MultiLabelBinarizer(classes=list(tags)), set(tags)
    return binarizer, binarizer.fit_transform([known.intersection(question.tags) for question in questions])


def fit_recipe(
    name: str,
    questions: Sequence[Question],
    tags: int | None,
    parameters: Parameters,
    data: str,
    out: Path,
    progress: Progress,
) -> int:
    """Fit a recipe to the train part, and write pipeline, binarizer and the titles that it learned; return its tags.

    Args:
        tags: how many of the commonest tags to learn, if not the recipe's own number.
        parameters: instead of the recipe's own values.
        data: sha256 of the file of the questions.

    Raises:
        QuestionsError: there are too few questions to learn from, or scikit-learn refuses a parameter's value.
    """
    recipe = RECIPES[name]
    learned = list_learned(questions, "train")
    chosen = recipe.choose_tags(learned, tags)
    binarizer, labels = make_labels(chosen, learned)
    progress.log(f"fitting {name} to {len(learned):,} questions and {len(chosen):,} tags")
    try:
        pipeline = recipe.fit(recipe.texts(learned), labels, parameters)
    except (ValueError, TypeError) as error:  # "After pruning, no terms remain"
        raise QuestionsError(f"scikit-learn cannot fit {name} to these questions: {error}") from error
    files = {PIPELINE_FILE: pipeline, BINARIZER_FILE: binarizer}
    learned_titles = TrainedTitles.of(learned, data)
    write_atomically(
        out, {TITLES_FILE: learned_titles.as_bytes()} | {name: _dump(part) for name, part in files.items()}
    )
    return len(chosen)


def _dump(fitted: Any) -> bytes:
    written = BytesIO()
    joblib.dump(fitted, written)
    return written.getvalue()
