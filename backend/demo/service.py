"""Writing demo traffic through the same functions that real traffic passes, and deleting it again."""

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

from backend.demo.writers import SimulatedDraft, WriterAction, choose_actions, random_uuid
from backend.deployments.device_versions import Vocabulary
from backend.drafts.service import delete_drafts, select_draft_ids
from backend.feedback.schemas import MAX_EVENTS, EventBatch
from backend.feedback.service import ingest_events
from backend.feedback.stored_events import delete_events
from backend.postgres.database import Database
from backend.suggestions.recording import record_answer
from backend.suggestions.schemas import DraftState
from model.serving import Classifier, Suggested

# The writer has typed the title, and some time later the body. Seconds.
BODY_AFTER = (30, 240)


@dataclass(frozen=True, slots=True)
class DemoTraffic:
    """How much traffic was written."""

    drafts: int
    suggestions: int
    events: int


class TrafficExists(Exception):
    """This very traffic is in the database already."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A recorded answer: how long after the draft's start it came, its id, and the tags that it showed."""

    after: timedelta
    suggestion_id: UUID
    tags: list[str]


async def write_traffic(
    database: Database,
    classifier: Classifier,
    traffic: Iterable[SimulatedDraft],
    until: datetime,
    *,
    device_classifier: Classifier | None = None,
    after_draft: Callable[[], None] = lambda: None,
) -> DemoTraffic:
    """Write traffic draft by draft, each as the service would have recorded it at its time.

    Answers are the classifier's own; events are checked and projected like an extension's.

    Args:
        database: where it is written.
        classifier: answers the drafts.
        traffic: in order of time.
        until: the present: what would happen after it has not happened yet.
        device_classifier: answers the drafts of the writers whose own devices do; None: no device does.
        after_draft: called after each draft, to show progress.

    Raises:
        TrafficExists: the first draft's events are known.
    """
    writer = TrafficWriter(classifier, until, device_classifier)
    drafts = suggestions = events = 0
    for draft in traffic:
        async with database.session(within=60) as session:
            # Made-up traffic need not survive a crash of the machine: not waiting for the disk saves time.
            await session.execute(text("SET LOCAL synchronous_commit TO off"))
            n_suggestions, n_events = await writer.write_draft(session, draft)
        drafts, suggestions, events = drafts + 1, suggestions + n_suggestions, events + n_events
        after_draft()
    return DemoTraffic(drafts, suggestions, events)


