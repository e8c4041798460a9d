"""Nothing that a model was trained on judges it, in any command that judges, and how much was left out is said."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from model.registry.versions import read_version
from model.serving.classifier import read_manifest
from model.training.trained_titles import TITLES_FILE, TrainedTitles
from tests.model.conftest import synthetic
from tests.model.registry.conftest import SMALL, run, written_gates

SEEN, NEW = 120, 60
"""Questions of dev that the champion was trained on, and those that no model has seen, beside 17 of the base's dev."""


@pytest.fixture(scope="module")
def few(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions of one's own: most of dev was, in another spelling, in the champion's training."""
    rows = pl.read_parquet(base)
    learned = rows.filter(pl.col("split") == "train")
    other_spelling = "  " + pl.col("title").str.to_uppercase().str.replace_all(" ", "  ") + " &#33;"
    seen = learned.head(SEEN).with_columns(title=other_spelling, split=pl.lit("dev"))
    own = pl.concat([rows.filter(pl.col("split") == "dev"), learned.tail(-SEEN), seen])
    path = tmp_path_factory.mktemp("own") / "few.parquet"
    own.write_parquet(path)
    return path


@pytest.fixture(scope="module")
def enough(few: Path) -> Path:
    """The same, and new ones, so that enough are left."""
    rows = pl.read_parquet(few)
    new = synthetic(200).filter(pl.col("tags_complete") & (pl.col("body_format") != "html")).head(NEW)
    new = new.select(name for name in new.columns if name in rows.columns)
    new = new.with_columns(split=pl.lit("dev")).cast({n: t for n, t in rows.schema.items() if n in new.columns})
    pl.concat([rows, new], how="diagonal").write_parquet(few.with_name("enough.parquet"))
    return few.with_name("enough.parquet")


@pytest.fixture(scope="module")
def own(few: Path) -> Path:
    """A model of one's own, released."""
    run("train", "--questions", few, "--out", few.with_name("trained"), *SMALL)
    run("release", "--questions", few, "--trained", few.with_name("trained"), "--out", few.with_name("own"))
    return few.with_name("own")


def version_of(folder: Path) -> str:
    return str(read_manifest(folder)["version"])


def lenient(gates: Path, more: str = "") -> Path:
    """Write gates that the models of a few seconds pass on questions of another kind, but for ``more``."""
    text = gates.read_text().replace("most = 0.3", "most = 1.0").replace("least = 0.5", "least = 0.0")
    gates.write_text(text.replace("least = 0.2", "least = 0.0") + more)
    return gates


def test_e1_register_compares_on_what_neither_has_seen(
    own: Path, enough: Path, champion: Path, registry: Path, gates: Path
) -> None:
    places = ["--registry", registry, "--gates", lenient(gates), "--champion", champion]
    said = run("register", own, "--questions", enough, *places).output
    total = SEEN + NEW + 17
    assert f"{SEEN} of {total} questions left out, seen in training by {version_of(champion)} ({SEEN})" in said
    version = read_version(registry, 1)
    assert version.about["metrics"]["n"] == total
    checks = {check["name"]: check for check in version.about["checks"]}
    assert f"against {version_of(champion)} on {NEW + 17} questions" in checks["P@1 against the champion"]["says"]
    assert checks["unseen questions"]["value"] == total
    assert checks["compared on"]["value"] == NEW + 17


def test_e1_register_says_that_it_cannot_compare_on_what_is_left(
    own: Path, few: Path, champion: Path, registry: Path, gates: Path
) -> None:
    places = ["--questions", few, "--registry", registry, "--champion", champion, "--gates"]
    said = run("register", own, *places, lenient(gates)).output
    assert f"cannot tell, 17 questions are too few: {SEEN} of {SEEN + 17} questions left out" in said
    version = read_version(registry, 1)
    assert (version.state, version.undecided) == ("checked", ["against the champion"])
    strict = gates.with_name("strict.toml")
    strict.write_text("undecided = {passes = false}\n" + gates.read_text())
    assert "it failed against the champion" in run("register", own, *places, strict, code=1).output


def test_e1_register_refuses_a_model_that_has_seen_its_questions_its_own_bytes_too(
    few: Path, champion: Path, registry: Path, gates: Path
) -> None:
    places = ["--questions", few, "--registry", registry, "--gates", gates, "--champion", champion]
    said = run("register", champion, *places, code=1).output
    assert "it failed unseen questions" in said
    assert f"{SEEN} of {SEEN + 17} questions left out, seen in training by {version_of(champion)}" in said
    assert read_version(registry, 1).about["metrics"] == {}


def test_e1_evaluate_takes_what_no_model_has_seen(own: Path, enough: Path, champion: Path, tmp_path: Path) -> None:
    out = tmp_path / "measured.json"
    said = run("evaluate", "--questions", enough, "--model", own, "--model", champion, "--json", out).output
    measured = json.loads(out.read_text())
    assert measured["n"] == NEW + 17
    assert measured["left_out"] == {
        "questions": SEEN,
        "of": SEEN + NEW + 17,
        "seen": {version_of(own): 0, version_of(champion): SEEN, "the train part of enough.parquet": 0},
        "unknown": [],
    }
    assert f"left out, seen in training: {SEEN} of {SEEN + NEW + 17}" in said
    alone = run("evaluate", "--questions", enough, "--model", own).output
    assert f"0 of {SEEN + NEW + 17} questions left out" in alone


def test_e1_evaluate_refuses_to_judge_by_too_few_and_an_older_model_is_judged_with_a_warning(
    own: Path, few: Path, champion: Path, tmp_path: Path
) -> None:
    both = run("evaluate", "--questions", few, "--model", own, "--model", champion, code=1).output
    assert f"Cannot judge: {SEEN} of {SEEN + 17} questions left out" in both
    assert "17 are left, and 50 are needed" in both
    older = tmp_path / "older"
    shutil.copytree(champion, older)
    manifest = json.loads((older / "manifest.json").read_text())
    del manifest["files"][TITLES_FILE]
    (older / "manifest.json").write_text(json.dumps(manifest))
    (older / TITLES_FILE).unlink()
    said = run("evaluate", "--questions", few, "--model", older).output
    assert f"{version_of(older)} does not say what it was trained on: it may have seen any of them" in said


def test_e1_a_reference_of_drift_is_made_of_what_the_model_has_not_seen(
    few: Path, enough: Path, champion: Path, tmp_path: Path
) -> None:
    made = ["drift", "--make-reference", "--model", champion, "--reference", tmp_path / "reference.json"]
    assert f"{SEEN} of {SEEN + NEW + 17} questions left out" in run(*made, "--questions", enough).output
    assert json.loads((tmp_path / "reference.json").read_text())["drafts"] <= NEW + 17
    assert "Cannot judge" in run(*made, "--questions", few, code=1).output


def test_e1_a_release_of_other_questions_is_measured_on_what_it_has_not_seen(
    few: Path, enough: Path, base: Path, tmp_path: Path
) -> None:
    trained = ["release", "--trained", base.with_name("trained"), "--out", tmp_path / "released"]
    said = run(*trained, "--questions", enough).output
    assert f"dev: {SEEN} of {SEEN + NEW + 17} questions left out" in said
    measured = read_manifest(tmp_path / "released")["metrics"]["dev"]
    assert (measured["n"], measured["left_out"]) == (NEW + 17, SEEN)
    assert "Cannot judge" in run(*trained, "--questions", few, "--force", code=1).output


def test_e1_the_set_goes_with_a_model_into_the_registry_and_is_made_for_an_older_one(
    champion: Path, base: Path, registry: Path, gates: Path, tmp_path: Path
) -> None:
    run("register", champion, "--questions", base, "--registry", registry, "--gates", gates, "--champion", champion)
    titles = (champion / TITLES_FILE).read_bytes()
    assert (registry / "1" / TITLES_FILE).read_bytes() == titles
    older = tmp_path / "older"
    shutil.copytree(champion, older)
    manifest = json.loads((older / "manifest.json").read_text())
    digest = manifest["files"].pop(TITLES_FILE)
    (older / "manifest.json").write_text(json.dumps(manifest))
    (older / TITLES_FILE).unlink()
    before = (older / "manifest.json").read_bytes()
    run("trained-titles", "--questions", base, "--model", older)
    assert (older / TITLES_FILE).read_bytes() == titles
    assert (older / "manifest.json").read_bytes() == before
    run("register", older, "--questions", base, "--registry", registry, "--gates", gates, "--champion", champion)
    assert (registry / "2" / TITLES_FILE).read_bytes() == titles
    assert digest == json.loads((champion / "manifest.json").read_text())["files"][TITLES_FILE]
    other = tmp_path / "other.parquet"
    pl.read_parquet(base).head(100).write_parquet(other)
    assert "its sha256 differs" in run("trained-titles", "--questions", other, "--model", older, code=1).output
    assert "brings its own" in run("trained-titles", "--questions", base, "--model", champion, code=1).output


def test_e1_a_shipped_model_in_the_registry_keeps_its_set(registry: Path) -> None:
    from model.registry.register import add_version
    from model.training.trained_titles import SHIPPED

    version = add_version(registry, SHIPPED.parent / "light")
    assert TrainedTitles.from_bytes((version.folder / TITLES_FILE).read_bytes()).parts


def test_e8_a_loss_that_may_be_chance_is_said_to_be_and_refuses_only_if_the_gates_say_so(
    own: Path, enough: Path, champion: Path, registry: Path, tmp_path: Path
) -> None:
    gates = lenient(written_gates(tmp_path))
    gates.write_text(gates.read_text().replace("may_lose = 0.2", "may_lose = 0.0"))
    places = ["--questions", enough, "--registry", registry, "--champion", champion, "--gates"]
    said = run("register", own, *places, gates).output
    version = read_version(registry, 1)
    assert version.state == "checked"
    assert version.undecided
    assert "unsure" in said
    assert f"cannot tell with n = {NEW + 17}" in said
    assert "questions would" in said
    strict = tmp_path / "strict.toml"
    strict.write_text("undecided = {passes = false}\n" + gates.read_text())
    said = run("register", 1, *places, strict, code=1).output
    assert f"it failed {', '.join(version.undecided)}" in said
    assert read_version(registry, 1).state == "refused"
