"""The preparation of a draft's or a post's text for the model: the same code for training and for serving.

Only the standard library is used, and every step is linear in the length of the text, whatever the text is:
searches that fail end the loop, and no pattern can start again inside what it has read.
"""

import re
from html import unescape
from itertools import accumulate, pairwise
from typing import Final, Literal, get_args
from unicodedata import is_normalized, normalize

BodyFormat = Literal["markdown", "html", "text"]
BODY_FORMATS: Final[tuple[str, ...]] = get_args(BodyFormat)

TITLE_CHARS: Final = 300
"""Characters of a title that are read; Stack Overflow allows 150."""
BODY_CHARS: Final = 50_000
"""Characters of a body that are read, before its markup is taken away; Stack Overflow allows 30,000."""
FEATURE_CHARS: Final = 3_000
"""Characters of a body's text that the model sees; more of it did not make its suggestions better."""

# Tags that stand inside a line: all others end a word.
_INLINE: Final = frozenset(
    ["a", "abbr", "b", "big", "code", "del", "em", "font", "i", "ins", "kbd", "mark", "s", "samp", "small", "span"]
).union(["strike", "strong", "sub", "sup", "tt", "u", "var"])
_TAG_NAME: Final = re.compile(r"/?([a-zA-Z][a-zA-Z0-9]{0,15})")
# Bounded on purpose: html.unescape() alone fails on a number of more than 4,300 digits.
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});?")
# No part may read past the character it begins with, so each character is read a fixed number of times.
_LINK: Final = re.compile(r"(!?)\[([^\[\]\n]{0,500})\](?:\([^()\n]{0,2000}\)|\[[^\[\]\n]{0,100}\])")
_REFERENCE: Final = re.compile(r"^ {0,3}\[[^\[\]\n]{1,100}\]: ?\S[^\n]*$", re.MULTILINE)

WORD: Final = r"\.?[a-zA-Z0-9_#+]+(?:[.\-][a-zA-Z0-9_#+]+)*"
"""A word: dots and dashes only inside, or a dot before it: ``C#``, ``.NET``, ``node.js``, ``asp.net-mvc``."""
PART: Final = r"[A-Z]?[a-z0-9#+]+|[A-Z]+"
"""A part of a word: ``DataFrame.read_csv`` is ``Data``, ``Frame``, ``read`` and ``csv``, beside itself.

Both are plain ASCII, and nothing in them looks ahead or behind, so that Python's ``re`` and ONNX Runtime's RE2 agree.
"""
NAME_PART: Final = r"[a-zA-Z0-9#+]+"
"""A part of a word in which names are looked for: ``DataFrame.read_csv`` is ``DataFrame``, ``read`` and ``csv``.

Capitals do not split it, or each ``JavaScript`` would name ``java``.
"""
SEPARATOR: Final = "\n"
"""Between a text's words and their parts, so that no run of words crosses from one to the other; never a word."""
_word, _part, _name_part = re.compile(WORD), re.compile(PART), re.compile(NAME_PART)

# Code points, not characters, so that a reader of this file sees which.
_SHARP: Final = "\u266f"
_OWN_FORMS: Final = {
    # Hyphens of typography, which NFKC keeps, and signs that it would glue to the word before: Java™ is no JavaTM.
    "\u2010": "-",
    "\u2011": "-",
    "\u2120": " ",
    "\u2122": " ",
    # Invisible characters separate no words: soft hyphen, zero-width space and joiners, word joiner, byte order mark.
    **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),
}
_foreign: Final = re.compile(r"[^\x00-\x7f]")
_changes: Final = re.compile(f"[{_SHARP}{''.join(_OWN_FORMS)}]")


def prepare_text(title: str, body: str, body_format: str) -> tuple[str, str]:
    """Return a title and a body as plain text in plain characters, cut to the length that the model reads.

    Args:
        title: the title as typed; HTML entities are not expected in it.
        body: the body as typed or as published.
        body_format: one of ``BODY_FORMATS``.

    Raises:
        ValueError: ``body_format`` is none of ``BODY_FORMATS``.
    """
    return plain_characters(_encodable(title[:TITLE_CHARS]))[:TITLE_CHARS], plain_text(body, body_format)


def plain_text(body: str, body_format: str, chars: int = FEATURE_CHARS) -> str:
    """Return a body without its markup, cut to ``chars``; code stays, the addresses of links and pictures go.

    Raises:
        ValueError: ``body_format`` is none of ``BODY_FORMATS``.
    """
    # Cut before and after: one character may become eighteen.
    return plain_characters(_without_markup(body, body_format, chars))[:chars]


def _without_markup(body: str, body_format: str, chars: int) -> str:
    body = _encodable(body[:BODY_CHARS])
    if body_format == "html":
        body = without_entities(_without_tags(body, chars))
    elif body_format == "markdown":
        body = without_entities(_without_links(body))
    elif body_format != "text":
        raise ValueError(f"body_format is {body_format!r}; it must be one of {', '.join(BODY_FORMATS)}")
    return _encodable(body[:chars])