class TrafficWriter:
    """Writes one simulated draft after the other, up to the present."""

    def __init__(self, classifier: Classifier, until: datetime, device_classifier: Classifier | None = None) -> None:
        self._classifier, self._device_classifier, self._until = classifier, device_classifier, until
        self._site = min(classifier.sites)
        self._sequences: Counter[UUID] = Counter()
        self._answers: dict[tuple[str, str, str], tuple[list[Suggested], float]] = {}
        self._vocabularies = (
            {device_classifier.version: Vocabulary(device_classifier.sites, device_classifier.known)}
            if device_classifier
            else {}
        )

    async def write_draft(self, session: AsyncSession, draft: SimulatedDraft) -> tuple[int, int]:
        """Write a draft with its answers and events; return how many of each.

        Raises:
            TrafficExists: its events are known.
        """
        pick = random.Random(f"{draft.seed} ids")
        typed = timedelta(seconds=pick.uniform(*BODY_AFTER))
        states = [
            (after, body)
            for after, body in ((timedelta(), ""), (typed, draft.question.body))
            if draft.started_at + after <= self._until
        ]
        events: list[dict[str, Any]] = []
        if self._device_classifier is not None and has_device(draft.install_id):
            answers = [self._answer_on_device(self._device_classifier, draft, *state, pick) for state in states]
            offers = [offer for offer, _ in answers]
            events = [event for _, event in answers]
        else:
            offers = [await self._record_answer(session, draft, *state) for state in states]
        actions = choose_actions(draft, [(offer.after, offer.tags) for offer in offers])
        actions = [action for action in actions if draft.started_at + action.after <= self._until]
        events += [self._make_event(action, draft, offers, pick) for action in actions]
        sent_at = draft.started_at + max([offer.after for offer in offers] + [action.after for action in actions])
        for start in range(0, len(events), MAX_EVENTS):
            batch = EventBatch.model_validate(
                {
                    "install_id": str(draft.install_id),
                    "sent_at": sent_at.isoformat(),
                    "events": events[start : start + MAX_EVENTS],
                }
            )
            receipt = await ingest_events(session, batch, sent_at, vocabularies=self._vocabularies)
            if receipt.known:
                raise TrafficExists
        return len(offers), len(events)

    async def _record_answer(self, session: AsyncSession, draft: SimulatedDraft, after: timedelta, body: str) -> Offer:
        suggested, latency_ms = self._suggest(self._classifier, draft.question.title, body)
        state = DraftState(
            draft_id=draft.draft_id,
            install_id=draft.install_id,
            kind="demo",
            site=self._site,
            title=draft.question.title,
            body=body,
            body_format="markdown",
        )
        version, now = self._classifier.version, draft.started_at + after
        suggestion_id = await record_answer(session, state, suggested, version, latency_ms, now)
        return Offer(after, suggestion_id, [tag.tag for tag in suggested if tag.confident])

    def _answer_on_device(
        self, classifier: Classifier, draft: SimulatedDraft, after: timedelta, body: str, pick: random.Random
    ) -> tuple[Offer, dict[str, Any]]:
        """Return an answer that the writer's device gives, and the event that reports it."""
        suggested, latency_ms = self._suggest(classifier, draft.question.title, body)
        suggestion_id, confident = random_uuid(pick), [tag.tag for tag in suggested if tag.confident]
        event = self._begin_event("suggested", after, draft, pick) | {
            "suggestion_id": str(suggestion_id),
            "draft_kind": "demo",
            "site": self._site,
            "model_version": classifier.version,
            "tags": [tag.tag for tag in suggested],
            "scores": [tag.score for tag in suggested],
            "confident": len(confident),
            "title_chars": len(draft.question.title),
            "body_chars": len(body),
            "latency_ms": latency_ms,
            "origin": "device",
        }
        return Offer(after, suggestion_id, confident), event

    def _suggest(self, classifier: Classifier, title: str, body: str) -> tuple[list[Suggested], float]:
        """Return a classifier's answer and its latency, the first time that it is asked for, in milliseconds."""
        key = (classifier.version, title, body)
        if key not in self._answers:
            started = time.perf_counter()
            suggested = classifier.suggest(title, body)
            self._answers[key] = suggested, (time.perf_counter() - started) * 1000
        return self._answers[key]

    def _begin_event(self, kind: str, after: timedelta, draft: SimulatedDraft, pick: random.Random) -> dict[str, Any]:
        """Return what every event has."""
        self._sequences[draft.install_id] += 1
        return {
            "id": str(random_uuid(pick)),
            "sequence": self._sequences[draft.install_id],
            "occurred_at": (draft.started_at + after).isoformat(),
            "kind": kind,
            "draft_id": str(draft.draft_id),
        }

    def _make_event(
        self, action: WriterAction, draft: SimulatedDraft, offers: list[Offer], pick: random.Random
    ) -> dict[str, Any]:
        """Return an action as the extension reports it: an item belongs to the first answer that offered its tag."""
        event = self._begin_event(action.kind, action.after, draft, pick)
        if action.kind == "posted":
            return event | {"tags": list(action.tags), "question_id": None, "site": self._site}
        suggestion_id = next(offer.suggestion_id for offer in offers if action.tag in offer.tags)
        event |= {"tag": action.tag, "suggestion_id": str(suggestion_id)}
        return event | ({"position": action.position} if action.kind == "viewed" else {})


def has_device(install_id: UUID) -> bool:
    """Return whether a writer's own device answers: every fourth one's does."""
    return install_id.int % 4 == 0


async def delete_traffic(session: AsyncSession) -> int:
    """Delete all demo traffic; return how many drafts there were."""
    await delete_events(session, select_draft_ids("demo"))
    return await delete_drafts(session, select_draft_ids("demo"))
