"""Every query of the rates, each one pass over the items or drafts of the span, grouped in the database.

A statement yields rows whose column names are fields of ``Counts``, plus the keys that it is grouped by: day,
model version, position or tag. What the words mean is said once, here:

* viewed item: ``viewed_at`` is set. Only viewed items count; one that was accepted and never viewed is a
  fault of bookkeeping.
* accepted: ``accepted_at`` is set. Dismissed: ``dismissed_at`` is set and ``accepted_at`` is not.
* offered in a draft: among the first ``confident`` tags of any of its suggestions.
* answered draft: it has a suggestion. Posted draft: ``posted_at`` is set.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    Date,
    Float,
    Integer,
    Numeric,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    not_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import InstrumentedAttribute

from backend.acceptance.filters import Filters
from backend.feedback.tables import Event, Item, Refused
from backend.suggestions.tables import Draft, Suggestion
from backend.totals import Total

Key = Literal["day", "model_version", "site", "position", "tag", "length", "score"]
"""What items can be grouped by; drafts always are by day, model version and site."""

LENGTHS = (1, 250, 1_000, 3_000)
"""Where the bands of a body's length begin, in characters; before the first there is no body."""

SCORE_BANDS = 10
"""Bands of equal width that scores 0..1 are put into."""

ITEM_OPEN = timedelta(minutes=30)
"""How long after its first view an item or a draft's help may still change."""

DRAFT_OPEN = timedelta(hours=24)
"""How long after its start a draft may still be posted."""

Rows = Select[*tuple[Any, ...]]


