"""The audit log: what commands and admins did is there, once, newest first, and names no writer."""

import asyncio
import json
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from backend.audit.refusals import RefusedSignIns, network_of
from backend.audit.service import ADMIN, SERVICE, list_newest_acts, record_act
from backend.cli import main
from backend.postgres.database import Database
from tests.backend.admin.conftest import HTML, admin_at
from tests.backend.postgres.cuttable_proxy import CuttableProxy
from tests.backend.service import Service, a_draft


@pytest.mark.anyio
async def test_an_act_that_is_rolled_back_was_never_done(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session:
        await record_act(session, "deploy", "full-1a2b3c4d", {"share": 0.1})
        await session.rollback()
        assert await list_newest_acts(session, 10) == []
        await record_act(session, "promote", "full-1a2b3c4d", actor=SERVICE)
        await session.commit()
        acts = await list_newest_acts(session, 10)
    assert [(act.actor, act.act, act.subject, act.details) for act in acts] == [
        ("service", "promote", "full-1a2b3c4d", {})
    ]


@pytest.mark.anyio
async def test_page_and_twins_show_the_same_acts_newest_first_and_no_markup(
    engine: AsyncEngine, database_url: str
) -> None:
    markup = '<img src=x onerror="alert(1)">'
    async with AsyncSession(engine) as session:
        for share in (0.1, 0.2):
            await record_act(session, "import drift", markup, {"share": share, "why": markup, "checks": {"metrics": 3}})
        await session.commit()
    async with admin_at(database_url) as admin:
        rows = await admin.rows("acts")
        assert [row["details"] for row in rows] == [
            f"why {markup}, share {share}, checks (metrics 3)" for share in (0.2, 0.1)
        ]
        assert {row["subject"] for row in rows} == {markup}
        page = (await admin.get("/metrics", headers=HTML)).text
        assert "What admins did" in page
        assert page.index("share 0.2") < page.index("share 0.1")
        assert "<img" not in page
        assert "&lt;img src=x onerror=" in page
        assert markup.replace('"', '""') in (await admin.get("/metrics/acts.csv")).text


@pytest.mark.anyio
async def test_refused_sign_ins_become_one_row_however_many_there_are(database_url: str) -> None:
    database = Database(database_url)
    refused = RefusedSignIns(database)
    async with admin_at(database_url, on_refused=refused.count) as admin:
        for _ in range(25):
            await admin.get("/metrics", auth=("admin", "guess"))
    for n in range(6):
        refused.count(f"2001:db8:0:{n}::7")
    await refused.flush()
    await refused.flush()
    async with database.session() as session:
        acts = await list_newest_acts(session, 10)
    await database.close()
    assert [(act.actor, act.act, act.subject) for act in acts] == [(ADMIN, "refuse sign-in", "")]
    # Past the tenth, they were turned away without a look at the password. No address is kept whole.
    assert acts[0].details == {"attempts": 16, "networks": {"127.0.0.0/24": 10, "2001:db8::/48": 6}}


@pytest.mark.anyio
async def test_refused_sign_ins_wait_for_a_database_that_is_away(database_url: str) -> None:
    async with CuttableProxy(database_url) as proxy:
        database = Database(proxy.url)
        refused = RefusedSignIns(database)
        refused.count("203.0.113.9")
        await proxy.cut()
        await refused.flush()
        await database.close()
    database = Database(database_url)
    refused._database = database
    await refused.flush()
    async with database.session() as session:
        assert [act.details["attempts"] for act in await list_newest_acts(session, 10)] == [1]
    await database.close()


@pytest.mark.parametrize(
    ("client", "network"),
    [("203.0.113.77", "203.0.113.0/24"), ("2001:db8:1:2::9", "2001:db8:1::/48"), ("unix:", "unknown"), ("", "unknown")],
)
def test_of_an_address_only_its_network_is_kept(client: str, network: str) -> None:
    assert network_of(client) == network


@pytest.mark.anyio
async def test_the_service_notes_wrong_passwords(service: Service) -> None:
    for _ in range(3):
        assert (await service.client.get("/metrics", auth=("admin", "wrong"))).status_code == 401
    await service.app.state.refused_sign_ins.flush()
    (act,) = await service.metrics("acts")
    assert (act["act"], act["details"]) == ("refuse sign-in", "attempts 3, networks (127.0.0.0/24 3)")


def test_commands_leave_notes_that_name_no_writer(database_url: str) -> None:
    install = str(a_draft()["install_id"])
    for arguments in (["erase", install], ["recount"], ["demo", "--remove"]):
        done = CliRunner().invoke(main, arguments, env={"TAGALONG_DATABASE_URL": database_url}, catch_exceptions=False)
        assert done.exit_code == 0, done.output

    async def read() -> list[tuple[Any, ...]]:
        engine = create_async_engine(database_url)
        async with engine.connect() as connection:
            rows = await connection.execute(text("SELECT actor, act, subject, details FROM audit ORDER BY id"))
            found = [tuple(row) for row in rows]
        await engine.dispose()
        return found

    rows = asyncio.run(read())
    assert [row[:3] for row in rows] == [
        ("operator", "erase", ""),
        ("operator", "recount", ""),
        ("operator", "remove demo", ""),
    ]
    assert rows[0][3] == {"rows": 0}
    assert install not in json.dumps(rows)
