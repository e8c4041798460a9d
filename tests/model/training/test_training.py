"""Training learns what the questions say, no more, and ONNX Runtime computes the same as the trainer."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import pytest
from scipy import sparse

from model.questions import Question
from model.serving.classifier import TIERS, Classifier
from model.serving.decision import Decision
from model.serving.encoder import EncoderSession
from model.serving.text import SEPARATOR, split_words
from model.training import calibration, cooccurrence, onnx_check, tfidf, train
from model.training import tag_names as names
from model.training.build import HARD_TEXTS, LARGEST_DIFFERENCE, DataSource, train_model
from model.training.encoder.encode import EncoderFiles
from model.training.encoder.head import Head
from model.training.onnx_export import export_graph
from model.training.quantisation import QuantisedWeights, quantise_weights
from model.training.tfidf import FeatureLimits
from model.training.tune import TuneLogits, add_head
from tests.model.conftest import SMALL, TAG_SETS, TOPICS, silent

NO_STATE = np.zeros((1, 0), np.float32)


def question(title: str, *tags: str, complete: bool = True, source: str = "s", body: str = "") -> Question:
    return Question(title, body, tags, complete, None, None, source, "train")


def weighted(vocabulary: tfidf.Vocabulary, titles: Sequence[str], bodies: Sequence[str]) -> sparse.csr_matrix:
    return tfidf.weight_features(tfidf.count_features(vocabulary, titles, bodies), vocabulary)


def fit_small(
    x: sparse.csr_matrix, vocabulary: tfidf.Vocabulary, rows: list[Question], tags: Sequence[str]
) -> train.Weights:
    """Fit weights without an encoder."""
    targets, embeddings = train.make_targets(rows, tags), train.QuestionEmbeddings.empty(len(rows))
    return train.fit_weights(x, vocabulary, targets, SMALL, embeddings)


def test_words_keep_the_names_of_languages_and_drop_closing_dots() -> None:
    found = split_words("C# and C++ on .NET, Node.js. F#! asp.net-mvc -- --flag x_y")
    assert found[: found.index(SEPARATOR)] == [
        "c#", "and", "c++", "on", ".net", "node.js", "f#", "asp.net-mvc", "flag", "x_y",
    ]  # fmt: skip


def test_words_come_with_their_parts() -> None:
    found = split_words("DataFrame.read_csv(C#) useEffect PYTHON")
    assert found[found.index(SEPARATOR) + 1 :] == [
        "data", "frame", "read", "csv", "c#", "use", "effect", "python",
    ]  # fmt: skip


def test_words_are_of_ascii_only() -> None:
    assert split_words("ÀBC \u212a İstanbul Привет") == ["bc", "stanbul", SEPARATOR, "bc", "stanbul"]


def test_weights_are_sublinear_and_each_field_has_length_one() -> None:
    titles, bodies = ["red red blue", "blue", "green"], ["sun sun sun moon", "", "sun"]
    limits = tfidf.FeatureLimits(title_min_df=(1, 1, 1), body_min_df=1)
    vocabulary = tfidf.choose_features(titles, bodies, limits)
    weighed = weighted(vocabulary, titles, bodies)
    names = vocabulary.names
    red, blue = names.index("red"), names.index("blue")
    # Each word comes as a word and as its own part: red 4 times, blue twice.
    expected = (1 + np.log(4)) * vocabulary.idf[red] / ((1 + np.log(2)) * vocabulary.idf[blue])
    assert weighed[0, red] / weighed[0, blue] == pytest.approx(expected, rel=1e-5)
    in_title = weighed[:, : vocabulary.title_features]
    assert np.asarray(in_title.multiply(in_title).sum(axis=1)).ravel() == pytest.approx([1, 1, 1])
    assert {"red red", "red blue", "red red blue"} == set(vocabulary.runs)
    assert vocabulary.idf[blue] == pytest.approx(np.log(4 / 3) + 1)


def test_rows_with_incomplete_tags_are_no_negatives_for_what_their_source_did_not_keep() -> None:
    """``rare`` is always there when a complete row says ``word``; the incomplete source kept ``kept`` alone."""
    complete = [question(f"word {i}", "kept", "rare") for i in range(60)]
    complete += [question(f"other {i}", "something") for i in range(240)]
    silent_rows = [question(f"word {i + 60}", "kept", complete=False, source="kept-only") for i in range(240)]

    def score_of_rare(rows: list[Question]) -> float:
        tags = train.choose_tags(rows, 5)
        limits = tfidf.FeatureLimits(title_min_df=(5, 5, 5), body_min_df=5)
        vocabulary = tfidf.choose_features([q.title for q in rows], [q.body for q in rows], limits)
        x = tfidf.weight_features(
            tfidf.count_features(vocabulary, [q.title for q in rows], [""] * len(rows)), vocabulary
        )
        weights = train.fit_weights(
            x, vocabulary, train.make_targets(rows, tags), SMALL, train.QuestionEmbeddings.empty(len(rows))
        )
        asked = weighted(vocabulary, ["word"], [""])
        return float(1 / (1 + np.exp(-train.compute_logits(weights, asked, NO_STATE)[0, tags.index("rare")])))

    assert score_of_rare(complete + silent_rows) > 0.6
    as_if_complete = [question(q.title, *q.tags) for q in silent_rows]
    assert score_of_rare(complete + as_if_complete) < 0.4


def test_what_bodies_teach_holds_for_a_title() -> None:
    """``word`` is in the titles of a few questions without its tag, and in the bodies of many with it."""
    rows = [question(f"word {i}", "other") for i in range(5)]
    rows += [question(f"thing {i}", "tagged", body="word here") for i in range(200)]
    rows += [question(f"thing {i}", "plain", body="nothing here") for i in range(200)]
    tags = train.choose_tags(rows, 5)
    titles, bodies = [q.title for q in rows], [q.body for q in rows]
    vocabulary = tfidf.choose_features(titles, bodies, tfidf.FeatureLimits(title_min_df=(5, 5, 5), body_min_df=5))
    x = weighted(vocabulary, titles, bodies)
    asked = weighted(vocabulary, ["word"], [""])

    # In titles alone, ``word`` says as much for ``tagged`` as for ``plain``.
    weights = train.fit_weights(
        x, vocabulary, train.make_targets(rows, tags), SMALL, train.QuestionEmbeddings.empty(len(rows))
    )
    found = dict(zip(tags, train.compute_logits(weights, asked, NO_STATE)[0], strict=True))
    assert found["tagged"] > found["plain"] + 0.5


def test_a_question_pulls_as_much_as_it_weighs() -> None:
    """``word`` goes with ``often`` in twenty questions and with ``weighty`` in four."""
    rows = [question(f"word {i}", "often") for i in range(20)] + [question(f"other {i}", "plain") for i in range(200)]

    def gap(weight: float) -> float:
        heavy = [replace(question(f"word {i + 20}", "weighty"), weight=weight) for i in range(4)]
        learned = [*rows, *heavy]
        tags = train.choose_tags(learned, 4)
        titles, bodies = [q.title for q in learned], [""] * len(learned)
        vocabulary = tfidf.choose_features(titles, bodies, tfidf.FeatureLimits(title_min_df=(4, 4, 4), body_min_df=4))
        x = weighted(vocabulary, titles, bodies)
        weights = train.fit_weights(
            x, vocabulary, train.make_targets(learned, tags), SMALL, train.QuestionEmbeddings.empty(len(learned))
        )
        asked = weighted(vocabulary, ["word"], [""])
        found = dict(zip(tags, train.compute_logits(weights, asked, NO_STATE)[0], strict=True))
        return float(found["weighty"] - found["often"])

    assert gap(1) < -0.5
    assert gap(20) > 0.5


def test_an_incomplete_source_knows_the_tags_that_it_kept() -> None:
    rows = [question(f"t {i}", "kept", complete=False, source="part") for i in range(train.INCOMPLETE_MIN_COUNT)]
    goal = train.make_targets([*rows, question("u", "rare")], ["kept", "rare"])
    assert goal.known.tolist() == [[1, 0]]
    assert goal.incomplete.tolist() == [0] * train.INCOMPLETE_MIN_COUNT + [-1]


def test_what_the_words_do_not_tell_is_learned_from_the_states() -> None:
    """The words of all questions are the same; a number of the state tells the tags apart, another one nothing."""
    rows = [question("word", "left" if i % 2 else "right") for i in range(400)]
    tags = train.choose_tags(rows, 5)
    vocabulary = tfidf.choose_features(["word"] * 400, [""] * 400, tfidf.FeatureLimits(title_min_df=(5, 5, 5)))
    x = tfidf.weight_features(tfidf.count_features(vocabulary, ["word"] * 400, [""] * 400), vocabulary)
    random = np.random.default_rng(6)
    state = np.stack([np.where(np.arange(400) % 2, 1.0, -1.0), random.normal(0, 1, 400)], axis=1).astype(np.float16)
    fast = replace(SMALL, dense_learning_rate=0.3)
    weights = train.fit_weights(
        x, vocabulary, train.make_targets(rows, tags), fast, train.QuestionEmbeddings(state, state)
    )
    found = train.compute_logits(weights, x[:2], state[:2].astype(np.float32))
    left, right = tags.index("left"), tags.index("right")
    assert found[1, left] > found[1, right] + 2
    assert found[0, right] > found[0, left] + 2
    assert np.abs(weights.dense[0]).min() > 3 * np.abs(weights.dense[1]).max()


@pytest.mark.parametrize(("own", "best"), [("right", 1.5), ("wrong", 0.0)])
def test_the_head_of_the_fine_tuning_counts_as_it_helps(own: str, best: float) -> None:
    """What was learned is undecided; the head is right, or wrong, about every question."""
    tags, n = ("left", "right"), 60
    side = np.where(np.arange(n) % 2, 1.0, -1.0)
    states = np.stack([side, np.zeros(n)], axis=1).astype(np.float16)
    weight = np.array([[1, 0], [-1, 0]], np.float32) * (1 if own == "right" else -1)
    learned = np.stack([side, -side], axis=1).astype(np.float32) * (-1.2 if own == "right" else 1.2)
    tune_logits = TuneLogits(
        learned, np.zeros(n, int), [("", "")] * n, [frozenset([int(s < 0)]) for s in side], np.ones(n, int)
    )
    embedding, output, wide, dense = (np.zeros((2, 2), np.float32) for _ in range(4))
    nothing = train.Weights(embedding, output, np.zeros(2, np.float32), wide, np.zeros((2, 2), np.int32), dense)
    head = Head(tags, weight, np.array([0.5, 0.5], np.float32))
    weights, times = add_head(nothing, head, tags, tune_logits, train.QuestionEmbeddings(states, states))
    assert times == best
    assert weights.dense.tolist() == (best * weight.T).tolist()
    assert weights.bias.tolist() == [best * 0.5] * 2


def test_a_question_without_its_body_has_the_state_of_its_title() -> None:
    states = train.QuestionEmbeddings(np.full((3, 2), 1, np.float16), np.full((3, 2), 2, np.float16))
    assert states.select(np.array([0, 2]), np.array([True, False])).tolist() == [[1, 1], [2, 2]]


def test_the_wide_part_joins_a_word_with_the_tags_it_goes_with() -> None:
    x = sparse.csr_matrix(np.array([[1, 0]] * 10 + [[0, 1]] * 10, np.float32))
    rows = [question("a", "left", "both")] * 10 + [question("b", "right", "both")] * 10
    goal = train.make_targets(rows, ["both", "left", "right"])
    assert train.choose_wide_tags(x, goal, 1).tolist() == [[1], [2]]


def test_the_same_questions_and_seed_give_the_same_file_and_another_seed_another(
    questions: list[Question], questions_file: Path, tmp_path: Path
) -> None:
    data = DataSource.describe(questions_file, questions)
    for name, parameters in (("first", SMALL), ("again", SMALL), ("other", replace(SMALL, seed=2))):
        train_model(questions[:1_000], TAG_SETS, data, tmp_path / name, None, parameters, FeatureLimits(), silent())
    folders = (tmp_path / name for name in ("first", "again", "other"))
    first, again, other = ((folder / "model.onnx").read_bytes() for folder in folders)
    assert first == again != other


def test_a_trained_model_finds_the_tags_of_its_questions(small_release: Path) -> None:
    manifest = json.loads((small_release / "manifest.json").read_text())
    assert manifest["metrics"]["dev"]["metrics"]["P@1"]["value"] > 0.9
    assert manifest["metrics"]["dev"]["baseline"]["P@1"]["value"] < 0.4


@pytest.mark.parametrize(("tags", "phrases"), TOPICS.items())
def test_each_topic_is_recognised_by_its_name(small: Classifier, tags: tuple[str, ...], phrases: list[str]) -> None:
    assert small.suggest(f"Why does {phrases[0]} not work")[0].tag in tags


class Exported(NamedTuple):
    """A graph with all that it was made of."""

    graph: bytes
    vocabulary: tfidf.Vocabulary
    tags: tuple[str, ...]
    model: QuantisedWeights
    naming: names.NameMatcher
    encoder: EncoderSession | None

    def difference(self, weights: train.Weights, texts: list[tuple[str, str]]) -> float:
        trained = onnx_check.TrainedModel(self.vocabulary, self.tags, weights, scale_of(self.tags), self.naming)
        return onnx_check.largest_difference(self.graph, trained, self.encoder, texts)


@pytest.fixture(scope="session", params=TIERS)
def exported(request: pytest.FixtureRequest, questions: list[Question], encoder_files: EncoderFiles) -> Exported:
    """A graph of random weights: nothing may agree by chance of being small."""
    titles, bodies = [q.title for q in questions], [q.body for q in questions]
    learned = train.choose_tags(questions, 5)
    vocabulary = tfidf.choose_features(titles, bodies, tfidf.FeatureLimits(body_min_df=3))
    encoder = encoder_files.load() if request.param == "full" else None
    random = np.random.default_rng(3)
    weights = train.Weights(
        embedding=random.standard_normal((len(vocabulary) - len(vocabulary.runs), 24), np.float32),
        output=random.standard_normal((24, len(learned)), np.float32),
        bias=random.standard_normal(len(learned), np.float32),
        wide=random.standard_normal((len(vocabulary), 3), np.float32),
        wide_tags=random.permuted(np.tile(np.arange(len(learned), dtype=np.int32), (len(vocabulary), 1)), axis=1)[
            :, :3
        ],
        dense=random.standard_normal((encoder.width if encoder else 0, len(learned)), np.float32) / np.float32(4),
    )
    model = quantise_weights(weights)
    tags = (*learned, "issue-tracker", "case", "code")
    naming = naming_of(tags, len(learned))
    pairs = replace(cooccurrence.count_cooccurrence(tags, TAG_SETS), less=0.3)
    graph = export_graph(vocabulary, tags, [1] * len(tags), model, scale_of(tags), naming, pairs, {})
    return Exported(graph, vocabulary, tags, model, naming, encoder)


def naming_of(tags: tuple[str, ...], learned: int) -> names.NameMatcher:
    """Return names with random targets, two spellings of one tag with the same target among them."""
    random = np.random.default_rng(6)
    spelled = sorted({spelling for tag in tags for spelling in names.list_spellings(tag)} | {"merge two frames"})
    of_tag = random.integers(0, len(tags), len(spelled))
    claims = random.choice(np.array([-2, 0.5, 1.5, 3], np.float32), len(spelled))
    fields = [names.FieldNames(tuple(spelled), of_tag, claims, pull) for pull in (0.5, 0.4)]
    return names.NameMatcher(fields[0], fields[1], learned, len(tags) - learned, -1.5)


def scale_of(tags: tuple[str, ...]) -> calibration.Calibration:
    random = np.random.default_rng(4)
    shape, pieces = (2, len(tags)), (2, len(calibration.KNOTS) + 1)
    return calibration.Calibration(
        slope=random.uniform(0.2, 0.4, shape).astype(np.float32),
        offset=random.normal(0, 1, shape).astype(np.float32),
        rise=random.uniform(0.2, 1.5, pieces).astype(np.float32),
        start=np.array([-2, -3], np.float32),
    )


TEXTS = [
    *HARD_TEXTS,
    ("C#", "C++ .NET F# c++11 node.js"),
    ("C++ std::vector and g++ linker", "std::vector std::vector std::vector"),
    ("パンダスで pandas を使う", "как merge two frames"),
    ("React React React useState hook", ""),
    ("", "only code { return props; } // JSX component"),
    ("a" * 300, "x." * 25_000),
    ("merge two frames merge two frames", "\n\t\r pandas\u2028DataFrame\u00a0merge"),
]


def test_onnx_runtime_and_the_trainer_agree_on_every_tag_of_hard_texts(
    exported: Exported, questions: list[Question]
) -> None:
    texts = TEXTS + [(q.title, q.body) for q in questions[:100]]
    assert exported.difference(exported.model.dequantise(), texts) < LARGEST_DIFFERENCE / 10


def test_chosen_tags_say_in_onnx_runtime_what_they_say_in_the_trainer(exported: Exported) -> None:
    tags, naming, scale = exported.tags, exported.naming, scale_of(exported.tags)
    text = ("merge two frames in python", "")
    states = exported.encoder.encode(*text)[1] if exported.encoder else np.zeros((1, 0), np.float32)
    pairs = replace(cooccurrence.count_cooccurrence(tags, TAG_SETS), less=0.3)
    x = weighted(exported.vocabulary, [text[0]], [text[1]])
    logits = naming.pad(train.compute_logits(exported.model.dequantise(), x, states.mean(axis=0)[None]))
    ordering = naming.apply(scale.order(logits, np.array([0])), naming.find([text]))[0]
    session = onnxruntime.InferenceSession(exported.graph, providers=["CPUExecutionProvider"])
    draft = {"title": np.array([text[0]], object), "body": np.array([text[1]], object)}
    draft |= {"limit": np.array([len(tags)])} | ({"states": states} if exported.encoder else {})
    answers = []
    for chosen in ([], ["python"], ["python", "pandas"]):
        numbers = [tags.index(tag) for tag in chosen]
        expected = scale.scores(pairs.apply(ordering, numbers)[None], np.array([0]))[0]
        found, scores = session.run(["tags", "scores"], draft | {"chosen": np.array(numbers, np.int64)})
        # What chosen tags say is rounded to 8 bits.
        assert scores == pytest.approx(expected[[tags.index(tag) for tag in found]], abs=0.01)
        answers.append(dict(zip(found, scores, strict=True)))
    assert answers[1]["pandas"] > answers[0]["pandas"] + 0.02


def test_a_graph_of_other_weights_is_found_out(exported: Exported) -> None:
    for part in ("wide", "output", *(["dense"] if exported.encoder else [])):
        weights = exported.model.dequantise()
        getattr(weights, part)[:, 0] += 0.05
        assert exported.difference(weights, TEXTS) > LARGEST_DIFFERENCE


def test_eight_bits_keep_a_number_within_half_a_step_of_its_row() -> None:
    random = np.random.default_rng(5)
    matrix = random.standard_normal((50, 8)).astype(np.float32)
    matrix[3] = 0
    wide_tags = np.zeros((50, 8), np.int32)
    weights = train.Weights(matrix, matrix.T.copy(), matrix[:, 0], matrix, wide_tags, matrix.T.copy())
    rounded = quantise_weights(weights).dequantise()
    step = np.abs(matrix).max(axis=1, keepdims=True) / 127
    assert (np.abs(rounded.embedding - matrix) <= step / 2 + 1e-6).all()
    assert (np.abs(rounded.output.T - matrix) <= step / 2 + 1e-6).all()
    assert (np.abs(rounded.dense.T - matrix) <= step / 2 + 1e-6).all()


def test_calibrated_scores_are_the_share_of_right_answers_for_each_kind_of_draft() -> None:
    """What is true: a bent curve for titles alone, another for drafts with a body."""
    random = np.random.default_rng(11)
    logits = random.normal(0, 3, (20_000, 5)).astype(np.float32)
    kind = np.arange(20_000) % 2
    true = np.where(kind[:, None] == 0, np.minimum(logits, 1) * 0.8 - 1, 0.4 * logits + 0.5)
    chance = 1 / (1 + np.exp(-true))
    right = random.random(logits.shape) < chance
    tags, uses = np.tile(np.arange(5), (20_000, 1)), np.array([10, 20, 500, 5_000, 5_000])
    fitted = calibration.fit_order(logits, right, tags, kind, uses)
    ordering = fitted.order(logits, kind)
    straight = np.abs(fitted.scores(ordering, kind) - chance).mean()
    fitted = calibration.fit_curve(fitted, ordering, right, kind)
    bent = np.abs(fitted.scores(ordering, kind) - chance).mean()
    assert bent < 0.02 < straight


def test_a_curve_never_turns_the_order_around() -> None:
    random = np.random.default_rng(12)
    ordering = random.normal(0, 3, (2_000, 5)).astype(np.float32)
    right = random.random(ordering.shape) < 1 / (1 + np.exp(ordering))
    start = calibration.fit_order(ordering, right, np.zeros_like(ordering, int), np.zeros(2_000, int), np.array([9]))
    fitted = calibration.fit_curve(start, ordering, right, np.zeros(2_000, int))
    line = np.linspace(-9, 9, 200, dtype=np.float32)[None]
    assert (np.diff(fitted.scores(fitted.order(line, np.array([0])), np.array([0]))) > 0).all()


def test_the_decision_shows_what_promises_the_best_jaccard_five_at_most_and_nothing_below_the_first_mark() -> None:
    decision = Decision(own=2, first=0.25, most=5)
    # .9 / 2.1 = .43, 1.8 / 2.2 = .82, 1.9 / 3.1 = .61: the third takes more than it brings.
    assert decision.count_confident([0.9, 0.9, 0.1]) == 2
    assert decision.count_confident([1.0] * 7) == 5
    assert decision.count_confident([0.3, 0.05]) == 1
    assert decision.count_confident([0.3, 0.29, 0.28]) == 3
    assert decision.count_confident([0.24, 0.2]) == 0
    assert decision.count_confident([]) == 0


def test_the_decision_is_the_one_with_the_best_jaccard() -> None:
    scores = np.tile(np.array([0.6, 0.5, 0.4, 0.31, 0.2], np.float32), (100, 1))
    for n in (3, 4):
        right = np.tile(np.arange(5) < n, (100, 1))
        decision = calibration.fit_decision(scores, right, np.full(100, n))
        assert decision.count_confident([0.6, 0.5, 0.4, 0.31, 0.2]) == n
