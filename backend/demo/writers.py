"""Simulated writers: who writes which question when, and what they do with the chips. Pure, and all from a seed."""

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from uuid import UUID

# Drafts begun in each hour of the day in UTC, relative to each other, and on each day of the week.
HOURS = (2, 2, 1, 1, 2, 3, 5, 8, 10, 11, 10, 9, 9, 11, 12, 12, 11, 9, 7, 6, 5, 4, 3, 3)
WEEKDAYS = (10, 11, 11, 11, 9, 4, 4)

MOST_TAGS = 5


@dataclass(frozen=True, slots=True)
class Question:
    """A question that writers have in mind, with the tags that it deserves."""

    title: str
    body: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Taste:
    """How likely a writer does what with a chip, each 0..1.

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
class Sitting:
    """One writer beginning one question."""

    draft_id: UUID
    install_id: UUID
    taste: Taste
    question: Question
    started_at: datetime
    # Of everything that happens in it.
    seed: int


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing a writer does ``after`` the draft began: with a chip, or, with ``tags``, posting."""

    kind: str
    after: timedelta
    tag: str | None = None
    position: int | None = None
    tags: tuple[str, ...] = ()


def read_questions(path: Path = Path(__file__).parent / "questions.tsv") -> list[Question]:
    """The questions that writers have in mind."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Question(row["title"], row["body"], tuple(row["tags"].split())) for row in rows]


def sittings(
    questions: Sequence[Question], *, seed: int, days: int, drafts: int, until: datetime, taste: Taste = Taste()
) -> Iterator[Sitting]:
    """Drafts begun over some days, in order of time.

    Args:
        questions: what may be asked.
        seed: the same one gives the same drafts.
        days: how many, the day of ``until`` the last.
        drafts: begun on an average day; weekends have fewer.
        until: no draft begins after it.
        taste: of the average writer; each has one of their own around it.
    """
    pick = random.Random(f"{seed} sittings")
    writers = [(uuid_from(pick), own(taste, pick)) for _ in range(max(1, days * drafts // 6))]
    for back in reversed(range(days)):
        day = (until - timedelta(days=back)).date()
        expected = drafts * WEEKDAYS[day.weekday()] * len(WEEKDAYS) / sum(WEEKDAYS)
        moments = sorted(
            datetime.combine(day, time(hour), until.tzinfo) + timedelta(seconds=pick.uniform(0, 3600))
            for hour in pick.choices(range(24), HOURS, k=round(pick.gauss(expected, expected**0.5)))
        )
        for moment in moments:
            install_id, theirs = pick.choice(writers)
            sitting = Sitting(uuid_from(pick), install_id, theirs, pick.choice(questions), moment, pick.getrandbits(32))
            if moment <= until:
                yield sitting


def own(taste: Taste, pick: random.Random) -> Taste:
    """A writer's own taste: some click readily, some never."""
    return Taste(
        sees=taste.sees,
        clicks=min(1.0, taste.clicks * pick.choice((0.2, 0.8, 1.0, 1.1, 1.3))),
        types=taste.types,
        refuses=min(1.0, taste.refuses * pick.choice((0, 0, 1, 1, 3))),
        errs=taste.errs,
        repents=taste.repents,
        posts=taste.posts,
    )


def deeds(sitting: Sitting, offers: Sequence[tuple[timedelta, Sequence[str]]]) -> list[Deed]:
    """What the writer does with the chips that were offered, in order of time.

    Args:
        sitting: writer and question.
        offers: after which time of the draft which chips stood there, in their order.
    """
    pick, taste, wanted = random.Random(sitting.seed), sitting.taste, sitting.question.tags
    done: list[Deed] = []
    chosen: list[str] = []
    met: set[str] = set()

    def do(kind: str, after: timedelta, tag: str, position: int | None = None) -> timedelta:
        done.append(Deed(kind, after, tag, position))
        return after + timedelta(seconds=pick.uniform(0.5, 6))

    now = timedelta()
    for start, chips in offers:
        now = max(now, start + timedelta(seconds=1))
        for position, tag in enumerate(chips, start=1):
            if tag in met or pick.random() > taste.sees:
                continue
            met.add(tag)
            now = do("viewed", now, tag, position)
            if tag in wanted:
                if pick.random() < taste.clicks and len(chosen) < MOST_TAGS:
                    now = do("accepted", now, tag)
                    chosen.append(tag)
            elif pick.random() < taste.errs and len(chosen) < MOST_TAGS:
                now = do("accepted", now, tag)
                if pick.random() < taste.repents:
                    now = do("removed", now, tag)
                else:
                    chosen.append(tag)
            elif pick.random() < taste.refuses:
                now = do("dismissed", now, tag)
    for tag in wanted:
        if tag not in chosen and len(chosen) < MOST_TAGS and pick.random() < taste.types:
            chosen.append(tag)
    if chosen and pick.random() < taste.posts:
        done.append(Deed("posted", now + timedelta(seconds=pick.uniform(20, 900)), tags=tuple(chosen)))
    return done


def uuid_from(pick: random.Random) -> UUID:
    """A random id from the seed."""
    return UUID(int=pick.getrandbits(128), version=4)
