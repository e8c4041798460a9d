"""The registry on disk: what is whole and checked may be deployed, and what is not says why."""

import json
from pathlib import Path
from typing import Any

import pytest

from backend.deployments import registry
from model.serving.registry import RegistryError, version_numbers
from tests.backend.deployments.registry import fail_check, register


def test_a_checked_version_may_be_deployed_and_answers(models: Path) -> None:
    version = register(models, 7)
    registered = registry.read_version(models, 7)
    assert (registered.number, registered.version, registered.state) == (7, version, "checked")
    assert registry.list_refusals(registered) == []
    classifier = registry.load(registered)
    assert classifier.version == version
    assert classifier.suggest("How do I merge two pandas DataFrames?")


def test_a_version_is_found_by_its_number_and_by_its_name(models: Path) -> None:
    register(models, 3)
    version = register(models, 12)
    assert version_numbers(models) == [3, 12]
    assert registry.find_version(models, "12") == registry.find_version(models, version)
    for name in ("4", "light-other"):
        with pytest.raises(RegistryError, match="there is no version"):
            registry.find_version(models, name)


def test_a_version_that_failed_a_gate_is_refused_with_the_gates_words(models: Path) -> None:
    register(models, 7)
    fail_check(models, 7)
    told = registry.list_refusals(registry.read_version(models, 7))
    assert "its check latency was not passed: 40.0 ms, more than 15.0 ms" in told
    assert "its state is 'refused', not 'checked'" in told


@pytest.mark.parametrize("changes", [{"state": "trained"}, {"checks": []}, {"checks": ["passed"]}])
def test_a_version_that_was_not_checked_is_refused(models: Path, changes: dict[str, Any]) -> None:
    register(models, 7, **changes)
    assert registry.list_refusals(registry.read_version(models, 7))


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing", "manifest", "another's manifest"])
def test_files_that_are_not_the_manifests_are_refused_and_never_loaded(models: Path, damage: str) -> None:
    register(models, 7)
    graph, manifest = models / "7" / "model.onnx", models / "7" / "manifest.json"
    content = graph.read_bytes()
    if damage == "flipped":
        graph.write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
    elif damage == "truncated":
        graph.write_bytes(content[: len(content) // 2])
    elif damage == "missing":
        graph.unlink()
    elif damage == "manifest":
        manifest.write_text("{")
    else:
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": "light-other"}))
    registered = registry.read_version(models, 7)
    (told,) = registry.list_refusals(registered)
    assert ("manifest.json" if "manifest" in damage else "model.onnx") in told
    with pytest.raises(RegistryError):
        registry.load(registered)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "is not of format 1"),
        ('{"format": 2}', "is not of format 1"),
        ('{"format": 1, "number": 7, "version": "light-x"}', "lacks state, checks"),
        ('{"format": 1, "number": 8, "version": "light-x", "state": "checked", "checks": []}', "is of version 8"),
    ],
)
def test_a_description_that_is_not_whole_is_told(models: Path, content: str | None, told: str) -> None:
    register(models, 7)
    path = models / "7" / "version.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(RegistryError, match=told):
        registry.read_version(models, 7)
