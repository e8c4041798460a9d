"""What each part gives is measured on models that differ in that part alone."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from model.cli import main
from model.commands.terminal import RELEASED
from model.evaluation.ablation import measure_token_limits, run_ablation
from model.questions import Question, QuestionsError
from model.serving.classifier import DEFAULT_TIER
from model.training.build import EncoderInput
from model.training.encoder.encode import EncoderFiles
from model.training.tfidf import FeatureLimits
from model.training.trained_titles import TrainedTitles
from tests.model.conftest import SMALL, TAG_SETS, silent


def test_every_variant_is_measured_on_the_same_questions(
    questions: list[Question], encoder_files: EncoderFiles, tmp_path: Path
) -> None:
    beside = {"shipped": EncoderInput(encoder_files, tmp_path)}
    rows = run_ablation(questions[:900], TAG_SETS, beside, SMALL, FeatureLimits(), 2, silent())
    assert [row.variant for row in rows] == [
        "words",
        "words, names",
        "words and shipped",
        "words and shipped, its head",
        "words and shipped, its head, names",
    ]
    assert all(row.everything[0] > 0.8 for row in rows)
    assert rows[1].tags > rows[0].tags


def test_e1_nothing_is_chosen_by_what_an_encoder_learned_from(
    questions: list[Question], encoder_files: EncoderFiles, tmp_path: Path
) -> None:
    titles = TrainedTitles.of(replace(question, split="train") for question in questions if question.split == "tune")
    beside = {"tuned on them": EncoderInput(encoder_files._replace(titles=titles), tmp_path)}
    with pytest.raises(QuestionsError, match="seen in training by tuned on them"):
        run_ablation(questions, TAG_SETS, beside, SMALL, FeatureLimits(), 2, silent())


def test_a_full_model_is_tried_with_fewer_tokens(questions: list[Question]) -> None:
    few = [q for q in questions if q.split == "tune" and q.body][:12]
    less, more = measure_token_limits(few, RELEASED / "full", (8, 96), lambda: None)
    assert (less.tokens, more.tokens) == (8, 96)
    assert less.milliseconds < more.milliseconds


def test_the_command_prints_the_table(questions_file: Path, tmp_path: Path) -> None:
    assert DEFAULT_TIER == "full"
    arguments = ["ablate", "--questions", str(questions_file), "--keep", str(tmp_path), "--share", "3"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "every 3. train question" in result.output
    assert "words, names" in result.output