def plain_characters(text: str) -> str:
    """Return a text with each character in its plain form: full-width letters, ligatures and styled letters as ASCII.

    That is NFKC (Unicode Standard Annex 15), and ♯ as ``#`` after a letter. It goes character by character, so that a
    letter and an accent typed after it stay separate: composed, they would no longer be a letter of a word.
    """
    if text.isascii() or (is_normalized("NFKC", text) and not _changes.search(text)):
        return text
    return re.sub(f"(?<=[a-zA-Z]){_SHARP}", "#", _foreign.sub(lambda character: _plain_form(character[0]), text))


def _plain_form(character: str) -> str:
    own = _OWN_FORMS.get(character)
    return normalize("NFKC", character) if own is None else own


def original_spellings(title: str, body: str, body_format: str) -> dict[str, str]:
    """Return how the writer spelled the words that ``plain_characters`` changed, by their prepared form.

    Raises:
        ValueError: ``body_format`` is none of ``BODY_FORMATS``.
    """
    spellings: dict[str, str] = {}
    for text in (_encodable(title[:TITLE_CHARS]), _without_markup(body, body_format, FEATURE_CHARS)):
        plain = plain_characters(text)
        if plain == text:
            continue
        begins = [0, *accumulate(len(_plain_form(character)) for character in text)]
        origin = [i for i, (begin, end) in enumerate(pairwise(begins)) for _ in range(end - begin)]
        for word in _word.finditer(plain):
            spellings.setdefault(word[0], text[origin[word.start()] : origin[word.end() - 1] + 1])
    return spellings


def split_words(text: str) -> list[str]:
    """Split a text into its words, ``SEPARATOR``, and the parts of its words, in lower case.

    A word that is its own only part comes twice.
    """
    return [word.lower() for word in [*_word.findall(text), SEPARATOR, *_part.findall(text)]]


def split_for_names(text: str) -> list[str]:
    """Split a text into its words, ``SEPARATOR``, and their parts in which names are looked for, in lower case."""
    return [word.lower() for word in [*_word.findall(text), SEPARATOR, *_name_part.findall(text)]]


def spell_words(text: str) -> tuple[list[str], list[str], list[tuple[int, str]]]:
    """Return each word of a text once: as it is spelled, in lower case, and the parts that have features or names.

    Parts are (number of word, part in lower case), those of ``split_words`` and ``split_for_names``, and only of words
    that have some: letters of one case, after a capital or not, have none. Every answer waits for this.
    """
    spelled = list(dict.fromkeys(_word.findall(text)))
    lower = [word.lower() for word in spelled]
    with_parts = [
        number
        for number, word in enumerate(spelled)
        if not (word.isalpha() and (word.islower() or word.isupper() or word.istitle()))
    ]
    parts = [(number, part.lower()) for number in with_parts for part in _part.findall(spelled[number])]
    parts += [(number, part) for number in with_parts for part in _name_part.findall(lower[number])]
    return spelled, lower, parts


def _encodable(text: str) -> str:
    """Replace what cannot travel as UTF-8 in a C string: NUL by a space, a lone surrogate by a question mark."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


def without_entities(text: str) -> str:
    """Return a text with HTML's entities decoded."""
    return _ENTITY.sub(lambda entity: unescape(entity[0]), text)


def _without_tags(html: str, chars_needed: int) -> str:
    """Return a text without HTML's tags and comments, and stop when it is long enough; ``a < b`` stays."""
    pieces: list[str] = []
    chars = position = 0
    # Entities become shorter when they are decoded, at most from 33 characters to 1 and mostly from 5 to 1.
    while position < len(html) and chars < 2 * chars_needed:
        opening = html.find("<", position)
        if opening < 0:
            pieces.append(html[position:])
            break
        pieces.append(html[position:opening])
        chars += opening - position
        if html.startswith("<!--", opening):
            closing = html.find("-->", opening + 4)
            if closing < 0:
                break
            position = closing + 3
            continue
        name = _TAG_NAME.match(html, opening + 1)
        closing = html.find(">", opening + 1) if name else opening
        if closing < 0:
            pieces.append(html[opening:])
            break
        position = closing + 1
        if name is None:
            pieces.append("<")
        elif name[1].lower() not in _INLINE:
            pieces.append("\n")
    return "".join(pieces)


def _without_links(markdown: str) -> str:
    """Return a text with the words of links, without their addresses and without pictures, as HTML's text has it."""
    if "[" not in markdown:  # much faster than to search for links
        return markdown
    markdown = _LINK.sub(lambda link: "" if link[1] else link[2], markdown)
    return _REFERENCE.sub("", markdown)
