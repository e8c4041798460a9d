"""Statements that count drafts; see `backend.acceptance.queries.posted` for those that were posted."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute

from backend.acceptance.filters import Selection
from backend.acceptance.queries.grouping import (
    DRAFT_KEYS,
    DRAFT_OPEN,
    INSTALL_KEYS,
    ITEM_OPEN,
    Grouping,
    Rows,
    count_where,
    draft_and_answer_match,
    draft_columns,
    falls_within,
)
from backend.drafts.tables import Draft, Suggestion
from backend.feedback.tables import Item
from backend.postgres.base import day_of


def select_viewed_drafts(selection: Selection, now: datetime, keys: Grouping = DRAFT_KEYS) -> Rows:
    """Count drafts by their first view, and by ``keys``: all, with an accepted item, open."""
    seen = (
        select(Item.draft_id, Draft.install_id, Draft.kind, Draft.model_version, Draft.site, Draft.origin)
        .join(Draft, Draft.id == Item.draft_id)
        .where(falls_within(Item.viewed_at, selection), draft_and_answer_match(selection))
        .distinct()
        .cte("seen")
    )
    # Over all the draft's items: one viewed before the span takes the draft out of it, and one viewed after
    # the span may be the one that was accepted. Draft by draft: of days among years, a join would read all items.
    life = (
        select(
            func.min(Item.viewed_at).label("first_view"),
            func.bool_or(Item.accepted_at.is_not(None)).label("helped"),
        )
        .where(Item.draft_id == seen.c.draft_id, Item.viewed_at.is_not(None))
        .lateral("life")
    )
    drafts = (
        select(*(seen.c[name] for name in INSTALL_KEYS if name != "day"), life.c.first_view, life.c.helped)
        .select_from(seen)
        .join(life, falls_within(life.c.first_view, selection))
        .cte("seen_drafts")
    )
    columns = draft_columns(drafts, drafts.c.first_view, keys)
    return select(
        *columns,
        func.count().label("viewed_drafts"),
        count_where(drafts.c.helped).label("helped_drafts"),
        count_where(drafts.c.first_view > now - ITEM_OPEN).label("open_viewed_drafts"),
    ).group_by(*columns)


def select_answered_drafts(selection: Selection, keys: Grouping = DRAFT_KEYS) -> Rows:
    """Count drafts with an answer by their start, and by ``keys``: all, with an offered tag."""
    drafts = (
        select(
            Draft.started_at,
            Draft.install_id,
            Draft.kind,
            Draft.model_version,
            Draft.site,
            Draft.origin,
            func.bool_or(Suggestion.confident > 0).label("covered"),
        )
        .join(Suggestion, Suggestion.draft_id == Draft.id)
        .where(falls_within(Draft.started_at, selection), draft_and_answer_match(selection))
        .group_by(Draft.id)
        .cte("answered_drafts")
    )
    columns = draft_columns(drafts, drafts.c.started_at, keys)
    return select(
        *columns,
        func.count().label("answered"),
        count_where(drafts.c.covered).label("covered"),
    ).group_by(*columns)


def select_open_drafts(selection: Selection, now: datetime) -> Rows:
    """Count answered drafts that may still be posted, by their start, whichever days are selected."""
    has_answer = select(Suggestion.id).where(Suggestion.draft_id == Draft.id).exists()
    keys = [
        day_of(Draft.started_at).label("day"),
        Draft.model_version.label("model_version"),
        Draft.site.label("site"),
        Draft.origin.label("origin"),
    ]
    return (
        select(*keys, func.count().label("open_answered"))
        .where(
            Draft.posted_at.is_(None),
            Draft.started_at > now - DRAFT_OPEN,
            has_answer,
            draft_and_answer_match(selection),
        )
        .group_by(*keys)
    )


def select_distinct_values(column: InstrumentedAttribute[str]) -> Rows:
    """Select the distinct values of an indexed column by a loose index scan, hopping from one value to the next.

    Where few values repeat in many rows, this reads a few pages of the index, and DISTINCT would read all
    rows. Source: "Loose indexscan" in the PostgreSQL wiki.
    """
    hops = select(func.min(column).label("value")).cte("found", recursive=True)
    following = select(func.min(column)).where(column > hops.c.value).scalar_subquery()
    hops = hops.union_all(select(following).where(hops.c.value.is_not(None)))
    return select(hops.c.value).where(hops.c.value.is_not(None))
