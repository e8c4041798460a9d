"""The service conforms to its OpenAPI document: Schemathesis generates requests from it, valid and invalid ones."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.process import serving

SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))


@pytest.fixture(scope="module")
def address(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running service."""
    data_dir: Path = tmp_path_factory.mktemp("conformity")
    settings: dict[str, Any] = {"TAGALONG_DATABASE_URL": module_database_url, "TAGALONG_MODEL_TIER": "light"}
    with serving(data_dir, **settings) as (_, address, _):
        yield address


def assert_conforms(address: str, folder: Path, *options: str) -> None:
    """Run all of Schemathesis: edges of the schema, random data of both kinds, undeclared methods, chains."""
    command = [SCHEMATHESIS, "run", f"{address}/openapi.json", "--no-color", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:]
    assert "Tested: 8" in done.stdout


def test_every_answer_conforms_to_the_openapi_document(address: str, tmp_path: Path) -> None:
    assert_conforms(address, tmp_path, "--max-examples=20", "--seed=1")


@pytest.mark.slow
def test_very_many_answers_conform_to_the_openapi_document(address: str, tmp_path: Path) -> None:
    assert_conforms(address, tmp_path, "--max-examples=500")
