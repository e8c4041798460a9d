"""Every query of the rates, each one pass over the items or drafts of the span, grouped in the database.

A statement yields rows whose column names are fields of ``Counts``, plus the keys that it is grouped by: day,
model version, position or tag. What the words mean is said once, here:

* viewed item: ``viewed_at`` is set. Only viewed items count; one that was accepted and never viewed is a
  fault of bookkeeping.
* accepted: ``accepted_at`` is set. Dismissed: ``dismissed_at`` is set and ``accepted_at`` is not.
* a tag: by the name that it was counted under, whichever name of it the writer or the page used.
* offered in a draft: among the first ``confident`` tags of any of its suggestions.
* answered draft: it has a suggestion. Posted draft: ``posted_at`` is set.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Float,
    Integer,
    Numeric,
    Select,
    Subquery,
    TableValuedAlias,
    Text,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import InstrumentedAttribute

from backend.acceptance.filters import Arm, Kind, Selection
from backend.acceptance.percentiles import SHORTEST, STEP
from backend.counters.totals import Total
from backend.deployments.tables import Assignment
from backend.drafts.tables import OFFERED_NAMES, POSTED_NAMES, Draft, Suggestion
from backend.feedback.tables import MAX_GAP, Event, Item, Numbering, Refused
from backend.postgres.base import day_of

Key = Literal["day", "kind", "model_version", "site", "position", "order", "tag", "length", "score"]
"""What items can be grouped by; drafts always are by day, kind, model version and site."""

Grouping = tuple[Key, ...]
"""What rows are counted by."""

OF_DRAFT: Grouping = ("day", "kind", "model_version", "site")

LENGTHS = (1, 250, 1_000, 3_000)
"""Where the bands of a body's length begin, in characters; before the first there is no body."""

SCORE_BANDS = 10
"""Bands of equal width that scores 0..1 are put into."""

ITEM_OPEN = timedelta(minutes=30)
"""How long after its first view an item or a draft's help may still change."""

DRAFT_OPEN = timedelta(hours=24)
"""How long after its start a draft may still be posted."""

Rows = Select[*tuple[Any, ...]]


def within(moment: ColumnElement[Any] | InstrumentedAttribute[Any], chosen: Selection) -> ColumnElement[bool]:
    """Whether a moment belongs to the spans; written so that an index on the column serves."""
    return or_(*(and_(moment >= span.start, moment < span.end) for span in chosen.spans))


def of_draft(chosen: Selection) -> ColumnElement[bool]:
    """Whether a draft is of the kind, site and arm asked for."""
    asked: list[ColumnElement[bool]] = [] if chosen.kind is None else [Draft.kind == chosen.kind]
    if chosen.site is not None:
        asked.append(Draft.site == chosen.site)
    if chosen.arm is not None:
        asked.append(in_arm(chosen.arm))
    return and_(true(), *asked)


def in_arm(arm: Arm) -> ColumnElement[bool]:
    """Whether a draft took part in an experiment in this arm; one that its install was moved out of counts in none."""
    return exists().where(
        Assignment.deployment_id == Draft.deployment_id,
        Assignment.install_id == Draft.install_id,
        Assignment.arm == arm,
        or_(Assignment.moved_at.is_(None), Draft.started_at < Assignment.moved_at),
    )


def of_draft_and_model(chosen: Selection) -> ColumnElement[bool]:
    """Whether a draft is of the kind, site, arm and model version asked for."""
    asked = of_draft(chosen)
    if chosen.model_version is None:
        return asked
    return and_(asked, Draft.model_version == chosen.model_version)


def number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """How many rows of the group meet a condition."""
    return func.count().filter(condition)


def keys_of(groupings: Sequence[Grouping]) -> Grouping:
    """The keys of some groupings, each once, in their order."""
    return tuple(dict.fromkeys(key for grouping in groupings for key in grouping))


def number_of(grouping: Grouping, groupings: Sequence[Grouping]) -> int:
    """By which number PostgreSQL tells one grouping from the others: a bit for each key that is not in it."""
    return int("".join("0" if key in grouping else "1" for key in keys_of(groupings)), 2)


