"""Values as exports and spreadsheets write them: texts with characters that are none, dates, numbers, yes and no.

Only the standard library is used. What cannot be read raises ``ValueError``, without any of the value.
"""

import math
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, TypeGuard

YEARS: Final = range(2008, 2101)
"""Years that a question can be of: Stack Overflow began in the first."""

_NO_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ESCAPED_BYTE: Final = re.compile(r"[\udc80-\udcff]")
"""A byte that is not UTF-8, as Python's error handler surrogateescape has it."""
_COMPACT_DATE: Final = re.compile(r"(20\d\d)(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{4}|\d{6})?(?!\d)")
_LONG_YEAR: Final = re.compile(r"(?<!\d)20\d\d(?!\d)")
_SHORT_YEAR: Final = re.compile(r"(?<![\d:])\d{1,2}[./\- ]{1,2}(?:\d{1,2}|[^\W\d_]{3,9}\.?)[./\- ]{1,2}(\d\d)(?![\d:])")
_DECIMAL: Final = re.compile(r"(\d+)(?:[.,](\d+))?(?:[eE]\+?(\d{1,2}))?")
_THOUSANDS: Final = re.compile(r"\d{1,3}(?:([.,'\u2019 \u00a0\u202f])\d{3})(?:\1\d{3})*")
_SPREADSHEET_EPOCH: Final = date(1899, 12, 30)
_FLAGS: Final = {"true": True, "t": True, "yes": True, "1": True, "false": False, "f": False, "no": False, "0": False}


def without_controls(text: str) -> str:
    """Return the text without control characters and lone surrogates, which no encoding of text can carry along."""
    return _NO_TEXT.sub("", text)


def decode_escaped_bytes(text: str) -> str:
    """Return a text that was decoded with ``surrogateescape``, with its bytes that are not UTF-8 as Windows-1252."""
    return _ESCAPED_BYTE.sub(lambda escaped: bytes([ord(escaped[0]) - 0xDC00]).decode("cp1252", "ignore"), text)


def is_empty(value: object) -> bool:
    """Return whether a cell is empty: None, NaN, or text that is only space."""
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def read_year(value: object) -> int:
    """Return the year of a date: a date, a year, a spreadsheet's day number, seconds or less since 1970, or text.

    Text may have the year in any place, with two digits if they are last of three fields, as in 5/1/13.

    Raises:
        ValueError: no year can be read, or it is not in ``YEARS``.
    """
    if isinstance(value, date):
        year = value.year
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        year = _year_of_number(float(value))
    elif isinstance(value, str):
        year = _year_of_text(value.strip())
    else:
        raise ValueError("it is no date")
    if year not in YEARS:
        raise ValueError("its year is before Stack Overflow's first or too late")
    return year


def _year_of_text(text: str) -> int:
    if compact := _COMPACT_DATE.match(text):
        return int(compact[1])
    if _DECIMAL.fullmatch(text):
        return _year_of_number(float(text.replace(",", ".")))
    if long := _LONG_YEAR.search(text):
        return int(long[0])
    if short := _SHORT_YEAR.search(text):
        return 2000 + int(short[1])
    raise ValueError("it has no year")


def _year_of_number(number: float) -> int:
    if number in YEARS:
        return int(number)
    if compact := _COMPACT_DATE.fullmatch(f"{number:.0f}"):
        return int(compact[1])
    first, last = ((date(year, 1, 1) - _SPREADSHEET_EPOCH).days for year in (YEARS[0], YEARS[-1] + 1))
    if first <= number < last:
        return (_SPREADSHEET_EPOCH + timedelta(days=int(number))).year
    for unit in (1, 1e3, 1e6, 1e9):  # seconds, and what pandas and JavaScript count in
        if datetime(YEARS[0], 1, 1, tzinfo=UTC).timestamp() <= number / unit < 2**32:
            return datetime.fromtimestamp(number / unit, UTC).year
    raise ValueError("its number is no date")


def read_number(value: object) -> int:
    """Return a question's number; a spreadsheet may have written it as ``17.0``, ``1,234,567`` or ``1.7034567E+07``.

    Raises:
        ValueError: it is no whole number above 0, or a spreadsheet has rounded it.
    """
    if isinstance(value, str):
        number = _whole_number(value.strip())
    elif _is_whole(value):
        number = int(value)
    else:
        raise ValueError("it is no whole number")
    if not 0 < number < 2**63:
        raise ValueError("it is no whole number above 0")
    return number


def _is_whole(value: object) -> TypeGuard[int | float | Decimal]:
    if not isinstance(value, int | float | Decimal) or isinstance(value, bool):
        return False
    return math.isfinite(value) and value % 1 == 0


def _whole_number(text: str) -> int:
    if _THOUSANDS.fullmatch(text):
        return int(re.sub(r"\D", "", text))
    decimal = _DECIMAL.fullmatch(text)
    if decimal is None or len(text) > 40:
        raise ValueError("it is no whole number")
    digits, decimals, exponent = decimal[1], decimal[2] or "", int(decimal[3] or 0)
    if exponent > len(decimals):
        raise ValueError("a spreadsheet has rounded it")
    if decimals[exponent:].strip("0"):
        raise ValueError("it is no whole number")
    return int(digits + decimals[:exponent])


def read_flag(value: object) -> bool:
    """Return yes or no, as a truth value, a number or text.

    Raises:
        ValueError: it is neither.
    """
    flag = _FLAGS.get(str(value).strip().lower().removesuffix(".0"))
    if flag is None:
        raise ValueError("it is neither true nor false")
    return flag
