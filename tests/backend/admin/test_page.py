"""The page: its figures are those of the twins, and nothing that came from outside becomes markup."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.acceptance.figures import FIGURES
from backend.acceptance.rollup_refresh import roll_up_days
from backend.alerts.rules import TargetRule
from backend.alerts.tables import AlertRow
from backend.postgres.database import Database
from tests.backend.acceptance.traffic import SITES, UNKNOWN, VERSIONS, Writer, first_day, mixed_traffic, store
from tests.backend.admin.conftest import HTML, NOW, Admin

pytestmark = pytest.mark.anyio

VOID = {"meta", "link", "input", "br", "hr", "img"}


class Outline(HTMLParser):
    """Elements with their attributes, and the text of those that a test asks about."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            name = (dict(attrs).get("class") or tag).split()[0]
            self._open.append((tag, name))
            self.texts.setdefault(name, []).append("")

    def handle_endtag(self, tag: str) -> None:
        # Lists and table cells are all closed in our templates.
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open[-1][1]][-1] += data


def per_cent(value: float | None) -> str:
    return "n/a" if value is None else f"{value * 100:.1f} %"


async def test_the_big_figures_are_those_of_the_json(admin: Admin, engine: AsyncEngine) -> None:
    rows = mixed_traffic(31, 150, NOW)
    await store(engine, rows)
    for filters in ({"since": first_day(rows).isoformat()}, {"period": "7d", "kind": "edit"}, {"site": SITES[1]}):
        overview = {row["figure"]: row["result"] for row in await admin.rows("overview", **filters)}
        texts = Outline(await admin.page(**filters)).texts
        figures = [overview[figure.name] for figure in FIGURES]
        assert texts["value"] == [per_cent(figure["value"]) for figure in figures]
        for shown, figure in zip(texts["interval"], figures, strict=True):
            if figure["low"] is not None:
                # Rounded twice, once for JSON: a tenth of a per cent at most.
                bounds = [float(bound) for bound in re.findall(r"[\d.]+", shown)]
                assert bounds == pytest.approx([figure["low"] * 100, figure["high"] * 100], abs=0.051)
            elif figure["value"] is not None:
                assert shown == figure["reason"]
            else:
                assert shown.startswith("no ")
        for shown, figure in zip(texts["n"], figures, strict=True):
            assert re.search(rf"\b{figure['n']:,} ", shown), (shown, figure)
            writers = re.search(r" by ([\d,]+) writers?\b", shown)
            assert (int(writers[1]) if writers else None) == (figure["writers"] or None)
            still_open = re.search(r"([\d,]+) \w+ still open", shown)
            assert (int(still_open[1]) if still_open else 0) == figure["open"]


async def test_of_nothing_the_page_says_so(admin: Admin) -> None:
    page = await admin.page()
    outline = Outline(page)
    assert set(outline.texts["value"]) == {"n/a"}
    assert "0.0 %" not in page
    assert "No chip was seen in this period." in page


async def test_below_thirty_a_figure_is_grey(admin: Admin, engine: AsyncEngine) -> None:
    writer = Writer()
    for number in range(30):
        draft = writer.draft(
            NOW - timedelta(days=2), posted_at=NOW if number else None, posted_tags=["a"] if number else None
        )
        writer.item(writer.suggestion(draft, ["a"]), "a", NOW - timedelta(days=1))
    await store(engine, writer.rows)
    classes = [
        (attributes.get("class") or "").split()
        for tag, attributes in Outline(await admin.page()).elements
        if tag == "div"
    ]
    grey = {
        figure.name: "few" in names
        for figure, names in zip(FIGURES, (names for names in classes if "figure" in names), strict=True)
    }
    # 30 viewed items, 29 of posted drafts.
    assert grey["acceptance"] is False
    assert grey["kept"] is True
    assert grey["jaccard"] is True


