"""Plain recipes: how a newcomer's first model goes, with scikit-learn alone, and ready to import.

All but the last read words of the title, single ones and pairs, and words of the body, each with its own TF-IDF.
"""

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
    """How to make a pipeline that is not fitted, what it reads, and how many of the commonest tags it learns."""

    make: Callable[[], Pipeline]
    tags: int
    joined: bool = False


RECIPES: Final[Mapping[str, Recipe]] = {
    "tfidf-logreg": Recipe(lambda: _tfidf(LogisticRegression(solver="liblinear", C=10.0)), 100),
    "tfidf-svm": Recipe(lambda: _tfidf(CalibratedClassifierCV(LinearSVC(), cv=3)), 100),
    "tfidf-nb": Recipe(lambda: _tfidf(ComplementNB(alpha=0.1)), 300),
    "tfidf-student": Recipe(_student, 20, joined=True),
}


def fit_recipe(
    name: str, questions: Sequence[Question], tags: int | None, data: str, out: Path, progress: Progress
) -> int:
    """Fit a recipe to the train part, and write pipeline, binarizer and the titles that it learned; return its tags.

    Args:
        tags: how many of the commonest tags to learn, if not the recipe's own number.
        data: sha256 of the file of the questions.

    Raises:
        QuestionsError: there are too few questions to learn from.
    """
    recipe = RECIPES[name]
    learned = [question for question in questions if question.split == "train" and question.tags_complete]
    counts = Counter(tag for question in learned for tag in question.tags if is_tag(tag))
    chosen = [tag for tag, _ in counts.most_common(tags or recipe.tags)]
    if len(chosen) < 2:
        raise QuestionsError("There are no two tags to learn in the questions to train on. Give more questions.")
    binarizer = MultiLabelBinarizer(classes=chosen)
    known = set(chosen)
    labels = binarizer.fit_transform([known.intersection(question.tags) for question in learned])
    titles, bodies = [question.title for question in learned], [question.body for question in learned]
    texts: Any = pl.DataFrame({"title": titles, "body": bodies})
    if recipe.joined:
        texts = ["\n".join(both) for both in zip(titles, bodies, strict=True)]
    progress.log(f"fitting {name} to {len(learned):,} questions and {len(chosen):,} tags")
    try:
        pipeline = recipe.make().fit(texts, labels)
    except ValueError as error:  # "After pruning, no terms remain"
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
