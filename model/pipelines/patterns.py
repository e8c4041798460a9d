r"""A scikit-learn token pattern, for Python's ``re``, as the pattern of the same tokens for ONNX Runtime's RE2.

Both find the same words as long as nothing looks around, captures or goes back, and as long as ``\w``, ``\d`` and
``\s``, which are Unicode's in Python and ASCII's in RE2, are written out.
"""

import re
from typing import Final

_WHOLE_WORDS: Final = {rf"{flag}\b{word}\b": word for flag in ("", "(?u)") for word in (r"\w\w+", r"\w+")}
r"""Patterns whose ``\b`` changes nothing: a run of ``\w`` that is as long as it can be begins and ends at one."""
_CLASSES: Final = {"w": r"\p{L}\p{N}_", "d": r"\p{Nd}", "s": r"\t-\r\x1c-\x1f\x{85}\p{Z}"}
"""Python's Unicode classes, as the inside of a bracket of RE2's."""
_PIECE: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\.|\(\?:|[*+?}]\+|.", re.DOTALL)
_IN_CLASS: Final = re.compile(r"\\.|\[:|.", re.DOTALL)
_WHITE_SPACE: Final = " \t\n\r"


def translate_pattern(pattern: str) -> str:
    """Return the pattern for RE2 that finds the same tokens.

    Raises:
        ValueError: it cannot be translated exactly; the message says which part of it.
    """
    pattern = _WHOLE_WORDS.get(pattern, pattern).removeprefix("(?u)")
    if re.compile(pattern).match(""):
        raise ValueError("matches the empty text")
    return "".join(map(_translate_piece, _PIECE.findall(pattern)))


def _translate_piece(piece: str) -> str:
    if piece.startswith("[") and len(piece) > 1:
        return _translate_class(piece)
    if piece.startswith("\\"):
        letter = piece[1]
        if letter == "S":
            return f"[^{_CLASSES['s']}]"
        if letter in "wd":
            return f"[{_CLASSES[letter]}]"
        if letter.isalnum():
            raise ValueError(f"has {piece}")
    elif piece in ("(", "^", "$") or (len(piece) == 2 and piece[1] == "+"):
        raise ValueError(f"has {'a group that captures or looks around' if piece == '(' else piece}")
    elif piece == "." or piece.isspace():
        raise ValueError("matches white space")
    return piece


def _translate_class(piece: str) -> str:
    if any(map(re.compile(piece).match, _WHITE_SPACE)):
        raise ValueError(f"matches white space by {piece}")
    pieces = []
    for part in _IN_CLASS.findall(piece[1:-1]):
        if part == "[:" or (part.startswith("\\") and part[1].isalnum() and part[1] not in _CLASSES):
            raise ValueError(f"has {part} in {piece}")
        pieces.append(_CLASSES[part[1]] if part.startswith("\\") and part[1] in _CLASSES else part)
    return f"[{''.join(pieces)}]"
