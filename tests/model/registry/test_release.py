"""A released folder is whole, measured, and within its tier's limits."""

import json
import re
from pathlib import Path

import pytest

from model.questions import Question
from model.registry import release as release_module
from model.registry.card import draw_calibration
from model.registry.release import ReleaseRefused, release_model
from tests.model.conftest import silent


def test_what_is_released_is_what_was_trained_with_its_numbers(small_trained: Path, small_release: Path) -> None:
    trained = json.loads((small_trained / "manifest.json").read_text())
    released = json.loads((small_release / "manifest.json").read_text())
    assert {name: released[name] for name in trained} == trained
    for name in trained["files"]:
        assert (small_release / name).read_bytes() == (small_trained / name).read_bytes()
    assert set(released["metrics"]) == {"tune", "dev"}
    card = (small_release / "MODEL_CARD.md").read_text()
    assert f"{released['metrics']['dev']['metrics']['P@1']['value']:.3f}" in card
    assert ("sentence encoder" in card) == (released["tier"] == "full")
    for heading in ("by year", "by length", "tags by uses", "Calibration", "Licence", "Where it fails"):
        assert heading in card
    assert not re.search(r"[{}]", card)


def test_files_that_are_too_large_are_refused(
    small_trained: Path, questions: list[Question], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release_module, "MAX_BYTES", {"light": 1e3, "full": 1e3})
    with pytest.raises(ReleaseRefused, match="MB together"):
        release_model(questions, small_trained, tmp_path / "out", silent())
    assert not (tmp_path / "out").exists()


def test_the_picture_shows_every_bin_where_it_lies() -> None:
    picture = draw_calibration([{"n": 10, "score": 0.0, "right": 0.0}, {"n": 5, "score": 1.0, "right": 0.5}], 15)
    points = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', picture)]
    (left, bottom), (right, middle) = points
    assert right - left == pytest.approx(2 * (bottom - middle))
    assert picture.startswith("<svg")
    assert "n = 15 questions" in picture
