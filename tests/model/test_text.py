"""A draft's text is made ready the same way, quickly, whatever it holds."""

import time

import pytest

from model.text import (
    APART,
    BODY_CHARS,
    FEATURE_CHARS,
    TITLE_CHARS,
    name_pieces,
    names_of_words,
    plain_text,
    ready,
    words,
)


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
    title, body = ready("t" * 1_000, "b " * 100_000, "text")
    assert len(title) == TITLE_CHARS
    assert len(body) == FEATURE_CHARS
    assert "late" not in plain_text(" " * BODY_CHARS + "late", "markdown")


def test_nul_and_lone_surrogates_can_be_encoded_afterwards() -> None:
    title, body = ready("a\0b\ud800c", "d\udfff\0e&#0;&#xD800;&#55296;", "html")
    assert (title + body).encode("utf-8")
    assert "\0" not in title + body
    assert title == "a b?c"


def test_a_number_of_thousands_of_digits_is_no_entity() -> None:
    assert "999" in plain_text("&#" + "9" * 6_000 + "; x", "html")


@pytest.mark.parametrize("body_format", ["html", "markdown", "text"])
@pytest.mark.parametrize(
    "piece",
    ["<", "<!--", "<a ", "</", "&", "&#", "&a", "[", "![", "[a](", "](", "[a][", "`", "\n[a", "\n[a]:", " ", "*", "&#1",
     "<b>", "<p", "[]", "[a]:\n", "\n   [", "\ud800", "é", "a.", "-"],
)  # fmt: skip
def test_fifty_thousand_hostile_characters_take_linear_time(piece: str, body_format: str) -> None:
    half, whole = (_seconds((piece * 50_000)[:n], body_format) for n in (25_000, 50_000))
    assert whole < 0.25
    assert whole < 4 * half + 0.02


def _seconds(text: str, body_format: str) -> float:
    best = 1.0
    for _ in range(3):
        before = time.perf_counter()
        plain_text(text, body_format)
        best = min(best, time.perf_counter() - before)
    return best


def test_a_words_names_are_what_the_model_makes_of_the_word_alone() -> None:
    text = (
        "Merge a DataFrame.read_csv of asp.net-mvc JSON into C# or .NET: HTMLParser, utf8, Foo1Bar, A1B2, iOS, x, IOErr"
        " the the Merge merge MERGE node.js café 2nd c++11"
    )
    spelled, own, parts = names_of_words(text)
    assert spelled[:4] == ["Merge", "a", "DataFrame.read_csv", "of"]
    assert len(spelled) == len(set(spelled))
    for number, word in enumerate(spelled):
        names = {own[number], *(part for of, part in parts if of == number)}
        assert names == {*words(word), *name_pieces(word)} - {APART}
    assert names_of_words("¿ ?") == ([], [], [])
