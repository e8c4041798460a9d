"""The answer to a draft, and its record."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.backend.service import Service, a_draft

pytestmark = pytest.mark.anyio

PATH = "/api/v1/suggestions"


async def test_a_draft_gets_tags_best_first(service: Service) -> None:
    answer = await service.suggest(limit=20)
    items = answer["items"]
    assert len(items) == 20
    assert {"python", "pandas"} <= {item["tag"] for item in items[:3]}
    assert [item["score"] for item in items] == sorted((item["score"] for item in items), reverse=True)
    confident = [item["confident"] for item in items]
    assert confident == sorted(confident, reverse=True)
    assert confident[0]
    assert all(0 <= item["score"] <= 1 and item["uses"] > 0 for item in items)
    assert answer["model_version"] == service.app.state.router.models.champion.version


async def test_what_may_be_left_out_may_be_left_out(service: Service) -> None:
    draft = a_draft()
    for name in ("extension_version", "page"):
        del draft[name]
    answer = (await service.client.post(PATH, json=draft)).json()
    assert len(answer["items"]) == 5
    (row,) = await service.rows("SELECT kind, page, extension_version FROM draft")
    assert row == {"kind": "ask", "page": None, "extension_version": None}


async def test_chosen_tags_are_never_suggested(service: Service) -> None:
    first = await service.suggest()
    chosen = [item["tag"] for item in first["items"]][:3]
    second = await service.suggest(chosen_tags=chosen, limit=20)
    assert not set(chosen) & {item["tag"] for item in second["items"]}


async def test_an_answer_is_recorded_with_lengths_and_never_with_text(service: Service) -> None:
    draft = a_draft(title="How to make zzqxtitle work in python?", body="zzqxbody " * 3)
    answer = (await service.client.post(PATH, json=draft)).json()
    (row,) = await service.rows("SELECT * FROM suggestion")
    assert str(row["id"]) == answer["suggestion_id"]
    assert row["tags"] == [item["tag"] for item in answer["items"]]
    assert row["scores"] == pytest.approx([item["score"] for item in answer["items"]], abs=1e-4)
    assert row["confident"] == sum(item["confident"] for item in answer["items"])
    assert (row["title_chars"], row["body_chars"]) == (len(draft["title"]), len(draft["body"]))
    assert row["latency_ms"] > 0
    for table in ("draft", "suggestion", "event", "item", "refused", "feedback", "total"):
        assert "zzqx" not in str(await service.rows(f"SELECT * FROM {table}"))


async def test_many_answers_belong_to_one_draft(service: Service) -> None:
    draft = a_draft()
    ids = set()
    for title in ("How do I sort a list", "How do I sort a list in python", "How do I sort a list in python by key"):
        ids.add((await service.client.post(PATH, json=draft | {"title": title})).json()["suggestion_id"])
    assert len(ids) == 3
    assert len(await service.rows("SELECT * FROM draft")) == 1
    assert {str(row["draft_id"]) for row in await service.rows("SELECT draft_id FROM suggestion")} == {
        draft["draft_id"]
    }


async def test_only_the_model_needs_a_thread_and_that_is_its_own(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FastAPI runs every dependency that is no coroutine on a thread, which doubled what a request costs."""

    async def refuse(*given: object, **named: object) -> None:
        raise AssertionError(given)

    monkeypatch.setattr("anyio.to_thread.run_sync", refuse)
    assert (await service.suggest())["items"]
    draft = {name: a_draft()[name] for name in ("title", "body", "body_format", "site")}
    assert (await service.client.post(f"{PATH}/batch", json={"drafts": [draft]})).status_code == 200


async def test_without_consent_to_counts_only_a_total_is_kept(service: Service) -> None:
    answer = await service.suggest(record=False)
    assert answer["items"]
    assert answer["suggestion_id"] is None
    await service.app.state.totals.flush()
    assert await service.rows("SELECT id FROM draft") == []
    assert await service.rows("SELECT name, n FROM total") == [{"name": "suggestions without_consent", "n": 1}]


async def test_a_site_unknown_to_the_model_gets_no_tags_and_is_told_so(service: Service) -> None:
    answer = await service.suggest(site="superuser.com")
    assert answer["items"] == []
    assert answer["suggestion_id"] is None
    assert "superuser.com" in answer["notice"]
    assert "stackoverflow.com" in answer["notice"]


async def test_answers_to_a_new_draft_at_once_are_all_recorded(service: Service) -> None:
    for _ in range(20):
        draft = a_draft()
        answers = await asyncio.gather(*(service.client.post(PATH, json=draft) for _ in range(4)))
        assert [answer.status_code for answer in answers] == [200] * 4
        assert len({answer.json()["suggestion_id"] for answer in answers} - {None}) == 4


