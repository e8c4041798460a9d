"""Statements about the last drafts in which something happened, or did not; and about chips dismissed of late."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Float, Integer, and_, case, cast, distinct, exists, func, or_, select

from backend.acceptance.filters import Span
from backend.acceptance.queries.grouping import Rows, count_where
from backend.drafts.tables import Draft, Suggestion
from backend.feedback.tables import Item
from backend.postgres.base import day_of

Outcome = Literal["offered", "viewed", "accepted"]
"""What can happen in a draft: a tag is offered in an answer, viewed, accepted; each needs the one before."""

TRIALS: dict[Outcome, str] = {"offered": "answered", "viewed": "offered", "accepted": "viewed"}
"""In which drafts it can happen."""

_HAPPENED: dict[str, ColumnElement[bool]] = {
    "answered": exists().where(Suggestion.draft_id == Draft.id),
    "offered": exists().where(Suggestion.draft_id == Draft.id, Suggestion.confident > 0),
    "viewed": exists().where(Item.draft_id == Draft.id, Item.viewed_at.is_not(None)),
    "accepted": exists().where(Item.draft_id == Draft.id, Item.accepted_at.is_not(None)),
}


def select_usual_shares(span: Span, *, by_page: bool) -> Rows:
    """Select how often each outcome was missing, by page of the drafts: (page, then of each outcome two numbers).

    Of each outcome: on how many days of writers it could happen, and the share of drafts without it, summed over these.
    Without ``by_page`` the page is null.
    """
    page = Draft.page if by_page else cast(None, Draft.page.type)
    drafts = (
        select(
            Draft.install_id,
            day_of(Draft.started_at).label("day"),
            page.label("page"),
            *(cast(condition, Integer).label(name) for name, condition in _HAPPENED.items()),
        )
        .where(Draft.kind == "ask", Draft.started_at >= span.start, Draft.started_at < span.end)
        .subquery()
    )
    days = (
        select(
            drafts.c.page,
            *(
                column
                for outcome, trial in TRIALS.items()
                for column in (
                    func.sum(drafts.c[trial]).label(f"{outcome}_n"),
                    func.sum(drafts.c[trial] * (1 - drafts.c[outcome])).label(f"{outcome}_missing"),
                )
            ),
        )
        .group_by(drafts.c.install_id, drafts.c.day, drafts.c.page)
        .subquery()
    )
    columns: list[ColumnElement[Any]] = []
    for outcome in TRIALS:
        n = days.c[f"{outcome}_n"]
        share = cast(days.c[f"{outcome}_missing"], Float(53)) / func.nullif(n, 0)
        columns += [count_where(n > 0), func.coalesce(func.sum(share), 0.0)]
    return select(days.c.page, *columns).group_by(days.c.page)


def select_last(outcome: Outcome, since: datetime, now: datetime, page: str | None) -> Rows:
    """Select the last moment from ``since`` on when a draft was begun, or a chip first seen, with an outcome."""
    if outcome == "accepted":
        statement = (
            select(Item.viewed_at)
            .join(Draft, Draft.id == Item.draft_id)
            .where(Item.viewed_at > since, Item.viewed_at <= now, Item.accepted_at.is_not(None))
            .order_by(Item.viewed_at.desc())
        )
    else:
        statement = (
            select(Draft.started_at)
            .where(Draft.started_at > since, Draft.started_at <= now, _HAPPENED[outcome])
            .order_by(Draft.started_at.desc())
        )
    return statement.where(*_asked_on(page)).limit(1)


def select_run(outcome: Outcome, since: datetime, until: datetime, page: str | None) -> Rows:
    """Count the writers in whose drafts an outcome could have happened after ``since`` and up to ``until``."""
    statement = select(func.count(distinct(Draft.install_id))).where(*_asked_on(page))
    if outcome == "accepted":
        return (
            statement.select_from(Item)
            .join(Draft, Draft.id == Item.draft_id)
            .where(Item.viewed_at > since, Item.viewed_at <= until)
        )
    return statement.where(Draft.started_at > since, Draft.started_at <= until, _HAPPENED[TRIALS[outcome]])


def _asked_on(page: str | None) -> Sequence[ColumnElement[bool]]:
    return [Draft.kind == "ask", *([] if page is None else [Draft.page == page])]


def select_first_and_last_draft(now: datetime, page: str | None) -> Rows:
    """Select when the first and the last question up to ``now`` were begun."""
    return select(func.min(Draft.started_at), func.max(Draft.started_at)).where(
        *_asked_on(page), Draft.started_at <= now
    )


def select_writers_between(spans: Sequence[tuple[datetime, datetime]], page: str | None) -> Rows:
    """Count the writers who began a question in each span of time: one row, a column for each span."""
    conditions = [and_(Draft.started_at > since, Draft.started_at <= until) for since, until in spans]
    counts = [func.count(distinct(case((condition, Draft.install_id)))) for condition in conditions]
    return select(*counts).where(*_asked_on(page), or_(*conditions))


def select_dismissals(since: datetime, until: datetime, longest_draft: timedelta) -> Rows:
    """Select the chips of questions that writers dismissed for good, in the order of the writers' own time."""
    return (
        select(Item.tag, Item.dismissed_at, Item.draft_id, Draft.install_id)
        .join(Draft, Draft.id == Item.draft_id)
        .where(Item.viewed_at > since - longest_draft, Item.dismissed_at > since, Item.dismissed_at <= until)
        .where(Item.accepted_at.is_(None), Draft.kind == "ask")
        .order_by(Item.dismissed_at, Item.draft_id, Item.tag)
    )


def select_drafts_with_dismissals(since: date, until: date, tag: str | None) -> Rows:
    """Count the questions in which chips first seen on some days were dismissed: all, or one tag's."""
    span = Span(since, until)
    statement = (
        select(func.count(distinct(Item.draft_id)))
        .join(Draft, Draft.id == Item.draft_id)
        .where(Item.viewed_at >= span.start, Item.viewed_at < span.end, Item.dismissed_at.is_not(None))
        .where(Item.accepted_at.is_(None), Draft.kind == "ask")
    )
    return statement if tag is None else statement.where(Item.tag == tag)
