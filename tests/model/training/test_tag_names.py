"""Tags are recognised by their names as far as names can be trusted, and chosen tags speak for and against others."""

from collections import Counter

import numpy as np
import pytest

from model.serving.classifier import Classifier
from model.serving.synonyms import same_tags
from model.training import cooccurrence, tag_names
from model.training.tag_name_fit import NameFitInput, fit_matcher
from model.training.tag_names import (
    NameMatcher,
    SpellingCounts,
    SpellingFinder,
    count_spellings,
    list_rare_tags,
    list_spellings,
)


@pytest.mark.parametrize(
    ("tag", "spelled"),
    [
        ("python-3.x", "python 3"),
        ("vuejs3", "vue 3"),
        ("vue.js", "vue"),
        ("node.js", "nodejs"),
        ("node.js", "node js"),
        ("kubernetes", "k8s"),
        ("c#", "c sharp"),
        ("react-hooks", "react hook"),
        ("asp.net-mvc", "asp.net mvc"),
        ("html5", "html 5"),
        (".net", "dotnet"),
        ("react-hooks", "useeffect"),
    ],
)
def test_a_tag_is_known_by_the_ways_it_is_written(tag: str, spelled: str) -> None:
    assert spelled in list_spellings(tag)


def test_names_are_found_as_words_runs_of_words_and_parts_of_words() -> None:
    spelled = ["read csv", "vue 3", "c#", "java", "google cloud functions"]
    finder = SpellingFinder(spelled)
    found = finder.find("DataFrame.read_csv in Vue 3.2, JavaScript and C#")
    assert [spelled[i] for i in found] == ["read csv", "vue 3", "c#"]
    assert finder.find("Google Cloud Functions, again google cloud functions") == [4]


def rows(n: int, name: str, right: float, more: str = "") -> list[tuple[tuple[str, str], tuple[str, ...]]]:
    """Write n texts with a name, of which a share carries its tag."""
    return [((f"thing {name} {i}", more), (name,) if i < right * n else ("other",)) for i in range(n)]


def seen_in(texts: list[tuple[tuple[str, str], tuple[str, ...]]], tags: tuple[str, ...]) -> SpellingCounts:
    return count_spellings(tags, [text for text, _ in texts], [own for _, own in texts])


def test_what_a_name_is_worth_is_learned_from_the_texts_that_have_it() -> None:
    texts = rows(400, "pandas", 0.95) + rows(400, "line", 0.05)
    seen = seen_in(texts, ("other", "pandas", "line", "rare-thing"))
    share = dict(zip(seen.spellings, seen.share[0].tolist(), strict=True))
    assert share["pandas"] > 2
    assert share["line"] < -2
    # No text has it: it begins where rare names of as many words do, and stays in for future drafts.
    assert share["line"] < share["rare thing"] < share["pandas"]
    assert seen.texts[0, seen.spellings.index("pandas")] == 400


@pytest.fixture(scope="module")
def naming() -> tuple[NameMatcher, tuple[str, ...]]:
    """Fit names where texts say little: ``solid`` is right in 95 %, ``line`` in 5 %, rare names in 80 %."""
    rare = tuple(f"rare{i}" for i in range(40))
    tags = ("other", "solid", "line", *rare)
    texts = rows(400, "solid", 0.95) + rows(400, "line", 0.05)
    for name in rare:
        texts += rows(5, name, 0.8)
    seen = seen_in(texts, tags)
    number = {tag: i for i, tag in enumerate(tags)}
    random = np.random.default_rng(1)
    # The texts alone order the three learned tags the same way, whatever a question's tags are.
    ordering = random.normal([1, -1, -1], 0.3, (len(texts), 3)).astype(np.float32)
    cases = NameFitInput(
        ordering,
        np.zeros(len(texts), np.int64),
        [frozenset(number[tag] for tag in own) for _, own in texts],
        [text for text, _ in texts],
    )
    return fit_matcher(seen, cases, len(rare)), tags


def best(naming: NameMatcher, tags: tuple[str, ...], title: str) -> str:
    ordering = naming.pad(np.array([[1, -1, -1]], np.float32))
    return tags[int(naming.apply(ordering, naming.find([(title, "")])).argmax())]


def test_a_name_that_is_mostly_right_lifts_its_tag_and_one_that_is_mostly_wrong_does_not(
    naming: tuple[NameMatcher, tuple[str, ...]],
) -> None:
    fitted, tags = naming
    assert best(fitted, tags, "the solid thing") == "solid"
    assert best(fitted, tags, "the line thing") == "other"


def test_a_tag_known_by_name_alone_is_there_when_its_name_is_found_and_not_before(
    naming: tuple[NameMatcher, tuple[str, ...]],
) -> None:
    fitted, tags = naming
    assert best(fitted, tags, "my rare7 thing") == "rare7"
    ordering = fitted.pad(np.array([[1, -1, -1]], np.float32))
    without = fitted.apply(ordering, fitted.find([("nothing of it", "")]))
    assert without[0, fitted.learned :].max() < -tag_names.ABSENT_PENALTY / 2