async def test_markup_from_outside_stays_text(admin: Admin, engine: AsyncEngine) -> None:
    rows = mixed_traffic(32, 150, NOW)
    await store(engine, rows)
    filters = {"since": first_day(rows).isoformat()}
    page = await admin.page(**filters)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    for outside in (UNKNOWN[2], SITES[2], VERSIONS[2], "<b>bold</b>"):
        assert outside not in page
    outline = Outline(page)
    assert {tag for tag, _ in outline.elements}.isdisjoint({"script", "b", "i", "style", "iframe", "object", "img"})
    # What it was is still to be read, and can be chosen.
    assert UNKNOWN[2] in outline.texts["tag"]
    assert (
        await admin.get("/metrics", params={"site": SITES[2], "model": VERSIONS[2]}, headers=HTML)
    ).status_code == 200


async def test_the_page_needs_no_script_no_style_and_nobody_else(admin: Admin, engine: AsyncEngine) -> None:
    await store(engine, mixed_traffic(33, 60, NOW))
    response = await admin.get("/metrics", headers=HTML)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    for tag, attributes in Outline(response.text).elements:
        assert "style" not in attributes, tag
        assert not any(name.startswith("on") for name in attributes), tag
        for name in ("href", "src", "action"):
            assert (attributes.get(name) or "/").startswith("/"), (tag, attributes)
    sheet = await admin.get("/metrics/style.css")
    assert sheet.headers["content-type"] == "text/css; charset=utf-8"
    assert "prefers-color-scheme: dark" in sheet.text
    assert "url(" not in sheet.text
    assert "@import" not in sheet.text


async def test_every_picture_has_its_numbers_beside_it(admin: Admin, engine: AsyncEngine) -> None:
    await store(engine, mixed_traffic(34, 60, NOW))
    outline = Outline(await admin.page(period="7d"))
    pictures = [attributes for tag, attributes in outline.elements if tag == "svg"]
    assert pictures
    for picture in pictures:
        # A chart is named, and its table follows; a bar stands in a row that has its numbers.
        assert (picture.get("role") == "img" and picture.get("aria-label")) or picture.get("aria-hidden") == "true"
    headers = [attributes for tag, attributes in outline.elements if tag == "th"]
    assert all(attributes.get("scope") in ("col", "row") for attributes in headers)
    days = [text for text in outline.texts["a"] if re.fullmatch(r"\d+ \w{3} 2026", text)]
    assert len(days) == 7


async def check_forms(admin: Admin, outline: Outline) -> None:
    """Send every form of the page as it stands; a field that is there twice, or contradicts another, is refused."""
    forms: list[list[tuple[str, str]]] = []
    for tag, attributes in outline.elements:
        name, value = attributes.get("name") or "", attributes.get("value") or ""
        if tag == "form":
            forms.append([])
        elif tag == "input":
            forms[-1].append((name, value))
        elif tag == "select":
            forms[-1].append((name, ""))
        elif tag == "option" and "selected" in attributes:
            forms[-1][-1] = (forms[-1][-1][0], value)
    assert len(forms) == 3
    for form in forms:
        response = await admin.get("/metrics", params=form, headers=HTML)
        assert response.status_code == 200, (form, response.text)


async def test_links_and_form_keep_the_view(admin: Admin, engine: AsyncEngine) -> None:
    rows = mixed_traffic(35, 60, NOW)
    await store(engine, rows)
    outline = Outline(await admin.page(kind="edit", site=SITES[1], period="7d"))
    links = [attributes["href"] or "" for tag, attributes in outline.elements if tag == "a"]
    assert links
    for link in links:
        response = await admin.get(link, headers=HTML)
        assert response.status_code == 200, link
        if "kind=edit&site=superuser.com" in link:
            continue
        pytest.fail(f"{link} loses a filter")
    chosen = [
        attributes["value"] for tag, attributes in outline.elements if tag == "option" and "selected" in attributes
    ]
    assert chosen == ["edit", SITES[1]]
    inputs = {attributes.get("name"): attributes for tag, attributes in outline.elements if tag == "input"}
    assert (inputs["since"]["value"], inputs["until"]["value"]) == ("2026-11-14", "2026-11-20")
    # Choosing another site keeps the last seven days, and does not freeze them into dates.
    assert inputs["period"] == {"type": "hidden", "name": "period", "value": "7d"}
    await check_forms(admin, outline)


