"""Silencing an alert with the page's buttons, and by command."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import uuid4

import pytest
from click.testing import CliRunner
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.alerts.tables import AlertRow, SilenceRow
from backend.audit.tables import Act
from backend.cli import main
from tests.backend.admin.conftest import AUTH, HTML, NOW, Admin

pytestmark = pytest.mark.anyio

PATH = "/metrics/alerts/silence"


async def fire(engine: AsyncEngine, rule: str, subject: str) -> None:
    async with engine.begin() as connection:
        row = {"id": uuid4(), "rule": rule, "subject": subject, "state": "firing", "since": NOW, "words": "Figures."}
        await connection.execute(insert(AlertRow).values(**row))


async def test_a_button_silences_an_alert_for_a_week_and_another_ends_it(admin: Admin, engine: AsyncEngine) -> None:
    await fire(engine, "tag_dismissed", "c++ & more")
    page = await admin.page()
    address = f"{PATH}?rule=tag_dismissed&amp;subject=c%2B%2B%20%26%20more&amp;days="
    assert f'formaction="{address}7"' in page
    response = await admin.client.post(f"{address}7".replace("&amp;", "&"), auth=AUTH)
    assert (response.status_code, response.headers["location"]) == (303, "/metrics")
    async with engine.begin() as connection:
        silenced = (await connection.execute(select(SilenceRow))).one()
        assert (silenced.rule, silenced.subject, silenced.until) == (
            "tag_dismissed",
            "c++ & more",
            datetime(2026, 11, 27, tzinfo=UTC),
        )
        act = (await connection.execute(select(Act))).one()
        assert (act.act, act.actor, act.details) == (
            "silence",
            "admin",
            {"rule": "tag_dismissed", "until": "2026-11-27"},
        )
    page = await admin.page()
    assert "nobody is notified before" in page
    assert f'formaction="{address}0"' in page
    await admin.client.post(f"{address}0".replace("&amp;", "&"), auth=AUTH)
    assert "nobody is notified before" not in await admin.page()


async def test_a_day_of_choice_is_confirmed_by_a_button_that_silences_until_then(admin: Admin) -> None:
    chosen = {"rule": "tag_dismissed", "subject": "c++ & <b>", "until": "2026-12-24"}
    confirmation = await admin.get("/metrics/silence", params=chosen, headers=HTML)
    assert confirmation.status_code == 200
    assert "until 24 Dec 2026?" in confirmation.text
    assert "c++ &amp; &lt;b&gt;" in confirmation.text
    address = unescape(re.search(r'method="post" action="([^"]+)"', confirmation.text)[1])  # type: ignore[index]
    # Asking changes nothing.
    assert await admin.rows("acts") == []
    assert (await admin.client.post(address, auth=AUTH)).status_code == 303
    (act,) = await admin.rows("acts")
    assert (act["act"], act["subject"]) == ("silence", "c++ & <b>")
    for wrong in ({"rule": "none"}, {"until": "soon"}):
        assert (await admin.get("/metrics/silence", params=chosen | wrong)).status_code == 422


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("rule=none&days=7", "there is no rule"),
        ("rule=no_drafts", "give 'days'"),
        ("rule=no_drafts&days=many", "give 'days'"),
        ("rule=no_drafts&until=tomorrow", "give 'days'"),
        ("rule=no_drafts&days=999999999999", "give 'days'"),
        ("rule=no_drafts&days=400", "more than a year away"),
    ],
)
async def test_what_makes_no_sense_silences_nothing(admin: Admin, engine: AsyncEngine, query: str, words: str) -> None:
    response = await admin.client.post(f"{PATH}?{query}", auth=AUTH)
    assert response.status_code == 422
    assert words in response.json()["detail"]
    async with engine.begin() as connection:
        assert (await connection.execute(select(SilenceRow))).all() == []


async def test_only_the_services_own_page_with_the_password_silences(admin: Admin, engine: AsyncEngine) -> None:
    address = f"{PATH}?rule=no_drafts&days=7"
    assert (await admin.client.post(address)).status_code == 401
    for origin, status in (("chrome-extension://abc", 403), ("https://evil.example", 403), (None, 303)):
        headers = {} if origin is None else {"Origin": origin}
        assert (await admin.client.post(address, auth=AUTH, headers=headers)).status_code == status
    assert (await admin.client.get(address, auth=AUTH)).status_code in (404, 405)
    assert (await admin.client.head(address, auth=AUTH)).status_code in (404, 405)


def test_the_command_silences_until_a_day_to_come(database_url: str) -> None:
    environment = {"TAGALONG_DATABASE_URL": database_url}

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["silence", *arguments], env=environment)
        return result.exit_code, result.output

    day = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    assert run("no_drafts", "--until", day) == (0, f"no_drafts: nobody is notified before {day}.\n")
    assert run("tag_dismissed", "--subject", "java", "--until", day)[1].startswith("tag_dismissed (java): nobody")
    assert run("no_drafts", "--end") == (0, "no_drafts: notified of again.\n")
    code, output = run("nothing", "--until", day)
    assert code == 1
    assert "there is no rule 'nothing'; there are acceptance_fell" in output
    assert run("no_drafts", "--until", "2026-01-01")[0] == 2
    assert run("no_drafts")[0] == 2