def test_a_name_never_lowers_its_tag() -> None:
    claims = tag_names.FieldNames(("x",), np.array([0]), np.array([0.5], np.float32), 0.5)
    naming = NameMatcher(claims, claims, 1, 0, -2)
    assert naming.apply(np.array([[2.0]], np.float32), [([0], [0])]).tolist() == [[2.0]]
    assert naming.apply(np.array([[-1.5]], np.float32), [([0], [])]).tolist() == [[-0.5]]


def test_rare_tags_are_the_used_ones_that_are_not_learned() -> None:
    assert list_rare_tags(Counter({"a": 9, "b": 5, "c": 7, "d": 4}), ["a"], 5) == ("c", "b")


def test_tags_that_go_together_speak_for_each_other_and_those_that_do_not_against() -> None:
    tags = ("python", "java", "dataframe", "spring")
    sets = [("python", "dataframe")] * 200 + [("java", "spring")] * 200 + [("python", "java")] * 2
    pairs = cooccurrence.count_cooccurrence(tags, sets)
    said = pairs.apply(np.zeros(4, np.float32), [0])
    assert said[2] > 0.5
    assert said[1] < -2
    assert said[3] < -2
    assert said[0] == 0
    assert pairs.apply(np.zeros(4, np.float32), []).tolist() == [0, 0, 0, 0]


def test_knowing_one_tag_finds_more_of_the_others() -> None:
    tags = tuple(f"t{i}" for i in range(40))
    sets = [(f"t{2 * i}", f"t{2 * i + 1}") for i in range(20)] * 40
    pairs = cooccurrence.count_cooccurrence(tags, sets)
    own = [frozenset((2 * i, 2 * i + 1)) for i in range(20)]
    ordering = np.random.default_rng(2).normal(0, 0.3, (20, 40)).astype(np.float32)
    posted = np.full(20, 2)
    without, given = (
        cooccurrence.choose_one(pairs.scale(weight), ordering, own, posted, np.random.default_rng(1)).recall()
        for weight in (0, 1)
    )
    assert given == 1 > without + 0.5


def test_each_chosen_tag_lowers_all_others_alike() -> None:
    nothing = cooccurrence.Cooccurrence(np.zeros((3, 1), np.int64), np.zeros((3, 1), np.float32), less=0.5)
    assert nothing.apply(np.array([1, 2, 3], np.float32), [0, 2]).tolist() == [0, 1, 2]


def tags_of(classifier: Classifier, title: str, *chosen: str, limit: int = 5) -> list[str]:
    return [item.tag for item in classifier.suggest(title, chosen_tags=chosen, limit=limit)]


def test_a_tag_that_no_question_has_is_suggested_by_its_name(small: Classifier) -> None:
    assert "zygomorphic-call" in tags_of(small, "Why does my zygomorphic call fail")
    assert "zygomorphic-call" not in tags_of(small, "Why does my call fail")


def test_the_reason_for_a_tag_known_by_name_alone_is_its_name(small: Classifier) -> None:
    items = small.suggest("Why does my zygomorphic call fail")
    reasons = {item.tag: item.because for item in items}
    assert set(reasons["zygomorphic-call"]) == {"zygomorphic", "call"}


def test_chosen_tags_change_the_answer_of_the_shipped_model(shipped: Classifier) -> None:
    title = "How do I merge two frames on the index"
    alone, given = tags_of(shipped, title, limit=20), tags_of(shipped, title, "python", "pandas", limit=20)
    assert "dataframe" in given[:5]
    assert "java" not in given[:10]
    with_git = tags_of(shipped, "Merge fails with a conflict", "git", limit=20)
    assert with_git != tags_of(shipped, "Merge fails with a conflict", "python", limit=20)
    assert alone.index("dataframe") >= given.index("dataframe")


def test_no_other_name_of_a_chosen_tag_is_suggested(shipped: Classifier) -> None:
    for chosen in ("osx", "react", "golang", "python-3"):
        found = tags_of(shipped, "Build fails on macos with react and go in python 3", chosen, limit=50)
        assert not same_tags([chosen]) & set(found)


@pytest.mark.parametrize(
    ("title", "tag"),
    [
        ("Mount a component with vue test utils", "vue-test-utils"),
        ("Firebase dynamic links open the store", "firebase-dynamic-links"),
        ("Read the docs build fails", "read-the-docs"),
    ],
)
def test_a_rare_tag_named_in_the_title_is_suggested(shipped: Classifier, title: str, tag: str) -> None:
    assert tag in tags_of(shipped, title)


def test_a_common_word_that_is_a_tag_s_name_makes_no_chip(shipped: Classifier) -> None:
    for title, word in (
        ("How to read a file line by line in Python", "line"),
        ("How to call a function from another file in JavaScript", "call"),
    ):
        confident = [item.tag for item in shipped.suggest(title) if item.confident]
        assert confident
        assert word not in confident