async def test_e11_the_report_is_of_the_newest_month_with_drafts(admin: Admin, engine: AsyncEngine) -> None:
    async def report(**asked: str) -> Outline:
        return Outline((await admin.get("/metrics/report", params=asked, headers=HTML)).text)

    assert (await report()).texts["h1"] == ["Tagalong, 1 Oct 2026 \N{EN DASH} 31 Oct 2026"]
    writer = Writer()
    for kind, moment in (("demo", NOW), ("ask", NOW - timedelta(days=100))):
        writer.suggestion(writer.draft(moment, kind=kind), ["git"])
    await store(engine, writer.rows)
    demo = await report(kind="demo")
    assert demo.texts["h1"] == ["Tagalong, 1 Nov 2026 \N{EN DASH} 30 Nov 2026"]
    assert "No drafts were written in October 2026: this is the newest month with some." in demo.texts["note"]
    assert (await report()).texts["h1"] == ["Tagalong, 1 Aug 2026 \N{EN DASH} 31 Aug 2026"]


async def test_the_report_is_of_the_last_whole_month_unless_another_is_named(admin: Admin, engine: AsyncEngine) -> None:
    writer = Writer()
    for moment, accepted in ((NOW - timedelta(days=30), True), (NOW, False)):
        suggestion = writer.suggestion(writer.draft(moment), ["git"])
        writer.item(suggestion, "git", moment, accepted_at=moment if accepted else None)
    await store(engine, writer.rows)

    async def report(**asked: str) -> Outline:
        response = await admin.get("/metrics/report", params=asked, headers=HTML)
        assert response.status_code == 200, response.text
        assert response.headers["cache-control"] == "no-store"
        return Outline(response.text)

    october = await report()
    assert october.texts["h1"] == ["Tagalong, 1 Oct 2026 \N{EN DASH} 31 Oct 2026"]
    assert october.texts["value"][0] == "100.0 %"
    assert (await report(month="2026-11")).texts["value"][0] == "0.0 %"
    assert (await report(period="90d")).texts["value"][0] == "50.0 %"
    assert (await report(month="2026-11", kind="edit")).texts["value"][0] == "n/a"
    for_one = {"kind": "ask", "site": "stackoverflow.com", "model": VERSIONS[0], "arm": "challenger"}
    named = f"questions being asked, stackoverflow.com, {VERSIONS[0]}, challenger's arm"
    assert named in (await report(**for_one)).texts["span"]
    assert f"{named}, days in UTC" in Outline(await admin.page(**for_one)).texts["secondary"]
    assert (await admin.get("/metrics/report", params={"month": "november"}, headers=HTML)).status_code == 422
    assert (await admin.get("/metrics/report", auth=None)).status_code == 401


async def test_the_first_look_names_only_tags_that_stand_out_and_says_what_to_trust(
    admin: Admin, engine: AsyncEngine
) -> None:
    assert "no tag was seen 30 times yet" in await admin.page()

    async def see(accepted: dict[str, int], times: int) -> None:
        writer = Writer(times)
        for number in range(times):
            draft = writer.draft(NOW - timedelta(hours=3), posted_at=NOW - timedelta(hours=2), posted_tags=["htmx"])
            suggestion = writer.suggestion(draft, list(accepted))
            writer.event(draft, NOW, kind="posted", tags=["htmx"], lost=int(number == 7))
            for tag, n in accepted.items():
                writer.item(suggestion, tag, NOW - timedelta(hours=3), accepted_at=NOW if number < n else None)
        await store(engine, writer.rows)

    # A third against two thirds of 31: chance may do that.
    await see({"git": 20, "sql": 12, "go": 16}, 31)
    page = await admin.page()
    assert "none stands out: chance explains how 3 tags differ" in " ".join(page.split())
    assert "1 of 32 events lost, 0 items impossible" in page
    report = (await admin.get("/metrics/report", params={"period": "28d"}, headers=HTML)).text
    assert report.count("None stands out") == 2

    await see({"css": 0, "java": 40}, 40)
    outline = Outline(await admin.page())
    assert outline.texts["tag"][:2] == ["css", "htmx"]
    assert " ".join(outline.texts["whole"][0].split()) == "0.0 %"
    report = (await admin.get("/metrics/report", params={"period": "28d"}, headers=HTML)).text
    best, worst = re.findall(r'id="(?:best|worst)".*?</section>', report, re.S)
    assert ("java" in best, "css" in best) == (True, False)
    assert ("java" in worst, "css" in worst) == (False, True)


