"""Answers of the model on the device: recorded like the service's, in whatever order they and their events come."""

import asyncio
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from backend.feedback.anonymise import anonymise_questions
from backend.feedback.projection import recount_items
from backend.feedback.waiting import refuse_unanswered_events
from backend.retention.service import delete_expired
from tests.backend.service import ADMIN, DEVICE_VERSION, Service, a_batch, a_device_answer, a_draft, an_event, now

pytestmark = pytest.mark.anyio

TAGS = ["python", "pandas", "merge"]


def item_event(kind: str, sequence: int, draft: dict[str, Any], answer: dict[str, Any], tag: str) -> dict[str, Any]:
    more = {"position": answer["tags"].index(tag) + 1} if kind == "viewed" else {}
    return an_event(kind, sequence, draft, suggestion_id=answer["suggestion_id"], tag=tag, origin="device", **more)


def post(sequence: int, draft: dict[str, Any], tags: list[str], **more: Any) -> dict[str, Any]:
    content = {"tags": tags, "question_id": 5, "site": draft["site"], "origin": "device"} | more
    return an_event("posted", sequence, draft, **content)


def a_session(draft: dict[str, Any]) -> list[dict[str, Any]]:
    """An answer, three chips seen, one of them accepted and one dismissed, and the post."""
    answer = a_device_answer(draft, 1, TAGS)
    return [
        answer,
        *(item_event("viewed", rank, draft, answer, tag) for rank, tag in enumerate(TAGS, start=2)),
        item_event("accepted", 5, draft, answer, "pandas"),
        item_event("dismissed", 6, draft, answer, "merge"),
        post(7, draft, ["pandas", "join"]),
    ]


async def figures(service: Service, **filters: Any) -> dict[str, tuple[int, int]]:
    rows = await service.metrics("overview", **filters)
    return {row["figure"]: (row["result"]["numerator"], row["result"]["denominator"]) for row in rows}


async def test_a_device_s_answer_begins_its_draft_and_is_stored_like_the_service_s(service: Service) -> None:
    draft = a_draft()
    answer = a_device_answer(draft, 1, ["osx", "python"], confident=1, order="random", chosen_tags=["git"])
    assert await service.send(draft["install_id"], [answer]) == {"new": 1, "known": 0, "refused": []}
    (row,) = await service.rows("SELECT * FROM suggestion")
    expected = {
        "id": UUID(answer["suggestion_id"]),
        "draft_id": UUID(draft["draft_id"]),
        "model_version": DEVICE_VERSION,
        "latency_ms": 2.5,
        "title_chars": len(draft["title"]),
        "body_chars": len(draft["body"]),
        "chosen_tags": ["git"],
        "tags": ["osx", "python"],
        "names": ["macos", "python"],
        "confident": 1,
        "order": "random",
        "deployment_id": None,
        "origin": "device",
    }
    assert {name: row[name] for name in expected} == expected
    assert row["scores"] == pytest.approx([0.9, 0.89])
    (begun,) = await service.rows("SELECT * FROM draft")
    assert (begun["install_id"], begun["kind"], begun["page"]) == (UUID(draft["install_id"]), "ask", "classic")
    assert (begun["origin"], begun["model_version"], begun["started_at"]) == (
        "device",
        DEVICE_VERSION,
        row["created_at"],
    )


async def test_an_answer_is_as_old_as_its_batch_says(service: Service) -> None:
    draft = a_draft()
    answer = a_device_answer(draft, 1, TAGS, occurred_at="2031-05-01T11:00:00Z")
    batch = a_batch(draft["install_id"], [answer], sent_at="2031-05-01T12:00:00Z")
    assert (await service.client.post("/api/v1/events", json=batch)).json()["new"] == 1
    (row,) = await service.rows("SELECT created_at FROM suggestion")
    assert timedelta(minutes=59) < datetime.now(UTC) - row["created_at"] < timedelta(minutes=62)


