"""The encoder reads a draft as it was taught to, and its graph computes what the network is."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from model.commands.terminal import RELEASED
from model.questions import Question
from model.runs.arrays import Floats
from model.serving.encoder import EncoderSession
from model.serving.tokens import TITLE_TOKENS, DraftTokenizer
from model.training.encoder.encode import EncoderFiles, EncoderFolderError, encode_questions, read_encoder, split_parts
from model.training.encoder.graph import HEADS, export_encoder
from model.training.encoder.head import Head

TEXTS = [
    ("", ""),
    ("How do I use C# with C++ and F# on .NET?", ""),
    ("Как объединить два списка в Python", "ÄÖÜ ß İ 日本語 😀 K e\u0301"),
    ("", "for (int i = 0; i < n; i++) { a[i] += b[i]; }"),
    ("pandas merge", "I have two frames. " * 2_600),
    ("word " * 60, "body"),
    ("x" * 300, "y" * 50_000),
]


@pytest.fixture(scope="module")
def encoder(encoder_files: EncoderFiles) -> EncoderSession:
    return encoder_files.load()


@pytest.fixture(scope="module")
def tokenizer(encoder_files: EncoderFiles) -> DraftTokenizer:
    return DraftTokenizer.from_bytes(encoder_files.tokenizer, 96)


def test_a_draft_is_its_title_and_its_body_between_marks(tokenizer: DraftTokenizer) -> None:
    found = tokenizer.tokenize("merge frames", "with pandas")
    assert found.field.tolist() == [-1, 0, 0, -1, 1, 1, 1, -1]
    first, end = found.ids[0], found.ids[3]
    assert first != end == found.ids[-1]
    words = [
        ("merge frames", "with pandas")[field][slice(*span)]
        for field, span in zip(found.field, found.spans, strict=True)
        if field >= 0
    ]
    assert words == ["merge", "frames", "with", "panda", "s"]


def test_a_title_alone_has_no_part_for_a_body(tokenizer: DraftTokenizer) -> None:
    assert tokenizer.tokenize("merge frames", "").field.tolist() == [-1, 0, 0, -1]
    assert tokenizer.tokenize("", "").field.tolist() == [-1, -1]


@pytest.mark.parametrize(("title", "body"), TEXTS)
def test_no_draft_has_more_tokens_than_are_read(tokenizer: DraftTokenizer, title: str, body: str) -> None:
    found = tokenizer.tokenize(title, body)
    assert 2 <= len(found.ids) <= 96
    assert (found.field == 0).sum() <= TITLE_TOKENS
    assert len(found.ids) == len(found.spans) == len(found.field)


@pytest.mark.parametrize(("title", "body"), TEXTS)
def test_every_draft_has_states_that_are_numbers_and_always_the_same(
    encoder: EncoderSession, title: str, body: str
) -> None:
    tokens, states = encoder.encode(title, body)
    assert states.shape == (len(tokens.ids), encoder.width)
    assert np.isfinite(states).all()
    encoder.encode("something else", "in between")
    assert (encoder.encode(title, body)[1] == states).all()


def test_threads_get_the_states_that_one_gets(encoder: EncoderSession) -> None:
    alone = [encoder.mean_embedding(*text) for text in TEXTS]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda text: encoder.mean_embedding(*text), TEXTS * 5))
    assert all((here == there).all() for here, there in zip(together, alone * 5, strict=True))


def test_questions_of_one_subject_are_closer_than_others(encoder: EncoderSession) -> None:
    def closeness(one: str, other: str) -> float:
        a, b = (encoder.mean_embedding(title, "").astype(np.float64) for title in (one, other))
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    asked = "How do I merge two pandas DataFrames?"
    assert closeness(asked, "Joining data frames in Python") > closeness(asked, "Android activity does not start") + 0.1


def small_network(width: int = 24, inner: int = 48, layers: int = 2) -> dict[str, Floats]:
    random = np.random.default_rng(8)

    def numbers(*shape: int) -> Floats:
        drawn: Floats = (random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)
        return drawn

    weights = {"word.weight": numbers(40, width), "position.weight": numbers(16, width)}
    weights |= {"segment.weight": numbers(2, width), "normal.weight": 1 + numbers(width), "normal.bias": numbers(width)}
    for i in range(layers):
        for name, out, into in (
            ("attention", 3 * width, width),
            ("output", width, width),
            ("up", inner, width),
            ("down", width, inner),
        ):
            weights[f"layers.{i}.{name}.weight"] = numbers(out, into) * 3
            weights[f"layers.{i}.{name}.bias"] = numbers(out)
        for name in ("normal_1", "normal_2"):
            weights[f"layers.{i}.{name}.weight"] = 1 + numbers(width)
            weights[f"layers.{i}.{name}.bias"] = numbers(width)
    return weights


def by_the_book(weights: dict[str, Floats], ids: list[int]) -> Floats:
    """BERT's forward pass in NumPy."""
    from scipy.special import erf, softmax

    def normal(x: Floats, name: str) -> Floats:
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
        normalised: Floats = centred / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"]
        return normalised

    def linear(x: Floats, name: str) -> Floats:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    n = len(ids)
    x = normal(weights["word.weight"][ids] + weights["position.weight"][:n] + weights["segment.weight"][0], "normal")
    size = x.shape[1] // HEADS
    for i in range(2):
        at = f"layers.{i}"
        query, key, value = (
            part.reshape(n, HEADS, size).transpose(1, 0, 2) for part in np.split(linear(x, f"{at}.attention"), 3, 1)
        )
        attention = softmax(query @ key.transpose(0, 2, 1) / np.sqrt(size), axis=-1) @ value
        x = normal(x + linear(attention.transpose(1, 0, 2).reshape(n, -1), f"{at}.output"), f"{at}.normal_1")
        raised = linear(x, f"{at}.up")
        x = normal(x + linear(raised * (1 + erf(raised / np.sqrt(2))) / 2, f"{at}.down"), f"{at}.normal_2")
    return x