def day_of(moment: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """The day in UTC of a moment, whatever the session's time zone."""
    return cast(func.timezone("UTC", moment), Date)


def within(moment: ColumnElement[Any] | InstrumentedAttribute[Any], filters: Filters) -> ColumnElement[bool]:
    """Whether a moment belongs to the span; written so that an index on the column serves."""
    return and_(moment >= filters.start, moment < filters.end)


def of_draft(filters: Filters) -> ColumnElement[bool]:
    """Whether a draft is of the kind and site asked for."""
    asked = Draft.kind == filters.kind
    return asked if filters.site is None else and_(asked, Draft.site == filters.site)


def of_draft_and_model(filters: Filters) -> ColumnElement[bool]:
    """Whether a draft is of the kind, site and model version asked for."""
    asked = of_draft(filters)
    if filters.model_version is None:
        return asked
    return and_(asked, Draft.model_version == filters.model_version)


def number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """How many rows of the group meet a condition."""
    return func.count().filter(condition)


def _items(by: Sequence[Key], moment: ColumnElement[Any] | InstrumentedAttribute[Any], filters: Filters) -> Rows:
    """Viewed items whose ``moment`` lies in the span, grouped: the keys only, counts to be added."""
    columns: dict[Key, ColumnElement[Any] | InstrumentedAttribute[Any]] = {
        "day": day_of(moment),
        "model_version": Suggestion.model_version,
        "site": Draft.site,
        "position": Item.position,
        "tag": Item.tag,
        "length": func.width_bucket(Suggestion.body_chars, array(LENGTHS)),
        # As a decimal number: .7 is not quite .7 in binary, and would fall into the band below.
        "score": func.least(cast(func.floor(cast(Item.score, Numeric) * SCORE_BANDS), Integer), SCORE_BANDS - 1),
    }
    keys = [columns[name].label(name) for name in by]
    statement = (
        select(*keys)
        .select_from(Item)
        .join(Draft, Draft.id == Item.draft_id)
        .where(Item.viewed_at.is_not(None), within(moment, filters), of_draft(filters))
        .group_by(*keys)
    )
    # The largest join of all: only where it is asked what the item's answer was like.
    if {"model_version", "length"} & {*by} or filters.model_version is not None:
        statement = statement.join(Suggestion, Suggestion.id == Item.suggestion_id)
    if filters.model_version is not None:
        statement = statement.where(Suggestion.model_version == filters.model_version)
    return statement


def viewed_items(by: Sequence[Key], filters: Filters, now: datetime) -> Rows:
    """Items by their first view: viewed, accepted, dismissed, open."""
    return _items(by, Item.viewed_at, filters).add_columns(
        func.count().label("viewed"),
        number(Item.accepted_at.is_not(None)).label("accepted"),
        number(and_(Item.dismissed_at.is_not(None), Item.accepted_at.is_(None))).label("dismissed"),
        number(Item.viewed_at > now - ITEM_OPEN).label("open_items"),
        func.sum(cast(Item.score, Float(53))).label("score_sum"),
    )


def posted_items(by: Sequence[Key], filters: Filters) -> Rows:
    """Viewed items of posted drafts by the moment of posting: all, kept, agreed."""
    among_posted = Item.tag == func.any(Draft.posted_tags)
    return _items(by, Draft.posted_at, filters).add_columns(
        func.count().label("posted_viewed"),
        number(and_(Item.accepted_at.is_not(None), among_posted)).label("kept"),
        number(among_posted).label("agreed"),
    )


def _draft_keys(drafts: CTE, moment: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    return [day_of(moment).label("day"), drafts.c.model_version.label("model_version"), drafts.c.site.label("site")]


def viewed_drafts(filters: Filters, now: datetime) -> Rows:
    """Drafts by their first view: all, with an accepted item, open."""
    seen = (
        select(Item.draft_id, Draft.model_version, Draft.site)
        .join(Draft, Draft.id == Item.draft_id)
        .where(within(Item.viewed_at, filters), of_draft_and_model(filters))
        .distinct()
        .cte("seen")
    )
    # Over all the draft's items: one viewed before the span takes the draft out of it, and one viewed after
    # the span may be the one that was accepted.
    drafts = (
        select(
            seen.c.model_version,
            seen.c.site,
            func.min(Item.viewed_at).label("first_view"),
            func.bool_or(Item.accepted_at.is_not(None)).label("helped"),
        )
        .join(Item, Item.draft_id == seen.c.draft_id)
        .where(Item.viewed_at.is_not(None))
        .group_by(seen.c.draft_id, seen.c.model_version, seen.c.site)
        .having(func.min(Item.viewed_at) >= filters.start)
        .cte("drafts")
    )
    keys = _draft_keys(drafts, drafts.c.first_view)
    return select(
        *keys,
        func.count().label("viewed_drafts"),
        number(drafts.c.helped).label("helped_drafts"),
        number(drafts.c.first_view > now - ITEM_OPEN).label("open_viewed_drafts"),
    ).group_by(*keys)


def answered_drafts(filters: Filters, now: datetime) -> Rows:
    """Drafts with an answer by their start: all, with an offered tag, open."""
    drafts = (
        select(
            Draft.started_at,
            Draft.posted_at,
            Draft.model_version,
            Draft.site,
            func.bool_or(Suggestion.confident > 0).label("covered"),
        )
        .join(Suggestion, Suggestion.draft_id == Draft.id)
        .where(within(Draft.started_at, filters), of_draft_and_model(filters))
        .group_by(Draft.id)
        .cte("drafts")
    )
    keys = _draft_keys(drafts, drafts.c.started_at)
    unposted = and_(drafts.c.posted_at.is_(None), drafts.c.started_at > now - DRAFT_OPEN)
    return select(
        *keys,
        func.count().label("answered"),
        number(drafts.c.covered).label("covered"),
        number(unposted).label("open_answered"),
    ).group_by(*keys)


def open_drafts(filters: Filters, now: datetime) -> Rows:
    """Answered drafts that may still be posted. They have no day of posting yet: it can only be today."""
    has_answer = select(Suggestion.id).where(Suggestion.draft_id == Draft.id).exists()
    return (
        select(
            literal(now.astimezone(UTC).date(), Date).label("day"),
            Draft.model_version.label("model_version"),
            Draft.site.label("site"),
            func.count().label("open_drafts"),
        )
        .where(
            Draft.posted_at.is_(None),
            Draft.started_at > now - DRAFT_OPEN,
            has_answer,
            of_draft_and_model(filters),
            within(literal(now), filters),
        )
        .group_by(Draft.model_version, Draft.site)
    )


def _posted(filters: Filters) -> CTE:
    """Posted drafts with an answer, by the moment of posting: one row a draft."""
    has_answer = select(Suggestion.id).where(Suggestion.draft_id == Draft.id).exists()
    return (
        select(Draft.id, Draft.posted_at, Draft.model_version, Draft.site, Draft.posted_tags)
        .where(within(Draft.posted_at, filters), of_draft_and_model(filters), has_answer)
        .cte("posted")
    )


def _tags_of(posted: CTE, vocabulary: Collection[str]) -> CTE:
    """The tags of posted drafts: (draft_id, tag, offered, posted, unknown), one row a draft and tag."""
    offered_tag = (
        func.unnest(Suggestion.tags[1 : Suggestion.confident]).table_valued("tag", name="offered_tag").render_derived()
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
    posted_tag = func.unnest(posted.c.posted_tags).table_valued("tag", name="posted_tag").render_derived()
    chosen = select(posted.c.id, posted_tag.c.tag, literal(0), literal(1)).select_from(posted).join(posted_tag, true())
    both = union_all(offered, chosen).subquery("both")
    tags = (
        select(
            both.c.draft_id,
            both.c.tag,
            func.max(both.c.offered).label("offered"),
            func.max(both.c.posted).label("posted"),
        )
        .group_by(both.c.draft_id, both.c.tag)
        .subquery("tags")
    )
    # Joined, not compared with "<> ALL", which a cached plan would do word by word.
    words = (
        func.unnest(bindparam("vocabulary", sorted(set(vocabulary)), ARRAY(Text)))
        .table_valued("word", name="words")
        .render_derived()
    )
    return (
        select(tags, case((words.c.word.is_(None), 1), else_=0).label("unknown"))
        .select_from(tags)
        .outerjoin(words, words.c.word == tags.c.tag)
        .cte("posted_tag")
    )


def posted_drafts(filters: Filters, vocabulary: Collection[str]) -> Rows:
    """Posted drafts with an answer: what was offered against what was posted, draft by draft.

    If ``vocabulary`` is empty, nothing can be called unknown.
    """
    posted = _posted(filters)
    tags = _tags_of(posted, vocabulary)

    drafts = (
        select(
            posted.c.posted_at,
            posted.c.model_version,
            posted.c.site,
            func.coalesce(func.sum(tags.c.offered), 0).label("offered"),
            func.coalesce(func.sum(tags.c.posted), 0).label("posted"),
            number(and_(tags.c.offered == 1, tags.c.posted == 1)).label("matched"),
            number(and_(tags.c.offered == 0, tags.c.unknown == 1)).label("unknown"),
        )
        .select_from(posted)
        .outerjoin(tags, tags.c.draft_id == posted.c.id)
        .group_by(posted.c.id, posted.c.posted_at, posted.c.model_version, posted.c.site)
        .cte("drafts")
    )
    offered, asked, matched = drafts.c.offered, drafts.c.posted, drafts.c.matched
    either = offered + asked - matched

    def share(part: ColumnElement[Any], whole: ColumnElement[Any]) -> ColumnElement[float]:
        return cast(part, Float(53)) / func.nullif(whole, 0)

    precision, recall = share(matched, offered), share(matched, asked)
    f1, jaccard = share(2 * matched, offered + asked), share(matched, either)
    missed = func.sum(asked - matched)

    def added(value: ColumnElement[float]) -> ColumnElement[float]:
        return func.coalesce(func.sum(value), 0.0)

    def whole(value: ColumnElement[Any]) -> ColumnElement[int]:
        return cast(func.coalesce(func.sum(value), 0), BigInteger)

    keys = _draft_keys(drafts, drafts.c.posted_at)
    return select(
        *keys,
        func.count().label("posted"),
        whole(offered).label("offered_tags"),
        whole(asked).label("posted_tags"),
        whole(matched).label("matched_tags"),
        cast(missed, BigInteger).label("missed_tags"),
        *(
            (whole(drafts.c.unknown).label("unknown_tags"), cast(missed, BigInteger).label("judged_tags"))
            if vocabulary
            else ()
        ),
        number(offered > 0).label("precision_n"),
        added(precision).label("precision_sum"),
        added(precision * precision).label("precision_squares"),
        number(asked > 0).label("recall_n"),
        added(recall).label("recall_sum"),
        added(recall * recall).label("recall_squares"),
        number(either > 0).label("union_n"),
        added(f1).label("f1_sum"),
        added(f1 * f1).label("f1_squares"),
        added(jaccard).label("jaccard_sum"),
        added(jaccard * jaccard).label("jaccard_squares"),
        number(and_(either > 0, either == matched)).label("exact"),
        number(matched > 0).label("one_found"),
        number(and_(asked > 0, asked == matched)).label("all_found"),
    ).group_by(*keys)


def posted_tags(filters: Filters, vocabulary: Collection[str]) -> Rows:
    """Tags of posted drafts with an answer, by tag: drafts that were offered it, posted it, missed it."""
    tags = _tags_of(_posted(filters), vocabulary)
    missed = and_(tags.c.posted == 1, tags.c.offered == 0)
    return select(
        tags.c.tag,
        number(tags.c.offered == 1).label("offered_tags"),
        number(tags.c.posted == 1).label("posted_tags"),
        number(and_(tags.c.offered == 1, tags.c.posted == 1)).label("matched_tags"),
        number(missed).label("missed_tags"),
        *(
            (
                number(and_(missed, tags.c.unknown == 1)).label("unknown_tags"),
                number(missed).label("judged_tags"),
            )
            if vocabulary
            else ()
        ),
    ).group_by(tags.c.tag)


def latencies(filters: Filters) -> Rows:
    """Milliseconds that the model took for answers to drafts begun in the span: n, p50, p95, p99, by model version.

    The row without a version is of all.
    """

    def percentile(share: float) -> ColumnElement[Any]:
        return func.percentile_cont(share).within_group(cast(Suggestion.latency_ms, Float(53)))

    statement = (
        select(
            Suggestion.model_version,
            func.count().label("n"),
            percentile(0.5).label("p50"),
            percentile(0.95).label("p95"),
            percentile(0.99).label("p99"),
        )
        .join(Draft, Draft.id == Suggestion.draft_id)
        .where(within(Draft.started_at, filters), of_draft(filters))
        .group_by(func.grouping_sets(tuple_(Suggestion.model_version), tuple_()))
        .order_by(Suggestion.model_version.nulls_first())
    )
    if filters.model_version is None:
        return statement
    return statement.where(Suggestion.model_version == filters.model_version)


def impossible_items(filters: Filters) -> Rows:
    """How many items of drafts begun in the span have an order of events that no writer can produce."""
    statement = (
        select(func.count())
        .select_from(Item)
        .join(Draft, Draft.id == Item.draft_id)
        .where(Item.impossible, within(Draft.started_at, filters), of_draft(filters))
    )
    if filters.model_version is None:
        return statement
    return statement.join(Suggestion, Suggestion.id == Item.suggestion_id).where(
        Suggestion.model_version == filters.model_version
    )


def refused_events(filters: Filters) -> Rows:
    """Refused events received in the span, by reason. They name no draft of ours, so only days apply."""
    return (
        select(Refused.reason.label("name"), func.count().label("n"))
        .where(within(Refused.received_at, filters))
        .group_by(Refused.reason)
        .order_by(Refused.reason)
    )


def lost_events(filters: Filters) -> Rows:
    """Events received in the span, and events lost: gaps in the numbers that installs give, from 1 on.

    A gap belongs to the day on which the event after it came. Over all days the gaps of an install add up
    to its highest number less the distinct numbers known. An event that is late fills its gap. Installs of
    demo traffic are counted by themselves; all other kinds share their install's numbers.
    """
    known = union_all(
        select(Event.install_id, Event.sequence, Event.received_at),
        select(Refused.install_id, Refused.sequence, Refused.received_at),
    ).subquery("known")
    demo = known.c.install_id.in_(select(Draft.install_id).where(Draft.kind == "demo"))
    # In this order an index serves without sorting, and of a number used twice the first receipt counts.
    before = func.lag(known.c.sequence, 1, 0).over(
        partition_by=known.c.install_id, order_by=(known.c.sequence, known.c.received_at)
    )
    steps = (
        select(known.c.received_at, (known.c.sequence - before).label("step"))
        .where(demo if filters.kind == "demo" else not_(demo))
        .subquery("steps")
    )
    return select(
        func.count().label("received"),
        cast(func.coalesce(func.sum(steps.c.step - 1), 0), BigInteger).label("lost"),
    ).where(steps.c.step > 0, within(steps.c.received_at, filters))


def dismissed_tags(since: datetime, least: int) -> Rows:
    """Tags dismissed at least ``least`` times in questions since a moment, with how many installs did so."""
    return (
        select(
            Event.tag,
            func.count().label("n"),
            func.count(Event.install_id.distinct()).label("installs"),
        )
        .join(Draft, Draft.id == Event.draft_id)
        .where(Event.received_at >= since, Event.kind == "dismissed", Draft.kind == "ask")
        .group_by(Event.tag)
        .having(func.count() >= least)
        .order_by(func.count().desc(), Event.tag)
    )


def drafts_begun(since: datetime, until: datetime) -> Rows:
    """How many questions were begun in a span of time."""
    return select(func.count()).where(Draft.kind == "ask", Draft.started_at >= since, Draft.started_at < until)


def totals(filters: Filters) -> Rows:
    """What was counted by day and name only, added up over the span."""
    return (
        select(Total.name, cast(func.sum(Total.n), BigInteger).label("n"))
        .where(Total.day.between(filters.since, filters.until))
        .group_by(Total.name)
        .order_by(Total.name)
    )


def first_day() -> Rows:
    """The day of the first draft."""
    return select(day_of(func.min(Draft.started_at)))


def distinct_values(column: InstrumentedAttribute[str]) -> Rows:
    """The values of an indexed column, by hops from one to the next.

    Where few values repeat in many rows, this reads a few pages of the index, and DISTINCT would read all
    rows. Source: "Loose indexscan" in the PostgreSQL wiki.
    """
    found = select(func.min(column).label("value")).cte("found", recursive=True)
    following = select(func.min(column)).where(column > found.c.value).scalar_subquery()
    found = found.union_all(select(following).where(found.c.value.is_not(None)))
    return select(found.c.value).where(found.c.value.is_not(None))


def running_counts() -> Rows:
    """Counts since the beginning, by kind of draft and the item's model version, for scrapers."""
    among_posted = Item.tag == func.any(Draft.posted_tags)
    return (
        select(
            Draft.kind,
            Suggestion.model_version,
            func.count().label("viewed"),
            number(Item.accepted_at.is_not(None)).label("accepted"),
            number(and_(Item.dismissed_at.is_not(None), Item.accepted_at.is_(None))).label("dismissed"),
            number(Draft.posted_at.is_not(None)).label("posted"),
            number(and_(Item.accepted_at.is_not(None), among_posted)).label("kept"),
        )
        .select_from(Item)
        .join(Draft, Draft.id == Item.draft_id)
        .join(Suggestion, Suggestion.id == Item.suggestion_id)
        .where(Item.viewed_at.is_not(None))
        .group_by(Draft.kind, Suggestion.model_version)
        .order_by(Draft.kind, Suggestion.model_version)
    )
