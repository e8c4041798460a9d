"""``tagalong-model import``: what scikit-learn pickled elsewhere becomes a numbered version that answers the same."""

import json
from pathlib import Path

import joblib
import numpy as np
import pytest

from backend.deployments import registry as deployments
from model.pipelines.build import Origin, import_pipeline
from model.pipelines.source import FittedPipeline
from model.questions.parquet import read_questions
from model.registry.versions import read_version
from model.runs.progress import Progress
from model.serving.classifier import Classifier
from model.serving.device_file import NoDeviceFormError, device_file
from model.training.build import DataSource
from model.training.trained_titles import read_titles_beside
from tests.model.pipelines.conftest import Brought
from tests.model.pipelines.generated import TAGS, words_of
from tests.model.registry.conftest import run

SILENT = Progress(lambda line: None, lambda label, length: lambda: None)


def test_a_pickled_pipeline_becomes_a_checked_version_that_can_be_deployed(brought: Brought) -> None:
    version = read_version(brought.registry, 1)
    assert version.state == "checked", version.failed()
    assert version.about["tier"] == "imported"
    assert deployments.list_refusals(deployments.read_version(brought.registry, 1)) == []
    assert deployments.load(deployments.read_version(brought.registry, 1)).version == version.name
    manifest = json.loads((version.folder / "manifest.json").read_text())
    assert manifest["interface"]["reasons"] is True
    assert manifest["imported"]["knows_what_it_learned_from"] is True
    card = (version.folder / version.about["card"]).read_text()
    assert "`tfidfvectorizer`" in card
    assert "Which questions it learned from is known" in card
    # The draft about git is none of its tags'.
    assert "1 of 1 drafts have their tags among the best 5, 1 others" in brought.output
    assert "sublinear_tf: counts become 1 + ln(count)" in brought.output
    assert "300 linear models as one matrix" in brought.output


def test_it_answers_what_the_pipeline_answers(brought: Brought) -> None:
    classifier = Classifier.load(brought.registry / "1")
    pipeline = joblib.load(brought.folder / "pipeline.joblib")
    dev = [question for question in read_questions(brought.questions) if question.split == "dev"][:100]
    expected = pipeline.predict_proba([f"{question.title} {question.body}" for question in dev])
    # Calibration by frequency may put a rare tag before a common one; in one band the order is the pipeline's.
    assert set(classifier.tags) == set(TAGS)
    for question, row in zip(dev, expected, strict=True):
        (best, *_) = classifier.suggest(question.title, question.body, body_format="text", limit=1)
        assert best.tag == classifier.tags[int(np.argmax(row))]


def test_it_offers_no_chosen_tag_and_names_the_words_that_weigh_most(brought: Brought) -> None:
    classifier = Classifier.load(brought.registry / "1")
    word = words_of("gamma++-7")[1]
    title, body = f"How do I use {word.upper()} here", "filler1"
    (best, *_) = classifier.suggest(title, body)
    assert best.tag == "gamma++-7"
    assert best.confident
    assert best.because[0] == word.upper()
    assert best.uses > 0
    assert "gamma++-7" not in [item.tag for item in classifier.suggest(title, body, chosen_tags=["gamma++-7"])]
    assert classifier.suggest("", "") == []
    assert classifier.suggest("zzz yyy", "xxx") == []


def test_the_questions_it_was_trained_or_calibrated_on_do_not_judge_it(brought: Brought) -> None:
    about = read_version(brought.registry, 1).about
    manifest = json.loads((brought.registry / "1" / "manifest.json").read_text())
    rows = read_questions(brought.questions)
    dev = sum(question.split == "dev" for question in rows)
    learned = len(read_questions(brought.folder / "learned.parquet"))
    # By mistake, one other question in some thousands counts as seen.
    assert manifest["split"]["calibrated_on"] in range(len(rows) - dev - learned - 3, len(rows) - dev - learned + 1)
    assert about["metrics"]["n"] in range(dev - 3, dev + 1)
    assert about["metrics"]["P@1"] > 0.8
    again = ["--questions", brought.folder / "learned.parquet", "--registry", brought.registry]
    assert "has no dev questions" in run("register", "1", *again, code=1).output


def test_without_trust_nothing_is_loaded(brought: Brought) -> None:
    refused = run("import", *brought.files, "--questions", brought.questions, code=2).output
    assert "runs whatever code is in it" in refused
    assert "--trust" in refused


def test_it_has_no_form_for_the_device_and_says_so(brought: Brought) -> None:
    with pytest.raises(NoDeviceFormError, match=r"imported-\w{8} has no device form: it was imported"):
        device_file(brought.registry / "1")


def test_it_cannot_be_rebuilt(brought: Brought) -> None:
    refused = run("rebuild", "1", "--registry", brought.registry, code=1).output
    assert "Version 1 was imported: import the pipeline that it was made of again" in refused


@pytest.mark.parametrize("recipe", ["tfidf-logreg", "tfidf-svm", "tfidf-nb", "tfidf-student"])
def test_a_recipe_makes_a_pipeline_that_can_be_imported_straight(brought: Brought, recipe: str, tmp_path: Path) -> None:
    out = tmp_path / recipe
    command = ["train", "--recipe", recipe, "--questions", brought.questions, "--out", out, "--tags", 12]
    said = run(*command).output
    files = [out / "pipeline.joblib", "--labels", out / "binarizer.joblib"]
    assert f"tagalong-model import {files[0]} --labels {files[2]} --questions {brought.questions} --trust" in said
    assert "nothing to do" in run(*command).output
    fitted = FittedPipeline.load(out / "pipeline.joblib", out / "binarizer.joblib")
    rows = read_questions(brought.questions)
    data = DataSource.describe(brought.questions, rows)
    learned = read_titles_beside(out / "pipeline.joblib")
    manifest = import_pipeline(fitted, Origin("", "", learned), rows, data, tmp_path / "model", SILENT)
    assert manifest["imported"]["knows_what_it_learned_from"] is True
    assert manifest["training"]["largest_difference"] < 1e-5
    assert manifest["split"]["calibrated_on"] == sum(question.split == "tune" for question in rows)
    assert len(Classifier.load(tmp_path / "model").tags) == 12