async def test_a_target_stands_beside_its_figure_and_in_the_answer(make_admin: Any, engine: AsyncEngine) -> None:
    await store(engine, mixed_traffic(37, 60, NOW))
    rule = TargetRule(
        title="Acceptance misses its target",
        advice="",
        least=1,
        kind="target",
        figure="acceptance",
        goal="at_least",
        target=0.35,
    )
    async with make_admin(rules={"target": rule}) as admin:
        outline = Outline(await admin.page())
    assert outline.texts["target"] == ["Target: at least 35 %"]
    assert outline.texts["exactly"][0].rstrip(".").endswith("target: at least 35 %")


async def test_a_click_on_a_tag_shows_what_became_of_its_chips(
    admin: Admin, engine: AsyncEngine, database: Database
) -> None:
    rows = mixed_traffic(36, 150, NOW)
    await store(engine, rows)
    since = first_day(rows).isoformat()

    async def check() -> None:
        tags = {row["tag"]: row for row in await admin.rows("tags", since=since)}
        days = await admin.rows("days", since=since, only_tag="c++")
        for figure in ("acceptance", "dismissal", "kept", "missed"):
            for part in ("numerator", "denominator"):
                assert sum(day[figure][part] for day in days) == tags["c++"][figure][part], (figure, part)
        accepted, viewed = (tags["c++"]["acceptance"][part] for part in ("numerator", "denominator"))
        assert viewed
        page = await admin.page(since=since, only_tag="C++")
        assert f"of {viewed} c++ chips seen were accepted" in Outline(page).texts["strong"][0]
        assert accepted / viewed == pytest.approx(tags["c++"]["acceptance"]["value"], abs=1e-6)
        assert "drafts were helped" not in page

    await check()
    assert await roll_up_days(database, lambda: NOW) > 10
    await check()
    links = [attributes["href"] for tag, attributes in Outline(await admin.page(since=since)).elements if tag == "a"]
    assert any("only_tag=c%2B%2B" in (link or "") for link in links)
    refused = await admin.get("/metrics/overview.json", params={"only_tag": "c++"})
    assert (refused.status_code, refused.json()["filter"]) == (422, "only_tag")


async def test_alerts_stand_at_the_top_with_their_figures_and_what_to_do(admin: Admin, engine: AsyncEngine) -> None:
    assert "All quiet" in await admin.page()
    rows = [
        ("tag_dismissed", "<b>java</b>", "firing", None),
        ("no_drafts", "", "pending", None),
        ("gone_rule", "", "firing", None),
        ("acceptance_fell", "", "resolved", NOW - timedelta(days=1)),
    ]
    async with engine.begin() as connection:
        for rule, subject, state, resolved_at in rows:
            await connection.execute(
                insert(AlertRow).values(
                    id=uuid4(),
                    rule=rule,
                    subject=subject,
                    state=state,
                    since=NOW - timedelta(days=2),
                    fired_at=None if state == "pending" else NOW - timedelta(days=2),
                    resolved_at=resolved_at,
                    words=f"Figures of {rule}.",
                )
            )
    page = await admin.page()
    outline = Outline(page)
    assert [
        attributes["class"] for _, attributes in outline.elements if "alert" in (attributes.get("class") or "")
    ] == [
        "alert firing",
        "alert firing",
        "alert pending",
    ]
    assert "<b>java</b>" not in page
    assert "<b>java</b>" in outline.texts["tag"]
    assert [advice.split()[0] for advice in outline.texts["advice"]] == ["Look", "Did"]
    assert "1 alert resolved in the last 30 days" in outline.texts["summary"]
    told = [(row["rule"], row["state"]) for row in await admin.rows("alerts")]
    assert told == [
        ("gone_rule", "firing"),
        ("tag_dismissed", "firing"),
        ("no_drafts", "pending"),
        ("acceptance_fell", "resolved"),
    ]
