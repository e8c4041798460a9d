"""Demo traffic: the same from the same seed, true to its writers' taste, and never among real drafts."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from backend.demo.service import TrafficExists, delete_traffic, has_device, write_traffic
from backend.demo.writers import SimulatedDraft, Taste, choose_actions, read_questions, simulate_drafts
from backend.feedback.projection import recount_items
from backend.settings import RELEASED
from model.serving import Classifier
from tests.backend.service import Service

pytestmark = pytest.mark.anyio

UNTIL = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
ALWAYS = Taste(sees=1, clicks=1, types=1, refuses=1, errs=0, repents=0, posts=1)


def traffic(seed: int = 1, **changes: object) -> list[SimulatedDraft]:
    given: dict[str, object] = {"days": 3, "drafts": 12, "until": UNTIL} | changes
    return list(simulate_drafts(read_questions(), seed=seed, **given))  # type: ignore[arg-type]


@pytest.fixture
async def emptied(service: Service) -> Service:
    await service.empty()
    return service


def test_the_same_seed_gives_the_same_traffic_and_another_seed_another() -> None:
    assert traffic() == traffic()
    assert not {each.draft_id for each in traffic()} & {each.draft_id for each in traffic(seed=2)}


def test_drafts_lie_on_the_days_asked_for_and_not_in_the_future() -> None:
    moments = [each.started_at for each in traffic(days=28, drafts=20)]
    assert moments == sorted(moments)
    assert moments[-1] <= UNTIL
    assert {moment.date() for moment in moments} == {(UNTIL - timedelta(days=back)).date() for back in range(28)}
    weekend = sum(moment.weekday() >= 5 for moment in moments)
    assert weekend / 8 < (len(moments) - weekend) / 20


def test_a_writer_does_what_the_taste_says() -> None:
    question = next(each for each in read_questions() if "pandas" in each.tags)
    draft = SimulatedDraft(UNTIL, UNTIL, ALWAYS, question, UNTIL, 7)  # type: ignore[arg-type]
    wrong = "cobol"
    done = choose_actions(
        draft, [(timedelta(), [question.tags[0], wrong]), (timedelta(seconds=60), list(question.tags))]
    )
    told = Counter((action.kind, action.tag) for action in done if action.tag)
    assert told == Counter(
        [("viewed", tag) for tag in (*question.tags, wrong)]
        + [("accepted", tag) for tag in question.tags]
        + [("dismissed", wrong)]
    )
    assert done[-1].kind == "posted"
    assert set(done[-1].tags) == set(question.tags)
    assert [action.after for action in done] == sorted(action.after for action in done)


async def test_what_is_played_is_counted_as_demo_and_as_nothing_else(emptied: Service) -> None:
    service, classifier = emptied, emptied.app.state.router.models.champion
    now = datetime.now(UTC)
    drafts = traffic(until=now, days=7, drafts=6)
    device = Classifier.load(RELEASED / "light")
    played = await write_traffic(service.database, classifier, drafts, now, device_classifier=device)
    assert played.drafts > 20
    demo = {row["figure"]: row["result"] for row in await service.metrics("overview", kind="demo", period="7d")}
    assert demo["coverage"]["n"] == played.drafts
    assert demo["acceptance"]["n"] > played.drafts
    assert 0.1 < demo["acceptance"]["value"] < 0.9
    by_origin = {
        row["origin"]: row["coverage"]["n"] for row in await service.metrics("origins", kind="demo", period="7d")
    }
    on_device = sum(has_device(draft.install_id) for draft in drafts)
    assert by_origin == {"service": played.drafts - on_device, "device": on_device}
    assert on_device > 0
    books = await service.metrics("bookkeeping", kind="demo", period="7d")
    assert {row["name"]: row["n"] for row in books} == {"received": played.events, "lost": 0, "impossible": 0}
    for kind in ("ask", "edit", "try"):
        assert all(row["result"]["n"] == 0 for row in await service.metrics("overview", kind=kind, period="7d"))
    books = await service.metrics("bookkeeping", period="7d")
    assert {row["name"]: row["n"] for row in books} == {"received": 0, "lost": 0, "impossible": 0}
    async with service.database.session() as session:
        difference = await recount_items(session)
    assert (difference.missing, difference.surplus) == (0, 0)


async def test_the_same_traffic_is_not_written_twice_and_can_be_removed(emptied: Service) -> None:
    service, classifier = emptied, emptied.app.state.router.models.champion
    real = await service.suggest()
    first = traffic()[:5]
    await write_traffic(service.database, classifier, first, UNTIL)
    before = await service.rows("SELECT (SELECT count(*) FROM suggestion) AS s, (SELECT count(*) FROM event) AS e")
    with pytest.raises(TrafficExists):
        await write_traffic(service.database, classifier, first, UNTIL)
    assert before == await service.rows(
        "SELECT (SELECT count(*) FROM suggestion) AS s, (SELECT count(*) FROM event) AS e"
    )
    async with service.database.session() as session:
        assert await delete_traffic(session) == len(first)
    (left,) = await service.rows("SELECT id, (SELECT count(*) FROM event) AS events FROM suggestion")
    assert (str(left["id"]), left["events"]) == (real["suggestion_id"], 0)