async def test_a_draft_of_another_install_is_not_touched(service: Service) -> None:
    draft = a_draft()
    assert (await service.client.post(PATH, json=draft)).status_code == 200
    stolen = await service.client.post(PATH, json=draft | {"install_id": str(uuid4())})
    assert stolen.status_code == 409
    assert len(await service.rows("SELECT id FROM suggestion")) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "x" * 301},
        {"body": "x" * 50_001},
        {"title": None},
        {"title": 7},
        {"limit": 0},
        {"limit": 21},
        {"limit": "5"},
        {"limit": True},
        {"limit": 5.5},
        {"record": "false"},
        {"record": 0},
        {"kind": "guess"},
        {"body_format": "rtf"},
        {"chosen_tags": "python"},
        {"chosen_tags": ["python", 7]},
        {"chosen_tags": ["a b"]},
        {"chosen_tags": ["a\u0000b"]},
        {"chosen_tags": ["x"] * 21},
        {"draft_id": "7"},
        {"draft_id": 7},
        {"install_id": None},
        {"site": "Stack Overflow"},
        {"site": ""},
        {"page": "a\u0000b"},
        {"page": ""},
    ],
    ids=str,
)
async def test_a_draft_of_the_wrong_form_is_told_what_is_wrong(service: Service, changes: dict[str, Any]) -> None:
    response = await service.client.post(PATH, json=a_draft(**changes))
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    (name,) = changes
    assert response.json()["errors"][0]["at"][:2] == ["body", name]
    assert await service.rows("SELECT id FROM draft") == []


@pytest.mark.parametrize("name", ["draft_id", "install_id", "site", "title", "body", "body_format"])
async def test_a_missing_field_is_named(service: Service, name: str) -> None:
    draft = a_draft()
    del draft[name]
    response = await service.client.post(PATH, json=draft)
    assert response.status_code == 422
    assert response.json()["errors"] == [{"at": ["body", name], "message": "Field required"}]


async def test_an_error_never_repeats_the_draft(service: Service) -> None:
    response = await service.client.post(PATH, json=a_draft(title="secret " * 100, body="secret " * 100_000))
    assert response.status_code == 422
    assert "secret" not in response.text


async def test_a_newer_extension_may_send_more_fields(service: Service) -> None:
    async def counted() -> float:
        text = (await service.client.get("/metrics", auth=("admin", "correct horse"))).text
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith("tagalong_unknown_fields"))

    before = await counted()
    response = await service.client.post(PATH, json=a_draft(mood="curious", weather="fair"))
    assert response.status_code == 200
    assert await counted() == before + 2


@pytest.mark.parametrize(
    ("title", "body"),
    [
        ("", ""),
        ("   ", "\n\n"),
        ("Wie sortiere ich eine Liste in Python?", ""),
        ("Как отсортировать список?", "список"),
        ("文字列を分割する方法", ""),
        ("🙂🙃" * 50, "\u202e\u0000\ufffd"),
        ("", "for (int i = 0; i < n; i++) { std::cout << a[i]; }"),
        ("x" * 300, "y " * 25_000),
        ("<" * 300, "<" * 50_000),
        ("`" * 300, "`" * 50_000),
    ],
    ids=range(10),
)
@pytest.mark.parametrize("body_format", ["markdown", "html", "text"])
async def test_odd_drafts_get_an_answer(service: Service, title: str, body: str, body_format: str) -> None:
    answer = await service.suggest(title=title, body=body, body_format=body_format)
    assert isinstance(answer["items"], list)


async def test_a_lone_surrogate_is_refused_and_not_a_fault(service: Service) -> None:
    message = '{"title": "\\ud800"}'
    response = await service.client.post(PATH, content=message, headers={"Content-Type": "application/json"})
    assert response.status_code == 422


async def test_a_batch_is_answered_in_order_and_not_recorded(service: Service) -> None:
    drafts = [
        {"title": title, "body": "", "body_format": "text", "site": site}
        for title, site in (
            ("How do I center a div with CSS?", "stackoverflow.com"),
            ("How do I center a div with CSS?", "superuser.com"),
            ("How do I write a JOIN in MySQL?", "stackoverflow.com"),
        )
    ]
    response = await service.client.post(f"{PATH}/batch", json={"drafts": drafts})
    answer = response.json()
    css, unknown, mysql = answer["answers"]
    assert "css" in [item["tag"] for item in css["items"]]
    assert unknown["items"] == []
    assert "mysql" in [item["tag"] for item in mysql["items"]]
    assert answer["model_version"]
    assert await service.rows("SELECT id FROM draft") == []


async def test_a_batch_takes_100_long_drafts_and_no_more(service: Service) -> None:
    draft = {"title": "t" * 300, "body": "b " * 25_000, "body_format": "markdown", "site": "stackoverflow.com"}
    response = await service.client.post(f"{PATH}/batch", json={"drafts": [draft] * 100})
    assert response.status_code == 200
    assert len(response.json()["answers"]) == 100
    too_many = await service.client.post(f"{PATH}/batch", json={"drafts": [draft | {"body": ""}] * 101})
    assert too_many.status_code == 422
