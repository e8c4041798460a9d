"""The exposition, read by the parsers that come with Prometheus's own client library."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.admin import routes
from backend.drift.findings import Findings
from backend.drift.service import save_findings
from model.drift.findings import find_drift
from model.drift.reference import reference_of_drafts
from tests.backend.acceptance.traffic import VERSIONS, Rows, mixed_traffic, store
from tests.backend.admin.conftest import HTML, NOW, Admin
from tests.backend.postgres.cuttable_proxy import CuttableProxy
from tests.model.drift.generated import VERSION, traffic

pytestmark = pytest.mark.anyio

OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}
COUNTERS = {"viewed", "accepted", "posted"}
GAUGES = {"dismissed", "kept"}


def item_samples(families: Any) -> dict[tuple[str, str, str], float]:
    """The samples about items, by what is counted, kind and model version."""
    found = {}
    for family in families:
        if family.name.startswith("tagalong_items_"):
            what = family.name.removeprefix("tagalong_items_")
            assert family.type == ("counter" if what in COUNTERS else "gauge")
            assert family.documentation
            for sample in family.samples:
                assert sample.name == family.name + ("_total" if what in COUNTERS else "")
                assert set(sample.labels) == {"kind", "model_version"}
                found[what, sample.labels["kind"], sample.labels["model_version"]] = sample.value
    return found


def expected(rows: Rows) -> dict[tuple[str, str, str], float]:
    drafts = {draft["id"]: draft for draft in rows.draft}
    versions = {row["id"]: row["model_version"] for row in rows.suggestion}
    counts: Counter[tuple[str, str, str]] = Counter()
    for item in rows.item:
        if item["viewed_at"] is None:
            continue
        draft = drafts[item["draft_id"]]
        key = draft["kind"], versions[item["suggestion_id"]]
        accepted = item["accepted_at"] is not None
        counts["viewed", *key] += 1
        counts["accepted", *key] += accepted
        counts["dismissed", *key] += not accepted and item["dismissed_at"] is not None
        counts["posted", *key] += draft["posted_at"] is not None
        counts["kept", *key] += accepted and item["tag"] in (draft["posted_tags"] or [])
    return dict(counts)


async def test_both_formats_hold_the_databases_counts(admin: Admin, engine: AsyncEngine) -> None:
    rows = mixed_traffic(21, 120, NOW)
    await store(engine, rows)
    text = (await admin.get("/metrics")).text
    openmetrics = (await admin.get("/metrics", headers=OPENMETRICS)).text
    assert openmetrics.endswith("# EOF\n")
    for families in (list(parse_text(text)), list(parse_openmetrics(openmetrics))):  # type: ignore[no-untyped-call]
        assert item_samples(families) == expected(rows)
        names = {family.name for family in families}
        assert len(names) == len(families)
        # The process's own metrics are there as well.
        assert "python_info" in names
    # An odd version is a label, never markup or a line of its own.
    assert any(version == VERSIONS[2] for _, _, version in expected(rows))


async def test_no_tag_and_no_install_is_a_label(admin: Admin, engine: AsyncEngine) -> None:
    rows = mixed_traffic(22, 80, NOW)
    await store(engine, rows)
    labels = {
        label
        for family in parse_text((await admin.get("/metrics")).text)
        if family.name.startswith("tagalong_items")
        for sample in family.samples
        for label in sample.labels.items()
    }
    assert {name for name, _ in labels} == {"kind", "model_version"}


async def test_without_items_the_families_are_there_and_empty(admin: Admin) -> None:
    families = {family.name: family for family in parse_text((await admin.get("/metrics")).text)}
    for what in COUNTERS | GAUGES:
        assert families[f"tagalong_items_{what}"].samples == []


async def test_with_the_database_away_the_process_is_still_scraped(
    database_url: str, make_admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with CuttableProxy(database_url) as proxy, make_admin(proxy.url) as admin:
        assert "tagalong_items_viewed" in (await admin.get("/metrics")).text

        # One that takes connections and never answers is worse than one that is gone.
        monkeypatch.setattr(routes, "SCRAPE_LIMIT", 0.3)
        proxy.stall()
        started = asyncio.get_running_loop().time()
        response = await admin.get("/metrics")
        # The limit, and the two seconds that closing a stalled connection takes; a scraper waits for ten.
        assert asyncio.get_running_loop().time() - started < 6
        assert_process_only(response)

        await proxy.cut()
        for headers in ({}, OPENMETRICS):
            assert_process_only(await admin.get("/metrics", headers=headers))
        page = await admin.get("/metrics", headers=HTML)
        assert page.status_code == 503
        assert "Database away" in page.text
        assert int(page.headers["retry-after"]) > 0
        assert page.headers["cache-control"] == "no-store"
        twin = await admin.get("/metrics/overview.json")
        assert twin.status_code == 503
        assert twin.headers["content-type"] == "application/problem+json"
        assert int(twin.headers["retry-after"]) > 0


def assert_process_only(response: Any) -> None:
    assert response.status_code == 200
    assert "python_info" in response.text
    # Zeros would be lies.
    assert "tagalong_items" not in response.text


async def test_a_page_that_takes_too_long_says_so(
    database_url: str, make_admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with CuttableProxy(database_url) as proxy, make_admin(proxy.url) as admin:
        assert (await admin.get("/metrics/days.json")).status_code == 200
        monkeypatch.setattr(routes, "PAGE_LIMIT", 0.3)
        proxy.stall()
        response = await admin.get("/metrics/days.json")
        assert response.status_code == 503
        assert response.json()["title"] == "Too slow"


async def test_figures_of_a_week_and_drift_are_scraped(admin: Admin, engine: AsyncEngine) -> None:
    await store(engine, mixed_traffic(21, 120, NOW))
    async with AsyncSession(engine) as session, session.begin():
        findings = find_drift(traffic(seed=3), reference_of_drafts(traffic(seed=99).drafts, VERSION, "generated"))
        await save_findings(session, Findings.model_validate(findings), NOW)
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in parse_text((await admin.get("/metrics")).text)
        for sample in family.samples
    }
    rows = await admin.rows("overview", since="2026-11-13", until="2026-11-19")
    shown = {row["figure"]: row["result"] for row in rows}
    for name in ("acceptance", "kept", "coverage", "missed", "jaccard", "f1"):
        assert samples["tagalong_figure_denominator", name] == shown[name]["n"] > 0
        assert samples["tagalong_figure_ratio", name] == pytest.approx(shown[name]["value"], abs=1e-4)
    columns = {column["column"]: column["psi"] for column in findings["columns"]}
    assert {key[1]: value for key, value in samples.items() if key[0] == "tagalong_drift_psi"} == columns