@pytest.mark.parametrize("seed", range(4))
async def test_order_of_arrival_and_resends_change_nothing(service: Service, seed: int) -> None:
    """Whatever comes when and how often: the same figures, and each event counts once."""
    pick = random.Random(seed)
    drafts = [a_draft(install_id=str(uuid4())) for _ in range(3)]
    for draft in drafts:
        events = a_session(draft)
        sent = events * 2
        pick.shuffle(sent)
        new = 0
        for batch in cut(sent, pick):
            receipt = await service.send(draft["install_id"], batch)
            assert receipt["refused"] == []
            assert receipt["new"] + receipt["known"] == len(batch)
            new += receipt["new"]
        assert new == len(events)
    rates = await figures(service, origin="device")
    assert (rates["acceptance"], rates["dismissal"], rates["help"]) == ((3, 9), (3, 9), (3, 3))
    assert (rates["kept"], rates["agreement"], rates["coverage"]) == ((3, 9), (3, 9), (3, 3))
    assert (rates["precision"], rates["missed"]) == ((3, 9), (3, 6))
    assert (await figures(service, origin="service"))["acceptance"] == (0, 0)
    assert await service.rows("SELECT * FROM waiting_event") == []
    async with service.database.session() as session:
        difference = await recount_items(session)
    assert (difference.items, difference.missing, difference.surplus) == (9, 0, 0)
    books = {row["name"]: row["n"] for row in await service.metrics("bookkeeping")}
    assert (books["received"], books["lost"], books["impossible"]) == (21, 0, 0)


def cut(events: list[dict[str, Any]], pick: random.Random) -> Iterator[list[dict[str, Any]]]:
    while events:
        n = pick.randint(1, 4)
        yield events[:n]
        events = events[n:]


async def test_events_that_come_before_their_answer_wait_and_enter_no_rate(service: Service) -> None:
    draft = a_draft()
    answer, *events = a_session(draft)
    assert await service.send(draft["install_id"], events) == {"new": 6, "known": 0, "refused": []}
    assert await service.send(draft["install_id"], events) == {"new": 0, "known": 6, "refused": []}
    assert await service.rows("SELECT * FROM event") == await service.rows("SELECT * FROM draft") == []
    books = {row["name"]: row["n"] for row in await service.metrics("bookkeeping")}
    assert (books["received"], books["lost"]) == (6, 1)
    assert await service.send(draft["install_id"], [answer]) == {"new": 1, "known": 0, "refused": []}
    rates = await figures(service)
    assert (rates["acceptance"], rates["kept"], rates["precision"]) == ((1, 3), (1, 3), (1, 3))
    books = {row["name"]: row["n"] for row in await service.metrics("bookkeeping")}
    assert (books["received"], books["lost"]) == (7, 0)


async def test_an_event_on_a_tag_that_its_late_answer_did_not_offer_is_refused_then(service: Service) -> None:
    draft = a_draft()
    answer = a_device_answer(draft, 1, TAGS, confident=2)
    other, unshown = item_event("viewed", 2, draft, answer | {"tags": ["git"]}, "git"), TAGS[2]
    events = [other, item_event("viewed", 3, draft, answer, unshown), item_event("viewed", 4, draft, answer, "python")]
    assert (await service.send(draft["install_id"], events))["new"] == 3
    assert await service.send(draft["install_id"], [answer]) == {"new": 1, "known": 0, "refused": []}
    rows = await service.rows("SELECT id, reason FROM refused ORDER BY sequence")
    assert [(str(row["id"]), row["reason"]) for row in rows] == [
        (other["id"], "unknown_tag"),
        (events[1]["id"], "not_offered"),
    ]
    assert (await figures(service))["acceptance"] == (0, 1)


async def test_after_eight_days_an_event_without_its_answer_counts_as_refused(service: Service) -> None:
    draft = a_draft()
    answer, viewed, *_ = a_session(draft)
    await service.send(draft["install_id"], [viewed])
    for hours, refused in ((191, 0), (2, 1)):
        async with service.database.session() as session:
            await session.execute(
                text("UPDATE waiting_event SET received_at = received_at - :age * interval '1 hour'"), {"age": hours}
            )
        await refuse_unanswered_events(service.database)
        assert len(await service.rows("SELECT * FROM refused")) == refused
    assert await service.rows("SELECT * FROM waiting_event") == []
    receipt = await service.send(draft["install_id"], [answer, viewed])
    assert receipt["refused"] == []  # its answer is there now: nothing is wrong with it any more
    books = {row["name"]: row["n"] for row in await service.metrics("bookkeeping")}
    assert books["lost"] == 0


