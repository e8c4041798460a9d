"""Statements that compare the tags offered in posted drafts with those posted, by draft and by tag."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Float,
    TableValuedAlias,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal,
    select,
    true,
    union_all,
)

from backend.acceptance.filters import Selection
from backend.acceptance.queries.grouping import (
    DRAFT_KEYS,
    INSTALL_KEYS,
    Grouping,
    Key,
    Rows,
    count_where,
    draft_and_answer_match,
    draft_columns,
    falls_within,
    select_groups,
)
from backend.drafts.tables import OFFERED_NAMES, POSTED_NAMES, Draft, Suggestion
from backend.postgres.base import day_of


def select_posted_drafts(selection: Selection, keys: Grouping = DRAFT_KEYS) -> Rows:
    """Count posted drafts with an answer by ``keys``, and what was offered against what was posted, draft by draft."""
    drafts = count_tags_by_draft(selection)
    offered, posted, matched = drafts.c.offered, drafts.c.posted, drafts.c.matched
    either = offered + posted - matched
    precision, recall = _ratio(matched, offered), _ratio(matched, posted)
    f1, jaccard = _ratio(2 * matched, offered + posted), _ratio(matched, either)
    columns = draft_columns(drafts, drafts.c.posted_at, keys)
    return select(
        *columns,
        func.count().label("posted"),
        _sum_of_counts(offered).label("offered_tags"),
        _sum_of_counts(posted).label("posted_tags"),
        _sum_of_counts(matched).label("matched_tags"),
        _sum_of_counts(posted - matched).label("missed_tags"),
        count_where(offered > 0).label("precision_n"),
        _sum_of_ratios(precision).label("precision_sum"),
        _sum_of_ratios(precision * precision).label("precision_squares"),
        count_where(posted > 0).label("recall_n"),
        _sum_of_ratios(recall).label("recall_sum"),
        _sum_of_ratios(recall * recall).label("recall_squares"),
        count_where(either > 0).label("union_n"),
        _sum_of_ratios(f1).label("f1_sum"),
        _sum_of_ratios(f1 * f1).label("f1_squares"),
        _sum_of_ratios(jaccard).label("jaccard_sum"),
        _sum_of_ratios(jaccard * jaccard).label("jaccard_squares"),
        count_where(and_(either > 0, either == matched)).label("exact"),
        count_where(matched > 0).label("one_found"),
        count_where(and_(posted > 0, posted == matched)).label("all_found"),
    ).group_by(*columns)


def select_posted_tags(groupings: Sequence[Grouping], selection: Selection, vocabulary: Collection[str] = ()) -> Rows:
    """Count, for tags of posted drafts with an answer, the drafts that were offered, posted and missed each.

    The groupings may name the keys of drafts, and ``tag``. With a vocabulary, missed tags that are not in it are
    counted too.
    """
    posted = _select_posted(selection)
    tags = _select_tags(posted)
    missed = and_(tags.c.posted == 1, tags.c.offered == 0)
    columns: dict[Key, ColumnElement[Any]] = {name: posted.c[name] for name in INSTALL_KEYS if name != "day"}
    columns |= {"day": day_of(posted.c.posted_at), "tag": tags.c.tag}
    statement = (
        select_groups(columns, groupings)
        .add_columns(
            count_where(tags.c.offered == 1).label("offered_tags"),
            count_where(tags.c.posted == 1).label("posted_tags"),
            count_where(and_(tags.c.offered == 1, tags.c.posted == 1)).label("matched_tags"),
            count_where(missed).label("missed_tags"),
        )
        .select_from(posted)
        .join(tags, tags.c.draft_id == posted.c.id)
    )
    if not vocabulary:
        return statement
    known = vocabulary_table(vocabulary)
    unknown = count_where(and_(missed, known.c.word.is_(None))).label("unknown_tags")
    return statement.add_columns(unknown).outerjoin(known, known.c.word == tags.c.tag)


def list_posted_tags(selection: Selection) -> Rows:
    """List the tags of posted drafts with an answer: the install, the tag, and whether it was missed, as 0 or 1."""
    posted = _select_posted(selection)
    tags = _select_tags(posted)
    return (
        select(
            posted.c.install_id,
            tags.c.tag,
            tags.c.posted.label("posted_tags"),
            (1 - tags.c.offered).label("missed_tags"),
        )
        .join(tags, tags.c.draft_id == posted.c.id)
        .where(tags.c.posted == 1)
    )


def vocabulary_table(vocabulary: Collection[str]) -> TableValuedAlias:
    """Return the vocabulary as a table: joined, not compared with "<> ALL", which a cached plan does word by word.

    Sent as one text, a word a line, since each element of an array costs the driver more than the word itself.
    """
    lines = bindparam("vocabulary", "\n".join(set(vocabulary)), Text)
    return func.unnest(func.string_to_array(lines, "\n")).table_valued("word", name="words").render_derived()


def _select_posted(selection: Selection) -> CTE:
    """Select posted drafts with an answer, by the moment of posting: one row a draft."""
    has_answer = select(Suggestion.id).where(Suggestion.draft_id == Draft.id).exists()
    return (
        select(
            Draft.id,
            Draft.posted_at,
            Draft.install_id,
            Draft.kind,
            Draft.model_version,
            Draft.site,
            Draft.origin,
            POSTED_NAMES.label("posted_names"),
        )
        .where(falls_within(Draft.posted_at, selection), draft_and_answer_match(selection), has_answer)
        .cte("posted")
    )


def _select_tags(posted: CTE) -> CTE:
    """Select the tags of posted drafts: (draft_id, tag, offered, posted), one row a draft and tag."""
    offered_tag = (
        func.unnest(OFFERED_NAMES[1 : Suggestion.confident]).table_valued("tag", name="offered_tag").render_derived()
    )
    offered = (
        select(
            Suggestion.draft_id,
            offered_tag.c.tag,
            literal(1).label("offered"),
            literal(0).label("posted"),
        )
        .select_from(posted)
        .join(Suggestion, Suggestion.draft_id == posted.c.id)
        .join(offered_tag, true())
    )
    posted_tag = func.unnest(posted.c.posted_names).table_valued("tag", name="posted_tag").render_derived()
    among_posted = (
        select(posted.c.id, posted_tag.c.tag, literal(0), literal(1)).select_from(posted).join(posted_tag, true())
    )
    both = union_all(offered, among_posted).subquery("both")
    return (
        select(
            both.c.draft_id,
            both.c.tag,
            func.max(both.c.offered).label("offered"),
            func.max(both.c.posted).label("posted"),
        )
        .group_by(both.c.draft_id, both.c.tag)
        .cte("posted_tag")
    )


def count_tags_by_draft(selection: Selection) -> CTE:
    """Count the offered, posted and matched tags of each posted draft: one row a draft."""
    posted = _select_posted(selection)
    tags = _select_tags(posted)
    keys = [posted.c.posted_at, *(posted.c[name] for name in INSTALL_KEYS if name != "day")]
    return (
        select(
            *keys,
            func.coalesce(func.sum(tags.c.offered), 0).label("offered"),
            func.coalesce(func.sum(tags.c.posted), 0).label("posted"),
            count_where(and_(tags.c.offered == 1, tags.c.posted == 1)).label("matched"),
        )
        .select_from(posted)
        .outerjoin(tags, tags.c.draft_id == posted.c.id)
        .group_by(posted.c.id, *keys)
        .cte("posted_drafts")
    )


def _ratio(part: ColumnElement[Any], whole: ColumnElement[Any]) -> ColumnElement[float]:
    """Return a ratio; null where the denominator is 0."""
    return cast(part, Float(53)) / func.nullif(whole, 0)


def _sum_of_ratios(ratio: ColumnElement[float]) -> ColumnElement[float]:
    return func.coalesce(func.sum(ratio), 0.0)


def _sum_of_counts(count: ColumnElement[Any]) -> ColumnElement[int]:
    return cast(func.coalesce(func.sum(count), 0), BigInteger)
