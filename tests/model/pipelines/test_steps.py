"""Which steps are carried over exactly, and which are refused by their names: pipelines of each kind, on few texts."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnxruntime
import polars as pl
import pytest
from onnx import TensorProto
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MultiLabelBinarizer, Normalizer, PolynomialFeatures
from sklearn.svm import LinearSVC

from model.pipelines.build import Origin, import_pipeline
from model.pipelines.heads import LinearHead
from model.pipelines.patterns import translate_pattern
from model.pipelines.source import FittedPipeline, PipelineFileError
from model.pipelines.unsupported import UnsupportedStep
from model.questions import Question
from model.runs.progress import Progress
from model.serving.classifier import Classifier
from model.training.build import DataSource
from model.training.onnx_graph import Value
from model.training.onnx_text import ModelGraph, add_tokens

TAGS = ["c#", "java", "node.js", "python"]
WORDS = {"c#": "linq Über csharp", "java": "maven spring jvm", "node.js": "npm express", "python": "pip 日本 pandas"}
SILENT = Progress(lambda line: None, lambda label, length: lambda: None)


def make_questions() -> list[Question]:
    """Return 240 questions, each of one or two tags, with words of all scripts."""
    draw = np.random.default_rng(5)
    questions = []
    for i in range(240):
        tags = sorted(draw.choice(TAGS, size=1 + i % 2, replace=False))
        words = [word for tag in tags for word in WORDS[tag].split()] + ["how", "the", "Don't", "is_it", "C++", f"v{i}"]
        title, body = draw.choice(words, 5), draw.choice(words, 12)
        split = "tune" if i % 2 else "train"
        questions.append(
            Question(" ".join(title), ", ".join(body) if i % 3 else "", tuple(tags), True, 2020, i, "made", split)
        )
    return questions


QUESTIONS = make_questions()
LEARNED = [question for question in QUESTIONS if question.split == "train"]
BINARIZER = MultiLabelBinarizer(classes=TAGS)
LABELS = BINARIZER.fit_transform([question.tags for question in LEARNED])
JOINED = [f"{question.title}\n{question.body}" for question in LEARNED]
COLUMNS = pl.DataFrame({"Title": [q.title for q in LEARNED], "Body": [q.body for q in LEARNED]})


def logistic() -> OneVsRestClassifier:
    return OneVsRestClassifier(LogisticRegression(C=10.0))


def two_columns(**settings: Any) -> ColumnTransformer:
    body = make_pipeline(CountVectorizer(), TfidfTransformer(sublinear_tf=True))
    title = TfidfVectorizer(ngram_range=(1, 2), **settings)
    return ColumnTransformer([("b", body, "Body"), ("t", title, "Title")], transformer_weights={"t": 2.0})


def bring(pipeline: Pipeline, folder: Path, texts: Any = JOINED, labels: Any = BINARIZER) -> FittedPipeline:
    """Fit a pipeline, and read it back from the files that joblib writes."""
    joblib.dump(pipeline.fit(texts, LABELS), folder / "pipeline.joblib")
    joblib.dump(labels, folder / "labels.joblib")
    return FittedPipeline.load(folder / "pipeline.joblib", folder / "labels.joblib")


EXACT: dict[str, tuple[Callable[[], Pipeline], bool]] = {
    "the default pattern, damped, pairs without stop words": (
        lambda: make_pipeline(
            TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), stop_words=["how", "the"]), logistic()
        ), True,
    ),
    "counts of runs, in both cases, by length 1": (
        lambda: make_pipeline(
            CountVectorizer(lowercase=False, ngram_range=(2, 3), binary=True), TfidfTransformer(norm="l1"), logistic()
        ), False,
    ),
    "a union with weights": (
        lambda: make_pipeline(
            FeatureUnion([("a", TfidfVectorizer()), ("b", CountVectorizer(token_pattern=r"\S+"))],
                         transformer_weights={"b": 0.5}), MultiOutputClassifier(LogisticRegression()),
        ), True,
    ),
    "support vectors, calibrated": (
        lambda: make_pipeline(TfidfVectorizer(), OneVsRestClassifier(CalibratedClassifierCV(LinearSVC(), cv=3))), True,
    ),
    "support vectors": (lambda: make_pipeline(TfidfVectorizer(), OneVsRestClassifier(LinearSVC())), True),
    "naive Bayes": (lambda: make_pipeline(CountVectorizer(), OneVsRestClassifier(MultinomialNB())), True),
    "naive Bayes of complements": (lambda: make_pipeline(TfidfVectorizer(), OneVsRestClassifier(ComplementNB())), True),
    "naive Bayes of yes and no": (lambda: make_pipeline(TfidfVectorizer(), OneVsRestClassifier(BernoulliNB())), True),
    "a forest": (
        lambda: make_pipeline(TfidfVectorizer(), RandomForestClassifier(5, max_depth=5, random_state=1)), False,
    ),
    "a forest a tag": (
        lambda: make_pipeline(
            TfidfVectorizer(), OneVsRestClassifier(RandomForestClassifier(3, max_depth=5, random_state=1))
        ), False,
    ),
    "trees a tag": (
        lambda: make_pipeline(
            TfidfVectorizer(), MultiOutputClassifier(ExtraTreesClassifier(3, max_depth=5, random_state=1))
        ), False,
    ),
    "chosen features": (
        lambda: make_pipeline(TfidfVectorizer(), MaxAbsScaler(), SelectKBest(chi2, k=9), logistic()), False,
    ),
    "a few dimensions": (
        lambda: make_pipeline(TfidfVectorizer(), TruncatedSVD(4, random_state=1), Normalizer(), logistic()), False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_the_same_scores_come_out_of_one_graph(name: str, tmp_path: Path) -> None:
    make, explains = EXACT[name]
    fitted = bring(make(), tmp_path)
    # It fails where ONNX Runtime and scikit-learn differ.
    manifest = import_pipeline(fitted, Origin("", "", None), QUESTIONS, data(), tmp_path / "out", SILENT)
    assert manifest["training"]["largest_difference"] < 1e-5
    assert manifest["interface"]["reasons"] is explains
    classifier = Classifier.load(tmp_path / "out")
    answers = classifier.suggest(QUESTIONS[1].title, QUESTIONS[1].body)
    assert all(0 < item.score < 1 for item in answers)
    assert (answers[0].because != ()) is explains
    assert classifier.suggest("", "") == []


@pytest.mark.parametrize("texts", [COLUMNS, COLUMNS.to_pandas()], ids=["polars", "pandas"])
def test_title_and_body_come_as_columns(tmp_path: Path, texts: Any) -> None:
    fitted = bring(make_pipeline(two_columns(), logistic()), tmp_path, texts)
    manifest = import_pipeline(fitted, Origin("", "", None), QUESTIONS, data(), tmp_path / "out", SILENT)
    assert manifest["interface"]["joined"] is False
    (best, *_) = Classifier.load(tmp_path / "out").suggest("maven and spring", "npm, npm install")
    assert set(best.because) & {"maven", "spring", "npm"}


REFUSED: dict[str, tuple[Callable[[], Pipeline], str]] = {
    "characters": (
        lambda: make_pipeline(TfidfVectorizer(analyzer="char_wb"), logistic()),
        "The step 'tfidfvectorizer' (TfidfVectorizer) has analyzer='char_wb'",
    ),
    "accents": (
        lambda: Pipeline([("words", CountVectorizer(strip_accents="unicode")), ("tags", logistic())]),
        "The step 'words' (CountVectorizer) has strip_accents",
    ),
    "a tokenizer": (lambda: make_pipeline(TfidfVectorizer(tokenizer=str.split), logistic()), "has tokenizer"),
    "a pattern that looks around": (
        lambda: make_pipeline(TfidfVectorizer(token_pattern=r"\w+(?!\+)"), logistic()), "captures or looks around",
    ),
    "hashes": (lambda: make_pipeline(HashingVectorizer(n_features=32), logistic()), "(HashingVectorizer) is not"),
    "cases": (lambda: make_pipeline(
        FeatureUnion([("a", TfidfVectorizer()), ("b", TfidfVectorizer(lowercase=False))]), logistic()), "lower case"),
    "products": (
        lambda: make_pipeline(TfidfVectorizer(max_features=5), PolynomialFeatures(), logistic()),
        "The step 'polynomialfeatures' (PolynomialFeatures) cannot be carried over",
    ),
    "neighbours": (
        lambda: make_pipeline(TfidfVectorizer(), KNeighborsClassifier()), "(KNeighborsClassifier) is no",
    ),
    "neighbours a tag": (
        lambda: make_pipeline(TfidfVectorizer(), OneVsRestClassifier(KNeighborsClassifier())),
        "The step 'onevsrestclassifier, label 0' (KNeighborsClassifier) cannot be carried over",
    ),
    "a chain": (lambda: make_pipeline(TfidfVectorizer(), ClassifierChain(LogisticRegression())), "'classifierchain'"),
    "isotonic calibration": (
        lambda: make_pipeline(
            TfidfVectorizer(), OneVsRestClassifier(CalibratedClassifierCV(LinearSVC(), method="isotonic", cv=3))),
        "another method than 'sigmoid'",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:The parameter 'token_pattern' will not be used")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_carried_over_exactly_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    make, reason = REFUSED[name]
    with pytest.raises(UnsupportedStep, match=re.escape(reason)):
        bring(make(), tmp_path)


def test_a_pipeline_whose_scores_differ_is_refused_by_its_classifier(tmp_path: Path) -> None:
    fitted = bring(make_pipeline(TfidfVectorizer(), logistic()), tmp_path)
    head = fitted.parts.head
    assert isinstance(head, LinearHead)
    head.intercepts[:] += 0.5
    with pytest.raises(UnsupportedStep, match=r"'onevsrestclassifier' .* gives other scores in ONNX Runtime, by up to"):
        import_pipeline(fitted, Origin("", "", None), QUESTIONS, data(), tmp_path / "out", SILENT)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (["C#", *TAGS[1:]], "labels that are no tags, 1 of 4, such as 'C#'"),
        (["a" * 36, *TAGS[1:]], "A tag has 1 to 35"),
        (["java", "java", "c#", "python"], "names a tag twice"),
        (TAGS[1:], "gives 4 labels, and there are 3 names of tags"),
        ({"c#": 0}, "holds a dict"),
    ],
)
def test_labels_must_be_as_many_valid_tags(tmp_path: Path, labels: Any, reason: str) -> None:
    with pytest.raises((PipelineFileError, UnsupportedStep), match=re.escape(reason)):
        bring(make_pipeline(TfidfVectorizer(), logistic()), tmp_path, labels=labels)


def test_files_that_hold_something_else_say_what_they_must_be(tmp_path: Path) -> None:
    bring(make_pipeline(TfidfVectorizer(), logistic()), tmp_path)
    (tmp_path / "text").write_text("tags: python")
    joblib.dump(logistic(), tmp_path / "classifier")
    for file, reason in (("text", "is not what joblib.dump"), ("classifier", "not a Pipeline from text")):
        with pytest.raises(PipelineFileError, match=reason):
            FittedPipeline.load(tmp_path / file, tmp_path / "labels.joblib")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"(?u)\b\w\w+\b", "Über 日本 c don't_it x"), (r"[\w#+.-]+", "C# c++ .net ÀÉ"), (r"\S+", "a,b\u00a0c \u2003 d"),
        (r"c\+\+|[a-z]{2,}", "c++ cc c"), (r"[^\s,.]+", "a,b c.d"), (r"\d+", "12 a3 ٣"),
    ],
)  # fmt: skip
def test_translated_patterns_find_the_same_words(pattern: str, words: str, tmp_path: Path) -> None:
    g = ModelGraph()
    add_tokens(g, Value("text"), "tokens", translate_pattern(pattern))
    graph = g.to_bytes("t", {"text": (TensorProto.STRING, [1])}, {"tokens": (TensorProto.STRING, [1, "n"])}, {})
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    (tokens,) = onnxruntime.InferenceSession(graph, options).run(None, {"text": np.array([words], object)})
    assert tokens[0].tolist() == re.findall(pattern, words)


@pytest.mark.parametrize(
    "pattern",
    [r"\w*", r"(\w)+", r"(?=a)\w+", r"(?i)a+", r"a.b", r"[^,]+", r"\w+\b", r"^\w+", r"(\w)\1", r"[\W]+", r"[ a]+",
     r"a++", r"[\da-z\D]+", r"\x41+"],
)  # fmt: skip
def test_patterns_that_differ_in_onnx_runtime_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"has|matches"):
        translate_pattern(pattern)


def data() -> DataSource:
    return DataSource("made.parquet", "0" * 64, len(QUESTIONS), None, None)
