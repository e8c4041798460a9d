"""Questions from the service's feedback: numbers of posted questions, whose texts and tags the site is asked for.

The file is JSON lines, ``{"site", "question_id", "tags", "offered_tags", "model_version"}``. Its own ``tags`` are what
extensions have sent; they are not learned from, since anybody can send them. The site's are.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from model.questions import QuestionsError
from model.questions.posts import Batch, Refused, beginning, frame, kind_of
from model.questions.stack_exchange import Client, Numbers


class Feedback:
    """A feedback file as a source: its lines that name no question, then the questions, site by site.

    Attributes:
        length: how many different questions the file names.
    """

    length: int

    def __init__(self, path: Path, clients: Mapping[str, Client]) -> None:
        """Read the file.

        Args:
            clients: what asks a site, by its name. Lines of other sites are refused: extensions may send any name.

        Raises:
            QuestionsError: it is missing, empty, or no text.
        """
        _, start = beginning(path)
        if kind := kind_of(start):
            raise QuestionsError(f"{path} is {kind}, not JSON lines of feedback.")
        numbers: dict[str, list[int]] = {}
        refused: list[Refused] = []
        with path.open("rb") as file:
            for line_number, line in enumerate(file, start=1):
                if line.strip():
                    named = _named(line, clients)
                    if isinstance(named, str):
                        refused.append(Refused(f"{path.name}, line {line_number}", named))
                    else:
                        numbers.setdefault(named[0], []).append(named[1])
        self._refused = tuple(refused)
        self._sites = [Numbers(clients[site], of_site) for site, of_site in sorted(numbers.items())]
        self.length = sum(site.length for site in self._sites)

    def batches(self, after: Any) -> Iterator[Batch]:
        """Read on after a position: ``[site, numbers of it]``."""
        if after is None:
            yield Batch(frame([]), self._refused, [0, 0], 0)
        first, done_there = after or [0, 0]
        before = sum(site.length for site in self._sites[:first])
        for i in range(first, len(self._sites)):
            for batch in self._sites[i].batches(done_there):
                yield Batch(batch.rows, batch.refused, [i, batch.position], before + batch.done)
            before += self._sites[i].length
            done_there = 0


def _named(line: bytes, sites: Collection[str]) -> tuple[str, int] | str:
    """Give site and number that a line names, or what is wrong with it."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"it is not JSON: {error}"
    if not isinstance(row, dict):
        return "it is no object"
    site, number = row.get("site"), row.get("question_id")
    if not isinstance(site, str) or site not in sites:
        return f"its site {str(site)[:60]!r} is none of {', '.join(sites)}"
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**63:
        return "its question_id is no question's number"
    return site, number
