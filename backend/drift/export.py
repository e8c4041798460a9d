"""The export for `tagalong-model drift` as JSON lines: figures and tags, no text, no draft and no install.

The first line describes the export; then each day has a line with its counts, and a line for each suggestion. This
is the contract with ``tagalong-model``: see ``model/drift/traffic.py``.
"""

import json
from collections.abc import AsyncIterator, Collection
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.counters.totals import Total
from backend.drafts.tables import OFFERED_NAMES, POSTED_NAMES, Draft, Suggestion
from backend.feedback.tables import Event, Numbered, Refused, WaitingEvent

FORMAT = 1

# The daily totals that are exported beside the suggestions of a day.
TOTALS = {
    "unrecorded": "suggestions unrecorded",
    "without_consent": "suggestions without_consent",
    "unknown_site": "suggestions unknown_site",
    "malformed": "requests malformed",
}


async def export_lines(
    session: AsyncSession, since: date, until: date, kind: str, vocabulary: Collection[str], serving: str | None = None
) -> AsyncIterator[str]:
    """Yield the lines of the export from one day to another, both whole and in UTC.

    Args:
        session: a transaction.
        since: the first day.
        until: the last day.
        kind: of drafts.
        vocabulary: the tags of the model that serves; posted tags that are not among them are unknown.
        serving: the version of that model, which `tagalong-model drift` compares if none is named.
    """
    days = [since + timedelta(days=n) for n in range((until - since).days + 1)]
    yield _line(
        "export",
        format=FORMAT,
        since=since.isoformat(),
        until=until.isoformat(),
        kind=kind,
        exported_at=datetime.now(UTC).isoformat(timespec="seconds"),
        **({"serving": serving} if serving else {}),
    )
    known = frozenset(vocabulary)
    # Day by day, so that no result of the database is large, however long the span.
    for day in days:
        rows = await _list_suggestions(session, day, kind)
        yield _line("day", day=day.isoformat(), **await _count_day(session, day, demo=kind == "demo"))
        for row in rows:
            yield _line("suggestion", day=day.isoformat(), **_suggestion_fields(row, known))


def _line(what: str, **values: Any) -> str:
    return json.dumps({"what": what} | values, ensure_ascii=False, separators=(",", ":")) + "\n"


def _suggestion_fields(row: Any, known: frozenset[str]) -> dict[str, Any]:
    """Return the fields of one suggestion; posted tags are only counted, since they would lead to the question."""
    posted = row.posted_names
    return {
        "judged": row.judged,
        "site": row.site,
        "page": row.page,
        "model_version": row.model_version,
        "title_chars": row.title_chars,
        "body_chars": row.body_chars,
        "chosen": row.chosen,
        "tags": row.tags,
        "scores": [round(score, 4) for score in row.scores],
        "confident": row.confident,
        "posted": None if posted is None else len(posted),
        "right": None if posted is None else [name in posted for name in row.names],
        "unknown": None if posted is None else sum(tag not in known for tag in posted),
    }


async def _list_suggestions(session: AsyncSession, day: date, kind: str) -> list[Any]:
    """Return the suggestions for drafts begun on a day, in an order that does not lead to a draft.

    ``judged`` is one of each draft: its last while no tag was chosen, like the questions that the model is evaluated
    on; if there was none, its last.
    """
    start = datetime.combine(day, time.min, UTC)
    n_chosen = func.cardinality(Suggestion.chosen_tags)
    rank = func.row_number().over(
        partition_by=Suggestion.draft_id,
        order_by=(case((n_chosen == 0, 0), else_=1), Suggestion.created_at.desc(), Suggestion.id),
    )
    statement = (
        select(
            (rank == 1).label("judged"),
            Draft.site,
            Draft.page,
            Suggestion.model_version,
            Suggestion.title_chars,
            Suggestion.body_chars,
            n_chosen.label("chosen"),
            Suggestion.tags,
            OFFERED_NAMES.label("names"),
            Suggestion.scores,
            Suggestion.confident,
            POSTED_NAMES.label("posted_names"),
        )
        .join(Draft, Draft.id == Suggestion.draft_id)
        .where(Draft.kind == kind, Draft.started_at >= start, Draft.started_at < start + timedelta(days=1))
        # Ids are random.
        .order_by(Suggestion.id)
    )
    return list(await session.execute(statement))


async def _count_day(session: AsyncSession, day: date, *, demo: bool) -> dict[str, int]:
    """Count a day's traffic, of all real kinds of drafts or of the demo's: what shows that a day was bad."""
    start = datetime.combine(day, time.min, UTC)
    end = start + timedelta(days=1)

    def count_received(table: type[Numbered]) -> Any:
        is_demo = table.install_id.in_(select(Draft.install_id).where(Draft.kind == "demo"))
        statement = select(func.count()).select_from(table)
        return statement.where(table.received_at >= start, table.received_at < end, is_demo == demo)

    recorded = (
        select(func.count())
        .select_from(Suggestion)
        .join(Draft, Draft.id == Suggestion.draft_id)
        .where(
            (Draft.kind == "demo") == demo,
            Draft.started_at >= start,
            Draft.started_at < end,
            # Beside those that the service could not record.
            Suggestion.origin == "service",
        )
    )
    rows = await session.execute(select(Total.name, Total.n).where(Total.day == day, Total.name.in_(TOTALS.values())))
    totals = {row.name: row.n for row in rows}
    return {
        "recorded": await session.scalar(recorded) or 0,
        "events": sum([await session.scalar(count_received(table)) or 0 for table in (Event, WaitingEvent)]),
        "refused": await session.scalar(count_received(Refused)) or 0,
    } | {name: totals.get(total, 0) for name, total in TOTALS.items()}
