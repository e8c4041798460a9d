"""The API is asked as it wants to be asked, and a run that had to stop goes on without asking again."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result

from model.cli import main
from model.questions import QuestionsError
from model.questions.feedback import Feedback
from model.questions.gather import REFUSED, gather
from model.questions.posts import Batch, Source
from model.questions.stack_exchange import TRIES, ApiClient, QuestionPages, QuestionsByNumber
from model.runs.resumable import ResumableOutput
from tests.model.questions.stack_exchange_server import FIRST_DAY, Site, question, serving

THROTTLED: dict[str, Any] = {"error_id": 502, "error_name": "throttle_violation", "error_message": "too many requests from this IP, more requests available in {} seconds"}  # fmt: skip  # noqa: E501


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site({number: question(number) for number in range(1, 251)})) as served:
        yield served


class Slept(list[float]):
    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def slept() -> Slept:
    return Slept()


def client(site: Site, slept: Slept, key: str | None = None) -> ApiClient:
    return ApiClient("stackoverflow.com", key=key, address=site.address, sleep=slept, seconds=5)


def gathered(tmp_path: Path, source: Source) -> tuple[pl.DataFrame, list[dict[str, str]]]:
    out = tmp_path / "api.parquet"
    with ResumableOutput(out, "one") as parts:
        gather([source], parts, out)
    return pl.read_parquet(out), [json.loads(line) for line in Path(f"{out}{REFUSED}").read_text().splitlines()]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_pages_are_read_to_the_last_oldest_first(tmp_path: Path, site: Site, slept: Slept, encoding: str) -> None:
    site.encoding = encoding
    rows, refused = gathered(tmp_path, QuestionPages(client(site, slept, key="abc")))
    assert rows["question_id"].to_list() == list(range(1, 251))
    assert rows.row(0, named=True) == {
        "title": "Question 1 about C & C++", "body": "<p>Body of 1</p>", "body_format": "html", "tags": ["c", "c++"],
        "tags_complete": True, "year": 2023, "question_id": 1, "source": "stackoverflow.com", "split": "train",
    }  # fmt: skip
    assert refused == []
    assert [asked["page"] for _, asked in site.asked] == ["1", "2", "3"]
    assert {asked["key"] for _, asked in site.asked} == {"abc"}
    assert {(asked["order"], asked["sort"], asked["site"]) for _, asked in site.asked} == {
        ("asc", "creation", "stackoverflow.com")
    }
    assert slept == []


def test_tags_days_and_a_number_of_pages_are_asked_for(tmp_path: Path, site: Site, slept: Slept) -> None:
    site.questions[300] = question(300, "rust")
    since = datetime.fromtimestamp(FIRST_DAY + 100, UTC)
    assert gathered(tmp_path, QuestionPages(client(site, slept), since=since, pages=1))[0]["question_id"][0] == 100
    assert gathered(tmp_path, QuestionPages(client(site, slept), tagged=["rust"]))[0]["question_id"].to_list() == [300]
    assert len(site.asked) == 2


def test_a_backoff_is_waited_for_before_the_next_request_only(tmp_path: Path, site: Site, slept: Slept) -> None:
    site.backoffs = [7]
    gathered(tmp_path, QuestionPages(client(site, slept)))
    assert slept == [7]


def test_what_passes_is_tried_again_ever_later(tmp_path: Path, site: Site, slept: Slept) -> None:
    site.faults = [
        (502, b"<html>Bad Gateway</html>"),
        (0, b""),
        (400, {"error_id": 500, "error_name": "internal_error", "error_message": "an error occurred"}),
        (200, b"no JSON"),
    ]
    rows, _ = gathered(tmp_path, QuestionPages(client(site, slept)))
    assert rows.height == 250
    assert len(slept) == 4
    assert all(2**i / 2 <= seconds <= 2**i for i, seconds in enumerate(slept))


def test_a_throttle_is_waited_for_as_long_as_it_says(tmp_path: Path, site: Site, slept: Slept) -> None:
    message = THROTTLED["error_message"].format(34)
    site.faults = [(400, THROTTLED | {"error_message": message})]
    assert gathered(tmp_path, QuestionPages(client(site, slept)))[0].height == 250
    assert slept == [34]


@pytest.mark.parametrize("what", ["quota", "throttle", "down"])
def test_a_run_that_had_to_stop_goes_on_without_asking_again(
    tmp_path: Path, site: Site, slept: Slept, what: str
) -> None:
    site.quota = 1 if what == "quota" else 300
    run = client(site, slept)
    out = tmp_path / "api.parquet"

    class ThenFails(QuestionPages):
        def batches(self, after: Any) -> Iterator[Batch]:
            for batch in super().batches(after):
                yield batch
                if what == "throttle":
                    site.faults = [(400, THROTTLED | {"error_message": THROTTLED["error_message"].format(40_000)})]
                elif what == "down":
                    site.faults = [(503, b"")] * TRIES

    says = {
        "quota": "used up until tomorrow.*goes on.*--key",
        "throttle": "wait 40,000 s",
        "down": "did not answer 6 times",
    }
    with ResumableOutput(out, "one") as parts, pytest.raises(QuestionsError, match=says[what]):
        gather([ThenFails(run)], parts, out)
    assert pl.read_parquet(out)["question_id"].to_list() == list(range(1, 101))
    site.quota, site.asked, site.faults = 300, [], []
    rows, _ = gathered(tmp_path, QuestionPages(client(site, slept)))
    assert rows["question_id"].to_list() == list(range(1, 251))
    assert [asked["page"] for _, asked in site.asked] == ["2", "3"]


def test_a_refusal_of_the_api_ends_the_run_with_its_words(tmp_path: Path, site: Site, slept: Slept) -> None:
    site.faults = [
        (400, {"error_id": 403, "error_name": "access_denied", "error_message": "page above 25 requires key"})
    ]
    with pytest.raises(QuestionsError, match="access_denied: page above 25 requires key"):
        gathered(tmp_path, QuestionPages(client(site, slept)))
    assert slept == []


PAGE = b"<html><title>Just a moment...</title></html>"


def test_a6_a_proxys_page_is_named_by_its_status_and_its_retry_after_is_heeded(
    tmp_path: Path, site: Site, slept: Slept
) -> None:
    lines: list[str] = []
    site.faults = [
        (429, PAGE, {"Retry-After": "17"}),
        (403, PAGE, {"Retry-After": "3"}),
        (503, PAGE, {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)}),
        (200, PAGE, {"Content-Encoding": "gzip"}),
    ]
    talking = ApiClient("stackoverflow.com", address=site.address, sleep=slept, say=lines.append)
    assert gathered(tmp_path, QuestionPages(talking))[0].height == 250
    assert slept[:2] == [17, 3]
    assert 0 < slept[2] <= 90
    assert [line.partition(",")[0] for line in lines] == [
        "HTTP 429 Too Many Requests", "HTTP 403 Forbidden", "HTTP 503 Service Unavailable", "HTTP 200 OK",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "says", "asked"),
    [((403, PAGE), "HTTP 403 Forbidden.*a proxy.*--key", 1), ((404, PAGE), "HTTP 404 Not Found", 1),
     ((403, b"[]"), "HTTP 403", 1), ((429, PAGE, {"Retry-After": "3600"}), "wait 3,600 s", 1),
     ((429, PAGE), "did not answer 6 times: HTTP 429", TRIES), ((200, {"status": "ok"}), "HTTP 200", TRIES),
     ((200, {"items": None, "has_more": True}), "HTTP 200", TRIES)],
)  # fmt: skip
def test_a6_what_does_not_pass_ends_the_run_with_the_status(
    tmp_path: Path, site: Site, slept: Slept, fault: tuple[int, object], says: str, asked: int
) -> None:
    site.faults = [fault] * TRIES
    with pytest.raises(QuestionsError, match=says):
        gathered(tmp_path, QuestionPages(client(site, slept)))
    assert len(site.asked) == asked


@pytest.mark.parametrize(
    ("backoff", "waits"), [(None, []), ("9", [9]), ("soon", []), (-4, []), (float("nan"), []), ([], [])]
)
def test_a13_an_odd_backoff_is_no_reason_to_stop(
    tmp_path: Path, site: Site, slept: Slept, backoff: object, waits: list[int]
) -> None:
    site.backoffs = [backoff]
    assert gathered(tmp_path, QuestionPages(client(site, slept)))[0].height == 250
    assert slept == waits


@pytest.mark.parametrize("how", ["backoff", "message", "header"])
def test_a13_an_absurd_wait_stops_the_run_with_what_it_has(tmp_path: Path, site: Site, slept: Slept, how: str) -> None:
    lines: list[str] = []
    talking = ApiClient("stackoverflow.com", address=site.address, sleep=slept, say=lines.append)
    source, out = QuestionPages(talking), tmp_path / "api.parquet"

    class ThenWaits(QuestionPages):
        def batches(self, after: Any) -> Iterator[Batch]:
            site.backoffs = [64_123] if how == "backoff" else []
            for batch in source.batches(after):
                yield batch
                throttled = THROTTLED | {"error_message": THROTTLED["error_message"].format(64_123)}
                site.faults = [(400, throttled) if how == "message" else (429, PAGE, {"Retry-After": "64123"})]

    with (
        ResumableOutput(out, "one") as parts,
        pytest.raises(QuestionsError, match=r"asks to wait 64,123 s.*100 questions"),
    ):
        gather([ThenWaits(talking)], parts, out)
    assert pl.read_parquet(out).height == 100
    assert slept == []
    assert lines == [], "it does not say that it will wait"


@pytest.mark.parametrize("repeats", [0, 100])
def test_a5_a_site_that_says_there_is_more_and_gives_nothing_new_is_left(
    tmp_path: Path, site: Site, slept: Slept, repeats: int
) -> None:
    same = {"items": list(site.questions.values())[:repeats], "has_more": True}
    site.faults = [(200, same)] * 50
    with pytest.raises(QuestionsError, match="nothing new on page"):
        gathered(tmp_path, QuestionPages(client(site, slept)))
    assert len(site.asked) == (2 if repeats else 1)


def test_items_that_are_no_questions_are_refused_and_the_others_read(tmp_path: Path, site: Site, slept: Slept) -> None:
    odd = [None, 3, {"question_id": [1], "body": ""}, question(4) | {"title": None}, question(5) | {"tags": "<c>"}]
    site.faults = [(200, {"items": [*odd, question(6) | {"creation_date": 10**18}], "has_more": False})]
    rows, refused = gathered(tmp_path, QuestionPages(client(site, slept)))
    assert rows.select("question_id", "year").rows() == [(5, 2023), (6, None)]
    assert len(refused) == 4


@pytest.mark.parametrize("address", ["nonsense", "ftp://x/2.3", "https://", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(QuestionsError, match=r"is no address. One looks like https://api\.stackexchange"):
        ApiClient("stackoverflow.com", address=address)


def test_a_server_that_is_not_there_is_named(tmp_path: Path, slept: Slept) -> None:
    nowhere = ApiClient("stackoverflow.com", address="http://127.0.0.1:1/2.3", sleep=slept)
    with pytest.raises(QuestionsError, match=r"127\.0\.0\.1:1/2\.3 did not answer 6 times.*refused"):
        gathered(tmp_path, QuestionPages(nowhere))


def test_questions_are_asked_for_by_number_a_hundred_at_once_and_deleted_ones_are_named(
    tmp_path: Path, site: Site, slept: Slept
) -> None:
    del site.questions[42]
    rows, refused = gathered(tmp_path, QuestionsByNumber(client(site, slept), [*range(1, 251), 1, 999]))
    assert rows["question_id"].to_list() == [number for number in range(1, 251) if number != 42]
    assert [path.count(";") + 1 for path, _ in site.asked] == [100, 100, 51]
    assert [(each["place"], each["reason"]) for each in refused] == [
        (f"stackoverflow.com, question {number}", "it was deleted, or never was on this site") for number in (42, 999)
    ]


def test_an_item_without_a_body_says_what_the_filter_must_give(tmp_path: Path, site: Site, slept: Slept) -> None:
    for each in site.questions.values():
        del each["body"]
    with pytest.raises(QuestionsError, match=r"None of the 250 rows.*'withbody'"):
        gathered(tmp_path, QuestionPages(client(site, slept)))


def test_feedback_gives_numbers_and_the_site_gives_texts_and_tags(tmp_path: Path, site: Site, slept: Slept) -> None:
    file = tmp_path / "feedback.jsonl"
    lines = [{"site": "stackoverflow.com", "question_id": n, "tags": ["taught-by-a-stranger"]} for n in (3, 5, 3, 999)]
    bad = [
        "{",
        "[]",
        '{"site": "elsewhere.org", "question_id": 4}',
        '{"site": "stackoverflow.com", "question_id": "4"}',
    ]
    file.write_text("\n".join([json.dumps(line) for line in lines] + bad))
    rows, refused = gathered(tmp_path, Feedback(file, {"stackoverflow.com": client(site, slept)}))
    assert rows["question_id"].to_list() == [3, 5]
    assert set(rows["tags"].explode()) == {"c", "c++"}
    assert [each["place"] for each in refused] == [
        *(f"feedback.jsonl, line {line}" for line in (5, 6, 7, 8)), "stackoverflow.com, question 999",
    ]  # fmt: skip
    assert len(site.asked) == 1


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a5_pages_before_the_denied_one_are_kept_and_never_fetched_again(tmp_path: Path, site: Site) -> None:
    site.most_pages = 2
    out = tmp_path / "api.parquet"
    asks = ["questions", "api", "--address", site.address, "--out", out]
    for pages in (["1", "2", "3"], ["3"]):
        site.asked.clear()
        denied = run(*asks)
        assert denied.exit_code == 1
        assert "Give --key, or ask for no more than --pages 2. The 200 questions that were read are in" in denied.output
        assert [asked["page"] for _, asked in site.asked] == pages
        assert pl.read_parquet(out)["question_id"].to_list() == list(range(1, 201))
    site.asked.clear()
    kept = tmp_path / "kept"
    shutil.copytree(f"{out}.unfinished", kept)
    taken = run(*asks, "--pages", 2)
    assert taken.exit_code == 0, taken.output
    assert site.asked == []
    assert pl.read_parquet(out).height == 200

    whole = out.read_bytes()
    shutil.copytree(kept, f"{out}.unfinished")
    assert "is as it was" in run(*asks).output
    assert out.read_bytes() == whole, "a part does not take the place of a whole file"
    site.asked.clear()
    assert run(*asks, "--key", "abc").exit_code == 0
    assert [asked["page"] for _, asked in site.asked] == ["3"]
    assert pl.read_parquet(out).height == 250


def test_fewer_pages_than_a_stopped_run_has_are_no_more(tmp_path: Path, site: Site) -> None:
    site.most_pages = 2
    out = tmp_path / "api.parquet"
    asks = ["questions", "api", "--address", site.address, "--out", out]
    assert run(*asks).exit_code == 1
    assert run(*asks, "--pages", 1).exit_code == 0
    assert pl.read_parquet(out).height == 100


def test_the_commands_ask_and_never_write_the_key_down(tmp_path: Path, site: Site) -> None:
    out = tmp_path / "api.parquet"
    asks = ["questions", "api", "--address", site.address, "--key", "verysecret", "--pages", 2, "--out", out]
    made = run(*asks)
    assert made.exit_code == 0, made.output
    assert "200 questions; 0 rows refused" in made.output
    again = run(*asks)
    assert "nothing to do" in again.output
    assert len(site.asked) == 2
    assert run(*asks, "--force").exit_code == 0
    assert len(site.asked) == 4

    file = tmp_path / "feedback.jsonl"
    file.write_text('{"site": "stackoverflow.com", "question_id": 7}\n')
    out = tmp_path / "posted.parquet"
    assert run("questions", "feedback", file, "--address", site.address, "--out", out).exit_code == 0
    assert pl.read_parquet(out)["question_id"].to_list() == [7]
    assert not any(b"verysecret" in path.read_bytes() for path in tmp_path.iterdir())
