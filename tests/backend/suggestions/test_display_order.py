"""Chips in random order: in a small share of drafts, once per draft, among the chips only; recorded in the model's."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from uuid import UUID

import pytest

from backend.suggestions.display_order import draw_order, shuffle_chips
from model.serving.classifier import Suggested
from tests.backend.service import Service, a_draft

pytestmark = pytest.mark.anyio

LONG = {"title": "Merge two pandas DataFrames on a date column in Python with numpy and matplotlib", "limit": 10}


def suggested(tags: str, confident: int) -> list[Suggested]:
    return [
        Suggested(tag=tag, score=0.9 - rank / 10, confident=rank < confident, uses=1, because=())
        for rank, tag in enumerate(tags)
    ]


def test_about_the_share_that_was_set_gets_a_random_order_and_always_the_same() -> None:
    drafts = [UUID(int=number) for number in range(20_000)]
    drawn = [draw_order(draft, 0.02) for draft in drafts]
    assert 340 <= drawn.count("random") <= 460
    assert drawn == [draw_order(draft, 0.02) for draft in drafts]
    assert {draw_order(draft, 0.0) for draft in drafts} == {"model"}
    assert {draw_order(draft, 1.0) for draft in drafts} == {"random"}


def test_every_order_of_the_chips_is_as_frequent_and_the_rest_stays_where_it_is() -> None:
    orders = Counter(
        "".join(each.tag for each in shuffle_chips(suggested("abcxy", confident=3), UUID(int=number)))
        for number in range(6_000)
    )
    assert len(orders) == 6
    assert all(order.endswith("xy") for order in orders)
    assert all(880 <= n <= 1_120 for n in orders.values())


def test_tags_of_two_answers_stand_in_the_same_order_in_both() -> None:
    for number in range(50):
        first = [each.tag for each in shuffle_chips(suggested("abcd", confident=4), UUID(int=number))]
        later = [each.tag for each in shuffle_chips(suggested("xdba", confident=4), UUID(int=number))]
        assert [tag for tag in first if tag in "abd"] == [tag for tag in later if tag in "abd"]


async def test_a_random_order_is_shown_and_the_models_is_recorded(
    make_service: Callable[..., AbstractAsyncContextManager[Service]],
) -> None:
    async with make_service(random_order_share=1.0, model_tier="light") as service:
        moved = 0
        for _ in range(8):
            draft = a_draft(**LONG)
            answers = [await service.suggest(**draft) for _ in range(2)]
            assert [item["tag"] for item in answers[0]["items"]] == [item["tag"] for item in answers[1]["items"]]
            (row, again) = await service.rows(
                'SELECT tags, scores, confident, "order" FROM suggestion WHERE draft_id = :draft',
                draft=draft["draft_id"],
            )
            assert row["order"] == again["order"] == "random"
            assert row["scores"] == sorted(row["scores"], reverse=True)
            shown = [item["tag"] for item in answers[0]["items"]]
            count = row["confident"]
            assert count > 1
            assert sorted(shown[:count]) == sorted(row["tags"][:count])
            assert shown[count:] == row["tags"][count:]
            assert all(item["confident"] == (place < count) for place, item in enumerate(answers[0]["items"]))
            moved += shown != row["tags"]
        assert moved


async def test_what_is_not_counted_keeps_the_models_order(
    make_service: Callable[..., AbstractAsyncContextManager[Service]],
) -> None:
    async with make_service(random_order_share=1.0, model_tier="light") as service:
        for changes in ({"record": False}, {"kind": "edit"}, {"kind": "try"}):
            for _ in range(4):
                answer = await service.suggest(**a_draft(**LONG), **changes)
                scores = [item["score"] for item in answer["items"]]
                assert scores == sorted(scores, reverse=True)
        assert {row["order"] for row in await service.rows('SELECT "order" FROM suggestion')} == {"model"}