async def test_an_event_that_was_given_up_does_not_wait_again(service: Service) -> None:
    draft = a_draft()
    _, viewed, *_ = a_session(draft)
    await service.send(draft["install_id"], [viewed])
    async with service.database.session() as session:
        await session.execute(text("UPDATE waiting_event SET received_at = now() - interval '9 days'"))
    await refuse_unanswered_events(service.database)
    receipt = await service.send(draft["install_id"], [viewed])
    assert receipt == {"new": 0, "known": 0, "refused": [{"id": viewed["id"], "reason": "unknown_suggestion"}]}


async def test_events_on_a_service_s_answer_never_wait(service: Service) -> None:
    draft = a_draft()
    answer = a_device_answer(draft, 1, TAGS)
    event = item_event("viewed", 2, draft, answer, "python")
    del event["origin"]
    receipt = await service.send(draft["install_id"], [event])
    assert receipt["refused"] == [{"id": event["id"], "reason": "unknown_draft"}]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_version": "light-00000000"}, "unknown_version"),
        ({"model_version": "full-176fc757"}, "unknown_version"),
        ({"tags": ["python", "no-such-tag-anywhere"], "scores": [0.5, 0.4], "confident": 2}, "unknown_tag"),
        ({"scores": [0.5]}, "unequal_lists"),
        ({"confident": 4}, "unequal_lists"),
        ({"tags": ["python", "python", "git"]}, "repeated_tag"),
        ({"site": "example.org"}, "unknown_site"),
        ({"occurred_at": now(-401 * 86_400)}, "forgotten_day"),
        ({"sequence": 20_000_000}, "absurd_sequence"),
    ],
)
async def test_an_answer_that_no_device_can_have_given_is_refused_with_the_reason(
    service: Service, changes: dict[str, Any], reason: str
) -> None:
    draft = a_draft()
    answer = a_device_answer(draft, 1, TAGS) | changes
    receipt = await service.send(draft["install_id"], [answer])
    assert receipt["refused"] == [{"id": answer["id"], "reason": reason}]
    assert await service.rows("SELECT * FROM draft") == await service.rows("SELECT * FROM suggestion") == []


@pytest.mark.parametrize(
    "changes",
    [
        {"scores": [0.5, 0.4, "nan"]},
        {"scores": [0.5, 0.4, 1.5]},
        {"tags": ["python"] * 21},
        {"latency_ms": -1},
        {"confident": "2"},
        {"title_chars": None},
        {"order": "best"},
        {"model_version": "light c22ec615"},
        {"origin": "service"},
    ],
    ids=str,
)
async def test_an_answer_of_another_form_is_malformed(service: Service, changes: dict[str, Any]) -> None:
    draft = a_draft()
    batch = a_batch(draft["install_id"], [a_device_answer(draft, 1, TAGS) | changes])
    assert (await service.client.post("/api/v1/events", json=batch)).status_code == 422


