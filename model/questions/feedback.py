"""Questions from the service's feedback: numbers of posted questions, whose texts and tags the site is asked for.

The file is what ``tagalong-server export-feedback`` writes: JSON lines, ``{"site", "question_id", "tags",
"offered_tags", "model_version", "month"}``. Its own ``tags`` are what extensions have sent; they are not learned from,
since anybody can send them. The site's are.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from model.questions import QuestionsError
from model.questions.posts import Batch, Refused, detect_kind, posts_frame, read_start
from model.questions.stack_exchange import ApiClient, QuestionsByNumber

_MONTH: Final = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class PostedQuestion:
    """What a line tells: a posted question's number on a site, what was offered, and in which month, if it says so."""

    site: str
    question_id: int
    offered_tags: frozenset[str]
    month: str | None


def read_feedback(path: Path, sites: Collection[str]) -> tuple[list[PostedQuestion], list[Refused]]:
    """Read the lines of a feedback file, and those that name no question; an empty file has none.

    Raises:
        QuestionsError: it is missing, or no text.
    """
    if path.is_file() and not path.stat().st_size:
        return [], []
    _, start = read_start(path)
    if kind := detect_kind(start):
        raise QuestionsError(f"{path} is {kind}, not JSON lines of feedback.")
    questions: list[PostedQuestion] = []
    refused: list[Refused] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                named = _parse_line(line, sites)
                if isinstance(named, str):
                    refused.append(Refused(f"{path.name}, line {number}", named))
                else:
                    questions.append(named)
    return questions, refused


def count_by_month(posted: Iterable[PostedQuestion]) -> dict[str, int]:
    """Count different posted questions by month; those of an unknown month stand under an empty name."""
    months = {(question.site, question.question_id): question.month or "" for question in posted}
    return dict(sorted(Counter(months.values()).items()))


class Feedback:
    """A feedback file as a source: its lines that name no question, then the questions, site by site.

    Attributes:
        length: how many different questions the file names.
    """

    length: int

    def __init__(self, path: Path, clients: Mapping[str, ApiClient]) -> None:
        """Read the file.

        Args:
            clients: what asks a site, by its name. Lines of other sites are refused: extensions may send any name.

        Raises:
            QuestionsError: it is missing, or no text.
        """
        lines, refused = read_feedback(path, clients)
        numbers: dict[str, list[int]] = {}
        for line in lines:
            numbers.setdefault(line.site, []).append(line.question_id)
        self._refused = tuple(refused)
        self._sites = [QuestionsByNumber(clients[site], of_site) for site, of_site in sorted(numbers.items())]
        self.length = sum(site.length for site in self._sites)

    def batches(self, after: Any) -> Iterator[Batch]:
        """Read on after a position: ``[site, numbers of it]``."""
        if after is None:
            yield Batch(posts_frame([]), self._refused, [0, 0], 0)
        first, done_there = after or [0, 0]
        before = sum(site.length for site in self._sites[:first])
        for i in range(first, len(self._sites)):
            for batch in self._sites[i].batches(done_there):
                yield replace(batch, position=[i, batch.position], done=before + batch.done)
            before += self._sites[i].length
            done_there = 0


def _parse_line(line: bytes, sites: Collection[str]) -> PostedQuestion | str:
    """Return what a line tells, or what is wrong with it."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return "it is not JSON"
    if not isinstance(row, dict):
        return "it is no object"
    site, number = row.get("site"), row.get("question_id")
    if not isinstance(site, str) or site not in sites:
        return f"its site is none of {', '.join(sites)}"
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**63:
        return "its question_id is no question's number"
    offered, month = row.get("offered_tags") or [], row.get("month")
    if not isinstance(offered, list) or not all(isinstance(tag, str) for tag in offered):
        return "its offered_tags are no list of texts"
    if month is not None and not (isinstance(month, str) and _MONTH.fullmatch(month)):
        return "its month is not like 2026-11"
    return PostedQuestion(site, number, frozenset(offered), month)
