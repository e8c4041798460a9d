"""Counting: what writers did, told late, repeatedly and in any order, comes out as exactly the rates it should.

The expected figures are worked out here from what the simulated writers did, by the definitions in the
README, without a look at the events, the tables or the code that counts them.
"""

import csv
import io
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any
from uuid import uuid4

import pytest

from tests.backend.service import ADMIN, Service, a_draft, an_event

pytestmark = pytest.mark.anyio

KNOWN = ["python", "pandas", "numpy", "java", "javascript", "html", "css", "mysql", "c#", "c++", "r", "regex", "git"]
UNKNOWN = ["frobnication", "quux-lang"]


@dataclass
class Story:
    """What one writer did in one draft: ``acts`` are (kind, tag) in the order they happened."""

    answers: list[list[str]]
    acts: list[tuple[str, str]]
    posted: list[str] | None
    install_id: str
    kind: str = "ask"
    draft: dict[str, Any] = field(default_factory=dict)

    @property
    def offered(self) -> set[str]:
        return set().union(*self.answers)

    @property
    def posted_tags(self) -> set[str]:
        assert self.posted is not None
        return set(self.posted)

    def acts_on(self, tag: str) -> list[str]:
        return [kind for kind, acted_on in self.acts if acted_on == tag]

    @property
    def viewed(self) -> list[str]:
        return list(dict.fromkeys(tag for kind, tag in self.acts if kind == "viewed"))

    @property
    def accepted(self) -> list[str]:
        return [tag for tag in self.viewed if "accepted" in self.acts_on(tag)]

    @property
    def dismissed(self) -> list[str]:
        def last_word(tag: str) -> list[str]:
            return [kind for kind in self.acts_on(tag) if kind in ("dismissed", "restored")][-1:]

        return [tag for tag in self.viewed if last_word(tag) == ["dismissed"] and tag not in self.accepted]


WORKED_EXAMPLE = Story(
    answers=[["python", "pandas", "merge"], ["python", "pandas", "dataframe"]],
    acts=[
        ("viewed", "python"),
        ("viewed", "pandas"),
        ("viewed", "merge"),
        ("viewed", "dataframe"),
        ("accepted", "pandas"),
        ("accepted", "merge"),
        ("removed", "merge"),
        ("dismissed", "dataframe"),
        ("restored", "dataframe"),
    ],
    posted=["python", "pandas", "join"],
    install_id=str(uuid4()),
)


async def act_out(service: Service, stories: Sequence[Story], order: random.Random | None = None) -> None:
    """Let the service hear of the stories: in order, or late, repeated and shuffled if ``order`` is given."""
    sequences: Counter[str] = Counter()
    told: dict[str, list[dict[str, Any]]] = {}
    for story in stories:
        story.draft = a_draft(install_id=story.install_id, kind=story.kind)
        suggestions = [(await service.offer(story.draft, tags), tags) for tags in story.answers]

        def tell(kind: str, story: Story = story, **more: Any) -> None:
            sequences[story.install_id] += 1
            event = an_event(kind, sequences[story.install_id], story.draft, **more)
            told.setdefault(story.install_id, []).append(event)

        for kind, tag in story.acts:
            suggestion, tags = next((id_, tags) for id_, tags in suggestions if tag in tags)
            position: dict[str, Any] = {"position": tags.index(tag) + 1} if kind == "viewed" else {}
            tell(kind, suggestion_id=suggestion, tag=tag, **position)
        if story.posted is not None:
            number = sequences[story.install_id] + 1000
            tell("posted", tags=story.posted, question_id=number, site="stackoverflow.com")
    for install_id, events in told.items():
        if order is None:
            await service.send(install_id, events[:100])
            continue
        waiting = events * order.choice([2, 3])
        order.shuffle(waiting)
        while waiting:
            size = order.randint(1, 12)
            await service.send(install_id, waiting[:size])
            waiting = waiting[size:]


