"""What the statements have in common: the keys that rows are grouped by, and the conditions of a selection."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, true, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from backend.acceptance.filters import Arm, Selection
from backend.deployments.tables import Assignment
from backend.drafts.tables import Draft, Suggestion
from backend.postgres.base import day_of

Key = Literal[
    "day", "kind", "model_version", "site", "origin", "install_id", "position", "order", "tag", "length", "score"
]
"""What items can be grouped by; drafts are grouped by ``DRAFT_KEYS``, or by ``INSTALL_KEYS``."""

Grouping = tuple[Key, ...]
"""The keys that rows are grouped by."""

DRAFT_KEYS: Grouping = ("day", "kind", "model_version", "site", "origin")
INSTALL_KEYS: Grouping = (*DRAFT_KEYS, "install_id")

ITEM_OPEN = timedelta(minutes=30)
"""How long after its first view an item, or whether a draft was helped, may still change."""

DRAFT_OPEN = timedelta(hours=24)
"""How long after its start a draft may still be posted."""

Rows = Select[*tuple[Any, ...]]


def falls_within(moment: ColumnElement[Any] | InstrumentedAttribute[Any], selection: Selection) -> ColumnElement[bool]:
    """Return whether a moment falls within the selected days; written so that an index on the column serves."""
    return or_(*(and_(moment >= span.start, moment < span.end) for span in selection.spans))


def draft_matches(selection: Selection) -> ColumnElement[bool]:
    """Return whether a draft is of the selected kind, site and arm."""
    conditions: list[ColumnElement[bool]] = [] if selection.kind is None else [Draft.kind == selection.kind]
    if selection.site is not None:
        conditions.append(Draft.site == selection.site)
    if selection.arm is not None:
        conditions.append(draft_is_in_arm(selection.arm))
    return and_(true(), *conditions)


def draft_is_in_arm(arm: Arm) -> ColumnElement[bool]:
    """Return whether a draft took part in an experiment in this arm; not if its install was moved out before it."""
    return exists().where(
        Assignment.deployment_id == Draft.deployment_id,
        Assignment.install_id == Draft.install_id,
        Assignment.arm == arm,
        or_(Assignment.moved_at.is_(None), Draft.started_at < Assignment.moved_at),
    )


def draft_and_answer_match(selection: Selection) -> ColumnElement[bool]:
    """Return whether a draft is of the selected kind, site and arm, and its first answer of the version and origin."""
    return and_(draft_matches(selection), *answer_conditions(Draft, selection))


def answer_conditions(answer: type[Draft] | type[Suggestion], selection: Selection) -> list[ColumnElement[bool]]:
    """Return what selects answers by their model version and origin: drafts by their first, or suggestions."""
    conditions = []
    if selection.model_version is not None:
        conditions.append(answer.model_version == selection.model_version)
    if selection.origin is not None:
        conditions.append(answer.origin == selection.origin)
    return conditions


def count_where(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Count the rows of a group that meet a condition."""
    return func.count().filter(condition)


def draft_columns(table: Any, moment: ColumnElement[Any], keys: Grouping) -> list[ColumnElement[Any]]:
    """Return the labelled key columns of drafts: the day of ``moment``, then the other keys."""
    columns = [table.c[name].label(name) for name in keys if name != "day"]
    return [day_of(moment).label("day"), *columns]


def union_of_keys(groupings: Sequence[Grouping]) -> Grouping:
    """Return the keys of several groupings, each once, in order of appearance."""
    return tuple(dict.fromkeys(key for grouping in groupings for key in grouping))


def grouping_number(grouping: Grouping, groupings: Sequence[Grouping]) -> int:
    """Return PostgreSQL's ``GROUPING()`` of one grouping among several: a bit is set for each key not in it."""
    return int("".join("0" if key in grouping else "1" for key in union_of_keys(groupings)), 2)


def select_groups(columns: Mapping[Key, ColumnElement[Any]], groupings: Sequence[Grouping]) -> Rows:
    """Select the keys of several groupings in one pass over the rows; the caller adds the counts.

    With more than one grouping the first column, ``grouping``, is the number of the one that a row belongs to (see
    `grouping_number`), and keys that are not in that grouping are null.
    """
    names = union_of_keys(groupings)
    keys = [columns[name] for name in names]
    labelled = [columns[name].label(name) for name in names]
    if len(groupings) == 1:
        return select(*labelled).group_by(*keys)
    sets = [tuple_(*(columns[name] for name in grouping)) for grouping in groupings]
    return select(func.grouping(*keys).label("grouping"), *labelled).group_by(func.grouping_sets(*sets))
