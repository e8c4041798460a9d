"""Playing demo traffic through the service's own ways in, and taking it out again."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.demo.writers import Deed, Sitting, deeds, uuid_from
from backend.drafts.service import delete_drafts, select_draft_ids
from backend.feedback.schemas import MAX_EVENTS, EventBatch
from backend.feedback.service import forget_events, take
from backend.postgres.database import Database
from backend.suggestions.recording import record
from backend.suggestions.schemas import DraftState
from model.serving import Classifier, Suggested

# The writer has typed the title, and some time later the body. Seconds.
BODY_AFTER = (30, 240)


@dataclass(frozen=True, slots=True)
class Played:
    """How much traffic was written."""

    drafts: int
    suggestions: int
    events: int


class AlreadyPlayed(Exception):
    """This very traffic is in the database already."""


async def play(
    database: Database,
    classifier: Classifier,
    traffic: Iterable[Sitting],
    until: datetime,
    *,
    after_draft: Callable[[], None] = lambda: None,
) -> Played:
    """Write traffic draft by draft, each as the service would have recorded it at its time.

    Answers are the classifier's own; events pass through the same judgement and projection as an extension's.

    Args:
        database: where to.
        classifier: answers the drafts.
        traffic: in order of time.
        until: the present: what would happen after it, has not happened yet.
        after_draft: called after each draft, to show progress.

    Raises:
        AlreadyPlayed: the first draft's events are known.
    """
    sequences: Counter[UUID] = Counter()
    drafts = suggestions = events = 0
    answers: dict[tuple[str, str], tuple[list[Suggested], float]] = {}
    for sitting in traffic:
        pick = random.Random(f"{sitting.seed} ids")
        question, site = sitting.question, min(classifier.sites)
        told: list[tuple[timedelta, UUID, list[str]]] = []
        typed = timedelta(seconds=pick.uniform(*BODY_AFTER))
        async with database.session(within=60) as session:
            # Made-up traffic need not survive a crash of the machine: not waiting for the disk saves time.
            await session.execute(text("SET LOCAL synchronous_commit TO off"))
            for after, body in ((timedelta(), ""), (typed, question.body)):
                if sitting.started_at + after > until:
                    continue
                if (question.title, body) not in answers:
                    began = time.perf_counter()
                    suggested = classifier.suggest(question.title, body)
                    answers[question.title, body] = suggested, (time.perf_counter() - began) * 1000
                suggested, latency_ms = answers[question.title, body]
                state = DraftState(
                    draft_id=sitting.draft_id,
                    install_id=sitting.install_id,
                    kind="demo",
                    site=site,
                    title=question.title,
                    body=body,
                    body_format="markdown",
                )
                version = classifier.version
                given = await record(session, state, suggested, version, latency_ms, sitting.started_at + after)
                told.append((after, given, [each.tag for each in suggested if each.confident]))
            done = deeds(sitting, [(after, tags) for after, _, tags in told])
            done = [deed for deed in done if sitting.started_at + deed.after <= until]
            written = [event_of(deed, sitting, told, sequences, pick, site) for deed in done]
            for start in range(0, len(written), MAX_EVENTS):
                sent_at = sitting.started_at + done[-1].after
                batch = EventBatch.model_validate(
                    {
                        "install_id": str(sitting.install_id),
                        "sent_at": sent_at.isoformat(),
                        "events": written[start : start + MAX_EVENTS],
                    }
                )
                receipt = await take(session, batch, sent_at)
                if receipt.known:
                    raise AlreadyPlayed
        drafts, suggestions, events = drafts + 1, suggestions + len(told), events + len(written)
        after_draft()
    return Played(drafts, suggestions, events)


def event_of(
    deed: Deed,
    sitting: Sitting,
    told: list[tuple[timedelta, UUID, list[str]]],
    sequences: Counter[UUID],
    pick: random.Random,
    site: str,
) -> dict[str, Any]:
    """A deed as the extension would tell it: the item belongs to the first answer that offered its tag."""
    sequences[sitting.install_id] += 1
    event: dict[str, Any] = {
        "id": str(uuid_from(pick)),
        "sequence": sequences[sitting.install_id],
        "occurred_at": (sitting.started_at + deed.after).isoformat(),
        "kind": deed.kind,
        "draft_id": str(sitting.draft_id),
    }
    if deed.kind == "posted":
        return event | {"tags": list(deed.tags), "question_id": None, "site": site}
    event |= {"tag": deed.tag, "suggestion_id": str(next(given for _, given, tags in told if deed.tag in tags))}
    return event | ({"position": deed.position} if deed.kind == "viewed" else {})


async def remove(session: AsyncSession) -> int:
    """Take all demo traffic out again; return how many drafts there were."""
    await forget_events(session, select_draft_ids("demo"))
    return await delete_drafts(session, select_draft_ids("demo"))