async def test_a_score_that_is_no_number_is_malformed(service: Service) -> None:
    draft = a_draft()
    batch = a_batch(draft["install_id"], [a_device_answer(draft, 1, TAGS, latency_ms=12345.5)])
    content = json.dumps(batch).replace("12345.5", "NaN")
    response = await service.client.post(
        "/api/v1/events", content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422


async def test_an_id_that_another_answer_has_is_refused(service: Service) -> None:
    draft, other = a_draft(), a_draft()
    answer = a_device_answer(draft, 1, TAGS)
    await service.send(draft["install_id"], [answer])
    taken = a_device_answer(other, 1, ["git"], suggestion_id=answer["suggestion_id"])
    receipt = await service.send(other["install_id"], [taken])
    assert receipt["refused"] == [{"id": taken["id"], "reason": "suggestion_taken"}]
    twice = a_device_answer(other, 2, ["git"]), a_device_answer(other, 3, ["git"])
    twice[1]["suggestion_id"] = twice[0]["suggestion_id"]
    receipt = await service.send(other["install_id"], twice)
    assert receipt["refused"] == [{"id": twice[1]["id"], "reason": "suggestion_taken"}]
    assert len(await service.rows("SELECT * FROM suggestion")) == 2


async def test_an_answer_to_another_install_s_draft_or_to_another_kind_of_draft_is_refused(service: Service) -> None:
    draft = a_draft()
    await service.offer(draft, TAGS)
    foreign = a_device_answer(draft, 1, TAGS)
    receipt = await service.send(str(uuid4()), [foreign])
    assert receipt["refused"] == [{"id": foreign["id"], "reason": "unknown_draft"}]
    edited = a_device_answer(draft, 1, TAGS, draft_kind="edit")
    receipt = await service.send(draft["install_id"], [edited])
    assert receipt["refused"] == [{"id": edited["id"], "reason": "wrong_kind"}]


async def test_drafts_of_devices_count_for_their_address_s_bounds(make_service: Any) -> None:
    async with make_service(installs_per_address=2, drafts_per_address=3) as service:
        install = str(uuid4())
        drafts = [a_draft(install_id=install) for _ in range(4)]
        # The second one is counted when the first event about it comes, and not again with its answer.
        early = item_event("viewed", 1, drafts[1], a_device_answer(drafts[1], 9, TAGS), "python")
        assert (await service.send(install, [early]))["new"] == 1
        answers = [a_device_answer(draft, 10 + n, TAGS) for n, draft in enumerate(drafts)]
        receipt = await service.send(install, answers)
        assert receipt["new"] == 3
        assert [refused["reason"] for refused in receipt["refused"]] == ["over_bounds"]
        for n, expected in ((1, 1), (2, 0)):
            other = a_draft()
            later = item_event("viewed", 1, other, a_device_answer(other, 2, TAGS), "python")
            receipt = await service.send(other["install_id"], [later])
            assert receipt["new"] == 0, (n, expected)
            assert receipt["refused"][0]["reason"] == "over_bounds"


async def test_in_a_mixed_draft_items_go_by_their_own_answer_and_the_draft_by_its_first(service: Service) -> None:
    draft = a_draft()
    first = await service.offer(draft, ["python"])
    second = a_device_answer(draft, 2, ["pandas", "merge"])
    events = [
        an_event("viewed", 1, draft, suggestion_id=first, tag="python", position=1),
        second,
        item_event("viewed", 3, draft, second, "pandas"),
        item_event("accepted", 4, draft, second, "pandas"),
        post(5, draft, ["pandas"]),
    ]
    assert (await service.send(draft["install_id"], events))["new"] == 5
    service_s, device_s = await figures(service, origin="service"), await figures(service, origin="device")
    assert (service_s["acceptance"], device_s["acceptance"]) == ((0, 1), (1, 1))
    assert (service_s["kept"], device_s["kept"]) == ((0, 1), (1, 1))
    assert (service_s["help"], device_s["help"]) == ((1, 1), (0, 0))
    assert (service_s["coverage"], device_s["coverage"]) == ((1, 1), (0, 0))
    assert (service_s["precision"], device_s["precision"]) == ((1, 3), (0, 0))
    both = await figures(service)
    assert (both["acceptance"], both["help"], both["precision"]) == ((1, 2), (1, 1), (1, 3))
    rows = {row["origin"]: row for row in await service.metrics("origins")}
    assert {origin: row["acceptance"]["n"] for origin, row in rows.items()} == {"service": 1, "device": 1}


async def test_an_earlier_answer_that_comes_later_becomes_the_draft_s_first(service: Service) -> None:
    draft = a_draft()
    await service.offer(draft, ["python"])
    late = a_device_answer(draft, 1, ["pandas"], occurred_at=now(-3 * 86_400), page="wizard")
    later = a_device_answer(draft, 2, ["merge"])
    for answer in (later, late):
        await service.send(draft["install_id"], [answer])
    (row,) = await service.rows("SELECT * FROM draft")
    assert (row["origin"], row["model_version"], row["page"]) == ("device", DEVICE_VERSION, "wizard")
    assert row["started_at"] < datetime.now(UTC) - timedelta(days=2.9)
    assert (await figures(service, origin="device"))["coverage"] == (1, 1)
    assert (await figures(service, origin="service"))["coverage"] == (0, 0)


async def test_latency_of_the_service_and_of_devices_are_rows_of_their_own(service: Service) -> None:
    draft = a_draft()
    await service.offer(draft, ["python"])
    await service.send(draft["install_id"], [a_device_answer(draft, 1, TAGS, latency_ms=250)])
    rows = await service.metrics("latency")
    assert [(row["origin"], row["model_version"], row["n"]) for row in rows] == [
        ("service", None, 1),
        ("service", "light-test", 1),
        ("device", None, 1),
        ("device", DEVICE_VERSION, 1),
    ]
    assert rows[0]["p50_ms"] < 2 < 200 < rows[2]["p50_ms"]


async def test_the_page_says_how_much_comes_from_the_device(service: Service) -> None:
    draft = a_draft()
    await service.send(draft["install_id"], a_session(draft))
    page = await service.client.get("/metrics?origin=device", headers={"Accept": "text/html"}, auth=ADMIN)
    assert page.status_code == 200
    assert "answered by the device" in page.text
    assert 'id="origins"' in page.text
    wrong = await service.client.get("/metrics/days.csv?origin=phone", auth=ADMIN)
    assert wrong.status_code == 422
    assert "service, device" in wrong.json()["detail"]


async def test_device_s_items_are_among_all_in_prometheus_and_counted_apart(service: Service) -> None:
    draft = a_draft()
    await service.send(draft["install_id"], a_session(draft))
    other = a_draft()
    suggestion = await service.offer(other, ["python"], version=DEVICE_VERSION)
    viewed = an_event("viewed", 1, other, suggestion_id=suggestion, tag="python", position=1)
    await service.send(other["install_id"], [viewed])
    scraped = (await service.client.get("/metrics", auth=ADMIN)).text
    labels = f'{{kind="ask",model_version="{DEVICE_VERSION}"}}'
    assert f"tagalong_items_viewed_total{labels} 4.0" in scraped
    assert f"tagalong_device_items_viewed_total{labels} 3.0" in scraped


async def test_export_and_erasure_know_answers_of_devices_and_events_that_wait(service: Service) -> None:
    draft, waiting = a_draft(), a_draft()
    waiting["install_id"] = draft["install_id"]
    _, *early = a_session(waiting)
    for event in early:
        event["sequence"] += 10
    await service.send(draft["install_id"], [*a_session(draft), *early])
    exported = (await service.client.get(f"/api/v1/installs/{draft['install_id']}")).json()
    assert exported["drafts"][0]["suggestions"][0]["origin"] == "device"
    assert [row["content"]["id"] for row in exported["waiting"]] == [event["id"] for event in early]
    before = await figures(service)
    await service.client.delete(f"/api/v1/installs/{draft['install_id']}")
    assert (await service.client.get(f"/api/v1/installs/{draft['install_id']}")).status_code == 404
    assert await figures(service) == before
    rows = await service.rows("SELECT content FROM waiting_event")
    assert {row["content"]["question_id"] for row in rows if row["content"]["kind"] == "posted"} == {None}


async def test_the_number_of_a_question_leaves_an_event_that_waits_after_a_day(service: Service) -> None:
    draft = a_draft()
    await service.send(draft["install_id"], [post(2, draft, ["git"])])
    await anonymise_questions(service.database)
    (row,) = await service.rows("SELECT content FROM waiting_event")
    assert row["content"]["question_id"] == 5
    async with service.database.session() as session:
        await session.execute(text("UPDATE waiting_event SET received_at = now() - interval '25 hours'"))
    await anonymise_questions(service.database)
    (row,) = await service.rows("SELECT content FROM waiting_event")
    assert row["content"]["question_id"] is None


async def test_questions_that_a_device_helped_with_are_anonymised_and_drafts_deleted_for_their_age(
    service: Service,
) -> None:
    draft = a_draft()
    await service.send(draft["install_id"], a_session(draft))
    async with service.database.session() as session:
        await session.execute(text("UPDATE draft SET posted_at = posted_at - interval '2 days'"))
    assert await anonymise_questions(service.database) == 1
    (row,) = await service.rows("SELECT * FROM feedback")
    assert (row["model_version"], sorted(row["offered_tags"])) == (DEVICE_VERSION, sorted(TAGS))
    later = datetime.now(UTC) + timedelta(days=402)
    await delete_expired(service.database, lambda: later)


async def test_batches_of_one_install_at_the_same_time_leave_no_event_waiting(service: Service) -> None:
    for _ in range(5):
        draft = a_draft()
        events = a_session(draft)
        receipts = await asyncio.gather(*(service.send(draft["install_id"], [event]) for event in events))
        assert sum(receipt["new"] for receipt in receipts) == len(events)
    assert await service.rows("SELECT * FROM waiting_event") == []
    assert (await figures(service))["acceptance"] == (5, 15)
