"""Numbered versions: whole or not there, each number once, and refused with the reason where a gate is failed."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from backend.deployments import registry as deployments
from model.commands.terminal import RELEASED
from model.registry import gates as gates_of
from model.registry.register import add_version
from model.registry.versions import read_version
from model.serving.classifier import Classifier
from tests.model.registry.conftest import run

ROOT = Path(__file__).parents[3]


def register(folder: object, base: Path, registry: Path, gates: Path, champion: object, code: int = 0) -> str:
    places = ["--questions", base, "--registry", registry, "--gates", gates, "--champion", champion]
    return run("register", folder, *places, code=code).output


def test_a_trained_folder_becomes_a_checked_version_with_all_that_says_what_it_is(
    trained: Path, base: Path, registry: Path, gates: Path, champion: Path
) -> None:
    register(trained, base, registry, gates, champion)
    about = json.loads((registry / "1" / "version.json").read_text())
    manifest = json.loads((registry / "1" / "manifest.json").read_text())
    assert (about["format"], about["number"], about["state"]) == (1, 1, "checked")
    assert about["version"] == manifest["version"] == Classifier.load(registry / "1").version
    assert about["data"]["sha256"] == manifest["data"]["sha256"]
    assert about["data"]["rows"] == 307  # two of the written questions are in other languages
    assert about["parameters"]["rank"] == 8
    assert about["code"]
    assert about["metrics"]["n"] == 17
    assert about["metrics"]["P@1"] > 0.8
    assert [node["name"] for node in about["signature"]["inputs"]] == ["title", "body", "limit", "chosen"]
    assert {"tags", "scores"} <= {node["name"] for node in about["signature"]["outputs"]}
    assert {"name", "passed", "value", "bound", "says"} == set(about["checks"][0])
    assert {check["name"] for check in about["checks"]} >= {
        "files", "size", "parity", "drafts", "P@1", "P@1 against the champion", "calibration", "latency p50",
        "latency p99",
    }  # fmt: skip
    assert (registry / "1" / about["card"]).read_text().startswith(f"# Model card: {about['version']}")
    listed = run("versions", "--registry", registry).output
    assert "checked" in listed
    assert about["version"] in listed


def test_the_service_takes_a_checked_version_and_refuses_a_refused_one_with_its_reason(
    base: Path, registry: Path, gates: Path, champion: Path
) -> None:
    register(champion, base, registry, gates, champion)
    gates.write_text(gates.read_text().replace("most = 0.3", "most = 0.0"))
    register(champion, base, registry, gates, champion, code=1)
    good, bad = (deployments.find_version(registry, number) for number in "12")
    assert deployments.list_refusals(good) == []
    assert deployments.load(good).version == good.version
    assert any("calibration was not passed" in why for why in deployments.list_refusals(bad))


@pytest.mark.parametrize(
    ("gate", "bound", "failed"),
    [("may_lose = 0.2", "may_lose = -1.0", "P@1 against the champion"), ("most = 0.3", "most = 0.0001", "calibration"),
     ("most = 1e-4", "most = 1e-12", "parity"), ("p50_times = 50.0", "p50_times = 1e-6", "latency p50"),
     ("light = 25.0", "light = 0.001", "size"), ("least = 0.5", "least = 1.1", "P@1")],
)  # fmt: skip
def test_a_version_that_fails_a_gate_is_kept_refused_and_says_why(
    base: Path, registry: Path, gates: Path, champion: Path, gate: str, bound: str, failed: str
) -> None:
    assert gate in gates.read_text()
    gates.write_text(gates.read_text().replace(gate, bound))
    assert f"it failed {failed}" in register(champion, base, registry, gates, champion, code=1)
    version = read_version(registry, 1)
    assert version.state == "refused"
    assert failed in version.failed_names()
    assert failed in run("versions", "--registry", registry).output


def test_a_draft_without_its_tags_refuses_a_version_and_is_named(
    base: Path, registry: Path, gates: Path, champion: Path
) -> None:
    with gates.with_name("drafts.jsonl").open("a") as file:
        file.write('{"title": "How do I undo the last commit?", "tags": ["git", "fortran"]}\n')
    assert "'How do I undo the last commit?' lacks fortran" in register(
        champion, base, registry, gates, champion, code=1
    )


def test_a_broken_model_gets_a_number_and_is_refused(base: Path, registry: Path, gates: Path, champion: Path) -> None:
    broken = registry.with_name("broken")
    shutil.copytree(champion, broken)
    (broken / "model.onnx").write_bytes((broken / "model.onnx").read_bytes()[:-100])
    assert "its sha256 differs" in register(broken, base, registry, gates, champion, code=1)
    assert read_version(registry, 1).state == "refused"


def test_a_version_can_be_checked_again_by_its_number(base: Path, registry: Path, gates: Path, champion: Path) -> None:
    right = gates.read_text()
    gates.write_text(right.replace("most = 0.3", "most = 0.0"))
    register(champion, base, registry, gates, champion, code=1)
    gates.write_text(right)
    assert "Version 1" in register(1, base, registry, gates, champion)
    assert read_version(registry, 1).state == "checked"
    assert not (registry / "2").exists()
    assert "There is no version 7" in register(7, base, registry, gates, champion, code=1)


@pytest.mark.parametrize("named", ["1", "01", "the folder", "a copy of the folder"])
def test_e3_a_refused_version_cannot_be_the_champion_under_any_name(
    base: Path, registry: Path, gates: Path, champion: Path, named: str
) -> None:
    strict = gates.with_name("strict.toml")
    strict.write_text(gates.read_text().replace("most = 0.3", "most = 0.0"))
    register(champion, base, registry, strict, champion, code=1)
    if named == "the folder":
        named = str(registry / "1")
    elif named == "a copy of the folder":
        named = str(shutil.copytree(registry / "1", registry.with_name("copy")))
    says = register(champion, base, registry, gates, named, code=1)
    assert "Version 1 was refused (calibration)" in says
    assert "cannot be the champion" in says
    assert not (registry / "2").exists()
    register(1, base, registry, gates, named, code=1)
    assert read_version(registry, 1).state == "refused"


def test_e3_a_version_that_was_never_checked_cannot_be_the_champion(
    base: Path, registry: Path, gates: Path, champion: Path
) -> None:
    add_version(registry, champion)
    assert "Version 1 has not been checked yet" in register(champion, base, registry, gates, "1", code=1)
    register(1, base, registry, gates, champion)
    register(champion, base, registry, gates, "1")
    assert read_version(registry, 2).about["against"] == read_version(registry, 1).name


def test_two_at_once_get_two_numbers_and_what_a_killed_run_left_is_gone(registry: Path, champion: Path) -> None:
    (registry / ".unfinished-abc").mkdir(parents=True)
    code = (
        "import sys\nfrom pathlib import Path\nfrom model.registry.register import add_version\n"
        "sys.stdin.read(1)\n"
        "for _ in range(5):\n    print(add_version(Path(sys.argv[1]), Path(sys.argv[2])).number)"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, registry, champion], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for each in both:
        assert each.stdin is not None
        each.stdin.write("g")
        each.stdin.flush()
    numbers = [int(number) for each in both for number in each.communicate()[0].split()]
    assert sorted(numbers) == list(range(1, 11))
    assert sorted(path.name for path in registry.iterdir() if path.is_dir()) == sorted(map(str, range(1, 11)))
    for number in range(1, 11):
        assert read_version(registry, number).number == number
        Classifier.load(registry / str(number))


def test_the_shipped_gates_are_whole_and_the_shipped_models_know_their_drafts() -> None:
    gates = gates_of.read_gates()
    assert {of.metric for of in gates.quality} == {"P@1", "R@5", "hit@5", "Jaccard"}
    folder = Path(gates_of.__file__).parent.parent / "released"
    for tier in ("light", "full"):
        classifier = Classifier.load(folder / tier)
        for draft in gates.drafts:
            best = [item.tag for item in classifier.suggest(draft.title, draft.body, limit=gates.best)]
            assert set(draft.tags) <= set(best), draft.title


@pytest.mark.parametrize(
    ("change", "says"),
    [(("most = 0.3", "least = 0.3"), "lacks 'most'"), (("drafts.jsonl", "none.jsonl"), "none.jsonl"),
     (('metric = "P@1"', 'metric = "P@9"'), "names the metrics P@9"), (("[[quality]]", "[[quality"), "cannot be used")],
)  # fmt: skip
def test_gates_that_cannot_be_used_say_what_is_wrong(
    base: Path, registry: Path, gates: Path, champion: Path, change: tuple[str, str], says: str
) -> None:
    gates.write_text(gates.read_text().replace(*change))
    assert says in register(champion, base, registry, gates, champion, code=1)
    assert not registry.exists()


def test_a_version_that_cannot_be_read_is_named(registry: Path) -> None:
    (registry / "1").mkdir(parents=True)
    told = run("versions", "--registry", registry, code=1).output
    assert "1/version.json cannot be read" in told
    assert "Move its folder away" in told
    (registry / "1" / "version.json").write_text('{"format": 1, "number": 3}')
    assert "1/version.json cannot be read: it is of version 3" in run("versions", "--registry", registry, code=1).output
    assert "There is no version" in run("versions", "--registry", registry / "nowhere").output


def test_with_mlflow_a_version_is_a_run_and_a_model_version_with_an_alias(
    base: Path, registry: Path, gates: Path, champion: Path, tmp_path: Path
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="pip install 'mlflow-skinny>=3.17'")
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    places = ["--questions", base, "--registry", registry, "--gates", gates, "--champion", champion]
    run("register", champion, *places, MLFLOW_TRACKING_URI=store)
    run("register", champion, *places, "--mlflow", store)
    client = mlflow.MlflowClient(tracking_uri=store, registry_uri=store)
    newest = client.get_model_version_by_alias("tagalong", "challenger")
    assert newest.tags["number"] == "2"
    assert client.get_model_version_by_alias("tagalong", "champion").tags["version"] == read_version(registry, 1).name
    logged = client.get_run(newest.run_id).data
    assert logged.params["rank"] == "8"
    assert logged.metrics["left out"] == 0  # E1
    assert logged.metrics["P at 1"] == read_version(registry, 2).about["metrics"]["P@1"]
    downloaded = mlflow.artifacts.download_artifacts(newest.source, tracking_uri=store)
    assert Classifier.load(Path(downloaded) / "data" / "2").version == read_version(registry, 2).name


def test_e5_mlflows_champion_is_what_serves_and_predicts(
    base: Path, registry: Path, gates: Path, champion: Path, tmp_path: Path
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="pip install 'mlflow-skinny>=3.17'")
    pandas = pytest.importorskip("pandas")
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    places = ["--questions", base, "--registry", registry, "--gates", gates, "--champion", champion]
    run("register", champion, *places, "--mlflow", store)
    sync = ["--registry", registry, "--mlflow", store]
    assert "MLflow's champion is version 1" in run("mlflow-sync", "1", *sync).output
    mlflow.set_tracking_uri(store)
    model = mlflow.pyfunc.load_model("models:/tagalong@champion")
    drafts = pandas.DataFrame({"title": ["How do I undo the last commit?"], "body": [""]})
    expected = Classifier.load(registry / "1").suggest("How do I undo the last commit?")
    assert model.predict(drafts)[0]["tags"] == [item.tag for item in expected]
    assert model.metadata.signature.inputs.input_names() == ["title", "body"]
    assert model.input_example is not None
    # After a rollback the shipped model serves; what the service prints then says so.
    assert "champion is none" in run("mlflow-sync", RELEASED / "light", *sync).output
    printed = tmp_path / "deployments.json"
    printed.write_text(json.dumps({"champion": {"version": read_version(registry, 1).name, "number": 1, "share": 1.0}}))
    assert "MLflow's champion is version 1" in run("mlflow-sync", printed, *sync).output
    shipped = json.loads((RELEASED / "full" / "manifest.json").read_text())["version"]
    piped = json.dumps({"champion": {"version": shipped, "number": None, "share": 1.0}, "challenger": None})
    assert "champion is none" in run("mlflow-sync", *sync, stdin=piped).output
    with pytest.raises(mlflow.exceptions.MlflowException):
        mlflow.pyfunc.load_model("models:/tagalong@champion")


@pytest.mark.parametrize("printed", ["", "no JSON", "[]", '{"champion": null}', '{"champion": {"version": 7}}'])
def test_mlflows_champion_stays_where_what_serves_cannot_be_read(registry: Path, tmp_path: Path, printed: str) -> None:
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    output = run("mlflow-sync", "--registry", registry, "--mlflow", store, code=1, stdin=printed).output
    assert "Standard input does not hold what `tagalong-server deployments --json` prints" in output
    assert not (tmp_path / "mlflow.db").exists()
    missing = run("mlflow-sync", tmp_path / "nowhere.json", "--mlflow", store, code=1).output
    assert "nowhere.json cannot be read: No such file or directory." in missing


def test_mlflows_page_has_the_version_that_writes_its_store() -> None:
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["mlflow"]
    (locked,) = re.findall(r"^mlflow-skinny==(\S+)", (ROOT / "requirements" / "test.txt").read_text(), re.MULTILINE)
    assert pinned == [f"mlflow=={locked}"], "mlflow and mlflow-skinny share a store: pin the locked version"


def test_without_mlflow_a_version_is_registered_and_what_is_missing_is_said(
    base: Path, registry: Path, gates: Path, champion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    places = ["--questions", base, "--registry", registry, "--gates", gates, "--champion", champion]
    assert "mlflow-skinny" in run("register", champion, *places, "--mlflow", "sqlite:///x.db").output
    assert read_version(registry, 1).state == "checked"
