"""Names of one tag count as one, by the names known when they came; counted figures never change afterwards."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.acceptance.rollup_refresh import compare_rollups, roll_up_days
from backend.feedback.projection import RecountDifference, recount_items
from backend.feedback.service import resolve_posted_names
from backend.postgres.migrate import alembic_config
from model.serving import synonyms
from tests.backend.acceptance.equality import read_rows
from tests.backend.acceptance.recount import Question, Recount
from tests.backend.service import Service, a_draft, an_event, now

pytestmark = pytest.mark.anyio


async def figures(service: Service, *names: str) -> dict[str, tuple[int, int]]:
    """What the overview says of some figures, as numerator and denominator."""
    rows = {row["figure"]: row["result"] for row in await service.metrics("overview", period="7d")}
    return {name: (rows[name]["numerator"], rows[name]["denominator"]) for name in names}


def acted(draft: dict[str, Any], suggestion: str, tag: str, *kinds: str, first: int = 1) -> list[dict[str, Any]]:
    return [
        an_event(
            kind, number, draft, suggestion_id=suggestion, tag=tag, **({"position": 1} if kind == "viewed" else {})
        )
        for number, kind in enumerate(kinds, first)
    ]


def posted(draft: dict[str, Any], sequence: int, *tags: str) -> dict[str, Any]:
    return an_event("posted", sequence, draft, tags=list(tags), question_id=None, site=draft["site"])


async def offered_as_it_was(service: Service, draft: dict[str, Any], tags: list[str]) -> str:
    """An answer as it was recorded before any other name of its tags was known."""
    suggestion = await service.offer(draft, tags)
    async with service.database.session() as session:
        await session.execute(text("UPDATE suggestion SET names = NULL WHERE id = :id"), {"id": suggestion})
    return suggestion


@pytest.mark.parametrize(
    ("offered", "page_says"),
    [
        ("oracle-database", "oracle"),
        ("macos", "osx"),
        ("unity-game-engine", "Unity3D"),
        ("react-native", "react-native"),
    ],
)
async def test_b8_a_tag_that_the_page_renames_is_accepted_kept_and_agreed(
    service: Service, offered: str, page_says: str
) -> None:
    draft = a_draft()
    suggestion = await service.offer(draft, [offered, "sql"])
    events = [
        *acted(draft, suggestion, offered, "viewed", "accepted"),
        *acted(draft, suggestion, "sql", "viewed", first=3),
        posted(draft, 5, page_says, "join"),
    ]
    await service.send(draft["install_id"], events)
    assert await figures(service, "acceptance", "kept", "agreement", "precision", "recall", "jaccard", "missed") == {
        "acceptance": (1, 2),
        "kept": (1, 2),
        "agreement": (1, 2),
        "precision": (1, 2),
        "recall": (1, 2),
        "jaccard": (1, 3),
        "missed": (1, 2),
    }
    (row,) = await service.rows("SELECT posted_tags FROM draft")
    assert row["posted_tags"] == [page_says, "join"]


async def test_b8_an_answer_given_under_an_old_name_agrees_with_the_new_one(service: Service) -> None:
    draft = a_draft()
    suggestion = await offered_as_it_was(service, draft, ["osx", "swift"])
    await service.send(draft["install_id"], acted(draft, suggestion, "osx", "viewed"))
    await service.send(draft["install_id"], [posted(draft, 2, "macos", "swift")])
    assert await figures(service, "agreement", "exact", "missed") == {
        "agreement": (1, 1),
        "exact": (1, 1),
        "missed": (0, 2),
    }
    assert await service.rows("SELECT tag FROM item") == [{"tag": "osx"}]


@pytest.mark.parametrize("order", list(permutations(range(4)))[::5])
async def test_b8_when_the_page_renamed_the_tag_makes_no_difference(service: Service, order: tuple[int, ...]) -> None:
    """Whichever name the page showed at the click, and in whichever order events arrive."""
    draft = a_draft()
    suggestion = await service.offer(draft, ["oracle-database"])
    events = [
        *acted(draft, suggestion, "oracle-database", "viewed", "accepted"),
        posted(draft, 3, "oracle-database"),
        posted(draft, 4, "oracle"),
    ]
    for number in order:
        await service.send(draft["install_id"], [events[number]])
    assert await figures(service, "kept", "exact") == {"kept": (1, 1), "exact": (1, 1)}


async def test_c1_a_tag_offered_under_two_names_in_one_draft_is_one_item(service: Service) -> None:
    draft = a_draft()
    first = await service.offer(draft, ["osx", "swift"])
    second = await service.offer(draft, ["macos"])
    events = [
        *acted(draft, first, "osx", "viewed"),
        *acted(draft, second, "macos", "viewed", "accepted", first=2),
        posted(draft, 4, "osx"),
    ]
    await service.send(draft["install_id"], events)
    assert await service.rows("SELECT tag, rank, accepted_at IS NOT NULL AS accepted FROM item") == [
        {"tag": "macos", "rank": 1, "accepted": True}
    ]
    assert await figures(service, "acceptance", "kept", "precision", "recall") == {
        "acceptance": (1, 1),
        "kept": (1, 1),
        "precision": (1, 2),
        "recall": (1, 1),
    }


async def test_c1_both_names_of_one_tag_posted_are_one_tag(service: Service) -> None:
    draft = a_draft()
    await service.offer(draft, ["macos"])
    await service.send(draft["install_id"], [posted(draft, 1, "osx", "macos", "mac-osx")])
    assert await figures(service, "recall", "exact") == {"recall": (1, 1), "exact": (1, 1)}


async def test_what_was_counted_does_not_move_when_more_names_are_known(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = a_draft()
    suggestion = await service.offer(draft, ["gadget", "macos"])
    await service.send(
        draft["install_id"],
        [*acted(draft, suggestion, "gadget", "viewed", "accepted"), posted(draft, 3, "widget-lib", "osx")],
    )
    names = ("kept", "agreement", "precision", "recall", "jaccard", "missed", "unknown")
    before = await figures(service, *names)
    assert before["kept"] == (0, 1)

    monkeypatch.setitem(synonyms._NAME_IN_USE, "widget-lib", "gadget")
    monkeypatch.delitem(synonyms._NAME_IN_USE, "osx")
    assert await figures(service, *names) == before
    async with service.database.session() as session:
        assert await recount_items(session) == RecountDifference(items=1, missing=0, surplus=0)
    # A question posted from now on is counted by what is known now.
    later = a_draft()
    await service.offer(later, ["gadget"])
    await service.send(later["install_id"], [posted(later, 1, "widget-lib")])
    assert (await figures(service, "recall"))["recall"] == (2, 3)


async def test_other_names_are_counted_alike_live_summed_up_and_in_the_recount(service: Service) -> None:
    for tags, name in ((["oracle-database", "sql"], "oracle"), (["osx"], "macos"), (["r"], "join")):
        draft = a_draft()
        suggestion = await service.offer(draft, tags)
        events = [*acted(draft, suggestion, tags[0], "viewed", "accepted"), posted(draft, 3, name)]
        await service.send(draft["install_id"], events)
    live = await figures(service, "kept", "missed", "jaccard")
    rows = await read_rows(service.database.engine)
    days = sorted(row["started_at"].date() for row in rows.draft)
    moment = max(row["received_at"] for row in rows.event)
    counted = Recount(rows, Question(days[0], moment.date(), moment, ())).figures()
    assert {name: (counted[name].numerator, counted[name].denominator) for name in live} == live
    assert await roll_up_days(service.database, lambda: moment + timedelta(days=3)) > 0
    async with service.database.session() as session:
        assert (await compare_rollups(session, moment + timedelta(days=3))).differing == []


async def test_c1_no_way_to_ask_gives_two_names_of_one_tag(service: Service) -> None:
    title = "Unity3D build for macOS (osx) reads an Oracle database"
    draft = {"title": title, "body": "", "body_format": "text", "site": "stackoverflow.com", "limit": 20}
    chosen = await service.suggest(**draft, chosen_tags=["osx", "oracle"])
    response = await service.client.post("/api/v1/suggestions/batch", json={"drafts": [draft]})
    (answer,) = response.json()["answers"]
    for items, gone in ((chosen["items"], {"macos", "oracle-database"}), (answer["items"], set())):
        tags = [item["tag"] for item in items]
        assert len(tags) == 20
        assert len(synonyms.main_names(tags)) == 20
        assert "unity-game-engine" in tags
        assert not gone & set(tags)
    assert {"macos", "oracle-database"} <= {item["tag"] for item in answer["items"]}
    assert await service.rows("SELECT names FROM suggestion") == [{"names": None}]


def test_posted_tags_count_by_the_name_that_was_offered_then_by_the_name_in_use() -> None:
    assert resolve_posted_names(["macos", "swift"], {"osx"}) == ["osx", "swift"]
    assert resolve_posted_names(["osx", "tsql"], ["macos"]) == ["macos", "t-sql"]
    assert resolve_posted_names(["osx", "macos"], {"osx", "macos"}) == ["osx", "macos"]
    assert resolve_posted_names([], {"osx"}) == []


async def test_an_upgrade_leaves_every_count_as_it_was(engine: AsyncEngine) -> None:
    """Rows of before count as they stand, whatever names are known now."""

    def step(connection: Connection, there: bool) -> None:
        (command.upgrade if there else command.downgrade)(alembic_config(connection), "head" if there else "0010")

    async with engine.begin() as connection:
        await connection.run_sync(step, False)
        for statement in AS_IT_WAS:
            await connection.execute(text(statement), {"now": now()})
        await connection.run_sync(step, True)
    rows = await read_rows(engine)
    day = rows.draft[0]["started_at"].date()
    counted = Recount(rows, Question(day, day, rows.draft[0]["started_at"], ())).figures()
    assert (counted["kept"].numerator, counted["precision"].numerator, counted["missed"].numerator) == (0, 0, 1)
    async with AsyncSession(engine) as session:
        assert await recount_items(session) == RecountDifference(items=1, missing=0, surplus=0)


AS_IT_WAS = (
    """INSERT INTO draft (id, install_id, kind, site, model_version, started_at, posted_at, posted_tags)
    SELECT id, id, 'ask', 'stackoverflow.com', 'light-1', moment, moment, '{macos}'
    FROM (SELECT gen_random_uuid() AS id, CAST(CAST(:now AS text) AS timestamptz) AS moment)""",
    """INSERT INTO suggestion (id, draft_id, model_version, created_at, latency_ms, title_chars, body_chars,
        chosen_tags, tags, scores, confident)
    SELECT id, id, 'light-1', started_at, 1, 1, 1, '{}', '{osx}', '{.9}', 1 FROM draft""",
    """INSERT INTO event (id, install_id, sequence, kind, draft_id, suggestion_id, tag, position, occurred_at, sent_at,
        received_at, at)
    SELECT gen_random_uuid(), id, n, CASE n WHEN 1 THEN 'viewed' ELSE 'accepted' END, id, id, 'osx',
        CASE n WHEN 1 THEN 1 END, started_at, started_at, started_at, started_at
    FROM draft, generate_series(1, 2) AS n""",
    """INSERT INTO item (draft_id, tag, suggestion_id, rank, score, position, viewed_at, accepted_at, impossible)
    SELECT id, 'osx', id, 1, .9, 1, started_at, started_at, false FROM draft""",
)
