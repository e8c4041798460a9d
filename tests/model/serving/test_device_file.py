"""A released model of the light tier becomes one file for the scorer in the browser; any other version says why not."""

import hashlib
import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from onnx import numpy_helper

from model.cli import main
from model.commands.terminal import RELEASED
from model.questions.parquet import read_questions
from model.registry.release import release_model
from model.runs.progress import Progress
from model.serving import Classifier, NoDeviceFormError, ReleaseError, device_file
from model.serving.graph_constants import read_constants
from model.training.build import DataSource, train_model
from model.training.tfidf import FeatureLimits
from model.training.train import TrainingParameters
from tests.extension.device.comparison import assert_same_answers

LIGHT = RELEASED / "light"


@pytest.fixture(scope="module")
def content() -> bytes:
    return device_file(LIGHT)


def read_sections(content: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read a device file by its description alone."""
    length = int.from_bytes(content[12:16], "little")
    header = json.loads(content[48 : 48 + length])
    sections = {
        name: np.frombuffer(content, place["dtype"], int(np.prod(place["shape"])), 48 + length + place["offset"])
        for name, place in header["sections"].items()
    }
    return header, sections


def test_the_constants_of_a_graph_are_those_that_onnx_reads() -> None:
    graph = onnx.load(LIGHT / "model.onnx").graph
    constants = read_constants((LIGHT / "model.onnx").read_bytes())
    assert set(constants) == {tensor.name for tensor in graph.initializer}
    for tensor in graph.initializer:
        expected = numpy_helper.to_array(tensor)
        value = constants[tensor.name]
        assert (value.shape, value.dtype) == (expected.shape, expected.dtype)
        assert (value == expected).all()


def test_a_device_file_says_what_it_is_and_is_checked_by_its_sha256(content: bytes) -> None:
    header, sections = read_sections(content)
    assert content[:8] == b"tagalong"
    assert content[8:12] == (1).to_bytes(4, "little")
    assert content[16:48] == hashlib.sha256(content[48:]).digest()
    manifest = json.loads((LIGHT / "manifest.json").read_text())
    assert header["version"] == manifest["version"]
    assert header["sites"] == manifest["sites"]
    assert header["decision"] == manifest["decision"]
    assert all(place["offset"] % 8 == 0 for place in header["sections"].values())
    assert sum(array.nbytes for array in sections.values()) > 0.99 * len(content)


def test_the_same_model_gives_the_same_bytes(content: bytes) -> None:
    assert device_file(LIGHT) == content


def test_the_names_in_a_device_file_are_those_of_the_classifier(content: bytes) -> None:
    _, sections = read_sections(content)
    classifier = Classifier.load(LIGHT)
    text, starts = "".join(map(chr, sections["name_text"])), sections["name_starts"].tolist()
    names = [text[begin:end] for begin, end in pairwise(starts)]
    of_tags = [names[number - 1] if number else None for number in sections["tag_name"].tolist()]
    assert {name for name in of_tags if name} == classifier.names
    assert set(names) >= classifier.known
    for tag, name in zip(classifier.tags, of_tags, strict=True):
        assert name is None or name in (tag, names[sections["name_in_use"][names.index(tag)]])


def test_a_version_of_the_full_tier_has_no_device_form() -> None:
    with pytest.raises(NoDeviceFormError, match=r"full-176fc757 has no device form: .* encoder"):
        device_file(RELEASED / "full")


def test_a_small_model_with_an_odd_rank_and_foreign_tags_answers_the_same_on_the_device(
    questions_file: Path, tmp_path: Path
) -> None:
    """Whatever was trained here can be exported: the shipped model has round sizes and plain names."""
    renamed = {"pandas": "панды", "f#": "фа-диез", "git": "git\u4e2d\u6587"}
    questions = [
        replace(question, tags=tuple(renamed.get(tag, tag) for tag in question.tags))
        for question in read_questions(questions_file)[:1_200]
    ]
    trained, released = tmp_path / "trained", tmp_path / "released"
    parameters = TrainingParameters(epochs=2, rank=10, wide=3, min_count=5, batch=64)
    source = DataSource.describe(questions_file, questions)
    silent = Progress(lambda line: None, lambda label, length: lambda: None)
    train_model(questions, [], source, trained, None, parameters, FeatureLimits(), silent)
    release_model(questions, trained, released, silent)
    model = tmp_path / "model.bin"
    model.write_bytes(device_file(released))
    drafts = [
        {"title": question.title, "body": question.body, "body_format": "html", "chosen_tags": chosen, "limit": 20}
        for question in questions[:60]
        for chosen in ([], ["Панды"], ["PYTHON", "git\u4e2d\u6587"])
    ]
    assert_same_answers(Classifier.load(released), drafts, model)


def copy_light(folder: Path) -> dict[str, Any]:
    shutil.copytree(LIGHT, folder)
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return manifest


def replace_graph(folder: Path, manifest: dict[str, Any], graph: bytes) -> None:
    (folder / "model.onnx").write_bytes(graph)
    manifest["files"]["model.onnx"] = hashlib.sha256(graph).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_foreign_graph_has_no_device_form(tmp_path: Path) -> None:
    manifest = copy_light(tmp_path / "light")
    graph = onnx.load(LIGHT / "model.onnx")
    kept = [tensor for tensor in graph.graph.initializer if tensor.name not in ("says", "partners")]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(kept)
    replace_graph(tmp_path / "light", manifest, graph.SerializeToString())
    with pytest.raises(NoDeviceFormError, match="it lacks partners, says"):
        device_file(tmp_path / "light")
    replace_graph(tmp_path / "light", manifest, b"\xff" * 100)
    with pytest.raises(NoDeviceFormError, match="not an ONNX file"):
        device_file(tmp_path / "light")


def test_a_damaged_release_is_refused(tmp_path: Path) -> None:
    copy_light(tmp_path / "light")
    (tmp_path / "light" / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(ReleaseError, match="sha256 differs"):
        device_file(tmp_path / "light")
    with pytest.raises(ReleaseError, match=r"manifest\.json cannot be read"):
        device_file(tmp_path)


def test_the_command_writes_the_file_and_says_version_size_and_sha256(tmp_path: Path, content: bytes) -> None:
    for model in ([], ["light-c22ec615"], [str(LIGHT)]):
        out = tmp_path / f"{len(model)}.bin"
        result = CliRunner().invoke(main, ["export-device", *model, "--out", str(out)])
        assert result.exit_code == 0, result.output
        assert out.read_bytes() == content
        expected = f"{out}: light-c22ec615, {len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}\n"
        assert result.output == expected


@pytest.mark.parametrize(
    ("model", "message"),
    [("full-176fc757", "has no device form"), ("12", "There is no version 12"), ("none", "none is no folder")],
)
def test_the_command_says_why_a_version_cannot_be_exported(tmp_path: Path, model: str, message: str) -> None:
    out = tmp_path / "model.bin"
    result = CliRunner().invoke(main, ["export-device", model, "--out", str(out), "--registry", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert message in result.output
    assert not out.exists()
