"""Questions checked and cleaned for training, each once, and a report of what was dropped and changed, and why.

The report counts, and names examples by the number of their row; it has no text of any question.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from model.preparation.language import UNDETERMINED, detect_language
from model.preparation.markup import split_prose_and_code
from model.preparation.personal import redact
from model.questions import QuestionsError, text_key
from model.questions.gather import check_refused_share, describe_no_questions, write_refused
from model.questions.parquet import ParquetFile
from model.questions.posts import COLUMNS, Batch, Refused, RowNotes
from model.runs.files import write_atomically
from model.runs.resumable import ResumableOutput

REPORT: Final = ".report.json"
"""Ending of the file beside the output with what was dropped and changed."""
PREPARED: Final[dict[str, pl.DataType]] = COLUMNS | {"code": pl.String(), "language": pl.String()}
"""Columns of a prepared file: ``body`` is prose, ``code`` its blocks of code, both plain text."""
EXAMPLES: Final = 5
"""Rows that the report names for each reason."""
OWN_CHARS: Final = 100
"""Letters and digits from which on a body is its writer's own: the same again is the same question."""

DEFAULT_LANGUAGES: Final = ("en",)
NO_WORD: Final = "its title has no word"

_KEYS: Final[dict[str, pl.DataType]] = {"row": pl.Int64(), "title_key": pl.UInt64(), "body_key": pl.UInt64()}
_LETTER: Final = re.compile(r"[^\W\d_]")
_FORMATS: Final = {"html": "HTML made plain text", "markdown": "Markdown made plain text"}


def prepare(
    source: ParquetFile,
    parts: ResumableOutput,
    out: Path,
    dev_share: float,
    advance: Callable[[int], None] = lambda done: None,
    languages: Collection[str] | None = DEFAULT_LANGUAGES,
    refuse_above: float = 1.0,
) -> dict[str, Any]:
    """Prepare questions into ``out``, with the report and the refused rows beside it, and return the report.

    Args:
        dev_share: share of the questions that becomes ``dev``, by hash of the title, if none of them is.
        advance: called with how many rows were read since the last time.
        languages: those of questions that stay, beside those whose language cannot be told; None for all.
        refuse_above: share of refused rows above which nothing is written.

    Raises:
        QuestionsError: no row is a question, or too many are none.
    """
    after = parts.done[-1].notes["position"] if parts.done else None
    advance(after or 0)
    for batch in source.batches(after):
        rows, noted, dropped = clean_batch(batch, languages)
        notes = {"position": batch.position, "read": batch.rows.height, "noted": noted, "dropped": dropped}
        parts.add(rows, notes | {"refused": [asdict(entry) for entry in batch.refused]})
        advance(batch.rows.height + len(batch.refused))
    refused = [Refused(**entry) for part in parts.done for entry in part.notes["refused"]]
    unusable = _join_notes(part.notes["dropped"] for part in parts.done)
    if not parts.rows():
        parts.remove()
        rows_of = [Refused(f"row {row}", reason) for reason, rows in unusable.items() for row in rows]
        raise QuestionsError(describe_no_questions(refused + rows_of))
    check_refused_share(refused, sum(part.notes["read"] for part in parts.done), refuse_above, out)
    again = find_repeats(parts)
    gone = pl.Series([row for rows in again.values() for row in rows], dtype=pl.Int64)

    def select(rows: pl.LazyFrame) -> pl.LazyFrame:
        rows = rows.filter(~pl.col("row").is_in(gone.implode()))
        return rows.with_columns(split=_split_expression(parts, dev_share)).select(PREPARED.keys())

    parts.join(out, select)
    report = build_report(parts, unusable | again, out)
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    write_atomically(out.parent, {out.name + REPORT: text.encode()})
    write_refused(refused, out)
    parts.remove()
    return report


def clean_batch(batch: Batch, languages: Collection[str] | None = None) -> tuple[pl.DataFrame, RowNotes, RowNotes]:
    """Clean the questions of a batch: rows with ``PREPARED`` and keys, and the numbers of those changed and dropped."""
    noted = {note: list(rows) for note, rows in batch.noted.items()}
    dropped: RowNotes = {}
    kept = []
    for number, row in zip(batch.numbers, batch.rows.iter_rows(named=True), strict=True):
        clean, reasons = _clean_question(row)
        if drop := _reason_to_drop(clean, languages):
            dropped.setdefault(drop, []).append(number)
            continue
        kept.append(clean | {"row": number})
        for reason in reasons:
            noted.setdefault(reason, []).append(number)
    return pl.DataFrame(kept, schema=PREPARED | _KEYS), noted, dropped


def _reason_to_drop(clean: Mapping[str, Any], languages: Collection[str] | None) -> str:
    """Return why a cleaned question is of no use, or an empty text."""
    if not _LETTER.search(clean["title"]):
        return NO_WORD
    if languages is None or clean["language"] in (*languages, UNDETERMINED):
        return ""
    return f"its language is {clean['language']}, none of --languages"


