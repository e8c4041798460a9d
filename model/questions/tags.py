"""Tags as people's files hold them, read by one strict rule: by every source, and for the chosen tags of drafts.

Understood are lists, and text in one of these forms: ``<a><b>`` (also as entities), ``|a|b|``, names with spaces,
commas or semicolons between them, and lists as Python, NumPy, JSON, PostgreSQL, Spark or R write them: ``['a', 'b']``,
``['a' 'b']``, ``("a", "b")``, ``{a,"b"}``. Anything else is refused: a model would learn ``['php'`` as a tag.

Only the standard library is used, and the time is linear in the length of the text.
"""

import re
from collections.abc import Iterator
from typing import Final

from model.serving.text import without_entities

TAG_CHARS: Final = 35
"""Characters of a tag's name that the Stack Exchange sites allow."""

# No tag of Stack Overflow begins with +, # or -, or ends with a dash or a dot, but for s.m.a.r.t.: such a piece is of a
# sentence, or "...".
_NAME: Final = re.compile(r"\.?[a-z0-9](?:[a-z0-9.+#-]*[a-z0-9+#])?|[a-z](?:\.[a-z]){3,}\.")
_ANGLED: Final = re.compile(r"(?:<[^<>]*>[\s,;|]*)+")
_IN_ANGLES: Final = re.compile(r"<([^<>]*)>")
_SEPARATORS: Final = re.compile(r"[,;|]")
_CALL: Final = re.compile(
    r"(?<![\w.+#-])(?:(?:np|numpy|pd)\.)?"
    r"(?:[aA]rray|[lL]ist|tuple|[sS]et|frozenset|Index|str_|WrappedArray|ArraySeq|Vector|c)(?=\()"
)
"""Names of lists before their brackets in Python and its libraries, Spark and R."""
_DTYPE: Final = re.compile(r",\s*dtype=[^,)\]]*")
_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)|(?P<separator>[,;|])|(?P<opening>[\[({])|(?P<closing>[\])}])
    |(?:\b[ub])?"(?P<double>(?:[^"\\]|\\.)*)"|(?:\b[ub])?'(?P<single>(?:[^'\\]|\\.)*)'
    |(?P<bare>[^\s,;|\[\](){}<>"']+)""",
    re.VERBOSE | re.DOTALL,
)
_STARTS: Final = frozenset(["double", "single", "bare", "opening"])
_ENDS: Final = frozenset(["double", "single", "bare", "closing"])
"""A name or a list that begins right where one ends: ``""php""``, ``f(php)``."""
_CLOSING: Final = {"[": "]", "(": ")", "{": "}"}
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_MISSING: Final = frozenset(["none", "null", "nan", "n/a", r"\n"])
"""How exports write that there is no value, in lower case."""
_UNMATCHED: Final = "its tags are in no known form: their brackets or quotes do not match"


class TagsError(ValueError):
    """A value holds no tags that can be read; the message says why, and has nothing of the value."""


def read_tags(value: object) -> tuple[str, ...]:
    """Return the tags that a value holds, in lower case, each once, in their order; none for an empty value.

    Raises:
        TagsError: the form is not known, or one of the tags can be none.
    """
    names = (name.strip().lower() for name in _names(value))
    tags = tuple(dict.fromkeys(name for name in names if name))
    if not all(len(tag) <= TAG_CHARS and _NAME.fullmatch(tag) for tag in tags):
        raise TagsError(f"one of its tags can be no tag: that is up to {TAG_CHARS} characters of a-z, 0-9 and . + # -")
    return tags


def _names(value: object) -> Iterator[str]:
    """Yield the names that a value holds; they are still to be checked."""
    if value is None or value != value:  # NaN, which pandas has in an empty cell
        return
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        yield from _names_of_text(value)
    elif isinstance(value, list | tuple | set | frozenset):
        for element in value:
            if not isinstance(element, str | None):
                raise TagsError(f"its tags are a list of {type(element).__name__}, not text or a list of texts")
            yield from _names_of_element(element or "")
    else:
        raise TagsError(f"its tags are {type(value).__name__}, not text or a list of texts")


def _names_of_text(text: str) -> Iterator[str]:
    text = without_entities(without_entities(text)).strip().lstrip("\ufeff")  # some exports encode entities twice
    if text.lower() in _MISSING:
        return
    if _ANGLED.fullmatch(text):
        yield from _IN_ANGLES.findall(text)
    else:
        yield from _names_of_tokens(_DTYPE.sub("", _CALL.sub("", text)))


def _names_of_element(text: str) -> Iterator[str]:
    """Yield the names in an element of a list: a form of its own, or names with separators, but not with spaces.

    A name with a space is no tag, and its words are others.
    """
    text = text.strip()
    if text.startswith(("<", "&", "[", "(", "{", '"', "'")):
        yield from _names_of_text(text)
    else:
        yield from _SEPARATORS.split(text)


def _names_of_tokens(text: str) -> Iterator[str]:
    """Yield the names in a text of names, quoted or not, with separators between and brackets around, or without.

    Raises:
        TagsError: brackets or quotes do not match, or the words of a list's element are apart.
    """
    expected: list[str] = []
    last = before_space = "separator"
    for token in _tokens(text):
        kind = token.lastgroup or ""
        piece = token[kind]
        if kind in _STARTS and last in _ENDS and (last, kind) != ("closing", "opening"):
            raise TagsError(_UNMATCHED)
        if kind == "opening":
            expected.append(_CLOSING[piece])
        elif kind == "closing" and (not expected or expected.pop() != piece):
            raise TagsError(_UNMATCHED)
        elif kind in ("double", "single"):
            whole = token.end() - token.start() == len(text)
            yield from (_names_of_text if whole else _names_of_element)(_ESCAPE.sub(_unescaped, piece))
        elif kind == "bare" and not (expected and piece.lower() in _MISSING):
            if expected and before_space == "bare" and "," in text:
                raise TagsError("one of its tags has a space in it")
            yield piece
        before_space = last if kind == "space" else kind
        last = kind
    if expected:
        raise TagsError(_UNMATCHED)


def _tokens(text: str) -> Iterator[re.Match[str]]:
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise TagsError(_UNMATCHED)
        yield token
        position = token.end()


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1]:
        return chr(int(escape[1], 16))
    if escape[2] not in "\"'\\/":
        raise TagsError("one of its tags can be no tag: it has a backslash")
    return escape[2]
