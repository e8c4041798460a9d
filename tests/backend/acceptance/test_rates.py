"""Every rate, counted by a real database and again in plain Python."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.acceptance.bookkeeping import count_bookkeeping
from backend.acceptance.choices import list_choices
from backend.acceptance.counts import count_all, count_grid, count_offers, count_tags
from backend.acceptance.figures import Counts, Rate, add_counts
from backend.acceptance.filters import Filters
from backend.acceptance.rollup_refresh import roll_up_days
from backend.acceptance.running import count_running
from backend.acceptance.statements import begin_snapshot
from backend.postgres.database import Database
from tests.backend.acceptance.equality import compare_everything, figures
from tests.backend.acceptance.recount import Question, Recount
from tests.backend.acceptance.traffic import (
    KNOWN,
    SITES,
    VERSIONS,
    Rows,
    Writer,
    first_day,
    mixed_traffic,
    store,
    under_other_names,
    worked_example,
)

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
TODAY = NOW.date()
LATER = NOW + timedelta(days=30)


def fractions(counts: Counts) -> dict[str, tuple[int, int]]:
    return {name: (result.numerator, result.denominator) for name, result in figures(counts).items()}


async def days(
    engine: AsyncEngine, filters: Filters, now: datetime = NOW, vocabulary: Any = KNOWN
) -> dict[date, Counts]:
    async with AsyncSession(engine) as session:
        await begin_snapshot(session)
        return (await count_grid(session, filters, vocabulary, now)).by_day(filters)


async def overview(engine: AsyncEngine, filters: Filters, now: datetime = NOW, vocabulary: Any = KNOWN) -> Counts:
    return add_counts((await days(engine, filters, now, vocabulary)).values())


async def test_the_worked_example_gives_its_fractions(engine: AsyncEngine) -> None:
    await store(engine, worked_example(datetime(2026, 11, 20, 10, tzinfo=UTC)))
    counts = await overview(engine, Filters(TODAY, TODAY), vocabulary=["python", "pandas", "merge"])
    assert fractions(counts) == {
        "acceptance": (2, 4),
        "kept": (1, 4),
        "agreement": (2, 4),
        "dismissal": (0, 4),
        "help": (1, 1),
        "coverage": (1, 1),
        "precision": (2, 4),
        "recall": (2, 3),
        "f1": (4, 7),
        "jaccard": (2, 5),
        "exact": (0, 1),
        "one_found": (1, 1),
        "all_found": (0, 1),
        "missed": (1, 3),
        "unknown": (1, 1),
    }
    for name, result in figures(counts).items():
        assert result.value == pytest.approx(float(Fraction(*fractions(counts)[name]))), name
        assert result.open == 0, name


FILTERS: list[dict[str, Any]] = [
    {},
    {"site": SITES[1]},
    {"site": SITES[2]},
    {"model": VERSIONS[0]},
    {"model": VERSIONS[2]},
    {"site": SITES[0], "model": VERSIONS[1]},
    {"origin": "device"},
    {"origin": "service", "model": VERSIONS[0]},
    {"kind": "edit"},
    {"kind": "try"},
    {"kind": "demo"},
    {"since": TODAY},
    {"since": TODAY - timedelta(days=6), "until": TODAY - timedelta(days=3)},
]


@pytest.mark.parametrize("rolled_up", [False, True], ids=["live", "rolled up"])
@pytest.mark.parametrize("seed", [1, 2])
async def test_every_rate_equals_an_independent_recount(
    engine: AsyncEngine, database: Database, seed: int, rolled_up: bool
) -> None:
    rows = under_other_names(mixed_traffic(seed, 160, NOW), seed)
    assert_has_every_state(rows)
    await store(engine, rows)
    if rolled_up:
        assert await roll_up_days(database, lambda: NOW) > 10
    for change in FILTERS:
        asked: dict[str, Any] = {"since": first_day(rows), "until": TODAY, "now": NOW, "vocabulary": KNOWN}
        await compare_everything(engine, rows, Question(**asked | change))


def assert_has_every_state(rows: Rows) -> None:
    """Check that no rate of the traffic is trivially right."""
    states = Counter(
        name for item in rows.item for name in ("viewed_at", "accepted_at", "removed_at", "dismissed_at") if item[name]
    )
    assert min(states.values()) > 5
    assert any(item["accepted_at"] and item["dismissed_at"] for item in rows.item)
    assert any(item["accepted_at"] and not item["viewed_at"] for item in rows.item)
    assert {draft["kind"] for draft in rows.draft} == {"ask", "edit", "try", "demo"}
    assert any(draft["posted_tags"] == [] for draft in rows.draft)
    assert any(draft["posted_names"] for draft in rows.draft)
    assert any(row["names"] for row in rows.suggestion)
    answered = {row["draft_id"] for row in rows.suggestion}
    assert any(draft["posted_at"] and draft["id"] not in answered for draft in rows.draft)
    assert any(NOW - draft["started_at"] < timedelta(hours=24) and not draft["posted_at"] for draft in rows.draft)
    assert rows.refused
    assert any(draft["started_at"].time().isoformat() == "23:59:59.999999" for draft in rows.draft)
    assert any(draft["started_at"].time().isoformat() == "00:00:00" for draft in rows.draft)


@pytest.mark.parametrize("vocabulary", [KNOWN, ()], ids=["with a vocabulary", "without"])
async def test_a_page_counted_at_once_has_the_figures_of_its_panels(engine: AsyncEngine, vocabulary: Any) -> None:
    rows = mixed_traffic(5, 60, NOW)
    await store(engine, rows)
    filters = Filters(first_day(rows), TODAY)
    async with AsyncSession(engine) as session:
        page = await count_all(session, filters, vocabulary, NOW)
        grid = await count_grid(session, filters, vocabulary, NOW)
        offers = await count_offers(session, filters, NOW)
        tags = await count_tags(session, filters, vocabulary, NOW)
    for one, other in (
        (page.tags, tags),
        (page.grid.by_day(filters), grid.by_day(filters)),
        (page.grid.by_position("model"), grid.by_position("model")),
        (page.offers.by_length(), offers.by_length()),
    ):
        assert list(one) == list(other)
        assert [fractions(counts) for counts in one.values()] == [fractions(counts) for counts in other.values()]


async def test_the_rates_do_not_depend_on_the_databases_time_zone(engine: AsyncEngine) -> None:
    rows = mixed_traffic(3, 60, NOW)
    await store(engine, rows)
    filters = Filters(first_day(rows), TODAY)
    expected = {day: fractions(counts) for day, counts in (await days(engine, filters)).items()}
    async with AsyncSession(engine) as session:
        await begin_snapshot(session)
        await session.execute(text("SET LOCAL TIME ZONE 'Pacific/Kiritimati'"))
        grid = await count_grid(session, filters, KNOWN, NOW)
    assert {day: fractions(counts) for day, counts in grid.by_day(filters).items()} == expected


async def test_nothing_at_all_is_not_zero_per_cent(engine: AsyncEngine) -> None:
    counts = await overview(engine, Filters(TODAY - timedelta(days=3), TODAY))
    assert counts == Counts()
    assert {result.value for result in figures(counts).values()} == {None}
    async with AsyncSession(engine) as session:
        found = await list_choices(session)
        books = await count_bookkeeping(session, Filters(TODAY, TODAY), NOW)
    assert (found.sites, found.model_versions, found.first_day) == ([], [], None)
    assert (books.received, books.lost, books.impossible, books.refused, books.totals) == (0, 0, 0, {}, {})


async def test_one_item_is_one_of_one(engine: AsyncEngine) -> None:
    writer = Writer()
    draft = writer.draft(NOW)
    writer.item(writer.suggestion(draft, ["python"]), "python", NOW, accepted_at=NOW)
    await store(engine, writer.rows)
    found = figures(await overview(engine, Filters(TODAY, TODAY), now=LATER))
    assert found["acceptance"] == Rate(1, 1, 0)
    assert found["acceptance"].interval is None
    assert found["help"] == Rate(1, 1, 0)
    assert found["kept"].value is None


BORDER = datetime(2026, 11, 10, tzinfo=UTC)
LAST = BORDER - timedelta(microseconds=1)
BEFORE, AFTER = LAST.date(), BORDER.date()


async def test_an_item_counts_on_the_day_of_its_first_view(engine: AsyncEngine) -> None:
    writer = Writer()
    draft = writer.draft(LAST - timedelta(hours=1), posted_at=BORDER, posted_tags=["python"])
    answer = writer.suggestion(draft, ["python", "pandas", "sql"])
    writer.item(answer, "python", LAST, accepted_at=BORDER)
    writer.item(answer, "pandas", BORDER, dismissed_at=BORDER)
    writer.item(answer, "sql", BORDER)
    await store(engine, writer.rows)
    by_day = await days(engine, Filters(BEFORE, AFTER))
    before, after = fractions(by_day[BEFORE]), fractions(by_day[AFTER])
    assert before["acceptance"] == (1, 1)
    assert after["acceptance"] == (0, 2)
    assert before["dismissal"] == (0, 1)
    assert after["dismissal"] == (1, 2)
    # The draft's first view was before midnight; its posting, and all that belongs to posting, was after.
    assert before["help"] == (1, 1)
    assert after["help"] == (0, 0)
    assert before["coverage"] == (1, 1)
    assert before["kept"] == (0, 0)
    assert after["kept"] == (1, 3)
    assert after["jaccard"] == (1, 3)
    # Asked for one day alone, the same.
    assert (await days(engine, Filters(AFTER, AFTER)))[AFTER] == by_day[AFTER]
    assert (await days(engine, Filters(BEFORE, BEFORE)))[BEFORE] == by_day[BEFORE]


async def test_help_counts_an_accept_of_an_item_viewed_after_the_span(engine: AsyncEngine) -> None:
    writer = Writer()
    draft = writer.draft(LAST)
    answer = writer.suggestion(draft, ["python", "pandas"])
    writer.item(answer, "python", LAST)
    writer.item(answer, "pandas", BORDER, accepted_at=BORDER)
    await store(engine, writer.rows)
    assert fractions(await overview(engine, Filters(BEFORE, BEFORE)))["help"] == (1, 1)
    assert fractions(await overview(engine, Filters(AFTER, AFTER)))["help"] == (0, 0)


async def test_items_are_open_for_half_an_hour_and_drafts_for_a_day(engine: AsyncEngine) -> None:
    writer = Writer()
    draft = writer.draft(NOW)
    writer.item(writer.suggestion(draft, ["python"]), "python", NOW)
    await store(engine, writer.rows)

    async def still_open(after: timedelta) -> tuple[int | None, ...]:
        found = figures(await overview(engine, Filters(TODAY, TODAY + timedelta(days=1)), now=NOW + after))
        return tuple(found[name].open for name in ("acceptance", "help", "kept", "coverage"))

    assert await still_open(timedelta(minutes=29, seconds=59)) == (1, 1, 1, 1)
    assert await still_open(timedelta(minutes=30)) == (0, 0, 1, 1)
    assert await still_open(timedelta(hours=23, minutes=59)) == (0, 0, 1, 1)
    assert await still_open(timedelta(hours=24)) == (0, 0, 0, 0)


async def test_a_past_span_waits_for_no_posting(engine: AsyncEngine) -> None:
    writer = Writer()
    writer.suggestion(writer.draft(NOW - timedelta(hours=20)), ["python"])
    await store(engine, writer.rows)
    yesterday = TODAY - timedelta(days=1)
    found = figures(await overview(engine, Filters(yesterday, yesterday)))
    # Should the draft be posted, it will be today; its coverage belongs to yesterday, and may still change.
    assert found["jaccard"].open == 0
    assert found["coverage"].open == 1
    assert figures(await overview(engine, Filters(TODAY, TODAY)))["jaccard"].open == 1


async def test_without_a_vocabulary_nothing_is_called_unknown(engine: AsyncEngine) -> None:
    await store(engine, worked_example(NOW - timedelta(hours=3)))
    found = figures(await overview(engine, Filters(TODAY, TODAY), vocabulary=()))
    assert found["missed"].value == pytest.approx(1 / 3)
    assert found["unknown"].value is None


async def test_a_number_used_twice_and_a_late_event_are_no_loss(engine: AsyncEngine) -> None:
    writer = Writer()
    draft = writer.draft(NOW)
    writer.suggestion(draft, ["python"])
    first = writer.event(draft, NOW)
    writer.event(draft, NOW, lost=2)
    writer.rows.event.append(first | {"id": writer.id()})
    await store(engine, writer.rows)
    async with AsyncSession(engine) as session:
        books = await count_bookkeeping(session, Filters(TODAY, TODAY), NOW)
    assert (books.received, books.lost) == (2, 2)
    late = Rows(event=[first | {"id": writer.id(), "sequence": 3, "received_at": NOW + timedelta(hours=1)}])
    await store(engine, late)
    async with AsyncSession(engine) as session:
        books = await count_bookkeeping(session, Filters(TODAY, TODAY), NOW)
    assert (books.received, books.lost) == (3, 1)


async def test_a_first_event_that_is_not_number_one_shows_a_loss(engine: AsyncEngine) -> None:
    writer = Writer()
    draft = writer.draft(NOW)
    writer.event(draft, NOW, lost=4)
    await store(engine, writer.rows)
    async with AsyncSession(engine) as session:
        assert (await count_bookkeeping(session, Filters(TODAY, TODAY), NOW)).lost == 4


async def test_choices_are_what_the_database_holds(engine: AsyncEngine) -> None:
    rows = mixed_traffic(4, 80, NOW)
    await store(engine, rows)
    async with AsyncSession(engine) as session:
        found = await list_choices(session)
    assert found.first_day == first_day(rows)
    assert sorted(found.sites) == sorted({row["site"] for row in rows.draft})
    assert sorted(found.model_versions) == sorted({row["model_version"] for row in rows.suggestion})


async def test_running_counts_keep_kinds_versions_and_origins_apart(engine: AsyncEngine) -> None:
    rows = mixed_traffic(5, 120, NOW)
    await store(engine, rows)
    async with AsyncSession(engine) as session:
        found = {(row.kind, row.model_version, row.origin): row for row in await count_running(session, NOW)}
    expected: Counter[tuple[str, str, str, str]] = Counter()
    for kind in ("ask", "edit", "try", "demo"):
        asked = Question(first_day(rows), TODAY, NOW, KNOWN, kind)
        recount = Recount(rows, asked)
        for draft, item in recount.viewed_items():
            answer = recount.answer(item)
            key = (kind, answer["model_version"], answer["origin"])
            among = draft["posted_at"] is not None and item["tag"] in draft["posted_tags"]
            expected[*key, "viewed"] += 1
            expected[*key, "accepted"] += item["accepted_at"] is not None
            expected[*key, "dismissed"] += item["dismissed_at"] is not None and item["accepted_at"] is None
            expected[*key, "posted"] += draft["posted_at"] is not None
            expected[*key, "kept"] += item["accepted_at"] is not None and among
    names = ("viewed", "accepted", "dismissed", "posted", "kept")
    assert {(*key, name): getattr(row, name) for key, row in found.items() for name in names} == expected
