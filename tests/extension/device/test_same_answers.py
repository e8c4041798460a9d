"""The model on the device gives the answers of the service's classifier: the same tags, scores and reasons."""

import random

import polars as pl
import pytest

from model.commands.terminal import RELEASED
from model.serving import Classifier
from model.serving.graph_constants import read_constants
from tests.extension.device.comparison import assert_same_answers
from tests.extension.device.node import QUESTIONS, needs_questions
from tests.extension.device.written_drafts import generate_drafts

LIGHT = RELEASED / "light"


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(LIGHT)


def test_written_and_generated_drafts_get_the_same_answers(classifier: Classifier) -> None:
    constants = read_constants((LIGHT / "model.onnx").read_bytes())
    words = [*constants["feature_names"].tolist(), *constants["title_spellings"].tolist(), "zzyzx", "GmbH", "naïve"]
    tags = [*sorted(classifier.known), "not-a-tag", "Python", "cpp", "CSharp"]
    assert_same_answers(classifier, generate_drafts(200, 15, words, tags))


@pytest.mark.slow
@needs_questions
def test_every_dev_question_gets_the_same_answer(classifier: Classifier) -> None:
    chance = random.Random(15)
    rows = pl.read_parquet(QUESTIONS).filter(pl.col("split") == "dev")
    drafts = [
        {
            "title": row["title"],
            "body": row["body"] or "",
            "body_format": row["body_format"].replace("none", "text"),
            "chosen_tags": row["tags"][: chance.choice([0, 0, 0, 1, 2])],
            "limit": 5,
        }
        for row in rows.iter_rows(named=True)
    ]
    assert len(drafts) > 10_000
    assert_same_answers(classifier, drafts)
