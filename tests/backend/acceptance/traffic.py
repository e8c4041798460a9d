"""Seeded traffic: drafts, suggestions, items and events as rows of the tables."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.counters.totals import Total
from backend.drafts.tables import Draft, Suggestion
from backend.feedback.tables import Event, Item, Refused, WaitingEvent

KNOWN = ("python", "pandas", "sql", "c++", "html", "css", "node.js", "java", "r", "bash", "git", "linux")
UNKNOWN = ("htmx", "=cmd()", "<script>alert(1)</script>", "+plus", "@at", "-dash", "ünïcode")
SITES = ("stackoverflow.com", "superuser.com", '"><b>site</b>')
ORIGINS = ("service", "device")
VERSIONS = ("light-11111111", "light-22222222", "<i>odd</i>")


@dataclass
class Rows:
    """Rows by table, in an order that foreign keys allow."""

    draft: list[dict[str, Any]] = field(default_factory=list)
    suggestion: list[dict[str, Any]] = field(default_factory=list)
    item: list[dict[str, Any]] = field(default_factory=list)
    event: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    waiting_event: list[dict[str, Any]] = field(default_factory=list)
    total: list[dict[str, Any]] = field(default_factory=list)


TABLES: Mapping[str, Any] = {
    "draft": Draft,
    "suggestion": Suggestion,
    "item": Item,
    "event": Event,
    "refused": Refused,
    "waiting_event": WaitingEvent,
    "total": Total,
}


async def store(engine: AsyncEngine, rows: Rows) -> None:
    """Write all rows."""
    async with engine.begin() as connection:
        for name, table in TABLES.items():
            if values := getattr(rows, name):
                await connection.execute(insert(table), values)


class Writer:
    """Makes rows one by one; ids come from the seed too, so that a failure can be repeated."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.rows = Rows()
        self.sequences: dict[UUID, int] = {}

    def id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def draft(self, started_at: datetime, **more: Any) -> dict[str, Any]:
        row = {
            "id": self.id(),
            "install_id": self.id(),
            "kind": "ask",
            "site": SITES[0],
            "page": "classic",
            "extension_version": "0.1.0",
            "model_version": VERSIONS[0],
            "started_at": started_at,
            "posted_at": None,
            "posted_tags": None,
            "posted_names": None,
            "question_id": None,
            "origin": "service",
        } | more
        self.rows.draft.append(row)
        return row

    def suggestion(
        self, draft: dict[str, Any], tags: Sequence[str], confident: int | None = None, **more: Any
    ) -> dict[str, Any]:
        row = {
            "id": self.id(),
            "draft_id": draft["id"],
            "model_version": draft["model_version"],
            "created_at": draft["started_at"],
            "latency_ms": 0.5,
            "title_chars": 60,
            "body_chars": 900,
            "chosen_tags": [],
            "tags": list(tags),
            "names": None,
            "scores": [0.9 - 0.1 * rank for rank in range(len(tags))],
            "confident": len(tags) if confident is None else confident,
            "origin": draft["origin"],
        } | more
        self.rows.suggestion.append(row)
        return row

    def item(self, suggestion: dict[str, Any], tag: str, viewed_at: datetime | None, **more: Any) -> dict[str, Any]:
        rank = suggestion["tags"].index(tag) + 1
        row = {
            "draft_id": suggestion["draft_id"],
            "tag": tag,
            "suggestion_id": suggestion["id"],
            "rank": rank,
            "score": suggestion["scores"][rank - 1],
            "position": rank if viewed_at else None,
            "viewed_at": viewed_at,
            "accepted_at": None,
            "removed_at": None,
            "dismissed_at": None,
            "impossible": False,
        } | more
        self.rows.item.append(row)
        return row

    def event(self, draft: dict[str, Any], received_at: datetime, *, lost: int = 0, **more: Any) -> dict[str, Any]:
        """Write an event of the draft's install; ``lost`` numbers before it belong to events that never arrived."""
        sequence = self.sequences.get(draft["install_id"], 0) + 1 + lost
        self.sequences[draft["install_id"]] = sequence
        row = {
            "id": self.id(),
            "install_id": draft["install_id"],
            "sequence": sequence,
            "kind": "viewed",
            "draft_id": draft["id"],
            "suggestion_id": None,
            "tag": None,
            "position": None,
            "tags": None,
            "names": None,
            "question_id": None,
            "site": None,
            "occurred_at": received_at,
            "sent_at": received_at,
            "received_at": received_at,
            "at": received_at,
        } | more
        self.rows.event.append(row)
        return row

    def refusal(self, draft: dict[str, Any], received_at: datetime, reason: str, *, lost: int = 0) -> None:
        sequence = self.sequences.get(draft["install_id"], 0) + 1 + lost
        self.sequences[draft["install_id"]] = sequence
        self.rows.refused.append(
            {
                "id": self.id(),
                "install_id": draft["install_id"],
                "sequence": sequence,
                "reason": reason,
                "received_at": received_at,
            }
        )


