"""Sources of questions into one file of questions, part by part, with a list of the rows that were refused."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from model.files import write_atomically
from model.parts import Parts
from model.questions import QuestionsError
from model.questions.posts import Refused, Source

REFUSED: Final = ".refused.jsonl"
"""Ending of the file beside the output that lists the refused rows: JSON lines of ``place`` and ``reason``."""
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Gathered:
    """What became of the rows: how many are questions, how many were refused, and the first of these."""

    questions: int
    refused: int
    first_refused: tuple[Refused, ...]


def gather(
    sources: Sequence[Source], parts: Parts, out: Path, advance: Callable[[int], None] = lambda done: None
) -> Gathered:
    """Read sources one after the other into ``out``, and go on where an earlier run stopped.

    Args:
        advance: called with how much was read since the last time, in units of the sources' ``length``.

    Raises:
        QuestionsError: no row is a question, or a source cannot be read further.
    """
    number, after, done = 0, None, 0
    if parts.done:
        last = parts.done[-1].notes
        number, after, done = last["source"], last["position"], last["done"]
        advance(sum(source.length for source in sources[:number]) + done)
    for i in range(number, len(sources)):
        for batch in sources[i].batches(after):
            notes = {"source": i, "position": batch.position, "done": batch.done}
            parts.add(batch.rows, notes | {"refused": [asdict(each) for each in batch.refused]})
            advance(batch.done - done)
            done = batch.done
        after, done = None, 0
    refused = [Refused(**each) for part in parts.done for each in part.notes["refused"]]
    rows = parts.rows()
    if not rows:
        parts.throw_away()
        raise QuestionsError(nothing_usable(refused))
    parts.join(out)
    write_atomically(out.parent, {out.name + REFUSED: lines_of(refused).encode()})
    parts.throw_away()
    return Gathered(rows, len(refused), tuple(refused[:_SHOWN]))


def lines_of(refused: Sequence[Refused]) -> str:
    """Give refused rows as JSON lines."""
    return "".join(json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in refused)


def nothing_usable(refused: Sequence[Refused]) -> str:
    """Say why there is no question among the rows."""
    if not refused:
        return "There is no question in it."
    reasons = Counter(each.reason for each in refused).most_common(_SHOWN)
    return (
        f"None of the {len(refused):,} rows is a question: "
        + "; ".join(f"{reason} ({n:,})" for reason, n in reasons)
        + f". The first is {refused[0].place}."
    )
