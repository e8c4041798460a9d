"""The whole pipeline on the written questions: each step once, the same bytes again, and a record of what made what."""

import hashlib
import importlib
import json
import shutil
from pathlib import Path
from typing import Any

import click
import polars as pl
import pytest
from click.testing import CliRunner, Result

import model as package
from model.cli import main
from model.runs import steps as pipeline
from tools import pipeline as picture

WRITTEN = Path(__file__).parent.parent / "written.csv"


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


def whole(folder: Path) -> list[Result]:
    """Run every step in a folder."""
    folder.mkdir(exist_ok=True)
    raw, prepared, model = folder / "questions.parquet", folder / "prepared.parquet", folder / "model"
    drafts = folder / "drafts.csv"
    drafts.write_text("title,chosen_tags\nHow do I undo the last commit?,\nGroup a DataFrame by month,python\n")
    of_prepared = ["--questions", prepared]
    return [
        run("questions", "csv", WRITTEN, "--out", raw),
        run("prepare", raw, "--out", prepared),
        run("train", *of_prepared, "--out", model, "--epochs", 12, "--rank", 8, "--least-uses", 3),
        run("evaluate", *of_prepared, "--model", model, "--json", folder / "measured.json"),
        run("suggest", "--model", model, "--drafts", drafts, "--out", folder / "tags.jsonl"),
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipeline") / "first"
    whole(folder)
    return folder


def sums(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file that does not hold times."""
    timed = {"measured.json", "manifest.json"}
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in timed and not path.name.endswith(pipeline.RECORD)
    }


def test_a_csv_becomes_tags_for_drafts(made: Path) -> None:
    first, second = (json.loads(line)["items"] for line in (made / "tags.jsonl").read_text().splitlines())
    assert first[0]["tag"] == "git"
    assert second[0]["tag"] == "pandas"
    prepared = pl.read_parquet(made / "prepared.parquet")
    assert 280 < prepared.height < 345
    assert "post-amt" not in "".join(prepared["body"])
    ((_, measured),) = json.loads((made / "measured.json").read_text())["models"].items()
    assert measured["metrics"]["P@1"]["value"] > 0.5
    refused = (made / "questions.parquet.refused.jsonl").read_text().splitlines()
    assert [json.loads(line)["reason"] for line in refused] == ["it has no title", "it has no tags"]


def test_the_same_input_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    whole(tmp_path / "second")
    assert sums(tmp_path / "second") == sums(made)
    assert len(sums(made)) >= 8


def test_a_step_whose_input_and_parameters_are_unchanged_does_nothing(made: Path) -> None:
    files = {path: path.stat().st_mtime_ns for path in made.rglob("*") if path.is_file() and path.name != "drafts.csv"}
    for result in whole(made):
        assert "nothing to do" in result.output
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_each_record_names_what_the_step_read_and_wrote(made: Path) -> None:
    records = {path.name: json.loads(path.read_text()) for path in made.glob(f"*{pipeline.RECORD}")}
    assert {record["step"] for record in records.values()} == {"questions", "prepare", "train", "evaluate", "suggest"}
    for record in records.values():
        for output in record["outputs"]:
            content = (made / output["name"]).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (output["bytes"], output["sha256"])
        assert str(made) not in json.dumps(record)
    written = {name: {each["sha256"] for each in record["outputs"]} for name, record in records.items()}
    read = {name: {each["sha256"] for each in record["inputs"]} for name, record in records.items()}
    assert read["prepared.parquet.step.json"] < written["questions.parquet.step.json"]
    assert read["model.step.json"] < written["prepared.parquet.step.json"]
    assert records["model.step.json"]["parameters"]["parameters"]["rank"] == 8


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    raw, out = tmp_path / "raw.parquet", tmp_path / "prepared.parquet"
    run("questions", "csv", WRITTEN, "--out", raw)
    run("prepare", raw, "--out", out)
    return out


def _other_input(out: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    raw = out.with_name("raw.parquet")
    pl.read_parquet(raw).head(100).write_parquet(raw)
    return []


def _other_output(out: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    out.write_bytes(out.read_bytes()[:-1])
    return []


def _no_report(out: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    out.with_name(f"{out.name}.report.json").unlink()
    return []


def _other_code(out: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    monkeypatch.setattr(pipeline, "hash_code", lambda module: "other")
    return []


@pytest.mark.parametrize(
    "change",
    [_other_input, _other_output, _no_report, _other_code, lambda *_: ["--dev-share", 0.2], lambda *_: ["--force"]],
)
def test_a_step_is_done_again_if_anything_it_depends_on_or_wrote_has_changed(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    options = change(prepared, monkeypatch)
    assert " prepared\n" in run("prepare", prepared.with_name("raw.parquet"), "--out", prepared, *options).output
    assert (
        "nothing to do"
        in run(
            "prepare",
            prepared.with_name("raw.parquet"),
            "--out",
            prepared,
            *[each for each in options if each != "--force"],
        ).output
    )


def test_a_copied_folder_keeps_its_records(prepared: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tmp_path, tmp_path.with_name("copied"))
    assert "nothing to do" in run("prepare", copy / "raw.parquet", "--out", copy / "prepared.parquet").output


def test_the_code_of_a_step_is_its_module_and_all_that_it_imports() -> None:
    steps = [pipeline.STEPS[name] for name in ("questions", "prepare", "suggest")]
    before = {step.name: pipeline.hash_code(step.module) for step in steps}
    personal = Path(pipeline.__file__).parent.parent / "preparation" / "personal.py"
    real = Path.read_bytes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda path: real(path) + (b"\n# changed" if path == personal else b""))
        after = {step.name: pipeline.hash_code(step.module) for step in steps}
    assert {name for name in before if before[name] != after[name]} == {"prepare"}


HELPER, CALLER = "VALUE = 1\n", "from model.{} import VALUE\n\nprint(VALUE)\n"


def test_the_digest_of_code_changes_with_what_modules_say_and_not_with_where_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])

    def digest(caller: str, helper: str, value: str = HELPER) -> str:
        for name, source in ((caller, CALLER.format(helper)), (helper, value)):
            (tmp_path / name).with_suffix(".py").write_text(source)
        importlib.invalidate_caches()
        return pipeline.hash_code(f"model.{caller}")

    before = digest("caller", "helper")
    assert before.startswith(pipeline.CODE_DIGEST)
    assert digest("caller_moved", "helper_moved") == before
    assert digest("caller_changed", "helper_changed", "VALUE = 2\n") != before


def test_every_step_is_a_command_and_every_file_a_step_takes_comes_from_one_before_or_from_outside() -> None:
    assert [name for name in main.commands if name in pipeline.STEPS] == list(pipeline.STEPS)
    given = {"a source", "question-tags.parquet", "drafts.jsonl"}
    for step in pipeline.STEPS.values():
        assert set(step.inputs) <= given, step.name
        given |= set(step.outputs)


def test_the_picture_shows_every_step_parameter_and_file_and_is_not_stale() -> None:
    for scheme in picture.SCHEMES:
        drawn = picture.draw_steps(scheme)
        kept = picture.DOCS / f"pipeline-{scheme}.svg"
        assert kept.read_text() == drawn, "the steps have changed: run python -m tools.pipeline"
        for step in pipeline.STEPS.values():
            assert all(f">{name}</text>" in drawn for name in (*step.inputs, *step.outputs))
    commands = [
        each
        for command in (main.commands[name] for name in pipeline.STEPS)
        for each in getattr(command, "commands", {"": command}).values()
    ]
    for option in (option for command in commands for option in command.params if isinstance(option, click.Option)):
        if option.name != "force" and not isinstance(option.type, click.Path):
            assert option.opts[0] in drawn
