"""The command does the whole way, and says what to do when it cannot."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import polars as pl
import pytest
from click.testing import CliRunner, Result

from backend.cli import main as server
from model.cli import main
from model.commands import terminal
from model.commands.terminal import RELEASED
from model.questions.drafts import read_drafts as drafts_of
from model.serving.classifier import DEFAULT_TIER
from tests.model.conftest import synthetic

SHIPPED = RELEASED / DEFAULT_TIER


def run(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


def test_what_train_writes_evaluate_measures_release_ships_and_suggest_uses(
    tmp_path: Path, questions_file: Path
) -> None:
    made = tmp_path / "made"
    trained = run("train", "--questions", questions_file, "--out", made, "--epochs", 2, "--rank", 8, "--least-uses", 5)
    assert trained.exit_code == 0, trained.output
    assert "largest difference" in trained.output

    numbers = tmp_path / "numbers.json"
    measured = run("evaluate", "--questions", questions_file, "--model", made, "--json", numbers)
    assert measured.exit_code == 0, measured.output
    ((version, written),) = json.loads(numbers.read_text())["models"].items()
    assert f"{written['metrics']['R@5']['value']:.3f}" in measured.output

    out = tmp_path / "released"
    released = run("release", "--questions", questions_file, "--trained", made, "--out", out)
    assert released.exit_code == 0, released.output
    manifest = json.loads((out / "manifest.json").read_text())
    card = (out / "MODEL_CARD.md").read_text()
    told = manifest["metrics"]["dev"]["metrics"]
    assert manifest["version"] == version
    assert version in card
    assert "CC BY-SA" in card
    assert f"{told['Jaccard']['value']:.3f}" in card
    assert {name: of["value"] for name, of in written["metrics"].items()} == pytest.approx(
        {name: of["value"] for name, of in told.items()}, abs=1e-4
    )

    drafts = '{"title": "git rebase and git stash"}\n\n{"title": "Kotlin coroutine", "chosen_tags": ["kotlin"]}\n'
    answered = run("suggest", "--model", out, "--drafts", "-", stdin=drafts)
    assert answered.exit_code == 0, answered.output
    first, second = (json.loads(line)["items"] for line in answered.output.splitlines())
    assert first[0]["tag"] == "git"
    assert "kotlin" not in [item["tag"] for item in second]


def test_all_of_a_file_of_later_questions_shows_how_a_model_has_aged(tmp_path: Path, questions_file: Path) -> None:
    later = spoiled(tmp_path, pl.read_parquet(questions_file).head(60).with_columns(split=pl.lit("train")))
    numbers = tmp_path / "numbers.json"
    shipped = ["--model", RELEASED / "light", "--questions", later, "--json", numbers]
    assert "no dev questions" in run("evaluate", *shipped).output
    measured = run("evaluate", *shipped, "--split", "all")
    assert measured.exit_code == 0, measured.output
    written = json.loads(numbers.read_text())
    assert written["n"] == pl.read_parquet(later).filter(pl.col("tags_complete")).height
    # Nothing was taken for training, so there is nothing to say by it.
    assert written["baselines"] == {}
    ((_, of),) = written["models"].items()
    assert of["frequency"] == {}
    assert "year" in of["parts"]
    assert "--parabel" in run("evaluate", *shipped, "--split", "all", "--parabel").output


def test_questions_without_any_body_make_a_model_too(tmp_path: Path) -> None:
    titles_only = synthetic(600).with_columns(body=pl.lit(""), body_format=pl.lit("none"), split=pl.lit("train"))
    out = tmp_path / "made"
    trained = run("train", "--questions", spoiled(tmp_path, titles_only), "--out", out, "--rank", 8, "--epochs", 9)
    assert trained.exit_code == 0, trained.output
    assert json.loads((out / "manifest.json").read_text())["features"]["body"] == 0
    answered = run("suggest", "--model", out, "--title", "git stash", "--body", "words that no title had")
    assert answered.output.split()[:2] == ["*", "git"]


def test_suggest_answers_a_title_with_the_shipped_model_and_reads_a_body_from_standard_input() -> None:
    assert "pandas" in run("suggest", "--title", "merge two pandas DataFrames").output
    assert "pandas" in run("suggest", "--body", "-", stdin="import pandas as pd").output
    assert "no word that the model knows" in run("suggest", "--title", "zzqqx").output


@pytest.mark.parametrize(
    ("line", "says"),
    [("{", "line 1 is not JSON"), ("[]", "not an object"), ('{"title": 3}', "must be strings"),
     ('{"title": "x", "body_format": "rtf"}', "body_format"), ('{"chosen_tags": 3}', "line 1: its tags are int"),
     ('{"Tags": "[\'c"}', "do not match")],
)  # fmt: skip
def test_a_draft_that_is_none_is_refused_with_its_line(line: str, says: str) -> None:
    result = run("suggest", "--drafts", "-", stdin=line + "\n")
    assert result.exit_code == 1
    assert says in result.output
    assert "Traceback" not in result.output


def test_drafts_are_answered_from_every_kind_of_file_alike(tmp_path: Path) -> None:
    rows = [{"title": "merge two pandas DataFrames", "body": "", "chosen_tags": ["python"]}, {"title": "git stash"}]
    lines, table, parquet = (tmp_path / f"drafts.{ending}" for ending in ("jsonl", "csv", "parquet"))
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table.write_text("title,body,chosen_tags\nmerge two pandas DataFrames,,python\ngit stash,,\n")
    pl.DataFrame(rows).write_parquet(parquet)
    answers = []
    for path in (lines, table, parquet):
        out = tmp_path / f"{path.name}.tags.jsonl"
        result = run("suggest", "--model", SHIPPED, "--drafts", path, "--out", out, "--limit", 3)
        assert result.exit_code == 0, result.output
        answers.append(out.read_text())
    assert answers[0] == answers[1] == answers[2] == run("suggest", "--drafts", lines, "--limit", 3).output
    first, second = (json.loads(line)["items"] for line in answers[0].splitlines())
    assert "pandas" in [item["tag"] for item in first]
    assert "python" not in [item["tag"] for item in first]
    assert second[0]["tag"] == "git"


DRAFT = "How to merge two frames in pandas"
CHOSEN = ["<pandas>", "['pandas']", "|pandas|", '["Pandas"]', "{pandas}", "&lt;pandas&gt;", "'pandas'", "pandas;c"]


@pytest.mark.parametrize(
    ("name", "header", "encoding"),
    [("d.csv", "Title;BODY;Tags", "utf-8-sig"), ("D.CSV", "Id,Title , Chosen Tags", "utf-16"),
     ("d.tsv", "Title\ttags\tchosen_tags", "cp1252")],
)  # fmt: skip
def test_a7_drafts_are_read_from_exports_and_a_chosen_tag_is_not_offered(
    tmp_path: Path, name: str, header: str, encoding: str
) -> None:
    separator = next(mark for mark in ";\t," if mark in header)
    lines = io.StringIO()
    table = csv.writer(lines, delimiter=separator)
    columns = header.split(separator)
    table.writerow(columns)
    chosen_at = max(place for place, column in enumerate(columns) if "tags" in column.lower())
    for chosen in CHOSEN:
        table.writerow(
            [
                chosen if place == chosen_at else DRAFT if "Title" in column else ""
                for place, column in enumerate(columns)
            ]
        )
    (tmp_path / name).write_text(lines.getvalue(), encoding=encoding)
    answered = run("suggest", "--drafts", tmp_path / name)
    assert answered.exit_code == 0, answered.output
    offered = [{item["tag"] for item in json.loads(line)["items"]} for line in answered.output.splitlines()]
    assert len(offered) == len(CHOSEN)
    assert all(tags and "pandas" not in tags for tags in offered)


def test_a7_json_lines_and_parquet_have_their_names_in_any_case_too(tmp_path: Path) -> None:
    rows = [{"Title": DRAFT, "Tags": chosen, "title": "second of its name"} for chosen in CHOSEN]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-16")
    pl.DataFrame([{"TITLE": DRAFT, "Tags": ["<pandas>"]}]).write_parquet(tmp_path / "d.parquet")
    for name in ("d.jsonl", "d.parquet"):
        drafts = list(drafts_of(tmp_path / name))
        assert {draft.title for draft in drafts} == {DRAFT}
        assert all("pandas" in draft.chosen_tags for draft in drafts)
    assert "* pandas" not in run("suggest", "--title", DRAFT, "--chosen", "<pandas>").output
    assert run("suggest", "--title", DRAFT, "--chosen", "['pandas'").exit_code == 2


def test_a11_of_a_drafts_two_columns_of_one_name_the_first_is_read_and_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("Title,title\nfirst,second\n")
    notices: list[str] = []
    assert [draft.title for draft in drafts_of(path, say=notices.append)] == ["first"]
    assert notices == ["d.csv has several columns title: the first is read."]


def test_what_bodies_of_drafts_are_in_can_be_said_once_for_all(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("Title,Body,Body Format\nx,<p>y</p>,\nx,<p>y</p>,Markdown\n")
    assert [draft.body_format for draft in drafts_of(path, "html")] == ["html", "markdown"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("d.csv", b"subject\nx\n", "neither a column title nor body"), ("d.csv", b'title\n"x\n', "broken CSV"),
     ("d.csv", b"title,body\nOne, two,x\n", "has 3 fields"), ("d.csv", b"title,tags\nOne,{c\n", "line 2: its tags"),
     ("d.parquet", b"PAR1", "cannot be read as Parquet"), ("d.jsonl", b'"\xff"', "not UTF-8"),
     ("d.csv", b"", "neither a column title nor body")],
)  # fmt: skip
def test_a_file_that_holds_no_drafts_is_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    result = run("suggest", "--drafts", tmp_path / name, "--out", tmp_path / "out.jsonl")
    assert result.exit_code == 1
    assert says in result.output
    assert not (tmp_path / "out.jsonl").exists()


def test_a_file_of_drafts_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "nowhere.csv" in run("suggest", "--drafts", tmp_path / "nowhere.csv").output


def commands(group: click.Group) -> Iterator[click.Command]:
    for command in group.commands.values():
        yield command
        if isinstance(command, click.Group):
            yield from commands(command)


WRITES = ("out", "json_file", "html", "keep", "registry")


@pytest.mark.parametrize("group", [main, server], ids=["model", "server"])
def test_e9_a_dash_is_the_terminal_or_refused_and_never_a_files_name(group: click.Group) -> None:
    written = [
        (command, parameter)
        for command in commands(group)
        for parameter in command.params
        if parameter.name in WRITES and isinstance(parameter.type, click.Path)
    ]
    assert written
    for command, parameter in written:
        assert isinstance(parameter.type, click.Path)
        if not parameter.type.allow_dash:
            with pytest.raises(click.BadParameter, match="Give it another one"):
                parameter.type.convert("-", parameter, click.Context(command))


def test_e9_answers_to_drafts_go_to_the_terminal_by_a_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = run("suggest", "--drafts", "-", "--out", "-", stdin='{"title": "git stash"}\n')
    assert json.loads(shown.output)["items"][0]["tag"] == "git"
    assert list(tmp_path.iterdir()) == []


def spoiled(tmp_path: Path, frame: pl.DataFrame) -> Path:
    path = tmp_path / "spoiled.parquet"
    frame.write_parquet(path)
    return path


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_file_that_cannot_be_used_is_refused_without_a_traceback(tmp_path: Path, command: str) -> None:
    good = synthetic(40)
    out = ["--out", tmp_path / "out"] if command == "train" else ["--model", SHIPPED]
    nowhere = run(command, "--questions", tmp_path / "nowhere.parquet", *out)
    wrong = run(command, "--questions", spoiled(tmp_path, good.drop("tags")), *out)
    empty = run(command, "--questions", spoiled(tmp_path, good.clear()), *out)
    assert [r.exit_code for r in (nowhere, wrong, empty)] == [1, 1, 1]
    assert "There is no file" in nowhere.output
    assert "lacks the columns tags" in wrong.output
    assert "has no questions" in empty.output
    assert not any("Traceback" in r.output for r in (nowhere, wrong, empty))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["train", "--out", "out"], "too little to learn from"),
        (["ablate", "--keep", "out"], "too little to learn from"),
        (["evaluate", "--model", SHIPPED], "no dev questions"),
        (["release", "--trained", SHIPPED, "--out", "out"], "no tune or dev questions"),
        (["register", SHIPPED, "--registry", "out"], "no dev questions"),
        (["drift", "--make-reference", "--model", SHIPPED, "--reference", "out"], "no dev questions"),
    ],
)
def test_too_few_questions_to_learn_from_or_to_measure_on_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[object], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    only_train = synthetic(4).with_columns(split=pl.lit("train"))
    result = run(*command, "--questions", spoiled(tmp_path, only_train))
    assert result.exit_code == 1, result.output
    assert says in result.output
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "spoiled.parquet"]


def test_no_draft_at_all_is_a_wrong_use_and_a_missing_model_says_so(tmp_path: Path) -> None:
    assert run("suggest").exit_code == 2
    missing = run("suggest", "--title", "x", "--model", tmp_path)
    assert missing.exit_code == 1
    assert "manifest.json cannot be read" in missing.output


def test_a_missing_extra_is_named_with_what_to_install(questions_file: Path) -> None:
    code = (
        "import sys; sys.modules['polars'] = None\n"
        "from model.cli import main; main(['evaluate', '--questions', sys.argv[1]])"
    )
    result = subprocess.run([sys.executable, "-c", code, questions_file], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "make tools" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_list_of_commands_has_them_all_and_imports_none() -> None:
    sources = {path.stem: path.read_text() for path in Path(terminal.__file__).parent.glob("*.py")}
    defined = {name for name, text in sources.items() if re.search(r"^@click\.(command|group)\(", text, re.MULTILINE)}
    assert set(main.commands) == {name.removesuffix("_").replace("_", "-") for name in defined}
    code = (
        "import sys; from model.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print({'onnxruntime', 'numpy', 'polars', 'scipy'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.endswith("set()\n")
    assert all(f"  {name} " in shown for name in main.commands)
