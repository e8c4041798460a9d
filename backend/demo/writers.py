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


def choose_actions(draft: SimulatedDraft, offers: Sequence[tuple[timedelta, Sequence[str]]]) -> list[WriterAction]:
    """Return what the writer does with the chips that were offered, in order of time.

    Args:
        draft: writer and question.
        offers: the chips shown, in their order, each with the time since the draft's start.
    """
    pick, taste, wanted = random.Random(draft.seed), draft.taste, draft.question.tags
    actions: list[WriterAction] = []
    chosen: list[str] = []
    seen: set[str] = set()

    def act(kind: str, after: timedelta, tag: str, position: int | None = None) -> timedelta:
        actions.append(WriterAction(kind, after, tag, position))
        return after + timedelta(seconds=pick.uniform(0.5, 6))

    now = timedelta()
    for start, chips in offers:
        now = max(now, start + timedelta(seconds=1))
        for position, tag in enumerate(chips, start=1):
            if tag in seen or pick.random() > taste.sees:
                continue
            seen.add(tag)
            now = act("viewed", now, tag, position)
            if tag in wanted:
                if pick.random() < taste.clicks and len(chosen) < MAX_TAGS:
                    now = act("accepted", now, tag)
                    chosen.append(tag)
            elif pick.random() < taste.errs and len(chosen) < MAX_TAGS:
                now = act("accepted", now, tag)
                if pick.random() < taste.repents:
                    now = act("removed", now, tag)
                else:
                    chosen.append(tag)
            elif pick.random() < taste.refuses:
                now = act("dismissed", now, tag)
    for tag in wanted:
        if tag not in chosen and len(chosen) < MAX_TAGS and pick.random() < taste.types:
            chosen.append(tag)
    if chosen and pick.random() < taste.posts:
        actions.append(WriterAction("posted", now + timedelta(seconds=pick.uniform(20, 900)), tags=tuple(chosen)))
    return actions


def random_uuid(pick: random.Random) -> UUID:
    """Return a random id from the seed."""
    return UUID(int=pick.getrandbits(128), version=4)