def _grouped(columns: Mapping[Key, ColumnElement[Any]], groupings: Sequence[Grouping]) -> Rows:
    """Rows counted by each of some groupings in one pass: the keys only, counts to be added.

    Of several groupings, the first column, ``grouping``, is the number of the one that a row belongs to; keys that are
    not in it are null.
    """
    keys = [columns[name] for name in keys_of(groupings)]
    labelled = [columns[name].label(name) for name in keys_of(groupings)]
    if len(groupings) == 1:
        return select(*labelled).group_by(*keys)
    sets = [tuple_(*(columns[name] for name in grouping)) for grouping in groupings]
    return select(func.grouping(*keys).label("grouping"), *labelled).group_by(func.grouping_sets(*sets))


def _items(
    groupings: Sequence[Grouping], moment: ColumnElement[Any] | InstrumentedAttribute[Any], chosen: Selection
) -> Subquery:
    """Items whose ``moment`` lies in the spans: their keys, as ``by_…``, and what is counted of them."""
    columns: dict[Key, ColumnElement[Any] | InstrumentedAttribute[Any]] = {
        "day": day_of(moment),
        "kind": Draft.kind,
        "model_version": Suggestion.model_version,
        "site": Draft.site,
        "position": Item.position,
        "order": Suggestion.order,
        "tag": Item.tag,
        "length": func.width_bucket(Suggestion.body_chars, array(LENGTHS)),
        # As a decimal number: .7 is not quite .7 in binary, and would fall into the band below.
        "score": func.least(cast(func.floor(cast(Item.score, Numeric) * SCORE_BANDS), Integer), SCORE_BANDS - 1),
    }
    by = keys_of(groupings)
    statement = (
        select(
            *(columns[name].label(f"by_{name}") for name in by),
            Item.viewed_at,
            Item.accepted_at,
            Item.dismissed_at,
            Item.impossible,
            Item.score,
            (Item.tag == func.any(POSTED_NAMES)).label("among_posted"),
        )
        .select_from(Item)
        .join(Draft, Draft.id == Item.draft_id)
        .where(within(moment, chosen), of_draft(chosen))
    )
    # The largest join of all: only where it is asked what the item's answer was like.
    if {"model_version", "length", "order"} & {*by} or chosen.model_version is not None:
        statement = statement.join(Suggestion, Suggestion.id == Item.suggestion_id)
    if chosen.model_version is not None:
        statement = statement.where(Suggestion.model_version == chosen.model_version)
    return statement.subquery("items")


def _counted_items(items: Subquery, groupings: Sequence[Grouping], *counts: ColumnElement[Any]) -> Rows:
    columns = {name: items.c[f"by_{name}"] for name in keys_of(groupings)}
    return _grouped(columns, groupings).add_columns(*counts)


def viewed_items(groupings: Sequence[Grouping], chosen: Selection, now: datetime) -> Rows:
    """Items by their first view: viewed, accepted, dismissed, open."""
    items = _items(groupings, Item.viewed_at, chosen)
    return _counted_items(
        items,
        groupings,
        func.count().label("viewed"),
        number(items.c.accepted_at.is_not(None)).label("accepted"),
        number(and_(items.c.dismissed_at.is_not(None), items.c.accepted_at.is_(None))).label("dismissed"),
        number(items.c.viewed_at > now - ITEM_OPEN).label("open_items"),
        func.sum(cast(items.c.score, Float(53))).label("score_sum"),
    )


def posted_items(groupings: Sequence[Grouping], chosen: Selection) -> Rows:
    """Viewed items of posted drafts by the moment of posting: all, kept, agreed."""
    items = _items(groupings, Draft.posted_at, chosen)
    return _counted_items(
        items,
        groupings,
        func.count().label("posted_viewed"),
        number(and_(items.c.accepted_at.is_not(None), items.c.among_posted)).label("kept"),
        number(items.c.among_posted).label("agreed"),
    ).where(items.c.viewed_at.is_not(None))


def impossible_items(grouping: Grouping, chosen: Selection) -> Rows:
    """Items, by the start of their draft, that have an order of events which no writer can produce."""
    items = _items([grouping], Draft.started_at, chosen)
    return _counted_items(items, [grouping], func.count().label("impossible")).where(items.c.impossible)


