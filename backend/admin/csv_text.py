"""CSV as the admin downloads it (RFC 4180), safe to open in a spreadsheet."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence

from backend.web.schemas import FILLERS

# What begins a formula, as OWASP lists it under "CSV Injection"; U+2212 is the minus that is no hyphen.
FORMULA_SIGNS = frozenset("=+-@\u2212")
LINE_SIGNS = ("\t", "\r", "\n")


def write_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV, its texts made safe by `neutralise_formula`."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([neutralise_formula(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return file.getvalue()


def neutralise_formula(text: str) -> str:
    """Return text that no spreadsheet runs as a formula: one that could be gets an apostrophe in front.

    Spreadsheets skip spaces and invisible characters before a formula, and read full-width and other compatibility
    forms of its sign.
    """
    first = next((char for char in text if not _is_skipped(char)), "")
    begins_formula = unicodedata.normalize("NFKC", first)[:1] in FORMULA_SIGNS if first else False
    return f"'{text}" if begins_formula or text.startswith(LINE_SIGNS) else text


def _is_skipped(char: str) -> bool:
    """Return whether a character is a space, a control or a format character, or combines with the one before it."""
    return unicodedata.category(char)[0] in "CZM" or char in FILLERS
