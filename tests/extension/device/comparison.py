"""The answers of the model on the device beside those of the service's classifier."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from model.commands.export_device import PACKAGED
from model.serving import Classifier
from tests.extension.device.node import run_node

SAME_BEST = 0.999
LARGEST_DIFFERENCE = 0.001


def answer_by_classifier(classifier: Classifier, draft: dict[str, Any]) -> list[dict[str, Any]]:
    items = [asdict(item) for item in classifier.suggest(**draft)]
    return [{**item, "because": list(item["because"])} for item in items]


def assert_same_answers(classifier: Classifier, drafts: Sequence[dict[str, Any]], model: Path = PACKAGED) -> None:
    """Check that nearly all drafts get the same best tags, and those the same scores and reasons."""
    different = []
    for draft, answer in zip(drafts, run_node("answers.mjs", drafts, model), strict=True):
        expected = answer_by_classifier(classifier, draft)
        if [item["tag"] for item in answer] != [item["tag"] for item in expected]:
            different.append((draft, expected, answer))
            continue
        for item, other in zip(answer, expected, strict=True):
            assert item == {**other, "score": pytest.approx(other["score"], abs=LARGEST_DIFFERENCE)}, draft
    assert len(different) <= (1 - SAME_BEST) * len(drafts), different[:3]