def expected(stories: Sequence[Story]) -> dict[str, tuple[Fraction | int, int]]:
    """Every figure as numerator and denominator; a mean over drafts as its sum and how many drafts."""
    asked = [story for story in stories if story.kind == "ask"]
    seen = [(story, tag) for story in asked for tag in story.viewed]
    posted = [story for story in asked if story.posted is not None]
    seen_posted = [(story, tag) for story, tag in seen if story.posted is not None]
    missed = [tag for story in posted for tag in story.posted_tags - story.offered]

    def hits(story: Story) -> int:
        return len(story.offered & story.posted_tags)

    offering = [story for story in posted if story.offered]
    tagged = [story for story in posted if story.posted]
    either = [story for story in posted if story.offered or story.posted]
    return {
        "acceptance": (sum(tag in story.accepted for story, tag in seen), len(seen)),
        "dismissal": (sum(tag in story.dismissed for story, tag in seen), len(seen)),
        "kept": (
            sum(tag in story.accepted and tag in story.posted_tags for story, tag in seen_posted),
            len(seen_posted),
        ),
        "agreement": (sum(tag in story.posted_tags for story, tag in seen_posted), len(seen_posted)),
        "help": (sum(bool(story.accepted) for story in asked), sum(bool(story.viewed) for story in asked)),
        "coverage": (sum(bool(story.offered) for story in asked), len(asked)),
        "precision": (sum(Fraction(hits(story), len(story.offered)) for story in offering), len(offering)),
        "recall": (sum(Fraction(hits(story), len(story.posted_tags)) for story in tagged), len(tagged)),
        "f1": (
            sum(Fraction(2 * hits(story), len(story.offered) + len(story.posted_tags)) for story in either),
            len(either),
        ),
        "jaccard": (
            sum(Fraction(hits(story), len(story.offered | story.posted_tags)) for story in either),
            len(either),
        ),
        "exact": (sum(story.offered == story.posted_tags for story in either), len(either)),
        "one_found": (sum(hits(story) > 0 for story in tagged), len(tagged)),
        "all_found": (sum(story.posted_tags <= story.offered for story in tagged), len(tagged)),
        "missed": (len(missed), sum(len(story.posted_tags) for story in posted)),
        "unknown": (sum(tag in UNKNOWN for tag in missed), len(missed)),
    }


def assert_figures(rows: Sequence[dict[str, Any]], stories: Sequence[Story]) -> None:
    figures = {row["figure"]: row["result"] for row in rows}
    truth = expected(stories)
    assert set(figures) == set(truth)
    for name, (numerator, denominator) in truth.items():
        result = figures[name]
        assert result["n"] == denominator, name
        if denominator == 0:
            assert result["value"] is None, name
        else:
            assert result["value"] == pytest.approx(float(Fraction(numerator) / denominator), abs=1e-6), name


async def test_the_worked_example_counts_as_written(service: Service) -> None:
    await act_out(service, [WORKED_EXAMPLE])
    fractions = {
        row["figure"]: (row["result"]["numerator"], row["result"]["denominator"])
        for row in await service.metrics("overview")
    }
    assert fractions["acceptance"] == (2, 4)
    assert fractions["kept"] == (1, 4)
    assert fractions["agreement"] == (2, 4)
    assert fractions["dismissal"] == (0, 4)
    assert fractions["help"] == (1, 1)
    assert fractions["coverage"] == (1, 1)
    assert fractions["precision"] == (2, 4)
    assert fractions["recall"] == (2, 3)
    assert fractions["jaccard"] == (2, 5)
    assert fractions["missed"][0] == 1
    missed = await service.metrics("missed")
    assert [row["tag"] for row in missed] == ["join"]


def stories_of(seed: int, n: int) -> list[Story]:
    """Drafts with every kind of event, of four installs; one in six is an edit, which no rate may count."""
    chance = random.Random(seed)
    installs = [str(uuid4()) for _ in range(4)]
    stories = []
    for number in range(n):
        answers = [chance.sample(KNOWN, chance.randint(0, 4)) for _ in range(chance.randint(1, 3))]
        offered = sorted(set().union(*answers))
        acts = []
        for tag in chance.sample(offered, chance.randint(0, len(offered))):
            life = chance.choice(
                [
                    ["viewed"],
                    ["viewed", "accepted"],
                    ["viewed", "accepted", "removed"],
                    ["viewed", "accepted", "removed", "accepted"],
                    ["viewed", "dismissed"],
                    ["viewed", "dismissed", "restored"],
                    ["viewed", "dismissed", "restored", "dismissed"],
                    ["viewed", "dismissed", "restored", "accepted"],
                ]
            )
            acts.append([(kind, tag) for kind in life])
        posted = None
        if chance.random() < 0.7:
            posted = chance.sample(KNOWN + UNKNOWN, chance.randint(1, 5))
        stories.append(
            Story(
                answers=answers,
                acts=interleaved(acts, chance),
                posted=posted,
                install_id=chance.choice(installs),
                kind="edit" if number % 6 == 5 else "ask",
            )
        )
    return stories


