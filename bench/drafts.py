"""Messages to be sent: drafts put together from the questions written for the tests, and what their writers did."""

import csv
import random
import re
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from uuid import UUID

from model.serving.text import plain_text
from tests.backend.service import a_batch, an_event

WRITTEN = Path(__file__).parent.parent / "tests" / "model" / "written.csv"
BODY_CHARS = 2_000
SITE = "stackoverflow.com"


class Writers:
    """Writers of drafts, the same ones in every run; no two drafts of a run have the same text or id."""

    def __init__(self) -> None:
        self._random = random.Random(0)  # noqa: S311
        with WRITTEN.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self._titles = [row["Title"] for row in rows]
        self._bodies = [re.sub(r"\s*\n", "\n", plain_text(row["Body"], "html")).strip() for row in rows]

    def draft(self, chars: int = BODY_CHARS, **changes: Any) -> dict[str, Any]:
        """A message with a new draft whose body has ``chars`` characters."""
        body = ""
        while len(body) < chars:
            body += self._random.choice(self._bodies) + "\n"
        return {
            "draft_id": self._id(),
            "install_id": self._id(),
            "extension_version": "0.1.0",
            "page": "classic",
            "site": SITE,
            "title": self._random.choice(self._titles),
            "body": body[:chars],
            "body_format": "markdown",
        } | changes

    def drafts(self, n: int, **changes: Any) -> list[dict[str, Any]]:
        """So many new drafts."""
        return [self.draft(**changes) for _ in range(n)]

    def _id(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))


def event_batches(
    answered_drafts: Sequence[tuple[dict[str, Any], dict[str, Any]]], events_a_batch: int
) -> Iterator[dict[str, Any]]:
    """Batches of events without end: each writer in turn sees a chip, and then takes and removes it again and again.

    Args:
        answered_drafts: drafts, and what the service answered to each; those without a chip or a record have no events.
    """
    lives = [
        (draft["install_id"], _events_of_draft(draft, answer["suggestion_id"], shown))
        for draft, answer in answered_drafts
        if answer["suggestion_id"] and (shown := [item["tag"] for item in answer["items"] if item["confident"]])
    ]
    for install_id, life in cycle(lives):
        yield a_batch(install_id, list(islice(life, events_a_batch)))


def _events_of_draft(draft: dict[str, Any], suggestion_id: str, shown: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The events of one draft, in their order."""
    sequence = 0
    for position, tag in enumerate(shown, start=1):
        sequence += 1
        yield an_event("viewed", sequence, draft, suggestion_id=suggestion_id, tag=tag, position=position)
    for kind in cycle(["accepted", "removed"]):
        for tag in shown:
            sequence += 1
            yield an_event(kind, sequence, draft, suggestion_id=suggestion_id, tag=tag)
