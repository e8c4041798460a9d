"""What others build on is what it was. A change on purpose writes the file again: python -m tools.contract --write."""

import json
from typing import Any

import pytest

from tools.contract import CONTRACT_FILE, contract

BEFORE = json.loads(CONTRACT_FILE.read_text())


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    return dict(json.loads(json.dumps(contract())))


@pytest.mark.parametrize("part", BEFORE)
def test_the_contract_stays(now: dict[str, Any], part: str) -> None:
    assert now[part] == BEFORE[part]
