"""A version can be made again, byte for byte, from what it says of itself; or it is said what is missing."""

import json
from pathlib import Path

import polars as pl
import pytest

from model.registry.register import add_version
from tests.model.registry.conftest import run


@pytest.fixture
def version(registry: Path, champion: Path) -> Path:
    return add_version(registry, champion).folder


def test_a_version_is_made_again_byte_for_byte(version: Path, base: Path, registry: Path, tmp_path: Path) -> None:
    result = run("rebuild", 1, "--registry", registry, "--from", base.parent, "--out", tmp_path / "again")
    assert "model.onnx the same, byte for byte" in result.output
    assert (tmp_path / "again" / "model.onnx").read_bytes() == (version / "model.onnx").read_bytes()
    assert "Not as it was made" not in result.output


def test_a_version_whose_record_is_of_the_old_form_is_the_same_and_one_line_says_that_its_code_cannot_be_compared(
    version: Path, base: Path, registry: Path
) -> None:
    """Before, the digest of the code was a bare sha256, of sources by the names of their modules."""
    about = json.loads((version / "version.json").read_text())
    about["made"]["code"] = "8d1c1f0a" * 8
    (version / "version.json").write_text(json.dumps(about))
    result = run("rebuild", 1, "--registry", registry, "--from", base.parent)
    assert "model.onnx the same, byte for byte" in result.output
    (line,) = [line for line in result.output.splitlines() if "Not as it was made" in line]
    assert line.startswith("Not as it was made: code: recorded before")


def test_a_missing_input_and_one_that_differs_are_named(
    version: Path, base: Path, registry: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    digest = json.loads((version / "version.json").read_text())["data"]["sha256"]
    missing = run("rebuild", 1, "--registry", registry, "--from", tmp_path / "empty", code=1)
    assert f"The questions are missing: no file in {tmp_path / 'empty'} has the sha256 {digest}" in missing.output
    assert "--from" in missing.output
    pl.read_parquet(base).head(200).write_parquet(tmp_path / "empty" / base.name)
    other = run("rebuild", 1, "--registry", registry, "--from", tmp_path / "empty", code=1)
    assert f"The questions differ: {tmp_path / 'empty' / base.name} has not the sha256 {digest}" in other.output


def test_what_came_out_otherwise_is_measured_and_refused_beyond_the_tolerance(
    version: Path, base: Path, registry: Path
) -> None:
    about = json.loads((version / "version.json").read_text())
    about["parameters"]["seed"] = 2
    about["made"]["threads"] = 99
    (version / "version.json").write_text(json.dumps(about))
    result = run("rebuild", 1, "--registry", registry, "--from", base, code=1)
    assert "Not as it was made: threads: 99 then" in result.output
    assert "model.onnx not the same bytes; scores differ by" in result.output


def test_a_version_that_does_not_say_what_it_is_made_of_says_so(version: Path, base: Path, registry: Path) -> None:
    about = json.loads((version / "version.json").read_text())
    (version / "version.json").write_text(json.dumps(about | {"made": {}}))
    assert "cannot be made again for sure" in run("rebuild", 1, "--registry", registry, "--from", base, code=1).output