def _draft_keys(drafts: CTE, moment: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    keys = [drafts.c[name].label(name) for name in OF_DRAFT if name != "day"]
    return [day_of(moment).label("day"), *keys]


def viewed_drafts(chosen: Selection, now: datetime) -> Rows:
    """Drafts by their first view: all, with an accepted item, open."""
    seen = (
        select(Item.draft_id, Draft.kind, Draft.model_version, Draft.site)
        .join(Draft, Draft.id == Item.draft_id)
        .where(within(Item.viewed_at, chosen), of_draft_and_model(chosen))
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
        select(seen.c.kind, seen.c.model_version, seen.c.site, life.c.first_view, life.c.helped)
        .select_from(seen)
        .join(life, within(life.c.first_view, chosen))
        .cte("seen_drafts")
    )
    keys = _draft_keys(drafts, drafts.c.first_view)
    return select(
        *keys,
        func.count().label("viewed_drafts"),
        number(drafts.c.helped).label("helped_drafts"),
        number(drafts.c.first_view > now - ITEM_OPEN).label("open_viewed_drafts"),
    ).group_by(*keys)


def answered_drafts(chosen: Selection) -> Rows:
    """Drafts with an answer by their start: all, with an offered tag."""
    drafts = (
        select(
            Draft.started_at,
            Draft.kind,
            Draft.model_version,
            Draft.site,
            func.bool_or(Suggestion.confident > 0).label("covered"),
        )
        .join(Suggestion, Suggestion.draft_id == Draft.id)
        .where(within(Draft.started_at, chosen), of_draft_and_model(chosen))
        .group_by(Draft.id)
        .cte("answered_drafts")
    )
    keys = _draft_keys(drafts, drafts.c.started_at)
    return select(
        *keys,
        func.count().label("answered"),
        number(drafts.c.covered).label("covered"),
    ).group_by(*keys)


def open_drafts(chosen: Selection, now: datetime) -> Rows:
    """Answered drafts that may still be posted, by their start, whichever days are chosen."""
    has_answer = select(Suggestion.id).where(Suggestion.draft_id == Draft.id).exists()
    keys = [
        day_of(Draft.started_at).label("day"),
        Draft.model_version.label("model_version"),
        Draft.site.label("site"),
    ]
    return (
        select(*keys, func.count().label("open_answered"))
        .where(
            Draft.posted_at.is_(None),
            Draft.started_at > now - DRAFT_OPEN,
            has_answer,
            of_draft_and_model(chosen),
        )
        .group_by(*keys)
    )


def _posted(chosen: Selection) -> CTE:
    """Posted drafts with an answer, by the moment of posting: one row a draft."""
    has_answer = select(Suggestion.id).where(Suggestion.draft_id == Draft.id).exists()
    return (
        select(
            Draft.id,
            Draft.posted_at,
            Draft.kind,
            Draft.model_version,
            Draft.site,
            POSTED_NAMES.label("posted_names"),
        )
        .where(within(Draft.posted_at, chosen), of_draft_and_model(chosen), has_answer)
        .cte("posted")
    )


def _tags_of(posted: CTE) -> CTE:
    """The tags of posted drafts: (draft_id, tag, offered, posted), one row a draft and tag."""
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
    asked = select(posted.c.id, posted_tag.c.tag, literal(0), literal(1)).select_from(posted).join(posted_tag, true())
    both = union_all(offered, asked).subquery("both")
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


def words(vocabulary: Collection[str]) -> TableValuedAlias:
    """The vocabulary as a table: joined, not compared with "<> ALL", which a cached plan would do word by word.

    Sent as one text, a word a line, since each element of an array costs the driver more than the word itself.
    """
    lines = bindparam("vocabulary", "\n".join(set(vocabulary)), Text)
    return func.unnest(func.string_to_array(lines, "\n")).table_valued("word", name="words").render_derived()


def posted_drafts(chosen: Selection) -> Rows:
    """Posted drafts with an answer: what was offered against what was posted, draft by draft."""
    posted = _posted(chosen)
    tags = _tags_of(posted)

    drafts = (
        select(
            posted.c.posted_at,
            posted.c.kind,
            posted.c.model_version,
            posted.c.site,
            func.coalesce(func.sum(tags.c.offered), 0).label("offered"),
            func.coalesce(func.sum(tags.c.posted), 0).label("posted"),
            number(and_(tags.c.offered == 1, tags.c.posted == 1)).label("matched"),
        )
        .select_from(posted)
        .outerjoin(tags, tags.c.draft_id == posted.c.id)
        .group_by(posted.c.id, posted.c.posted_at, posted.c.kind, posted.c.model_version, posted.c.site)
        .cte("posted_drafts")
    )
    offered, asked, matched = drafts.c.offered, drafts.c.posted, drafts.c.matched
    either = offered + asked - matched

    def share(part: ColumnElement[Any], whole: ColumnElement[Any]) -> ColumnElement[float]:
        return cast(part, Float(53)) / func.nullif(whole, 0)

    precision, recall = share(matched, offered), share(matched, asked)
    f1, jaccard = share(2 * matched, offered + asked), share(matched, either)

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
        whole(asked - matched).label("missed_tags"),
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


def posted_tags(groupings: Sequence[Grouping], chosen: Selection, vocabulary: Collection[str] = ()) -> Rows:
    """Tags of posted drafts with an answer: drafts that were offered it, posted it, missed it.

    The groupings may name the keys of drafts, and ``tag``. With a vocabulary, the missed tags that are not in it are
    counted too.
    """
    posted = _posted(chosen)
    tags = _tags_of(posted)
    missed = and_(tags.c.posted == 1, tags.c.offered == 0)
    columns: dict[Key, ColumnElement[Any]] = {name: posted.c[name] for name in OF_DRAFT if name != "day"}
    columns |= {"day": day_of(posted.c.posted_at), "tag": tags.c.tag}
    statement = (
        _grouped(columns, groupings)
        .add_columns(
            number(tags.c.offered == 1).label("offered_tags"),
            number(tags.c.posted == 1).label("posted_tags"),
            number(and_(tags.c.offered == 1, tags.c.posted == 1)).label("matched_tags"),
            number(missed).label("missed_tags"),
        )
        .select_from(posted)
        .join(tags, tags.c.draft_id == posted.c.id)
    )
    if not vocabulary:
        return statement
    known = words(vocabulary)
    unknown = number(and_(missed, known.c.word.is_(None))).label("unknown_tags")
    return statement.add_columns(unknown).outerjoin(known, known.c.word == tags.c.tag)


def latencies(chosen: Selection) -> Rows:
    """Answers to drafts by the drafts' start, by how long the model took: in bands a fiftieth wide."""
    keys = [
        day_of(Draft.started_at).label("day"),
        Draft.kind.label("kind"),
        Suggestion.model_version.label("model_version"),
        Draft.site.label("site"),
        band_of_milliseconds(Suggestion.latency_ms).label("milliseconds"),
    ]
    statement = (
        select(*keys, func.count().label("n"))
        .join(Draft, Draft.id == Suggestion.draft_id)
        .where(within(Draft.started_at, chosen), of_draft(chosen))
        .group_by(*keys)
    )
    if chosen.model_version is None:
        return statement
    return statement.where(Suggestion.model_version == chosen.model_version)


def band_of_milliseconds(latency: InstrumentedAttribute[float]) -> ColumnElement[int]:
    """The number of a latency's band; see `backend.acceptance.percentiles`."""
    return cast(func.floor(func.ln(func.greatest(latency, SHORTEST)) / math.log(STEP)), Integer)


def refused_events(chosen: Selection) -> Rows:
    """Refused events by the day they came and their reason."""
    demo = _of_demo(Refused.install_id)
    keys = [day_of(Refused.received_at).label("day"), demo.label("demo"), Refused.reason.label("reason")]
    return (
        select(*keys, func.count().label("refused"))
        .where(within(Refused.received_at, chosen), _of_traffic(demo, chosen.kind))
        .group_by(*keys)
    )


def numbered_events(chosen: Selection) -> Rows:
    """Events received, by day, and events lost: gaps in the numbers that installs give, from 1 on.

    A gap belongs to the day on which the event after it came. Over all days the gaps of an install add up
    to its highest number less the distinct numbers known. An event that is late fills its gap. Installs of
    demo traffic are counted by themselves; all other kinds share their install's numbers. Up to the number
    that ``numbering`` keeps, events were forgotten for their age, and nothing is a gap. A gap that is too wide to
    be true is none.
    """
    came = union_all(
        *(
            select(table.install_id, table.sequence).where(within(table.received_at, chosen))
            for table in (Event, Refused)
        )
    ).subquery("came")
    reach = (
        select(came.c.install_id, func.min(came.c.sequence).label("lowest"), func.max(came.c.sequence).label("highest"))
        .group_by(came.c.install_id)
        .cte("reach")
    )
    known = union_all(
        *(
            select(table.install_id, table.sequence, table.received_at)
            .join(reach, reach.c.install_id == table.install_id)
            .where(table.sequence.between(reach.c.lowest, reach.c.highest))
            for table in (Event, Refused)
        )
    ).subquery("known")
    # Of a number used twice the first receipt counts.
    steps = select(
        known,
        func.lag(known.c.sequence)
        .over(partition_by=known.c.install_id, order_by=(known.c.sequence, known.c.received_at))
        .label("before"),
    ).subquery("steps")

    def below(table: type[Event] | type[Refused]) -> ColumnElement[Any]:
        lower = select(func.max(table.sequence)).where(
            table.install_id == steps.c.install_id, table.sequence < steps.c.sequence
        )
        return lower.scalar_subquery()

    # Only an install's first number in its reach has no number before it here.
    before = case((steps.c.before.is_not(None), steps.c.before), else_=func.greatest(below(Event), below(Refused)))
    forgotten = select(Numbering.sequence).where(Numbering.install_id == steps.c.install_id).scalar_subquery()
    demo = _of_demo(steps.c.install_id)
    gap = func.greatest(steps.c.sequence - 1 - func.greatest(before, forgotten, 0), 0)
    missing = case((gap <= MAX_GAP, gap), else_=0)
    keys = [day_of(steps.c.received_at).label("day"), demo.label("demo")]
    return (
        select(*keys, func.count().label("received"), cast(func.sum(missing), BigInteger).label("lost"))
        .where(
            steps.c.before.is_distinct_from(steps.c.sequence),
            within(steps.c.received_at, chosen),
            _of_traffic(demo, chosen.kind),
        )
        .group_by(*keys)
    )


def _of_demo(install_id: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """Whether an install is one of demo traffic."""
    return install_id.in_(select(Draft.install_id).where(Draft.kind == "demo"))


def _of_traffic(demo: ColumnElement[bool], kind: Kind | None) -> ColumnElement[bool]:
    """Whether an event is of the traffic that a kind of draft belongs to: demo, or all other."""
    return true() if kind is None else demo == literal(kind == "demo")


def dismissed_tags(since: datetime, until: datetime, least: int) -> Rows:
    """Tags dismissed at least ``least`` times in questions of a span of time, with how many installs did so."""
    return (
        select(
            Event.tag,
            func.count().label("n"),
            func.count(Event.install_id.distinct()).label("installs"),
        )
        .join(Draft, Draft.id == Event.draft_id)
        .where(Event.received_at >= since, Event.received_at <= until, Event.kind == "dismissed", Draft.kind == "ask")
        .group_by(Event.tag)
        .having(func.count() >= least)
        .order_by(func.count().desc(), Event.tag)
    )


def drafts_begun(spans: Sequence[tuple[datetime, datetime]]) -> Rows:
    """How many questions were begun in each span of time: one row, a column each."""
    within = [and_(Draft.started_at >= since, Draft.started_at < until) for since, until in spans]
    return select(*map(number, within)).where(Draft.kind == "ask", or_(*within))


def totals(since: date, until: date) -> Rows:
    """What was counted by day and name only, added up over the days."""
    return (
        select(Total.name, cast(func.sum(Total.n), BigInteger).label("n"))
        .where(Total.day.between(since, until))
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