def states_of(built: bytes, ids: list[int]) -> Floats:
    import onnxruntime

    session = onnxruntime.InferenceSession(built, providers=["CPUExecutionProvider"])
    (states,) = session.run(None, {"ids": np.array(ids)})
    return np.asarray(states, np.float32)


@pytest.mark.parametrize("ids", [[3], [1, 2], [7, 7, 7, 39, 0], list(range(16))])
def test_the_graph_computes_what_the_network_is(ids: list[int]) -> None:
    weights = small_network()
    expected = by_the_book(weights, ids)
    assert states_of(export_encoder(weights, eight_bits=False), ids) == pytest.approx(expected, abs=1e-4)
    rounded = states_of(export_encoder(weights), ids)
    assert np.abs(rounded - expected).mean() < 0.1 * np.abs(expected).mean()


def question(title: str, body: str = "") -> Question:
    return Question(title, body, ("t",), True, None, None, "s", "train")


def test_states_are_of_titles_alone_and_of_whole_drafts_and_kept(
    encoder: EncoderSession, encoder_files: EncoderFiles, tmp_path: Path
) -> None:
    asked = [question("merge frames", "with pandas"), question("git stash"), question("")]
    steps: list[int] = []
    found = encode_questions(asked, encoder_files, tmp_path, 1, lambda: steps.append(1))
    assert len(steps) == 3
    assert (found.title[0] == encoder.mean_embedding("merge frames", "")).all()
    assert (found.whole[0] == encoder.mean_embedding("merge frames", "with pandas")).all()
    assert (found.title[1:] == found.whole[1:]).all()
    (kept,) = tmp_path.iterdir()
    made = kept.stat().st_mtime_ns
    again = encode_questions(asked, encoder_files, tmp_path, 1)
    assert (again.whole == found.whole).all()
    assert [file.stat().st_mtime_ns for file in tmp_path.iterdir()] == [made]
    encode_questions([*asked[:2], question("other")], encoder_files, tmp_path, 1)
    fewer = encoder_files._replace(about=encoder_files.about | {"tokens": 5})
    assert (encode_questions(asked, fewer, tmp_path, 1).whole[0] != found.whole[0]).any()
    assert len(list(tmp_path.iterdir())) == 3


def test_a_question_less_changes_one_part_of_what_is_kept_and_not_all_that_follow() -> None:
    asked = [question(f"title {i}") for i in range(20_000)]
    whole, less = split_parts(asked), split_parts([*asked[:5_000], *asked[5_001:]])
    assert [each for part in whole for each in part] == asked
    assert 5 < len(whole) < 20
    assert sum(part not in whole for part in less) == 1
    assert split_parts(asked[:3]) == [asked[:3]]
    assert split_parts([]) == [[]]


def test_a_head_is_written_and_read_tag_by_tag() -> None:
    random = np.random.default_rng(4)
    head = Head(
        ("c#", "c++", "r"), random.standard_normal((3, 8)).astype(np.float32), np.array([-1, -2, -3], np.float32)
    )
    assert head.as_bytes() == head.as_bytes()
    read = Head.from_bytes(head.as_bytes())
    weight, bias = read.select(["r", "unheard-of", "c#"])
    step = np.abs(head.weight).max(axis=1) / 127
    assert np.abs(weight[0] - head.weight[2]).max() <= step[2] / 2 + 1e-6
    assert np.abs(weight[2] - head.weight[0]).max() <= step[0] / 2 + 1e-6
    assert bias.tolist() == [-3, 0, -1]
    assert not weight[1].any()
    with pytest.raises(ValueError, match="head"):
        Head.from_bytes(b"PK\x03\x04 no zip")


def test_a_folder_without_an_encoder_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(EncoderFolderError, match="finetune"):
        read_encoder(tmp_path)
    with pytest.raises(EncoderFolderError, match="finetune"):
        read_encoder(RELEASED / "light")
