"""The API is asked as it wants to be asked, and a run that had to stop goes on without asking again."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from model.cli import main
from model.parts import Parts
from model.questions import QuestionsError
from model.questions.feedback import Feedback
from model.questions.gather import REFUSED, gather
from model.questions.posts import Source
from model.questions.stack_exchange import TRIES, Client, Numbers, Pages
from tests.model.stack_exchange_server import FIRST_DAY, Site, question, serving

THROTTLED = {"error_id": 502, "error_name": "throttle_violation", "error_message": "too many requests from this IP, more requests available in {} seconds"}  # fmt: skip  # noqa: E501


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


def client(site: Site, slept: Slept, key: str | None = None) -> Client:
    return Client("stackoverflow.com", key=key, address=site.address, sleep=slept, seconds=5)


def gathered(tmp_path: Path, source: Source) -> tuple[pl.DataFrame, list[dict[str, str]]]:
    out = tmp_path / "api.parquet"
    with Parts(out, "one") as parts:
        gather([source], parts, out)
    return pl.read_parquet(out), [json.loads(line) for line in Path(f"{out}{REFUSED}").read_text().splitlines()]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_pages_are_read_to_the_last_oldest_first(tmp_path: Path, site: Site, slept: Slept, encoding: str) -> None:
    site.encoding = encoding
    rows, refused = gathered(tmp_path, Pages(client(site, slept, key="abc")))
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
    assert gathered(tmp_path, Pages(client(site, slept), since=since, pages=1))[0]["question_id"][0] == 100
    assert gathered(tmp_path, Pages(client(site, slept), tagged=["rust"]))[0]["question_id"].to_list() == [300]
    assert len(site.asked) == 2


def test_a_backoff_is_waited_for_before_the_next_request_only(tmp_path: Path, site: Site, slept: Slept) -> None:
    site.backoffs = [7]
    gathered(tmp_path, Pages(client(site, slept)))
    assert slept == [7]


def test_what_passes_is_tried_again_ever_later(tmp_path: Path, site: Site, slept: Slept) -> None:
    site.faults = [
        (502, b"<html>Bad Gateway</html>"),
        (0, b""),
        (400, {"error_id": 500, "error_name": "internal_error", "error_message": "an error occurred"}),
        (200, b"no JSON"),
    ]
    rows, _ = gathered(tmp_path, Pages(client(site, slept)))
    assert rows.height == 250
    assert len(slept) == 4
    assert all(2**i / 2 <= seconds <= 2**i for i, seconds in enumerate(slept))


def test_a_throttle_is_waited_for_as_long_as_it_says(tmp_path: Path, site: Site, slept: Slept) -> None:
    message = THROTTLED["error_message"].format(34)
    site.faults = [(400, THROTTLED | {"error_message": message})]
    assert gathered(tmp_path, Pages(client(site, slept)))[0].height == 250
    assert slept == [34]


@pytest.mark.parametrize("what", ["quota", "throttle", "down"])
def test_a_run_that_had_to_stop_goes_on_without_asking_again(
    tmp_path: Path, site: Site, slept: Slept, what: str
) -> None:
    site.quota = 1 if what == "quota" else 300
    run = client(site, slept)
    out = tmp_path / "api.parquet"

    class ThenFails(Pages):
        def batches(self, after: object):
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
    with Parts(out, "one") as parts, pytest.raises(QuestionsError, match=says[what]):
        gather([ThenFails(run)], parts, out)
    assert not out.exists()
    site.quota, site.asked, site.faults = 300, [], []
    rows, _ = gathered(tmp_path, Pages(client(site, slept)))
    assert rows["question_id"].to_list() == list(range(1, 251))
    assert [asked["page"] for _, asked in site.asked] == ["2", "3"]


def test_a_refusal_of_the_api_ends_the_run_with_its_words(tmp_path: Path, site: Site, slept: Slept) -> None:
    site.faults = [
        (400, {"error_id": 403, "error_name": "access_denied", "error_message": "page above 25 requires key"})
    ]
    with pytest.raises(QuestionsError, match="access_denied: page above 25 requires key"):
        gathered(tmp_path, Pages(client(site, slept)))
    assert slept == []


def test_a_server_that_is_not_there_is_named(tmp_path: Path, slept: Slept) -> None:
    nowhere = Client("stackoverflow.com", address="http://127.0.0.1:1/2.3", sleep=slept)
    with pytest.raises(QuestionsError, match=r"127\.0\.0\.1:1/2\.3 did not answer 6 times.*refused"):
        gathered(tmp_path, Pages(nowhere))


def test_questions_are_asked_for_by_number_a_hundred_at_once_and_deleted_ones_are_named(
    tmp_path: Path, site: Site, slept: Slept
) -> None:
    del site.questions[42]
    rows, refused = gathered(tmp_path, Numbers(client(site, slept), [*range(1, 251), 1, 999]))
    assert rows["question_id"].to_list() == [number for number in range(1, 251) if number != 42]
    assert [path.count(";") + 1 for path, _ in site.asked] == [100, 100, 51]
    assert [(each["place"], each["reason"]) for each in refused] == [
        (f"stackoverflow.com, question {number}", "it was deleted, or never was on this site") for number in (42, 999)
    ]


def test_an_item_without_a_body_says_what_the_filter_must_give(tmp_path: Path, site: Site, slept: Slept) -> None:
    for each in site.questions.values():
        del each["body"]
    with pytest.raises(QuestionsError, match=r"None of the 250 rows.*'withbody'"):
        gathered(tmp_path, Pages(client(site, slept)))


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
