"""Events: checked, stored once, projected in the order of their sequence."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from backend.feedback.anonymise import anonymise_questions
from backend.feedback.arrivals import correct_clock
from tests.backend.service import Service, a_batch, a_draft, an_event, now

pytestmark = pytest.mark.anyio

TAGS = ["python", "pandas", "merge"]


async def events_of_item(
    service: Service, kinds: list[str], *, tag: str = "python"
) -> tuple[dict[str, Any], str, list[dict[str, Any]]]:
    """Return a draft with an answer, the answer's id, and the events of one of its tags, not sent yet."""
    draft = a_draft()
    suggestion = await service.offer(draft, TAGS)
    events = []
    for sequence, kind in enumerate(kinds, start=1):
        more = {"suggestion_id": suggestion, "tag": tag}
        events.append(an_event(kind, sequence, draft, **more, **({"position": 1} if kind == "viewed" else {})))
    return draft, suggestion, events


async def read_item(service: Service) -> dict[str, Any]:
    (row,) = await service.rows("SELECT * FROM item")
    return row


@pytest.mark.parametrize(
    ("kinds", "accepted", "removed", "dismissed", "impossible"),
    [
        (["viewed"], False, False, False, False),
        (["viewed", "accepted"], True, False, False, False),
        (["viewed", "accepted", "removed"], True, True, False, False),
        (["viewed", "accepted", "removed", "accepted"], True, False, False, False),
        (["viewed", "dismissed"], False, False, True, False),
        (["viewed", "dismissed", "restored"], False, False, False, False),
        (["viewed", "dismissed", "restored", "accepted"], True, False, False, False),
        (["viewed", "dismissed", "viewed"], False, False, True, False),
        (["accepted"], True, False, False, True),
        (["accepted", "viewed"], True, False, False, True),
        (["viewed", "removed"], False, True, False, True),
        (["viewed", "restored"], False, False, False, True),
        (["viewed", "accepted", "accepted"], True, False, False, True),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
async def test_an_items_state_follows_from_its_events(
    service: Service, kinds: list[str], accepted: bool, removed: bool, dismissed: bool, impossible: bool
) -> None:
    draft, suggestion, events = await events_of_item(service, kinds)
    assert await service.send(draft["install_id"], events) == {"new": len(kinds), "known": 0, "refused": []}
    row = await read_item(service)
    assert (row["viewed_at"] is not None) == ("viewed" in kinds)
    assert (row["accepted_at"] is not None) == accepted
    assert (row["removed_at"] is not None) == removed
    assert (row["dismissed_at"] is not None) == dismissed
    assert row["impossible"] == impossible
    assert (row["rank"], str(row["suggestion_id"])) == (1, suggestion)
    assert row["score"] == pytest.approx(0.9)


@pytest.mark.parametrize("seed", range(5))
async def test_order_of_arrival_and_resends_change_nothing(service: Service, seed: int) -> None:
    kinds = ["viewed", "accepted", "removed", "accepted", "removed", "dismissed", "restored"]
    draft, _, events = await events_of_item(service, kinds)
    order = random.Random(seed)
    sent = events * 3
    order.shuffle(sent)
    new = known = 0
    while sent:
        part, sent = sent[: order.randint(1, 5)], sent[5:]
        receipt = await service.send(draft["install_id"], part)
        new, known = new + receipt["new"], known + receipt["known"]
    for event in events:
        receipt = await service.send(draft["install_id"], [event])
        new, known = new + receipt["new"], known + receipt["known"]
    assert new == len(kinds)
    assert len(await service.rows("SELECT id FROM event")) == len(kinds)
    row = await read_item(service)
    assert row["accepted_at"]
    assert row["removed_at"]
    assert not row["dismissed_at"]
    assert not row["impossible"]


async def test_the_same_event_twice_in_one_batch_is_known_once(service: Service) -> None:
    draft, _, events = await events_of_item(service, ["viewed"])
    assert await service.send(draft["install_id"], events * 3) == {"new": 1, "known": 2, "refused": []}


async def test_an_item_belongs_to_the_suggestion_of_its_first_view(service: Service) -> None:
    draft = a_draft()
    first = await service.offer(draft, ["python", "pandas"])
    second = await service.offer(draft, ["pandas", "python"])
    events = [
        an_event("viewed", 2, draft, suggestion_id=second, tag="pandas", position=1),
        an_event("viewed", 1, draft, suggestion_id=first, tag="pandas", position=2),
    ]
    await service.send(draft["install_id"], events)
    row = await read_item(service)
    assert (str(row["suggestion_id"]), row["rank"], row["position"]) == (first, 2, 2)


async def test_what_we_never_gave_is_refused_and_counted_once(service: Service) -> None:
    draft, suggestion, _ = await events_of_item(service, [])
    other, others_suggestion, _ = await events_of_item(service, [])
    ours = {"suggestion_id": suggestion, "tag": "python"}
    faults = {
        "unknown_draft": an_event("accepted", 1, a_draft(), **ours),
        "unknown_suggestion": an_event("accepted", 2, draft, **ours | {"suggestion_id": str(uuid4())}),
        "unknown_tag": an_event("accepted", 3, draft, **ours | {"tag": "cobol"}),
    }
    anothers = an_event("accepted", 4, draft, **ours | {"suggestion_id": others_suggestion})
    stolen = an_event("accepted", 5, other, suggestion_id=others_suggestion, tag="python")
    good = an_event("viewed", 6, draft, **ours, position=1)
    for _ in range(3):
        receipt = await service.send(draft["install_id"], [*faults.values(), anothers, stolen, good])
        reasons = {each["id"]: each["reason"] for each in receipt["refused"]}
        assert reasons == {event["id"]: reason for reason, event in faults.items()} | {
            anothers["id"]: "unknown_suggestion",
            stolen["id"]: "unknown_draft",
        }
    assert receipt["known"] == 1
    counted = await service.rows("SELECT reason, count(*) AS n FROM refused GROUP BY reason ORDER BY reason")
    assert counted == [
        {"reason": "unknown_draft", "n": 2},
        {"reason": "unknown_suggestion", "n": 2},
        {"reason": "unknown_tag", "n": 1},
    ]


async def test_a_tag_that_was_given_but_never_confident_was_not_offered(service: Service) -> None:
    draft = a_draft()
    first = await service.offer(draft, ["python", "pandas", "merge"], confident=1)
    await service.offer(draft, ["pandas"])

    def viewed(sequence: int, tag: str) -> dict[str, Any]:
        return an_event("viewed", sequence, draft, suggestion_id=first, tag=tag, position=1)

    receipt = await service.send(draft["install_id"], [viewed(1, "python"), viewed(2, "pandas"), viewed(3, "merge")])
    # pandas was confident in another answer to the same draft: it was offered.
    assert receipt["new"] == 2
    assert [each["reason"] for each in receipt["refused"]] == ["not_offered"]
    assert {row["tag"] for row in await service.rows("SELECT tag FROM item")} == {"python", "pandas"}


async def test_one_id_with_two_meanings_in_a_batch_is_taken_at_its_first_word(service: Service) -> None:
    draft, _, events = await events_of_item(service, ["viewed"])
    false = events[0] | {"tag": "cobol", "sequence": 2}
    assert await service.send(draft["install_id"], [events[0], false]) == {"new": 1, "known": 1, "refused": []}
    other, _, events = await events_of_item(service, ["viewed"])
    false = events[0] | {"tag": "cobol", "sequence": 2}
    receipt = await service.send(other["install_id"], [false, events[0]])
    assert (receipt["new"], receipt["known"], len(receipt["refused"])) == (0, 0, 1)


async def test_a_post_on_another_site_is_refused(service: Service) -> None:
    draft = a_draft()
    await service.offer(draft, TAGS)
    event = an_event("posted", 1, draft, tags=["python"], question_id=7, site="superuser.com")
    receipt = await service.send(draft["install_id"], [event])
    assert [each["reason"] for each in receipt["refused"]] == ["wrong_site"]
    assert await service.rows("SELECT posted_at FROM draft") == [{"posted_at": None}]


async def test_an_install_of_which_only_a_refusal_is_stored_is_told_and_can_be_erased(service: Service) -> None:
    install = str(uuid4())
    event = an_event("posted", 1, a_draft(), tags=[], question_id=1, site="stackoverflow.com")
    await service.send(install, [event])
    address = f"/api/v1/installs/{install}"
    exported = (await service.client.get(address)).json()
    assert [each["id"] for each in exported["refused"]] == [event["id"]]
    assert (await service.client.delete(address)).status_code == 204
    assert (await service.client.get(address)).status_code == 404


async def test_posting_notes_the_last_tags_posted(service: Service) -> None:
    draft = a_draft()
    await service.offer(draft, TAGS)
    events = [
        an_event("posted", 2, draft, tags=["python", "join"], question_id=77, site="stackoverflow.com"),
        an_event("posted", 1, draft, tags=["python"], question_id=77, site="stackoverflow.com"),
    ]
    await service.send(draft["install_id"], events)
    (row,) = await service.rows("SELECT posted_tags, question_id FROM draft")
    assert row == {"posted_tags": ["python", "join"], "question_id": 77}


async def test_a_post_without_a_question_yet_has_no_number(service: Service) -> None:
    draft = a_draft()
    await service.offer(draft, TAGS)
    event = an_event("posted", 1, draft, tags=["python"], question_id=None, site="stackoverflow.com")
    await service.send(draft["install_id"], [event])
    assert await service.rows("SELECT posted_tags, question_id FROM draft") == [
        {"posted_tags": ["python"], "question_id": None}
    ]


async def test_a_malformed_event_is_named_and_nothing_of_its_batch_is_stored(service: Service) -> None:
    draft, _, events = await events_of_item(service, ["viewed", "accepted"])
    for wrong in (
        {"sequence": 0},
        {"sequence": "1"},
        {"sequence": True},
        {"kind": "guessed"},
        {"occurred_at": "yesterday"},
        {"occurred_at": "2026-01-01T00:00:00"},
        {"occurred_at": 1767225600},
        {"occurred_at": "0001-01-01T00:00:00+14:00"},
        {"tag": ""},
        {"tag": "a\u0000"},
        {"position": 0},
        {"id": "7"},
        {"suggestion_id": None},
    ):
        batch = a_batch(draft["install_id"], [events[1], events[0] | wrong])
        response = await service.client.post("/api/v1/events", json=batch)
        assert response.status_code == 422, wrong
        assert response.json()["errors"][0]["at"][:3] == ["body", "events", 1]
    assert await service.rows("SELECT id FROM event") == []


async def test_a_batch_has_100_events_at_most(service: Service) -> None:
    draft, _, _ = await events_of_item(service, [])
    many = [an_event("posted", n, draft, tags=[], question_id=1, site="stackoverflow.com") for n in range(1, 102)]
    response = await service.client.post("/api/v1/events", json=a_batch(draft["install_id"], many))
    assert response.status_code == 422
    assert (await service.send(draft["install_id"], many[:100]))["new"] == 100
    assert await service.send(draft["install_id"], []) == {"new": 0, "known": 0, "refused": []}


NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("clock_error", [timedelta(0), timedelta(days=400), timedelta(days=-400)])
def test_a_wrong_clock_is_corrected_by_the_time_of_sending(clock_error: timedelta) -> None:
    occurred, sent = NOON - 10 * MINUTE + clock_error, NOON + clock_error
    assert correct_clock(occurred, sent, NOON, NOON - 30 * MINUTE) == NOON - 10 * MINUTE


def test_a_time_is_kept_between_the_suggestion_and_the_receipt() -> None:
    assert correct_clock(NOON - 99 * MINUTE, NOON, NOON, NOON - 30 * MINUTE) == NOON - 30 * MINUTE
    assert correct_clock(NOON + 99 * MINUTE, NOON, NOON, NOON - 30 * MINUTE) == NOON


async def test_a_late_event_counts_when_it_happened(service: Service) -> None:
    draft, suggestion, _ = await events_of_item(service, [])
    await service.rows("UPDATE suggestion SET created_at = created_at - interval '2 days' RETURNING id")
    event = an_event("viewed", 1, draft, suggestion_id=suggestion, tag="python", position=1)
    event["occurred_at"] = now(-86_400)
    await service.send(draft["install_id"], [event])
    (row,) = await service.rows("SELECT now() - viewed_at AS age FROM item")
    assert abs(row["age"] - timedelta(days=1)) < timedelta(seconds=10)


async def test_a_settled_draft_leaves_its_number_without_draft_or_install(service: Service) -> None:
    draft = a_draft()
    await service.offer(draft, TAGS, confident=2)
    event = an_event("posted", 1, draft, tags=["python", "join"], question_id=4711, site="stackoverflow.com")
    await service.send(draft["install_id"], [event])
    assert await anonymise_questions(service.database) == 0
    await service.rows("UPDATE draft SET posted_at = posted_at - interval '25 hours' RETURNING id")
    assert await anonymise_questions(service.database) == 1
    assert await anonymise_questions(service.database) == 0
    (row,) = await service.rows("SELECT * FROM feedback")
    assert (row["site"], row["question_id"], row["posted_tags"]) == ("stackoverflow.com", 4711, ["python", "join"])
    assert sorted(row["offered_tags"]) == ["pandas", "python"]
    for table in ("draft", "event"):
        assert await service.rows(f"SELECT question_id FROM {table}") == [{"question_id": None}]
    assert (await service.rows("SELECT posted_tags FROM draft"))[0]["posted_tags"] == ["python", "join"]


async def test_an_install_can_see_and_erase_what_is_stored_of_it(service: Service) -> None:
    draft, suggestion, events = await events_of_item(service, ["viewed", "accepted"])
    other, _, others = await events_of_item(service, ["viewed"])
    posted = an_event("posted", 3, draft, tags=["python"], question_id=4711, site="stackoverflow.com")
    await service.send(draft["install_id"], [*events, posted])
    await service.send(other["install_id"], others)
    address = f"/api/v1/installs/{draft['install_id']}"

    exported = (await service.client.get(address)).json()
    assert [each["id"] for each in exported["drafts"]] == [draft["draft_id"]]
    assert [each["id"] for each in exported["drafts"][0]["suggestions"]] == [suggestion]
    assert [each["kind"] for each in exported["events"]] == ["viewed", "accepted", "posted"]

    before = await service.metrics("overview")
    assert (await service.client.delete(address)).status_code == 204
    assert (await service.client.delete(address)).status_code == 204
    gone = await service.client.get(address)
    assert gone.status_code == 404
    assert gone.headers["content-type"] == "application/problem+json"
    for table in ("draft", "event"):
        assert await service.rows(f"SELECT id FROM {table} WHERE install_id = '{draft['install_id']}'") == []
        assert await service.rows(f"SELECT id FROM {table} WHERE question_id IS NOT NULL") == []
    assert await service.metrics("overview") == before
    assert (await service.client.get(f"/api/v1/installs/{other['install_id']}")).status_code == 200
    assert (await service.client.get("/api/v1/installs/7")).status_code == 422
