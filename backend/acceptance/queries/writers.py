"""Statements that sum a figure over writers, each of whom weighs no more than so many items or drafts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Float, Integer, Select, and_, case, cast, func, literal, or_, select

from backend.acceptance.filters import Selection, Span
from backend.acceptance.queries.grouping import Rows, count_where, draft_and_answer_match, falls_within
from backend.acceptance.queries.posted import count_tags_by_draft
from backend.drafts.tables import POSTED_NAMES, Draft, Suggestion
from backend.feedback.tables import Item
from backend.postgres.base import day_of

SUM_NAMES = ("installs", "n", "hits", "weight", "hit_weight", "squares", "products", "hit_squares")
"""What `select_capped_sums` sums over writers for each span, in this order."""


def select_capped_sums(figure: str, spans: Sequence[Span], max_weight: int, kind: str = "ask") -> Rows:
    """Select the sums of a figure over writers: one row, with the columns of ``SUM_NAMES`` for each span.

    Args:
        figure: the name of one of ``VALUES``.
        spans: may overlap.
        max_weight: the most that one writer weighs.
        kind: of the drafts.
    """
    selection = Selection((Span(min(span.since for span in spans), max(span.until for span in spans)),), kind)  # type: ignore[arg-type]  # one of the kinds
    values = VALUES[figure](selection).subquery("value_of")
    by_writer = (
        select(
            values.c.install_id,
            *(
                func.coalesce(func.sum(values.c[name]).filter(values.c.day.between(span.since, span.until)), 0).label(
                    f"{name}_{number}"
                )
                for number, span in enumerate(spans)
                for name in ("n", "hits")
            ),
        )
        .group_by(values.c.install_id)
        .subquery("by_writer")
    )
    columns: list[ColumnElement[Any]] = []
    for number in range(len(spans)):
        n, hits = (cast(by_writer.c[f"{name}_{number}"], Float(53)) for name in ("n", "hits"))
        weight, own = func.least(n, max_weight), hits / func.nullif(n, 0)
        terms = (n, hits, weight, weight * own, weight * weight, weight * weight * own, weight * weight * own * own)
        columns += [count_where(n > 0), *(func.coalesce(func.sum(term), 0.0) for term in terms)]
    return select(*columns)


def _viewed_items(hit: ColumnElement[bool]) -> Callable[[Selection], Select[Any]]:
    def values(selection: Selection) -> Select[Any]:
        return (
            select(
                Draft.install_id,
                day_of(Item.viewed_at).label("day"),
                literal(1).label("n"),
                cast(hit, Integer).label("hits"),
            )
            .join(Draft, Draft.id == Item.draft_id)
            .where(falls_within(Item.viewed_at, selection), draft_and_answer_match(selection))
        )

    return values


def _posted_items(*hits: ColumnElement[bool]) -> Callable[[Selection], Select[Any]]:
    among_posted = Item.tag == func.any(POSTED_NAMES)

    def values(selection: Selection) -> Select[Any]:
        hit = count_if(among_posted, *hits)
        return (
            select(Draft.install_id, day_of(Draft.posted_at).label("day"), literal(1).label("n"), hit.label("hits"))
            .select_from(Item)
            .join(Draft, Draft.id == Item.draft_id)
            .where(falls_within(Draft.posted_at, selection), draft_and_answer_match(selection))
            .where(Item.viewed_at.is_not(None))
        )

    return values


def _viewed_drafts(selection: Selection) -> Select[Any]:
    """Select drafts by their first view, and whether a chip was accepted in each."""
    lately = select(Item.draft_id).where(falls_within(Item.viewed_at, selection))
    first_view = func.min(Item.viewed_at)
    return (
        select(
            Draft.install_id,
            day_of(first_view).label("day"),
            literal(1).label("n"),
            cast(func.bool_or(Item.accepted_at.is_not(None)), Integer).label("hits"),
        )
        .join(Draft, Draft.id == Item.draft_id)
        .where(Draft.id.in_(lately), Item.viewed_at.is_not(None), draft_and_answer_match(selection))
        .group_by(Draft.id)
        .having(or_(*(and_(first_view >= span.start, first_view < span.end) for span in selection.spans)))
    )


def _answered_drafts(selection: Selection) -> Select[Any]:
    """Select drafts with an answer by their start, and whether one offered a tag."""
    return (
        select(
            Draft.install_id,
            day_of(Draft.started_at).label("day"),
            literal(1).label("n"),
            cast(func.bool_or(Suggestion.confident > 0), Integer).label("hits"),
        )
        .join(Suggestion, Suggestion.draft_id == Draft.id)
        .where(falls_within(Draft.started_at, selection), draft_and_answer_match(selection))
        .group_by(Draft.id)
    )


def _posted_drafts(
    value: Callable[[ColumnElement[Any], ColumnElement[Any], ColumnElement[Any]], Sequence[ColumnElement[Any]]],
) -> Callable[[Selection], Select[Any]]:
    """Return the statement of a figure of posted drafts; ``value`` makes n and hits of tags offered, posted, both."""

    def values(selection: Selection) -> Select[Any]:
        drafts = count_tags_by_draft(selection)
        n, hits = value(*(cast(drafts.c[name], Float(53)) for name in ("offered", "posted", "matched")))
        day = day_of(drafts.c.posted_at).label("day")
        return select(drafts.c.install_id, day, n.label("n"), func.coalesce(hits, 0.0).label("hits"))

    return values


def count_if(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    """Return 1 where all conditions hold, else 0."""
    return case((and_(*conditions), 1), else_=0)


VALUES: Mapping[str, Callable[[Selection], Select[Any]]] = {
    "acceptance": _viewed_items(Item.accepted_at.is_not(None)),
    "dismissal": _viewed_items(Item.dismissed_at.is_not(None) & Item.accepted_at.is_(None)),
    "kept": _posted_items(Item.accepted_at.is_not(None)),
    "agreement": _posted_items(),
    "help": _viewed_drafts,
    "coverage": _answered_drafts,
    "precision": _posted_drafts(lambda ours, theirs, both: (count_if(ours > 0), both / func.nullif(ours, 0))),
    "recall": _posted_drafts(lambda ours, theirs, both: (count_if(theirs > 0), both / func.nullif(theirs, 0))),
    "f1": _posted_drafts(
        lambda ours, theirs, both: (count_if(ours + theirs > 0), 2 * both / func.nullif(ours + theirs, 0))
    ),
    "jaccard": _posted_drafts(
        lambda ours, theirs, both: (count_if(ours + theirs > 0), both / func.nullif(ours + theirs - both, 0))
    ),
    "exact": _posted_drafts(
        lambda ours, theirs, both: (count_if(ours + theirs > 0), count_if(both > 0, ours == both, theirs == both))
    ),
    "one_found": _posted_drafts(lambda ours, theirs, both: (count_if(theirs > 0), count_if(both > 0))),
    "all_found": _posted_drafts(lambda ours, theirs, both: (count_if(theirs > 0), count_if(both > 0, theirs == both))),
    "missed": _posted_drafts(lambda ours, theirs, both: (theirs, theirs - both)),
}
"""By figure: selects the writer, the day, n and the hits of each item or draft. `unknown` needs a vocabulary."""
