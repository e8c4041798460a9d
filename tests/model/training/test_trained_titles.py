"""A model knows the titles that it was trained on, however they are spelled, and next to no others."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from model.commands.terminal import RELEASED
from model.evaluation.unseen import MIN_QUESTIONS, exclude_seen
from model.questions import Question, QuestionsError
from model.serving.classifier import TIERS, ReleaseError, read_manifest
from model.training.trained_titles import SHIPPED, TITLES_FILE, TrainedTitles, read_titles, read_trained_titles


def asked(title: str, split: str = "dev") -> Question:
    return Question(title, "", ("python",), True, None, None, "written", split)


def taught(*titles: str, split: str = "train") -> TrainedTitles:
    return TrainedTitles.of([asked(title, split) for title in titles])


TITLE = 'Why does "x < y" fail in C++ for José at 192.0.2.7?'
SPELLINGS = [
    TITLE.upper(),
    f"  {TITLE}\n".replace(" ", " \t "),
    "Why does &quot;x &lt; y&quot; fail in C++ for Jos&eacute; at 192.0.2.7?",
    "Why does &amp;quot;x &amp;lt; y&amp;quot; fail in C++ for Jos&amp;#233; at 192.0.2.7?",
    TITLE.replace("é", "e\u0301"),
    TITLE.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),  # full width
    TITLE.replace('"', "”").replace("?", " ?!"),
    TITLE.replace(" ", "\u00a0"),
]


@pytest.mark.parametrize("title", SPELLINGS)
def test_e1_a_title_is_known_however_it_is_spelled(title: str) -> None:
    assert taught(TITLE, "Another").seen([asked(title)]).all()
    assert taught(title, "Another").seen([asked(TITLE)]).all()


@pytest.mark.parametrize("title", [TITLE.replace("C++", "C#"), TITLE.replace("C++", "C"), TITLE[:-2], "Another one"])
def test_e1_another_title_is_not_known(title: str) -> None:
    assert not taught(TITLE, "Another").seen([asked(title)]).any()


def test_e1_a_title_is_known_whether_personal_data_were_taken_out_of_it_or_not() -> None:
    from model.preparation.personal import redact

    title = "Mail to jane.doe42@gmail.com is refused with 550"
    assert redact(title)[0] != title
    assert taught(title).seen([asked(redact(title)[0])]).all()
    assert taught(redact(title)[0]).seen([asked(title)]).all()


def test_e1_every_title_is_known_again_and_next_to_no_other() -> None:
    own, others = ([asked(f"{kind} number {n}") for n in range(20_000)] for kind in ("Own", "Other"))
    titles = TrainedTitles.of(replaced(own[:1_000], "tune") + replaced(own[1_000:], "train"))
    assert titles.seen(own).all()
    assert titles.seen(others).mean() < 0.001
    assert len(titles.as_bytes()) < 16 * len(own) / 8
    again = TrainedTitles.from_bytes(titles.as_bytes())
    assert again == titles
    assert again.seen(own).all()


def replaced(questions: list[Question], split: str) -> list[Question]:
    return [asked(question.title, split) for question in questions]


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:-1], lambda content: content + b"x", lambda content: content[:-1] + b"\xff",
     lambda content: b"", lambda content: b"[]\n", lambda content: b"\xff\xfe", lambda content: b'{"format": 1}\n',
     lambda content: b'{"format": 1, "parts": [{}]}\n', lambda content: content.replace(b'"bytes"', b'"bites"')],
)  # fmt: skip
def test_e1_a_damaged_set_is_refused_with_what_to_do(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    (tmp_path / TITLES_FILE).write_bytes(damage(taught(*(str(n) for n in range(99))).as_bytes()))
    with pytest.raises(ReleaseError, match=r"cannot be read: .*\. Copy the released folder again, whole"):
        read_titles(tmp_path, {})


def test_e1_both_shipped_models_know_their_titles_and_their_own_files_are_as_they_were() -> None:
    assert SHIPPED.stat().st_size < 500_000
    manifests = [read_manifest(RELEASED / tier) for tier in TIERS]
    by_version = read_trained_titles([RELEASED / tier for tier in TIERS])
    for manifest in manifests:
        titles = by_version[manifest["version"]]
        assert titles is not None
        rows = manifest["split"]["rows"]
        assert {part.name: part.titles for part in titles.parts} == {"train": rows["train"], "tune": rows["tune"]}
        assert TITLES_FILE not in manifest["files"]
        for name, digest in manifest["files"].items():
            assert hashlib.sha256((RELEASED / manifest["tier"] / name).read_bytes()).hexdigest() == digest


def test_e1_a_model_of_the_same_data_has_the_shipped_set_and_one_of_other_data_does_not_say(tmp_path: Path) -> None:
    data = json.loads((RELEASED / "light" / "manifest.json").read_bytes())["data"]["sha256"]
    assert read_titles(tmp_path, {"data": {"sha256": data}}) == TrainedTitles.from_bytes(SHIPPED.read_bytes())
    assert read_titles(tmp_path, {"data": {"sha256": "0" * 64}}) is None
    assert read_titles(tmp_path, {}) is None


def test_e1_what_any_of_the_models_has_seen_is_left_out_and_said() -> None:
    questions = [asked(f"Question {n}") for n in range(200)]
    titles = [question.title for question in questions]
    left = exclude_seen(questions, {"one": taught(*titles[:60]), "other": taught(*titles[50:100]), "older": None})
    assert left.questions == questions[100:]
    assert np.flatnonzero(left.kept).tolist() == list(range(100, 200))
    assert left.sentences() == [
        "100 of 200 questions left out, seen in training by one (60), other (50)",
        "older does not say what it was trained on: it may have seen any of them",
    ]
    left.require_enough()
    assert exclude_seen(questions, {"one": taught("Else")}).sentences() == ["0 of 200 questions left out"]


@pytest.mark.parametrize(
    ("total", "seen", "enough"),
    [(385, 366, False), (385, 385 - MIN_QUESTIONS, True), (385, 386 - MIN_QUESTIONS, False), (17, 0, True),
     (17, 8, True), (17, 9, False), (1, 1, False), (0, 0, True)],
)  # fmt: skip
def test_e1_nothing_is_judged_by_too_few(total: int, seen: int, enough: bool) -> None:
    questions = [asked(f"Question {n}") for n in range(total)]
    left = exclude_seen(questions, {"a model": taught(*(question.title for question in questions[:seen]), "Else")})
    assert left.enough is enough
    if not enough:
        with pytest.raises(QuestionsError, match=f"{seen} of {total} questions left out, seen in training by a model"):
            left.require_enough()


def test_e1_questions_to_choose_by_stay_where_a_model_only_chose_by_them() -> None:
    questions = [asked(f"Question {n}", "tune") for n in range(100)]
    titles = [question.title for question in questions]
    model = TrainedTitles(taught(*titles[:20]).parts + taught(*titles[20:50], split="tune").parts)
    assert len(exclude_seen(questions, {"a model": model}, for_choices=True).questions) == 80
    assert len(exclude_seen(questions, {"a model": model}).questions) == 50


def test_e1_what_an_encoder_learned_from_counts_and_what_it_only_chose_by_does_not() -> None:
    encoder = TrainedTitles(taught("Learned").parts + taught("Chosen by", split="tune").parts)
    model = taught("Own").with_learned_of(encoder)
    assert model.seen([asked("Own"), asked("Learned"), asked("Chosen by")]).tolist() == [True, True, False]
    assert model.with_learned_of(encoder) == model
    assert model.with_learned_of(None) == model
