"""Two names of one tag are never offered together, and the one offered is the one that the site uses (C1)."""

import json
from collections import Counter

import pytest

from model.commands.terminal import RELEASED
from model.serving.classifier import TIERS, Classifier
from model.serving.synonyms import RETIRED, main_names, name_in_use, other_names, same_tags

# Title, and the name that must be offered of what the vocabulary has under several names.
RENAMED = [
    ("Unity raycast does not hit collider", "unity-game-engine"),
    ("Code signing fails on macOS after an update of OS X", "macos"),
    ("Firebase database rules deny reading a child node", "firebase-realtime-database"),
    ("Google spreadsheet formula to sum a column", "google-sheets"),
    ("Oracle PL/SQL cursor returns no rows", "oracle-database"),
    ("T-SQL pivot of rows to columns in SQL Server", "t-sql"),
    ("Selenium cannot click a button in Chrome", "selenium-webdriver"),
    ("IIS7 rewrite rule for https", "iis-7"),
    ("Excel VBA loop over worksheets", "vba"),
    ("HTML5 video does not play on autoload", "html"),
    ("Pandas groupby and count", "group-by"),
]


def tags_of(classifier: Classifier, title: str, **more: object) -> list[str]:
    return [item.tag for item in classifier.suggest(title, **more)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("title", "name"), RENAMED)
def test_c1_the_name_in_use_is_offered_and_no_other_name_of_it(shipped: Classifier, title: str, name: str) -> None:
    tags = tags_of(shipped, title, limit=20)
    assert name in tags[:5]
    assert not set(other_names(name)) & set(tags)


def test_c1_every_name_that_can_be_offered_is_the_only_one_of_its_tag_and_not_retired(shipped: Classifier) -> None:
    tags = tags_of(shipped, "macos oracle unity firebase", limit=len(shipped.tags))
    assert len(tags) == len(main_names(tags)) == len(shipped.names)
    assert set(tags) == shipped.names == main_names(tags)
    assert not shipped.names & RETIRED
    assert shipped.known == shipped.names | set(shipped.tags)


@pytest.mark.parametrize("limit", [1, 3, 5, 20, 45, 60, 400])
def test_c1_a_limit_counts_distinct_tags_and_cuts_one_and_the_same_list(shipped: Classifier, limit: int) -> None:
    title = "osx macos unity3d oracle database firebase google spreadsheet css3 html5 php5 iis7 homework advice"
    items = shipped.suggest(title, limit=limit)
    assert len(items) == len(main_names(item.tag for item in items)) == limit
    if limit <= 20:
        assert items == shipped.suggest(title, limit=20)[:limit]


def test_c1_the_score_of_a_tag_with_two_names_is_at_least_that_of_either(shipped: Classifier) -> None:
    title = "macos osx menu bar application"
    graph, _ = shipped._run(title, "", frozenset(), 20)
    scores = dict(zip(graph["tags"].tolist(), graph["scores"].tolist(), strict=True))
    both = next(item.score for item in shipped.suggest(title) if item.tag == "macos")
    assert both == pytest.approx(1 - (1 - scores["macos"]) * (1 - scores["osx"]))
    alone = next(item for item in shipped.suggest(title, limit=20) if not other_names(item.tag))
    assert alone.score == scores[alone.tag]


def test_c1_uses_are_those_of_all_names_of_a_tag(shipped: Classifier) -> None:
    graph, _ = shipped._run("", "", frozenset(), len(shipped.tags))
    uses = Counter(dict(zip(graph["tags"].tolist(), graph["uses"].tolist(), strict=True)))
    for title, name in RENAMED[:5]:
        item = next(item for item in shipped.suggest(title, limit=20) if item.tag == name)
        assert item.uses == sum(uses[tag] for tag in (name, *other_names(name)))


@pytest.mark.parametrize(
    ("title", "chosen", "gone"),
    [
        ("macos osx menu bar application", "osx", "macos"),
        ("macos osx menu bar application", "Mac", "macos"),
        ("Unity raycast does not hit collider", "unity", "unity-game-engine"),
        ("Oracle PL/SQL cursor", "oracle-database", "oracle-database"),
        ("Selenium cannot click a button", "selenium", "selenium-webdriver"),
    ],
)
def test_c1_no_name_of_a_chosen_tag_is_offered(shipped: Classifier, title: str, chosen: str, gone: str) -> None:
    assert gone in tags_of(shipped, title)
    left = tags_of(shipped, title, chosen_tags=[chosen], limit=20)
    assert len(left) == 20
    assert not same_tags([chosen]) & set(left)


def test_c1_whichever_name_of_a_tag_is_chosen_the_answer_is_the_same(shipped: Classifier) -> None:
    answers = [
        shipped.suggest("Player falls through the floor", chosen_tags=[name])
        for name in ("unity3d", "Unity", "unity-game-engine")
    ]
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("tier", TIERS)
def test_c1_old_names_in_the_vocabulary_are_known_for_what_they_are(tier: str) -> None:
    """The released files stay as they are; their own names are settled where answers are made."""
    classifier = Classifier.load(RELEASED / tier)
    old = [tag for tag in classifier.tags if name_in_use(tag) != tag]
    assert len(old) > 250
    assert len(classifier.tags) == json.loads((RELEASED / tier / "manifest.json").read_text())["tags"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("python", "python-3.x"),
        ("python", "python-2.7"),
        ("ios", "iphone"),
        ("angular", "angularjs"),
        ("excel", "excel-formula"),
        ("java", "java-8"),
        ("react-native", "reactjs"),
        ("c", "c++"),
        ("google-sheets", "google-sheets-formula"),
        ("oracle-database", "oracle-apex"),
        ("firebase", "firebase-realtime-database"),
        ("bootstrap-4", "twitter-bootstrap"),
        ("datatable", "datatables"),
        ("azure-active-directory", "microsoft-entra-id"),
        ("vue.js", "vuejs3"),
        ("makefile", "cmake"),
        ("sass", "less"),
    ],
)
def test_c1_tags_that_are_used_together_or_are_versions_are_no_synonyms(one: str, other: str) -> None:
    assert name_in_use(one) != name_in_use(other)


def test_the_table_has_one_name_in_use_for_each_name_and_no_chains() -> None:
    vocabulary = Classifier.load(RELEASED / "light").tags
    for tag in (*vocabulary, *RETIRED):
        name = name_in_use(tag)
        assert name_in_use(name) == name
        for other in other_names(name):
            assert name_in_use(other) == name
    assert not {name_in_use(tag) for tag in vocabulary if tag not in RETIRED} & RETIRED
