"""Compares every figure that the service counts with the independent recount."""

from collections.abc import Mapping
from math import ceil
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.acceptance.bookkeeping import count_bookkeeping
from backend.acceptance.breakdowns import name_item_writers
from backend.acceptance.counts import count_all, measure_latencies
from backend.acceptance.figures import FIGURES, ITEM_FIGURES, MISSED, Counts, Mean, Rate, add_counts
from backend.acceptance.filters import Filters
from backend.acceptance.statements import begin_snapshot
from backend.admin.formatting import length_name
from tests.backend.acceptance.recount import Answer, Question, Recount
from tests.backend.acceptance.spread import estimate
from tests.backend.acceptance.traffic import TABLES, Rows


async def read_rows(engine: AsyncEngine) -> Rows:
    """Return the rows of all tables."""
    rows = Rows()
    async with engine.connect() as connection:
        for name, table in TABLES.items():
            mappings = (await connection.execute(select(table.__table__))).mappings()
            getattr(rows, name).extend(dict(row) for row in mappings)
    return rows


def figures(counts: Counts) -> dict[str, Rate | Mean]:
    return {figure.name: figure.compute(counts) for figure in FIGURES}


def assert_equal(counted: dict[str, Rate | Mean], expected: dict[str, Answer], where: Any) -> None:
    for name, result in counted.items():
        answer = expected[name]
        assert (result.numerator, result.denominator) == (answer.numerator, answer.denominator), (where, name)
        assert result.n == answer.n, (where, name)
        assert result.open == answer.open, (where, name)
        if answer.value is None:
            assert result.value is None, (where, name)
        else:
            assert result.value == pytest.approx(float(answer.value), abs=1e-12), (where, name)


def assert_equally_sure(
    counted: dict[str, Rate | Mean], expected: dict[str, Answer], where: Any, *, writers_known: bool = True
) -> int:
    """Compare writers and intervals with those of the slow calculation; return how many intervals there were."""
    shown = 0
    for name, result in counted.items():
        writers = expected[name].writers or {}
        if result.by_writer is None and not writers_known:
            continue
        if name == "unknown":
            assert (result.interval, result.remark) == (None, "not counted by writer")
            continue
        assert result.writers == len(writers), (where, name)
        sure = estimate(writers)
        assert (result.interval is None) == (sure is None), (where, name, result.interval, sure)
        if sure is not None and result.interval is not None:
            shown += 1
            # Student's quantile is within .2 %.
            within = 0.003 * (sure.high - sure.low) + 1e-9
            assert result.interval == pytest.approx((sure.low, sure.high), abs=within), (where, name)
    return shown


def of_items(results: dict[str, Rate | Mean]) -> dict[str, Rate | Mean]:
    return {figure.name: results[figure.name] for figure in ITEM_FIGURES}


async def compare_everything(engine: AsyncEngine, rows: Rows, question: Question, *, writers_known: bool = True) -> int:
    """Compare every figure with the recount; return how many figures of the overview have an interval."""
    recount = Recount(rows, question)
    selection: dict[str, Any] = {"kind": question.kind, "site": question.site, "model_version": question.model}
    filters = Filters(question.since, question.until, origin=question.origin, **selection)  # type: ignore[arg-type]
    async with AsyncSession(engine) as session:
        await begin_snapshot(session)
        counted = await count_all(session, filters, question.vocabulary, question.now)
        grid, offers, by_tag = counted.grid, counted.offers, counted.tags
        books = await count_bookkeeping(session, filters, question.now)
        latencies = await measure_latencies(session, filters, question.now)

    assert_equal(figures(grid.overview()), recount.figures(), "overview")
    shown = assert_equally_sure(figures(grid.overview()), recount.figures(), "overview", writers_known=writers_known)
    by_day, by_model, by_position = grid.by_day(filters), grid.by_model_version(), grid.by_position()
    assert_equal(figures(add_counts(by_day.values())), recount.figures(), "days added up")
    assert list(by_model) == sorted(by_model)
    of_all: tuple[tuple[str, Mapping[Any, Counts], Mapping[Any, dict[str, Answer]]], ...] = (
        ("day", by_day, recount.by_day()),
        ("model", by_model, recount.by_model()),
        ("origin", grid.by_origin(), recount.by_origin()),
    )
    for name, every_figure, expected_figures in of_all:
        assert set(every_figure) == set(expected_figures), name
        for key, counts in every_figure.items():
            assert_equal(figures(counts), expected_figures[key], (name, key))
            assert_equally_sure(figures(counts), expected_figures[key], (name, key), writers_known=writers_known)

    def item_figures(counts: Counts) -> dict[str, Rate | Mean]:
        return {
            name: result if name in ("acceptance", "dismissal") else Rate(result.numerator, result.denominator)
            for name, result in figures(counts).items()
            if name in ("acceptance", "kept", "agreement", "dismissal", "missed")
        }

    expected_positions = recount.by_position()
    assert set(by_position) == set(expected_positions)
    name_item_writers(by_position, counted.item_writers, "position")
    for position, counts in by_position.items():
        assert_equally_sure(of_items(figures(counts)), expected_positions[position], position)
        item_results = item_figures(counts)
        del item_results["missed"]
        assert_equal(item_results, expected_positions[position], position)

    groups: tuple[tuple[str, Mapping[Any, Counts], Mapping[Any, dict[str, Answer]]], ...] = (
        ("score", offers.by_score(), {round(tenth * 10): row for tenth, row in recount.by_score().items()}),
        ("length", {length_name(band): counts for band, counts in offers.by_length().items()}, recount.by_length()),
    )
    for name, group, expected in groups:
        assert set(group) == set(expected), name
        for key, counts in group.items():
            assert_equally_sure(of_items(figures(counts)), expected[key], (name, key))
            item_results = item_figures(counts)
            del item_results["missed"]
            assert_equal(item_results, expected[key], (name, key))

    expected_latencies = recount.latencies()
    assert {(row.origin, row.model_version): row.n for row in latencies} == {
        key: len(times) for key, times in expected_latencies.items()
    }
    for row in latencies:
        times = sorted(expected_latencies[row.origin, row.model_version])
        for value, share in ((row.p50, 0.5), (row.p95, 0.95), (row.p99, 0.99)):
            assert value == pytest.approx(times[ceil(share * len(times)) - 1], rel=0.01), row

    expected_tags = recount.by_tag()
    offered = recount.offered_in_posted()
    assert set(by_tag) == {
        tag
        for tag, row in expected_tags.items()
        if row["acceptance"].n or row["kept"].n or row["missed"].n or tag in offered
    }
    for tag, counts in by_tag.items():
        assert_equal(item_figures(counts), expected_tags[tag], tag)
        assert_equally_sure({**of_items(figures(counts)), "missed": MISSED.compute(counts)}, expected_tags[tag], tag)
        assert bool(counts.unknown_tags) == bool(counts.missed_tags and tag not in question.vocabulary)

    assert books.impossible == recount.impossible()
    assert books.refused == recount.refused()
    assert (books.received, books.lost) == recount.received_and_lost()
    assert books.totals == recount.totals()
    return shown
