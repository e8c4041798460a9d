"""The model on the device gives the answers of the service's classifier: the same tags, scores and reasons."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from model.commands.export_device import PACKAGED
from model.commands.terminal import RELEASED
from model.serving import Classifier
from model.serving.graph_constants import read_constants
from tests.extension.device.written_drafts import generate_drafts

HERE = Path(__file__).resolve().parent
NODE = Path(sys.executable).parent / "node"
LIGHT = RELEASED / "light"
SAME_BEST = 0.999
LARGEST_DIFFERENCE = 0.001


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(LIGHT)


def answer_on_device(drafts: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return what the extension's own model suggests, as it runs in a browser."""
    lines = "".join(json.dumps(draft) + "\n" for draft in drafts)
    command = [NODE, HERE / "answers.mjs", PACKAGED]
    result = subprocess.run(command, input=lines, capture_output=True, text=True, encoding="utf-8", check=False)
    assert result.stderr == ""
    return [json.loads(line) for line in result.stdout.splitlines()]


def answer_by_classifier(classifier: Classifier, draft: dict[str, Any]) -> list[dict[str, Any]]:
    items = [asdict(item) for item in classifier.suggest(**draft)]
    return [{**item, "because": list(item["because"])} for item in items]


def assert_same_answers(classifier: Classifier, drafts: Sequence[dict[str, Any]]) -> None:
    """Check that nearly all drafts get the same best tags, and those the same scores and reasons."""
    different = []
    for draft, answer in zip(drafts, answer_on_device(drafts), strict=True):
        expected = answer_by_classifier(classifier, draft)
        if [item["tag"] for item in answer] != [item["tag"] for item in expected]:
            different.append((draft, expected, answer))
            continue
        for item, other in zip(answer, expected, strict=True):
            assert item == {**other, "score": pytest.approx(other["score"], abs=LARGEST_DIFFERENCE)}, draft
    assert len(different) <= (1 - SAME_BEST) * len(drafts), different[:3]


def test_written_and_generated_drafts_get_the_same_answers(classifier: Classifier) -> None:
    constants = read_constants((LIGHT / "model.onnx").read_bytes())
    words = [*constants["feature_names"].tolist(), *constants["title_spellings"].tolist(), "zzyzx", "GmbH", "naïve"]
    tags = [*sorted(classifier.known), "not-a-tag", "Python", "cpp", "CSharp"]
    assert_same_answers(classifier, generate_drafts(300, 15, words, tags))
