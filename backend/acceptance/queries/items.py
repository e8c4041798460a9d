"""Statements that count items."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Float, Integer, Numeric, Subquery, and_, cast, func, literal, select
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import InstrumentedAttribute

from backend.acceptance.filters import Selection
from backend.acceptance.queries.grouping import (
    ITEM_OPEN,
    Grouping,
    Key,
    Rows,
    answer_conditions,
    count_where,
    draft_matches,
    falls_within,
    select_groups,
    union_of_keys,
)
from backend.drafts.tables import POSTED_NAMES, Draft, Suggestion
from backend.feedback.tables import Item
from backend.postgres.base import day_of

LENGTH_BANDS = (1, 250, 1_000, 3_000)
"""Where the bands of a body's length begin, in characters; before the first there is no body."""

SCORE_BANDS = 10
"""Number of bands of equal width that scores 0..1 are put into."""


def select_viewed_items(groupings: Sequence[Grouping], selection: Selection, now: datetime) -> Rows:
    """Count items by their first view: viewed, accepted, dismissed, open."""
    items = _select_items(groupings, Item.viewed_at, selection)
    return _count_items(
        items,
        groupings,
        func.count().label("viewed"),
        count_where(items.c.accepted_at.is_not(None)).label("accepted"),
        count_where(and_(items.c.dismissed_at.is_not(None), items.c.accepted_at.is_(None))).label("dismissed"),
        count_where(items.c.viewed_at > now - ITEM_OPEN).label("open_items"),
        func.sum(cast(items.c.score, Float(53))).label("score_sum"),
    )


def select_posted_items(groupings: Sequence[Grouping], selection: Selection) -> Rows:
    """Count viewed items of posted drafts by the moment of posting: all, kept, agreed."""
    items = _select_items(groupings, Draft.posted_at, selection)
    return _count_items(
        items,
        groupings,
        func.count().label("posted_viewed"),
        count_where(and_(items.c.accepted_at.is_not(None), items.c.among_posted)).label("kept"),
        count_where(items.c.among_posted).label("agreed"),
    ).where(items.c.viewed_at.is_not(None))


ITEM_KEYS: tuple[Key, ...] = ("install_id", "tag", "position", "order", "length", "score")
"""What single items are listed with, to tell what each writer did of each tag, position and so on."""


def list_viewed_items(selection: Selection) -> Rows:
    """List items by their first view: their keys, and whether each was accepted and dismissed, as 0 or 1."""
    items = _select_items([ITEM_KEYS], Item.viewed_at, selection)
    accepted = items.c.accepted_at.is_not(None)
    return select(
        *(items.c[f"by_{key}"].label(key) for key in ITEM_KEYS),
        literal(1).label("viewed"),
        cast(accepted, Integer).label("accepted"),
        cast(and_(items.c.dismissed_at.is_not(None), ~accepted), Integer).label("dismissed"),
    )


def list_posted_items(selection: Selection) -> Rows:
    """List viewed items of posted drafts by the moment of posting: their keys, and whether each was kept and agreed."""
    items = _select_items([ITEM_KEYS], Draft.posted_at, selection)
    return select(
        *(items.c[f"by_{key}"].label(key) for key in ITEM_KEYS),
        literal(1).label("posted_viewed"),
        cast(and_(items.c.accepted_at.is_not(None), items.c.among_posted), Integer).label("kept"),
        cast(items.c.among_posted, Integer).label("agreed"),
    ).where(items.c.viewed_at.is_not(None))


def select_impossible_items(grouping: Grouping, selection: Selection) -> Rows:
    """Count items, by the start of their draft, whose order of events no writer can produce."""
    items = _select_items([grouping], Draft.started_at, selection)
    return _count_items(items, [grouping], func.count().label("impossible")).where(items.c.impossible)


def _select_items(
    groupings: Sequence[Grouping], moment: ColumnElement[Any] | InstrumentedAttribute[Any], selection: Selection
) -> Subquery:
    """Select the items whose ``moment`` falls within the spans: their keys, as ``by_…``, and what is counted."""
    columns: dict[Key, ColumnElement[Any] | InstrumentedAttribute[Any]] = {
        "day": day_of(moment),
        "kind": Draft.kind,
        "model_version": Suggestion.model_version,
        "site": Draft.site,
        "origin": Suggestion.origin,
        "install_id": Draft.install_id,
        "position": Item.position,
        "order": Suggestion.order,
        "tag": Item.tag,
        "length": func.width_bucket(Suggestion.body_chars, array(LENGTH_BANDS)),
        # As a decimal number: .7 is not quite .7 in binary, and would fall into the band below.
        "score": func.least(cast(func.floor(cast(Item.score, Numeric) * SCORE_BANDS), Integer), SCORE_BANDS - 1),
    }
    keys = union_of_keys(groupings)
    statement = (
        select(
            *(columns[name].label(f"by_{name}") for name in keys),
            Item.viewed_at,
            Item.accepted_at,
            Item.dismissed_at,
            Item.impossible,
            Item.score,
            (Item.tag == func.any(POSTED_NAMES)).label("among_posted"),
        )
        .select_from(Item)
        .join(Draft, Draft.id == Item.draft_id)
        .where(falls_within(moment, selection), draft_matches(selection))
    )
    # The largest join of all: only where a key or a filter is a property of the item's suggestion.
    conditions = answer_conditions(Suggestion, selection)
    if conditions or not {"model_version", "origin", "length", "order"}.isdisjoint(keys):
        statement = statement.join(Suggestion, Suggestion.id == Item.suggestion_id).where(*conditions)
    return statement.subquery("items")


def _count_items(items: Subquery, groupings: Sequence[Grouping], *counts: ColumnElement[Any]) -> Rows:
    columns = {name: items.c[f"by_{name}"] for name in union_of_keys(groupings)}
    return select_groups(columns, groupings).add_columns(*counts)