def worked_example(moment: datetime) -> Rows:
    """Return the example of the definitions: four chips viewed, two accepted, one removed again, one tag typed."""
    writer = Writer()
    draft = writer.draft(moment, posted_at=moment + timedelta(minutes=9), posted_tags=["python", "pandas", "join"])
    first = writer.suggestion(draft, ["python", "pandas", "merge"])
    later = writer.suggestion(draft, ["python", "pandas", "dataframe"])
    seen = moment + timedelta(minutes=1)
    writer.item(first, "python", seen)
    writer.item(first, "pandas", seen, accepted_at=seen)
    writer.item(first, "merge", seen, accepted_at=seen, removed_at=seen + timedelta(minutes=2))
    # Dismissed and restored: the last word is no dismissal.
    writer.item(later, "dataframe", seen + timedelta(minutes=3))
    return writer.rows


def mixed_traffic(seed: int, drafts: int, now: datetime, days: int = 12) -> Rows:
    """Return drafts of every kind and outcome over the last ``days`` days, many of them at midnight."""
    writer = Writer(seed)
    pick = writer.random
    installs = [writer.id() for _ in range(max(2, drafts // 5))]
    demo_installs = [writer.id() for _ in range(2)]
    for number in range(drafts):
        kind = pick.choices(("ask", "edit", "try", "demo"), (6, 2, 1, 1))[0]
        draft = writer.draft(
            some_moment(pick, now, days, number),
            install_id=pick.choice(demo_installs if kind == "demo" else installs),
            kind=kind,
            site=pick.choices(SITES, (6, 2, 1))[0],
            model_version=pick.choices(VERSIONS, (5, 4, 1))[0],
            origin=pick.choices(ORIGINS, (3, 1))[0],
        )
        write_draft(writer, draft, now)
        write_events(writer, draft, now)
    # What an install sends out of order arrives out of order, too.
    pick.shuffle(writer.rows.event)
    for day in range(days):
        for name in ("unrecorded", "without_consent"):
            if pick.random() < 0.5:
                writer.rows.total.append(
                    {"day": (now - timedelta(days=day)).date(), "name": name, "n": pick.randint(1, 9)}
                )
    return writer.rows


def under_other_names(rows: Rows, seed: int) -> Rows:
    """Return the same traffic, with some tags offered or posted under other names than those they count as."""
    pick = random.Random(seed)
    columns = [(row, "posted_tags", "posted_names") for row in rows.draft if row["posted_tags"] is not None]
    columns += [(row, "tags", "names") for row in rows.suggestion]
    for row, tags, names in columns:
        if pick.random() < 0.2:
            row[names] = row[tags]
            row[tags] = [f"{tag}-by-another-name" for tag in row[tags]]
    return rows


def some_moment(pick: random.Random, now: datetime, days: int, number: int) -> datetime:
    """Return a moment just now, at the last or first microsecond of a day, or at any time."""
    if number % 4 == 0:
        return now - timedelta(seconds=pick.randint(1, 3000))
    day = datetime.combine((now - timedelta(days=pick.randint(1, days))).date(), datetime.min.time(), UTC)
    if number % 4 == 1:
        return day + timedelta(days=1) - pick.choice((timedelta(microseconds=1), timedelta(seconds=1)))
    if number % 4 == 2:
        return day
    return day + timedelta(seconds=pick.randint(0, 86_399))


def write_draft(writer: Writer, draft: dict[str, Any], now: datetime) -> None:
    """Write the answers, items and posting of one draft, none of them after ``now``."""
    pick = writer.random

    def later(moment: datetime, most: int) -> datetime:
        delay = pick.choice((timedelta(0), timedelta(seconds=pick.randint(1, most))))
        return min(moment + delay, now)

    suggestions = []
    for _ in range(pick.choices((0, 1, 2, 3), (1, 4, 3, 2))[0]):
        tags = pick.sample(KNOWN, pick.randint(0, 5))
        version = draft["model_version"] if pick.random() < 0.8 else pick.choice(VERSIONS)
        suggestions.append(
            writer.suggestion(
                draft,
                tags,
                pick.randint(0, len(tags)),
                model_version=version,
                origin=draft["origin"] if pick.random() < 0.8 else pick.choice(ORIGINS),
                body_chars=pick.choice((0, 1, 249, 250, 999, 1000, 2999, 3000, 20_000)),
                latency_ms=pick.randint(1, 1000) / 4,
                created_at=later(draft["started_at"], 600),
            )
        )
    done: set[str] = set()
    for suggestion in suggestions:
        for tag in suggestion["tags"][: suggestion["confident"]]:
            if tag in done or pick.random() < 0.15:
                continue
            done.add(tag)
            write_item(writer, suggestion, tag, later(suggestion["created_at"], 50_000), later)
    if pick.random() < 0.7:
        posted_tags = pick.sample([*done, *KNOWN[:4]], pick.randint(0, 3)) + pick.sample(UNKNOWN, pick.randint(0, 2))
        draft["posted_at"] = later(draft["started_at"], 200_000)
        draft["posted_tags"] = posted_tags


def write_item(writer: Writer, suggestion: dict[str, Any], tag: str, viewed_at: datetime, later: Any) -> None:
    """Write one item in one of its possible states, or in an impossible one."""
    state = writer.random.choice(
        ("ignored", "ignored", "accepted", "accepted", "removed", "dismissed", "both", "impossible", "odd")
    )
    more: dict[str, Any] = {}
    if state in ("accepted", "removed", "both", "impossible", "odd"):
        more["accepted_at"] = later(viewed_at, 2000)
    if state == "removed":
        more["removed_at"] = later(viewed_at, 4000)
    if state in ("dismissed", "both"):
        more["dismissed_at"] = later(viewed_at, 3000)
    if state in ("impossible", "odd"):
        more["impossible"] = True
    if state == "accepted" and writer.random.random() < 0.2:
        more["position"] = None
    writer.item(suggestion, tag, None if state == "impossible" else viewed_at, **more)


def write_events(writer: Writer, draft: dict[str, Any], now: datetime) -> None:
    """Write a few numbered events of the draft's install, with gaps, refusals and a number used twice."""
    pick = writer.random
    for _ in range(pick.randint(0, 4)):
        received = min(draft["started_at"] + timedelta(seconds=pick.randint(0, 90_000)), now)
        lost = pick.choices((0, 1, 3), (8, 1, 1))[0]
        if pick.random() < 0.15:
            reason = pick.choice(("unknown suggestion", "tag not offered", "<b>bold</b>"))
            writer.refusal(draft, received, reason, lost=lost)
        else:
            event = writer.event(draft, received, lost=lost)
            if pick.random() < 0.1:
                writer.rows.event.append(event | {"id": writer.id(), "received_at": min(received + timedelta(1), now)})


def first_day(rows: Rows) -> date:
    """Return the day of the first draft."""
    first: datetime = min(row["started_at"] for row in rows.draft)
    return first.astimezone(UTC).date()
