"""The extension's modules for the device, run by Node: drafts in, answers out."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from model.commands.export_device import PACKAGED

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
NODE = Path(sys.executable).parent / "node"
QUESTIONS = Path(os.environ.get("QUESTIONS", ROOT / "shared" / "data" / "questions.parquet"))
"""The questions that the shipped models were trained on and measured with."""

needs_questions = pytest.mark.skipif(not QUESTIONS.exists(), reason=f"needs {QUESTIONS}, or another file in $QUESTIONS")


def run_node(script: str, drafts: Iterable[dict[str, Any]], model: Path = PACKAGED) -> list[Any]:
    """Return what a script beside this file says of each draft."""
    lines = "".join(json.dumps(draft) + "\n" for draft in drafts)
    command = [NODE, HERE / script, model]
    result = subprocess.run(command, input=lines, capture_output=True, text=True, encoding="utf-8", check=False)
    assert result.stderr == ""
    return [json.loads(line) for line in result.stdout.split("\n")[:-1]]
