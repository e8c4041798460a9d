"""``tagalong-model search``: the parameters of a recipe, trial by trial, judged on tune."""

import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from model.pipelines import search
from model.pipelines.recipes import RECIPES, Recipe
from tests.model.conftest import synthetic
from tests.model.registry.conftest import run

SPACE = {"text__min_df": [0.01, 0.2], "tags__estimator__C": [1.0, 10.0]}


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    # One in twenty is of the tune part, by its title.
    synthetic(300).with_columns(split=pl.lit("train")).write_parquet(tmp_path / "questions.parquet")
    return tmp_path / "questions.parquet"


@pytest.fixture(autouse=True)
def no_tracking(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Hide MLflow from the tests that are not about it: a new store takes seconds."""
    if "mlflow" not in request.node.name:
        monkeypatch.setitem(sys.modules, "mlflow", None)


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def command(questions: Path, out: Path, *more: object) -> list[object]:
    space = write_json(questions.parent / "space.json", SPACE)
    return ["search", "--recipe", "tfidf-student", "--questions", questions, "--space", space, "--out", out, *more]


def read_results(out: Path) -> tuple[Any, dict[str, Any]]:
    """Return the best parameters, and every trial but for the seconds that it took."""
    trials = {file.name: json.loads(file.read_text()) for file in (out / "trials").iterdir()}
    return json.loads((out / "best.json").read_text()), {name: trial | {"seconds": 0} for name, trial in trials.items()}


def test_a_search_that_was_interrupted_goes_on_and_ends_as_one_without_a_break(
    questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(*command(questions, whole, "--trials", 3, "--tags", 3))
    judged: list[Any] = []

    def judge_one(*arguments: Any) -> dict[str, float]:
        if judged:
            raise KeyboardInterrupt
        judged.append(arguments)
        return judge(*arguments)

    judge = search._judge
    monkeypatch.setattr(search, "_judge", judge_one)
    run(*command(questions, broken, "--trials", 3, "--tags", 3), code=1)
    assert len(list((broken / "trials").iterdir())) == 1
    assert not (broken / "best.json").exists()
    monkeypatch.setattr(search, "_judge", judge)
    kept = {file: file.stat().st_mtime_ns for file in (broken / "trials").iterdir()}
    run(*command(questions, broken, "--trials", 3, "--tags", 3))
    assert all(file.stat().st_mtime_ns == written for file, written in kept.items())
    assert read_results(broken) == read_results(whole)


def test_more_trials_go_on_with_the_same_order_and_no_trial_comes_twice(questions: Path, tmp_path: Path) -> None:
    run(*command(questions, tmp_path / "out", "--trials", 2, "--tags", 3))
    first = read_results(tmp_path / "out")[1]
    run(*command(questions, tmp_path / "out", "--trials", 50, "--tags", 3))
    trials = read_results(tmp_path / "out")[1]
    assert first.items() <= trials.items()
    tried = [json.dumps(trial["parameters"], sort_keys=True) for trial in trials.values()]
    assert len(tried) == len(set(tried)) == 5
    assert {"text__min_df": 0.05, "tags__estimator__C": 1.0} in [trial["parameters"] for trial in first.values()]


def test_the_best_parameters_train_the_recipe(questions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    output = run(*command(questions, out, "--trials", 5, "--tags", 12)).output
    best, trials = read_results(out)
    scores = {json.dumps(trial["parameters"]): trial["metrics"]["R@5"] for trial in trials.values()}
    assert scores[json.dumps(best)] == max(scores.values()) > min(scores.values())
    (line,) = [line for line in output.splitlines() if line.startswith("tagalong-model train")]
    assert line.endswith(f"--params {out}/best.json --tags 12 --out my-pipeline")
    run(*line.split()[1:-1], tmp_path / "my-pipeline")
    record = json.loads((tmp_path / "my-pipeline.step.json").read_text())
    assert record["parameters"]["parameters"] == best


def test_only_tune_judges(questions: Path, tmp_path: Path) -> None:
    run(*command(questions, tmp_path / "without", "--trials", 1))
    rows = pl.read_parquet(questions)
    dev = rows.with_columns(split=pl.lit("dev"), title=pl.lit("dev ") + pl.col("title"), tags=pl.lit(["git"]))
    pl.concat([rows, dev]).write_parquet(questions)
    run(*command(questions, tmp_path / "with", "--trials", 1))
    (without,), (with_dev,) = (read_results(tmp_path / name)[1].values() for name in ("without", "with"))
    assert with_dev["metrics"] == without["metrics"]


def test_no_trial_begins_when_the_minutes_are_used_up(questions: Path, tmp_path: Path) -> None:
    output = run(*command(questions, tmp_path / "out", "--tags", 3, "--minutes", 1e-9)).output
    assert len(read_results(tmp_path / "out")[1]) == 1
    assert "To go on, raise --minutes." in output


def test_a_value_that_cannot_be_fitted_is_said_and_the_others_are_tried(questions: Path, tmp_path: Path) -> None:
    space = write_json(tmp_path / "bad.json", {"tags__estimator__C": [-1, 1.0]})
    output = run(*command(questions, tmp_path / "out"), "--space", space).output
    assert "refused: The 'C' parameter of LogisticRegression must be" in output
    assert read_results(tmp_path / "out")[0] == {"tags__estimator__C": 1.0}


@pytest.mark.parametrize(
    ("content", "says"),
    [('{"tags__estimator__D": [1]}', "tfidf-student has no parameter tags__estimator__D"), ("[1]", "holds no object"),
     ('{"text__min_df": 2}', "gives text__min_df no list of values"), ("{", "is not JSON"), ("{}", "no parameter"),
     ('{"tags": [1]}', "has no parameter tags ("), ('{"text__min_df": []}', "no list of values")],
)  # fmt: skip
def test_a_space_that_is_none_is_refused(questions: Path, tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "bad.json").write_text(content)
    output = run(*command(questions, tmp_path / "out"), "--space", tmp_path / "bad.json", code=1).output
    assert says in output
    assert "Traceback" not in output


def test_a_recipe_that_is_none_and_parameters_that_are_none_are_refused(questions: Path, tmp_path: Path) -> None:
    assert "'tfidf-tree' is not one of" in run("search", "--recipe", "tfidf-tree", code=2).output
    params = write_json(tmp_path / "params.json", {"tags__estimator__C": -1})
    train = ["train", "--questions", questions, "--out", tmp_path / "made", "--params", params]
    assert "--params is for --recipe" in run(*train, code=2).output
    assert "The 'C' parameter" in run(*train, "--recipe", "tfidf-student", code=1).output
    write_json(params, {"tags__estimator__D": 1})
    assert "no parameter tags__estimator__D" in run(*train, "--recipe", "tfidf-student", code=1).output


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_space_of_each_recipe_holds_its_own_values(recipe: Recipe) -> None:
    own = recipe.own_parameters()
    for name, values in recipe.space.items():
        assert own[name] in [tuple(value) if isinstance(value, list) else value for value in values], name


def test_each_trial_is_a_run_of_mlflow_once(questions: Path, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="pip install 'mlflow-skinny>=3.17'")
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    search_two = command(questions, tmp_path / "out", "--trials", 2, "--tags", 3)
    assert "2 new runs" in run(*search_two, MLFLOW_TRACKING_URI=store).output
    assert "0 new runs" in run(*search_two, MLFLOW_TRACKING_URI=store).output
    mlflow.set_tracking_uri(store)
    runs = mlflow.search_runs(experiment_names=[search.EXPERIMENT], output_format="list")
    _, trials = read_results(tmp_path / "out")
    assert sorted(run.data.metrics["R at 5"] for run in runs) == sorted(t["metrics"]["R@5"] for t in trials.values())
    assert all(run.data.params["recipe"] == "tfidf-student" for run in runs)
