"""Texts are made ready on the device by the same rules as in the service."""

import json
import random
import unicodedata
from collections.abc import Iterable, Sequence
from html.entities import html5
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from model.serving.text import (
    original_spellings,
    plain_characters,
    prepare_text,
    spell_words,
    split_for_names,
    split_words,
)
from tests.extension.device.node import QUESTIONS, needs_questions, run_node
from tests.extension.device.written_drafts import generate_drafts

SERVING = Path(__file__).resolve().parents[2] / "model" / "serving"
CASES = json.loads((SERVING / "text-cases.json").read_text("utf-8"))
PLAIN = json.loads((SERVING / "plain-characters.json").read_text("utf-8"))
AT_ONCE = 20_000


def make_draft(title: str = "", body: str = "", body_format: str = "html") -> dict[str, str]:
    return {"title": title, "body": body, "body_format": body_format}


def describe(draft: dict[str, Any]) -> dict[str, Any]:
    """Return what the service's code makes of a draft's text, as ``texts.mjs`` does."""
    texts = prepare_text(draft["title"], draft["body"], draft["body_format"])
    return {
        "title": texts[0],
        "body": texts[1],
        "spellings": original_spellings(draft["title"], draft["body"], draft["body_format"]),
        "words": [*map(split_words, texts)],
        "name_words": [*map(split_for_names, texts)],
        "spelled": [spell_words(text)[0] for text in texts],
        "parts": [[[word, part] for word, part in spell_words(text)[2]] for text in texts],
    }


def assert_same_texts(drafts: Sequence[dict[str, Any]]) -> None:
    for draft, texts in zip(drafts, run_node("texts.mjs", drafts), strict=True):
        assert texts == describe(draft), draft


def test_the_shared_cases_are_made_ready_as_they_say() -> None:
    for case, texts in zip(CASES, run_node("texts.mjs", CASES), strict=True):
        assert [texts["title"], texts["body"]] == case["prepared"], case["about"]
        assert texts["spellings"] == case["spellings"], case["about"]
    for (_, plain), texts in zip(PLAIN, run_node("texts.mjs", [make_draft(title) for title, _ in PLAIN]), strict=True):
        assert texts["title"] == plain


def test_every_character_that_python_knows_is_read_in_the_same_plain_form() -> None:
    """A browser may know characters of a newer Unicode: what those become, no model was trained with."""
    known = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")]
    known.remove("\0")
    # One ends in a letter, so that a sharp after it would be seen.
    bodies = ["x".join(known[i : i + 100]) + "C\u266f" for i in range(0, len(known), 100)]
    drafts = [make_draft(body=body, body_format="text") for body in bodies]
    for body, texts in zip(bodies, run_node("texts.mjs", drafts), strict=True):
        assert texts["body"] == plain_characters(body)


def test_every_entity_is_decoded_the_same_way() -> None:
    chance = random.Random(15)
    names = [*html5, *(name.rstrip(";") for name in html5), *(name.rstrip(";") + "x" for name in html5)]
    borders = [0x80, 0xA0, 0xD800, 0xE000, 0xFDD0, 0xFDF0, *(plane << 16 for plane in range(1, 18)), 9_999_999]
    codes = {*range(300), *(code + i for code in borders for i in (-2, -1, 0, 1)), *chance.sample(range(0x110000), 500)}
    numbers = [f"#{code};" for code in codes] + [f"#x{code:x}" for code in codes] + [f"#X{code:X};" for code in codes]
    pieces = [f"[&{entity}]" for entity in [*names, *numbers]]
    bodies = ["".join(pieces[i : i + 80]) for i in range(0, len(pieces), 80)]
    assert_same_texts([make_draft(body=body, body_format=kind) for body in bodies for kind in ("html", "markdown")])


def test_long_texts_are_cut_at_the_same_characters() -> None:
    smiley, ligature = "\U0001f600", "\ufdfa"
    assert_same_texts(
        [
            make_draft(smiley * 302, f"{smiley}x" * 1_600, "text"),
            make_draft(ligature * 299 + "end of it", ligature * 2_999 + "end of it", "text"),
            make_draft(f"{smiley}\ud83d" * 151, f"{smiley}\ude00" * 30_000, "markdown"),
            make_draft("", "<p>a</p>" * 2_000 + "end"),
            make_draft("", smiley * 5_990 + "<b>x</b>" * 10 + "&amp;" * 10 + "end"),
            make_draft("", "<b>" + "&amp;" * 1_300 + "</b>" + smiley * 3_000),
            make_draft("", "<!--" + smiley * 49_995 + "--> late"),
            make_draft("", "[" + smiley * 499 + "](x) [" + smiley * 500 + "](x) [" + smiley * 501 + "](x)", "markdown"),
            make_draft("", "[a](" + smiley * 2_000 + ") [b](" + smiley * 2_001 + ")", "markdown"),
            make_draft(
                "", "[1]: " + smiley * 4_000 + "\n[" + smiley * 100 + "]: x\n[" + smiley * 101 + "]: x", "markdown"
            ),
        ]
    )


def test_generated_texts_are_made_ready_the_same_way() -> None:
    words = [
        "merge",
        "DataFrame.read_csv",
        "HTMLParser",
        ".NET",
        "C#",
        "node.js",
        "x86_64",
        "\u212a\u017f",
        "a-b.c",
        "<",
        "[",
    ]
    assert_same_texts(generate_drafts(500, 3, words, ["python", "c#", "java", "sql", "r"]))


def read_texts() -> Iterable[list[dict[str, Any]]]:
    rows = pl.scan_parquet(QUESTIONS).select("title", pl.col("body").fill_null(""), "body_format").collect()
    for part in rows.iter_slices(AT_ONCE):
        known = part.with_columns(pl.col("body_format").replace("none", "text"))
        yield list(known.iter_rows(named=True))


@pytest.mark.slow
@needs_questions
def test_the_text_of_every_question_is_made_ready_the_same_way() -> None:
    for drafts in read_texts():
        assert_same_texts(drafts)
