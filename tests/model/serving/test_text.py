"""A draft's text is made ready the same way, quickly, whatever it holds."""

import json
import time
from pathlib import Path
from unicodedata import normalize

import pytest

from model.serving.text import (
    BODY_CHARS,
    FEATURE_CHARS,
    SEPARATOR,
    TITLE_CHARS,
    original_spellings,
    plain_characters,
    plain_text,
    prepare_text,
    spell_words,
    split_for_names,
    split_words,
)

HERE = Path(__file__).parent
# For the extension too, which makes texts ready by the same rules: [text as written, in plain characters].
PLAIN = [tuple(case) for case in json.loads((HERE / "plain-characters.json").read_text("utf-8"))]
# Whole drafts: as written, made ready, and how words whose characters changed were spelled.
CASES = {case["about"]: case for case in json.loads((HERE / "text-cases.json").read_text("utf-8"))}


@pytest.mark.parametrize("about", CASES)
def test_drafts_are_made_ready_by_the_shared_rules(about: str) -> None:
    case = CASES[about]
    draft = case["title"], case["body"], case["body_format"]
    assert list(prepare_text(*draft)) == case["prepared"]
    assert original_spellings(*draft) == case["spellings"]


def test_html_loses_its_tags_and_keeps_its_code_and_entities_are_decoded() -> None:
    html = (
        '<p>Use <b>List&lt;String&gt;</b> in <a href="http://x.y/z">Java</a></p><pre><code>a &amp;&amp; b</code></pre>'
    )
    assert plain_text(html, "html").split() == ["Use", "List<String>", "in", "Java", "a", "&&", "b"]


def test_tags_inside_a_word_do_not_part_it_and_blocks_do() -> None:
    assert plain_text("un<b>brok</b>en<p>next</p>line<br>end", "html").split() == ["unbroken", "next", "line", "end"]


def test_comments_go_and_a_lone_smaller_than_stays() -> None:
    assert plain_text("a <!-- hidden <b> --> c < d <3 <unclosed", "html").split() == [
        "a", "c", "<", "d", "<3", "<unclosed",
    ]  # fmt: skip


def test_markdown_keeps_words_of_links_and_code_and_drops_addresses_and_pictures() -> None:
    markdown = (
        "See [the docs](https://example.org/page) and [more][1].\n![enter image description][2]\n"
        "![shot](http://i.example.org/a.png)\n```python\nd[0](x) &lt; 3\n```\n\n  [1]: http://example.org/more\n"
    )
    text = plain_text(markdown, "markdown")
    assert "the docs" in text
    assert "more." in text
    assert "python\nd" in text
    assert "< 3" in text
    assert "example.org" not in text
    assert "image" not in text


def test_text_is_left_as_it_is() -> None:
    assert plain_text("a <b> &amp; [c](d)", "text") == "a <b> &amp; [c](d)"


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="markdown, html, text"):
        plain_text("x", "rtf")


def test_lengths_are_capped() -> None:
    title, body = prepare_text("t" * 1_000, "b " * 100_000, "text")
    assert len(title) == TITLE_CHARS
    assert len(body) == FEATURE_CHARS
    assert "late" not in plain_text(" " * BODY_CHARS + "late", "markdown")


@pytest.mark.parametrize(("written", "plain"), PLAIN)
def test_c4_characters_are_read_in_their_plain_form(written: str, plain: str) -> None:
    assert plain_characters(written) == plain
    assert plain_characters(plain) == plain
    assert prepare_text(written, written, "text") == (plain, plain)
    assert prepare_text("", f"<p>{written}</p>", "html")[1].strip() == plain.strip()


def test_c4_every_character_by_itself_is_what_nfkc_makes_of_it_but_for_those_named() -> None:
    own = {chr(code) for code in (0x2010, 0x2011, 0x2120, 0x2122, 0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF)}
    characters = [chr(code) for code in range(0x30000) if not 0xD800 <= code < 0xE000]
    assert {one for one in characters if plain_characters(one) != normalize("NFKC", one)} == own


def test_c4_what_one_character_stands_for_makes_no_text_longer_than_is_read() -> None:
    title, body = prepare_text("\ufdfa" * TITLE_CHARS, "\ufdfa" * BODY_CHARS, "text")
    assert (len(title), len(body)) == (TITLE_CHARS, FEATURE_CHARS)


def test_c4_markup_is_markup_before_characters_become_plain() -> None:
    assert plain_text("a \uff1cb\uff1e c &#xFF23;&#xFF03;", "html") == "a <b> c C#"


def test_c4_words_are_told_as_the_writer_wrote_them() -> None:
    title, body = "\uff23\uff03 and x\u00b2 in F\u266f", "<p>pan\u00addas <b>o\ufb00</b>set C#</p>"
    written = original_spellings(title, body, "html")
    assert written == {
        "C#": "\uff23\uff03", "and": "and", "x2": "x\u00b2", "in": "in", "F#": "F\u266f",
        "pandas": "pan\u00addas", "offset": "o\ufb00set",
    }  # fmt: skip
    assert original_spellings("plain C#", "caf\u00e9", "text") == {}


def test_nul_and_lone_surrogates_can_be_encoded_afterwards() -> None:
    title, body = prepare_text("a\0b\ud800c", "d\udfff\0e&#0;&#xD800;&#55296;", "html")
    assert (title + body).encode("utf-8")
    assert "\0" not in title + body
    assert title == "a b?c"


def test_a_number_of_thousands_of_digits_is_no_entity() -> None:
    assert "999" in plain_text("&#" + "9" * 6_000 + "; x", "html")


@pytest.mark.parametrize("body_format", ["html", "markdown", "text"])
@pytest.mark.parametrize(
    "piece",
    ["<", "<!--", "<a ", "</", "&", "&#", "&a", "[", "![", "[a](", "](", "[a][", "`", "\n[a", "\n[a]:", " ", "*", "&#1",
     "<b>", "<p", "[]", "[a]:\n", "\n   [", "\ud800", "é", "a.", "-",
     "\uff23", "\ufdfa", "\u266f", "C\u266f", "e\u0301", "\u0301"],
)  # fmt: skip
def test_fifty_thousand_hostile_characters_take_linear_time(piece: str, body_format: str) -> None:
    half, whole = (_seconds((piece * 50_000)[:n], body_format) for n in (25_000, 50_000))
    # Quadratic steps would take seconds; processor time, since other work may have the cores.
    assert whole < 0.5
    assert whole < 6 * half + 0.05


def _seconds(text: str, body_format: str) -> float:
    best = 1.0
    for _ in range(3):
        before = time.process_time()
        plain_text(text, body_format)
        best = min(best, time.process_time() - before)
    return best


def test_a_words_names_are_what_the_model_makes_of_the_word_alone() -> None:
    text = (
        "Merge a DataFrame.read_csv of asp.net-mvc JSON into C# or .NET: HTMLParser, utf8, Foo1Bar, A1B2, iOS, x, IOErr"
        " the the Merge merge MERGE node.js café 2nd c++11"
    )
    spelled, own, parts = spell_words(text)
    assert spelled[:4] == ["Merge", "a", "DataFrame.read_csv", "of"]
    assert len(spelled) == len(set(spelled))
    for number, word in enumerate(spelled):
        names = {own[number], *(part for of, part in parts if of == number)}
        assert names == {*split_words(word), *split_for_names(word)} - {SEPARATOR}
    assert spell_words("¿ ?") == ([], [], [])