def interleaved(lives: list[list[tuple[str, str]]], chance: random.Random) -> list[tuple[str, str]]:
    """Several items' lives in one order, each life in its own."""
    waiting = [list(life) for life in lives]
    acts = []
    while waiting := [life for life in waiting if life]:
        acts.append(chance.choice(waiting).pop(0))
    return acts


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_late_repeated_and_shuffled_events_count_as_what_happened(service: Service, seed: int) -> None:
    stories = [WORKED_EXAMPLE, *stories_of(seed, 24)]
    kinds = Counter(kind for story in stories for kind, _ in story.acts)
    assert min(kinds[kind] for kind in ("viewed", "accepted", "removed", "dismissed", "restored")) > 0
    await act_out(service, stories, random.Random(seed))

    assert_figures(await service.metrics("overview"), stories)
    assert_figures(await service.metrics("overview", kind="edit"), as_asked(stories))

    text = (await service.client.get("/metrics/overview.csv", auth=ADMIN)).text
    rows = list(csv.DictReader(io.StringIO(text)))
    for row in rows:
        numerator, denominator = expected(stories)[row["figure"]]
        assert int(row["n"]) == denominator
        if denominator:
            assert float(row["value"]) == pytest.approx(float(Fraction(numerator) / denominator), abs=1e-6)

    asked = [story for story in stories if story.kind == "ask"]
    seen = Counter(tag for story in asked for tag in story.viewed)
    taken = Counter(tag for story in asked for tag in story.accepted)
    by_tag = {row["tag"]: row["acceptance"] for row in await service.metrics("tags")}
    for tag, n in seen.items():
        assert (by_tag[tag]["numerator"], by_tag[tag]["denominator"]) == (taken[tag], n)
    missed = Counter(tag for story in asked if story.posted is not None for tag in story.posted_tags - story.offered)
    assert {row["tag"]: row["missed"]["numerator"] for row in await service.metrics("missed")} == missed
    (today,) = [row for row in await service.metrics("days") if row["acceptance"]["n"]]
    assert today["acceptance"]["n"] == sum(seen.values())
    by_position = {row["position"]: row["acceptance"]["n"] for row in await service.metrics("positions")}
    assert sum(by_position.values()) == sum(seen.values())

    books = {(row["group"], row["name"]): row["n"] for row in await service.metrics("bookkeeping")}
    assert books["events", "lost"] == 0
    assert books["items", "impossible"] == 0


def as_asked(stories: Sequence[Story]) -> list[Story]:
    """The edits among the stories, as if they had been questions."""
    return [
        Story(story.answers, story.acts, story.posted, story.install_id) for story in stories if story.kind == "edit"
    ]


async def test_before_anyone_has_written_every_rate_is_not_available(service: Service) -> None:
    assert_figures(await service.metrics("overview"), [])


async def test_a_lost_event_is_shown_as_a_loss(service: Service) -> None:
    draft = a_draft()
    suggestion = await service.offer(draft, ["python"])
    events = [
        an_event(kind, sequence, draft, suggestion_id=suggestion, tag="python", **more)
        for sequence, (kind, more) in enumerate(
            [("viewed", {"position": 1}), ("accepted", {}), ("removed", {}), ("accepted", {})], start=1
        )
    ]
    await service.send(draft["install_id"], [events[0], events[3]])
    books = {(row["group"], row["name"]): row["n"] for row in await service.metrics("bookkeeping")}
    assert books["events", "lost"] == 2
    await service.send(draft["install_id"], events)
    books = {(row["group"], row["name"]): row["n"] for row in await service.metrics("bookkeeping")}
    assert books["events", "lost"] == 0


async def test_the_page_shows_the_same_fractions(service: Service) -> None:
    await act_out(service, [WORKED_EXAMPLE])
    page = await service.client.get("/metrics", auth=ADMIN, headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    for fraction in ("2 of 4", "1 of 4", "0 of 4", "1 of 1"):
        assert fraction in page.text