def _clean_question(row: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Clean a question; return it, and what was done."""
    form = row["body_format"]
    prose, code = split_prose_and_code(row["body"], "text" if form == "none" else form)
    reasons = [_FORMATS[form]] if form in _FORMATS else []
    if code:
        reasons.append("code put apart")
    title = " ".join(row["title"].split())
    if title != row["title"]:
        reasons.append("spaces in the title")
    texts, kinds = [], set[str]()
    for text in (title, prose, code):
        text, finds = redact(text)
        texts.append(text)
        kinds.update(finds)
    title, prose, code = texts
    form = "text" if prose or code else "none"
    changed = {"title": title, "body": prose, "code": code, "body_format": form}
    keys = {
        "title_key": text_key(title),
        "body_key": _body_key(prose, code),
        "language": detect_language(f"{title}\n{prose}"),
    }
    return {**row, **changed, **keys}, [*reasons, *(f"{kind} taken out" for kind in sorted(kinds))]


def _body_key(prose: str, code: str) -> int:
    """Return a body's key, or 0 if it is too short to be its writer's own."""
    text = f"{prose}\n{code}"
    return text_key(text) if sum(map(str.isalnum, text)) >= OWN_CHARS else 0


def find_repeats(parts: ResumableOutput) -> RowNotes:
    """Find the rows whose title, or whose body, another row has.

    Of rows with one title that of ``dev`` stays, so that nothing of dev is trained on; else one with a body; else the
    first. So it is with bodies, among what stays.
    """
    keys = pl.concat([pl.read_parquet(part.file, columns=[*_KEYS, "split", "body_format"]) for part in parts.done])
    number, title, body = (keys[name].to_numpy() for name in _KEYS)
    order = np.lexsort((number, keys["body_format"].to_numpy() == "none", keys["split"].to_numpy() != "dev"))
    by_title = _is_first_of_each(title[order])
    by_title_rows = order[by_title]
    own = by_title_rows[body[by_title_rows] != 0]
    by_body = _is_first_of_each(body[own])
    return {
        "its title is another row's": sorted(number[order[~by_title]].tolist()),
        "its body is another row's": sorted(number[own[~by_body]].tolist()),
    }


def _is_first_of_each(keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which of the keys, in their order, was not there before."""
    first = np.zeros(len(keys), bool)
    first[np.unique(keys, return_index=True)[1]] = True
    return first


def _split_expression(parts: ResumableOutput, dev_share: float) -> pl.Expr:
    """Return the split: as it came if any row is dev, else by the title's hash."""
    if any((pl.read_parquet(part.file, columns=["split"])["split"] == "dev").any() for part in parts.done):
        return pl.col("split")
    is_dev = pl.col("title_key") < pl.lit(int(dev_share * 2**64), pl.UInt64)
    return pl.when(is_dev).then(pl.lit("dev")).otherwise(pl.lit("train"))


def build_report(parts: ResumableOutput, dropped: RowNotes, out: Path) -> dict[str, Any]:
    """Put the report together; see ``format_report`` for its parts."""
    refused: RowNotes = {}
    for part in parts.done:
        for entry in part.notes["refused"]:
            refused.setdefault(entry["reason"], []).append(int(entry["place"].split()[-1]))
    prepared = pl.scan_parquet(out)
    counts = {
        name: dict(prepared.group_by(name).len().sort("len", name, descending=[True, False]).collect().iter_rows())
        for name in ("language", "split")
    }
    return {
        "rows": sum(part.notes["read"] + len(part.notes["refused"]) for part in parts.done),
        "prepared": prepared.select(pl.len()).collect().item(),
        "refused": _count_rows(refused),
        "dropped": _count_rows(dropped),
        "changed": _count_rows(_join_notes(part.notes["noted"] for part in parts.done)),
        **counts,
    }


def _join_notes(parts: Iterable[RowNotes]) -> RowNotes:
    joined: RowNotes = {}
    for noted in parts:
        for reason, rows in noted.items():
            joined.setdefault(reason, []).extend(rows)
    return joined


def _count_rows(rows_of: RowNotes) -> dict[str, Any]:
    """Return the count and the first examples of each reason, the commonest first."""
    ordered = sorted(((reason, rows) for reason, rows in rows_of.items() if rows), key=lambda entry: -len(entry[1]))
    return {reason: {"rows": len(rows), "examples": rows[:EXAMPLES]} for reason, rows in ordered}


def format_report(report: Mapping[str, Any]) -> str:
    """Lay the report out for a terminal."""
    lines = [f"{report['rows']:>11,} rows", f"{report['prepared']:>11,} prepared"]
    for name in ("refused", "dropped", "changed"):
        lines += ["", f"{name}, because" if name != "changed" else "changed"] if report[name] else []
        for reason, entry in report[name].items():
            examples = ", ".join(map(str, entry["examples"]))
            lines.append(
                f"{entry['rows']:>11,} {reason:<48} rows {examples}{', …' if entry['rows'] > EXAMPLES else ''}"
            )
    for name in ("language", "split"):
        lines += ["", name, *(f"{n:>11,} {value}" for value, n in report[name].items())]
    return "\n".join(lines)
