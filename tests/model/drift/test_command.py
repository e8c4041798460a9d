"""The command: from an export to key figures, a page and a reference, and errors that say what to do."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from model.cli import main
from model.commands.terminal import RELEASED
from model.drift.findings import comparable_drafts, find_drift
from model.drift.page import MOST_ROWS, expand_counts, write_page
from model.drift.reference import REFERENCE_FILE, read_reference, reference_of_drafts, write_reference
from model.drift.summary import summarise
from model.serving.classifier import TIERS, Classifier, read_manifest
from tests.model.drift.generated import USUAL, VERSION, World, lines, traffic

LIGHT = RELEASED / "light"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["drift", *map(str, arguments)])


@pytest.fixture(scope="module")
def reference_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drift") / "reference.json"
    write_reference(reference_of_drafts(traffic(seed=99, days=30).drafts, VERSION, "generated"), path)
    return path


def test_key_figures_are_written_as_json(tmp_path: Path, reference_file: Path) -> None:
    export = tmp_path / "came.jsonl.gz"
    export.write_bytes(gzip.compress("".join(lines(USUAL, 3)).encode()))
    done = run("--export", export, "--reference", reference_file, "--json", tmp_path / "found.json")
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["drafts"] == 14 * 120
    assert found["reference"] == "generated"
    assert "no drift" in done.output


def test_counts_are_laid_out_as_rows_in_their_proportions() -> None:
    assert expand_counts(np.array([2, 0, 1]), ["a", "b", "c"]) == ["a", "a", "c"]
    many = expand_counts(np.array([MOST_ROWS * 3, MOST_ROWS, 1]), ["a", "b", "c"])
    assert len(many) == MOST_ROWS
    assert many.count("a") == pytest.approx(0.75 * MOST_ROWS, abs=1)
    assert expand_counts(np.array([0, 0]), ["a", "b"]) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "world",
    [USUAL, World(lengths=(0.3, 0.45, 0.2, 0.05)), World(relation=lambda score: 0.4 * score), World(drafts=8)],
    ids=["as usual", "other lengths", "another relation", "too few"],
)
def test_e4_evidently_says_what_the_command_says(world: World, tmp_path: Path, reference_file: Path) -> None:
    pytest.importorskip("evidently")
    reference = read_reference(reference_file)
    came = traffic(seed=3, **{name: getattr(world, name) for name in ("lengths", "relation", "drafts")})
    drafts, report = comparable_drafts(came, reference), find_drift(came, reference)
    theirs = write_page(report, drafts, reference, tmp_path / "report.html")
    ours = {column["column"]: column["psi"] for column in report["columns"]}
    assert theirs == pytest.approx(ours, abs=0.02)
    assert len(ours) == 6
    html = (tmp_path / "report.html").read_text()
    assert f"found: {summarise(report)}" in html
    assert "body_chars" in html
    assert "<script src=" not in html
    drifted = sum(bool(column["drifted"]) for column in report["columns"])
    assert ("Dataset Drift is detected" in html) is (drifted > 0)
    assert ("Dataset Drift is NOT detected" in html) is (drifted == 0)


def test_a_reference_of_questions_has_counts_only(tmp_path: Path, questions_file: Path) -> None:
    out = tmp_path / "reference.json"
    done = run("--make-reference", "--model", LIGHT, "--questions", questions_file, "--reference", out)
    assert done.exit_code == 0, done.output
    made = read_reference(out)
    assert made.model_version == Classifier.load(LIGHT).version
    assert made.drafts == sum(made.columns["title_chars"]) == sum(made.best_tags.values())
    assert made.drafts == sum(made.performance.n)
    assert 0 < sum(made.right) < sum(made.offered)
    # The same model on the same questions, in the form of traffic: nothing drifts.
    content = json.loads(out.read_text())
    strings = {value for value in content.values() if isinstance(value, str)}
    assert strings == {made.model_version, made.made_of}


def test_a_reference_can_be_made_of_ones_own_weeks(tmp_path: Path) -> None:
    version = Classifier.load(LIGHT).version
    export = tmp_path / "came.jsonl"
    export.write_text("".join(lines(USUAL, 3)).replace(VERSION, version))
    out = tmp_path / "mine.json"
    assert run("--make-reference", "--model", LIGHT, "--export", export, "--reference", out).exit_code == 0
    assert read_reference(out).made_of.startswith("drafts of 2026-10-01 to 2026-10-14")
    done = run("--export", export, "--reference", out)
    assert "no drift" in done.output, done.output


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        ("not json\n", "line 1"),
        ('{"what": "export", "format": 2}\n', "format 1"),
        ("".join(lines(USUAL, 3)[:2]) + '{"what": "suggestion", "judged": true}\n', "line 3"),
        ('{"what": "export", "format": 1, "kind": "ask", "since": "a", "until": "b"}\n[]\n', "line 2"),
    ],
)
def test_a_file_that_is_no_export_is_told(tmp_path: Path, reference_file: Path, content: str, words: str) -> None:
    export = tmp_path / "came.jsonl"
    export.write_text(content)
    done = run("--export", export, "--reference", reference_file)
    assert done.exit_code == 1
    assert words in done.output
    assert "Traceback" not in done.output


def test_a_missing_or_wrong_reference_is_told(tmp_path: Path) -> None:
    export = tmp_path / "came.jsonl"
    export.write_text("".join(lines(USUAL, 3)))
    assert "cannot be read" in run("--export", export, "--reference", tmp_path / "none.json").output
    (tmp_path / "wrong.json").write_text('{"format": 1}')
    assert "--make-reference" in run("--export", export, "--reference", tmp_path / "wrong.json").output
    assert "--export" in run("--reference", tmp_path / "wrong.json").output


def of_version(version: str, serving: str | None = None, drafts: int = 120, days: int = 14) -> str:
    """Write an export of drafts that one version answered, of a service that serves perhaps another."""
    first, *rest = lines(World(days=days, drafts=drafts), 3)
    head = json.loads(first) | ({"serving": serving} if serving else {})
    return json.dumps(head) + "\n" + "".join(rest).replace(VERSION, version)


def test_e17_drafts_of_other_versions_alone_are_nothing_to_judge(tmp_path: Path, reference_file: Path) -> None:
    export, found, html = tmp_path / "came.jsonl", tmp_path / "found.json", tmp_path / "page.html"
    export.write_text(of_version("full-other"))
    done = run("--export", export, "--reference", reference_file, "--json", found, "--html", html)
    assert done.exit_code == 1
    assert "nothing to judge: 1,680 drafts of other versions left out" in done.output
    assert "full-other (1,680)" in done.output
    assert "no drift" not in done.output
    figures = json.loads(found.read_text())
    assert (figures["drafts"], figures["other_versions"], figures["found"]) == (0, 1_680, [])
    assert not html.exists()


def test_e17_no_drafts_at_all_are_nothing_to_judge(tmp_path: Path, reference_file: Path) -> None:
    export = tmp_path / "came.jsonl"
    export.write_text("".join(lines(World(drafts=0), 3)))
    done = run("--export", export, "--reference", reference_file)
    assert done.exit_code == 1
    assert "nothing to judge: no drafts came in" in done.output


def test_e17_a_few_drafts_are_too_few_to_judge_and_not_free_of_drift(tmp_path: Path, reference_file: Path) -> None:
    export = tmp_path / "came.jsonl"
    export.write_text("".join(lines(World(drafts=3), 3)))
    done = run("--export", export, "--reference", reference_file)
    assert done.exit_code == 0
    assert "found: too few to judge: 42 drafts" in done.output
    assert "no drift" not in done.output


@pytest.mark.parametrize("tier", TIERS)
def test_e17_the_version_that_serves_is_compared_if_none_is_named(tmp_path: Path, tier: str) -> None:
    version = read_manifest(RELEASED / tier)["version"]
    export = tmp_path / "came.jsonl"
    export.write_text(of_version(version, serving=version))
    done = run("--export", export)
    assert done.exit_code == 0, done.output
    assert f"1,680 drafts that {version} answered" in done.output


def test_e17_a_registered_version_that_serves_is_found_and_one_that_is_nowhere_is_named(tmp_path: Path) -> None:
    version = "light-of-the-registry"
    registered = tmp_path / "models" / "1"
    registered.mkdir(parents=True)
    about = {"format": 1, "number": 1, "version": version, "state": "checked", "checks": []}
    (registered / "version.json").write_text(json.dumps(about))
    write_reference(
        reference_of_drafts(traffic(seed=99, days=30).drafts, VERSION, "generated"), registered / REFERENCE_FILE
    )
    (registered / REFERENCE_FILE).write_text((registered / REFERENCE_FILE).read_text().replace(VERSION, version))
    export = tmp_path / "came.jsonl"
    export.write_text(of_version(version, serving=version))
    done = run("--export", export, "--registry", tmp_path / "models")
    assert done.exit_code == 0, done.output
    assert f"1,680 drafts that {version} answered" in done.output
    done = run("--export", export, "--registry", tmp_path / "elsewhere")
    assert done.exit_code == 1
    assert f"{version} served, and it is neither a shipped model nor in {tmp_path / 'elsewhere'}" in done.output
