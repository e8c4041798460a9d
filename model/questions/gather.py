"""Sources of questions into one file of questions, part by part, with a list of the rows that were refused."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import polars as pl

from model.questions import QuestionsError
from model.questions.posts import Refused, Source
from model.runs.files import write_atomically
from model.runs.resumable import ResumableOutput
from model.runs.steps import RECORD

REFUSED: Final = ".refused.jsonl"
"""Ending of the file beside the output that lists the refused rows: JSON lines of ``place`` and ``reason``."""
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class GatherResult:
    """What became of the rows.

    ``reasons`` counts the refused ones by reason, and ``noted`` those that were kept without something, the commonest
    first. ``notices`` are what else the sources have to say.
    """

    questions: int
    refused: int
    reasons: Mapping[str, int]
    noted: Mapping[str, int]
    notices: tuple[str, ...]

    def lines(self) -> list[str]:
        """Lay it out for a terminal, without the number of questions."""
        refused = [f"{rows:>11,} refused: {reason}" for reason, rows in self.reasons.items()]
        noted = [f"{rows:>11,} {note}" for note, rows in self.noted.items()]
        more = [f"{'':>11} and {len(refused) - _SHOWN:,} more reasons"] if len(refused) > _SHOWN else []
        return [*self.notices, *refused[:_SHOWN], *more, *noted]


def gather(
    sources: Sequence[Source],
    parts: ResumableOutput,
    out: Path,
    advance: Callable[[int], None] = lambda done: None,
    refuse_above: float = 1.0,
) -> GatherResult:
    """Read sources one after the other into ``out``, and go on where an earlier run stopped.

    If a source fails, what was read before is written too, unless a whole output of another run is there.

    Args:
        advance: called with how much was read since the last time, in units of the sources' ``length``.
        refuse_above: share of refused rows above which nothing is written.

    Raises:
        QuestionsError: no row is a question, too many were refused, or a source cannot be read further.
    """
    failure = _read_sources(sources, parts, advance)
    refused = [Refused(**row) for part in parts.done for row in part.notes["refused"]]
    gathered = _summarise(parts, refused)
    if failure and not gathered.questions:
        raise failure
    if failure:
        raise QuestionsError(f"{failure} {_keep_partial_output(parts, refused, out)}") from failure
    if not gathered.questions:
        parts.remove()
        raise QuestionsError(describe_no_questions(refused))
    check_refused_share(refused, gathered.questions, refuse_above, out)
    parts.join(out)
    write_refused(refused, out)
    parts.remove()
    return gathered


def _read_sources(
    sources: Sequence[Source], parts: ResumableOutput, advance: Callable[[int], None]
) -> QuestionsError | None:
    """Read what is left of the sources into the parts, and return what stopped it."""
    number, after, done = 0, None, 0
    if parts.done:
        last = parts.done[-1].notes
        number, after, done = last["source"], last["position"], last["done"]
        advance(sum(source.length for source in sources[:number]) + done)
    for i in range(number, len(sources)):
        try:
            for batch in sources[i].batches(after):
                notes = {"source": i, "position": batch.position, "done": batch.done}
                notes |= {"refused": [asdict(row) for row in batch.refused], "notices": batch.notices}
                parts.add(batch.rows, notes | {"noted": {note: len(rows) for note, rows in batch.noted.items()}})
                advance(batch.done - done)
                done = batch.done
        except QuestionsError as failure:
            return failure
        after, done = None, 0
    return None


def _summarise(parts: ResumableOutput, refused: Sequence[Refused]) -> GatherResult:
    noted = Counter[str]()
    for part in parts.done:
        noted.update(part.notes["noted"])
    notices = dict.fromkeys(notice for part in parts.done for notice in part.notes["notices"])
    return GatherResult(parts.rows(), len(refused), _count_reasons(refused), dict(noted.most_common()), tuple(notices))


def _keep_partial_output(parts: ResumableOutput, refused: Sequence[Refused], out: Path) -> str:
    """Write what was read before a failure, and say where it is."""
    if out.with_name(out.name + RECORD).exists():  # a whole output is not replaced by a part of one
        return f"{parts.rows():,} questions that were read are kept in {parts.folder}; {out} is as it was."
    parts.join(out)
    write_refused(refused, out)
    return f"The {parts.rows():,} questions that were read are in {out}."


def check_refused_share(refused: Sequence[Refused], kept: int, bound: float, out: Path) -> None:
    """Raise ``QuestionsError`` if more than that share of the rows was refused; they are listed beside ``out``."""
    rows = len(refused) + kept
    if len(refused) > bound * rows:
        write_refused(refused, out)
        raise QuestionsError(
            f"{len(refused):,} of {rows:,} rows were refused, more than {100 * bound:g} % of them: "
            f"{_describe_reasons(refused)}. They are in {out}{REFUSED}: mend them, or give a higher --refuse-above."
        )


def check_earlier_output(out: Path, bound: float) -> None:
    """Raise ``QuestionsError`` if of the rows of an output that is there more than that share was refused."""
    kept = pl.scan_parquet(out).select(pl.len()).collect().item()
    with out.with_name(out.name + REFUSED).open(encoding="utf-8") as lines:
        refused = [Refused(**json.loads(line)) for line in lines]
    check_refused_share(refused, kept, bound, out)


def _count_reasons(refused: Sequence[Refused]) -> dict[str, int]:
    return dict(Counter(row.reason for row in refused).most_common())


def _describe_reasons(refused: Sequence[Refused]) -> str:
    """Return why rows were refused, the commonest reason first."""
    return "; ".join(f"{reason} ({rows:,})" for reason, rows in list(_count_reasons(refused).items())[:_SHOWN])


def write_refused(refused: Sequence[Refused], out: Path) -> None:
    """List refused rows beside ``out``, as JSON lines."""
    lines = (json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in refused)
    write_atomically(out.parent, {out.name + REFUSED: "".join(lines).encode()})


def describe_no_questions(refused: Sequence[Refused]) -> str:
    """Return why there is no question among the rows."""
    if not refused:
        return "There is no question in it."
    reasons = _describe_reasons(refused)
    return f"None of the {len(refused):,} rows is a question: {reasons}. The first is {refused[0].place}."
