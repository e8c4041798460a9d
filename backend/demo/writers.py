"""Simulated writers: who writes which question when, and what they do with the chips. Pure, all from one seed."""

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from uuid import UUID

# Drafts started in each hour of the day (UTC) and on each day of the week, in proportion.
HOURS = (2, 2, 1, 1, 2, 3, 5, 8, 10, 11, 10, 9, 9, 11, 12, 12, 11, 9, 7, 6, 5, 4, 3, 3)
WEEKDAYS = (10, 11, 11, 11, 9, 4, 4)

MAX_TAGS = 5


@dataclass(frozen=True, slots=True)
class Question:
    """A question that writers have in mind, with the tags that fit it."""

    title: str
    body: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Taste:
    """How likely a writer is to do what with a chip, each 0 to 1.

    ``sees``: has it in view long enough. ``clicks``: accepts a tag that fits; otherwise it is typed by hand with
    ``types``. ``refuses``: dismisses one that does not fit. ``errs``: accepts one that does not fit, and
    takes it out again with ``repents``. ``posts``: posts the question in the end.
    """

    sees: float = 0.95
    clicks: float = 0.6
    types: float = 0.7
    refuses: float = 0.08
    errs: float = 0.03
    repents: float = 0.5
    posts: float = 0.7


@dataclass(frozen=True, slots=True)
class SimulatedDraft:
    """A question that a writer starts; all that happens in it comes from ``seed``."""

    draft_id: UUID
    install_id: UUID
    taste: Taste
    question: Question
    started_at: datetime
    seed: int


@dataclass(frozen=True, slots=True)
class WriterAction:
    """One thing a writer does ``after`` the draft's start: with a chip or, with ``tags``, posting."""

    kind: str
    after: timedelta
    tag: str | None = None
    position: int | None = None
    tags: tuple[str, ...] = ()


def read_questions(path: Path = Path(__file__).parent / "questions.tsv") -> list[Question]:
    """Return the questions that writers have in mind."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Question(row["title"], row["body"], tuple(row["tags"].split())) for row in rows]


def simulate_drafts(
    questions: Sequence[Question], *, seed: int, days: int, drafts: int, until: datetime, taste: Taste = Taste()
) -> Iterator[SimulatedDraft]:
    """Yield drafts started over some days, in order of time.

    Args:
        questions: what may be asked.
        seed: the same seed gives the same drafts.
        days: how many, the day of ``until`` the last.
        drafts: started on an average day; weekends have fewer.
        until: no draft starts after it.
        taste: of the average writer; writers differ from it.
    """
    pick = random.Random(f"{seed} sittings")
    writers = [(random_uuid(pick), vary_taste(taste, pick)) for _ in range(max(1, days * drafts // 6))]
    for days_ago in reversed(range(days)):
        day = (until - timedelta(days=days_ago)).date()
        expected = drafts * WEEKDAYS[day.weekday()] * len(WEEKDAYS) / sum(WEEKDAYS)
        moments = sorted(
            datetime.combine(day, time(hour), until.tzinfo) + timedelta(seconds=pick.uniform(0, 3600))
            for hour in pick.choices(range(24), HOURS, k=round(pick.gauss(expected, expected**0.5)))
        )
        for moment in moments:
            install_id, own_taste = pick.choice(writers)
            draft = SimulatedDraft(
                random_uuid(pick), install_id, own_taste, pick.choice(questions), moment, pick.getrandbits(32)
            )
            if moment <= until:
                yield draft


def vary_taste(taste: Taste, pick: random.Random) -> Taste:
    """Return a writer's own taste: some click readily, some never."""
    return Taste(
        sees=taste.sees,
        clicks=min(1.0, taste.clicks * pick.choice((0.2, 0.8, 1.0, 1.1, 1.3))),
        types=taste.types,
        refuses=min(1.0, taste.refuses * pick.choice((0, 0, 1, 1, 3))),
        errs=taste.errs,
        repents=taste.repents,
        posts=taste.posts,
    )


class SimulatedWriter:
    """The writer of one draft, and what they have done so far. The same seed gives the same actions."""

    def __init__(self, draft: SimulatedDraft) -> None:
        self.actions: list[WriterAction] = []
        self._taste, self._wanted = draft.taste, draft.question.tags
        self._pick = random.Random(draft.seed)
        self._chosen: list[str] = []
        self._seen: set[str] = set()
        self._now = timedelta()

    def look(self, start: timedelta, chips: Sequence[str]) -> None:
        """Look through an answer's chips, and act on those that were not seen before."""
        self._now = max(self._now, start + timedelta(seconds=1))
        for position, tag in enumerate(chips, start=1):
            if tag in self._seen or not self._would(self._taste.sees):
                continue
            self._seen.add(tag)
            self._act("viewed", tag, position)
            if tag in self._wanted:
                self._react_to_wanted(tag)
            else:
                self._react_to_unwanted(tag)

    def finish(self) -> None:
        """Type what is still missing, and perhaps post."""
        for tag in self._wanted:
            if tag not in self._chosen and self._has_room() and self._would(self._taste.types):
                self._chosen.append(tag)
        if self._chosen and self._would(self._taste.posts):
            after = self._now + timedelta(seconds=self._pick.uniform(20, 900))
            self.actions.append(WriterAction("posted", after, tags=tuple(self._chosen)))

    def _react_to_wanted(self, tag: str) -> None:
        if self._would(self._taste.clicks) and self._has_room():
            self._act("accepted", tag)
            self._chosen.append(tag)

    def _react_to_unwanted(self, tag: str) -> None:
        if self._would(self._taste.errs) and self._has_room():
            self._act("accepted", tag)
            if self._would(self._taste.repents):
                self._act("removed", tag)
            else:
                self._chosen.append(tag)
        elif self._would(self._taste.refuses):
            self._act("dismissed", tag)

    def _act(self, kind: str, tag: str, position: int | None = None) -> None:
        self.actions.append(WriterAction(kind, self._now, tag, position))
        self._now += timedelta(seconds=self._pick.uniform(0.5, 6))

    def _would(self, probability: float) -> bool:
        return self._pick.random() < probability

    def _has_room(self) -> bool:
        return len(self._chosen) < MAX_TAGS


def choose_actions(draft: SimulatedDraft, offers: Sequence[tuple[timedelta, Sequence[str]]]) -> list[WriterAction]:
    """Return what the writer does with the chips that were offered, in order of time.

    Args:
        draft: writer and question.
        offers: the chips shown, in their order, each with the time since the draft's start.
    """
    writer = SimulatedWriter(draft)
    for start, chips in offers:
        writer.look(start, chips)
    writer.finish()
    return writer.actions


def random_uuid(pick: random.Random) -> UUID:
    """Return a random id from the seed."""
    return UUID(int=pick.getrandbits(128), version=4)
