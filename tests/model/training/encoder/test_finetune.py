"""Fine-tuning learns, can be taken up again, and its graph is what it learned. Needs torch, the extra 'encoder'."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from model.questions import Question
from model.training.encoder.encode import read_encoder
from model.training.encoder.head import Head
from model.training.train import choose_tags, make_targets
from tests.model.training.encoder.test_encoder import small_network

pytest.importorskip("torch")
finetune = pytest.importorskip("model.training.encoder.finetune")

WORDS = ["[CLS]", "[SEP]", "[UNK]", *(f"word{i}" for i in range(37))]
PARAMETERS = finetune.FineTuningParameters(
    epochs=6,
    tokens=12,
    batch_tokens=256,
    batch_rows=16,
    learning_rate=3e-3,
    head_learning_rate=3e-2,
    warmup_steps=5,
    dropout=0.0,
)


def tokenizer() -> bytes:
    made = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    return made.to_str().encode()


def make_questions(n: int = 240) -> list[Question]:
    """Two words together make the tag: neither alone tells it."""
    random = np.random.default_rng(2)
    rows = []
    for i in range(n):
        a, b = random.integers(0, 2, 2)
        title = f"word{a} word{10 + random.integers(0, 9)}"
        tags = ("same",) if a == b else ("other",)
        rows.append(
            Question(
                title, f"word{5 + b}" if i % 9 else "", tags if i % 9 else ("none",), True, None, None, "s", "train"
            )
        )
    return rows


def start_run(rows: list[Question], parameters: object = PARAMETERS) -> Any:
    tags = choose_tags(rows, 1)
    return finetune.FineTuning(rows, tags, make_targets(rows, tags), small_network(), tokenizer(), parameters)


def test_the_loss_falls_and_every_question_is_seen(tmp_path: Path) -> None:
    rows = make_questions()
    run = start_run(rows)
    counted: list[int] = []
    assert run.run(counted.append, checkpoint=tmp_path / "c.pt", max_seconds=1e9)
    assert sum(counted) == run.seen >= run.total == 6 * len(rows)
    again = start_run(rows)
    again.run(lambda n: None, checkpoint=tmp_path / "d.pt", max_seconds=0.0)
    first = again._step(
        [(i, again._draft_tokenizer.tokenize(q.title, q.body).ids.tolist()) for i, q in enumerate(rows[:40])]
    )
    last = run._step(
        [(i, run._draft_tokenizer.tokenize(q.title, q.body).ids.tolist()) for i, q in enumerate(rows[:40])]
    )
    assert last < 0.6 * first


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    rows, file = make_questions(), tmp_path / "c.pt"
    run = start_run(rows)
    stopped = iter(range(5))
    with pytest.raises(StopIteration):
        run.run(lambda n: next(stopped) and None, checkpoint=file, max_seconds=1e9)
    run.save(file)
    taken_up = start_run(rows)
    taken_up.resume(file)
    assert taken_up.seen == run.seen > 0
    batches = [[i for i, _ in batch] for batch in taken_up._batches()]
    seen = {i for batch in batches for i in batch}
    assert len(seen) == sum(map(len, batches)) == len(rows) - run.seen
    with pytest.raises(ValueError, match="other parameters"):
        start_run(rows, finetune.FineTuningParameters()).resume(file)


def test_what_is_written_is_an_encoder_that_computes_the_same(tmp_path: Path) -> None:
    rows = make_questions(60)
    run = start_run(rows)
    run.run(lambda n: None, checkpoint=tmp_path / "c.pt", max_seconds=1e9)
    finetune.write_encoder(tmp_path / "out", run, "a small network", 1.0)
    files = read_encoder(tmp_path / "out")
    assert files.about["tokens"] == 12
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["encoder"]["start"] == "a small network"
    served, head = files.load(), Head.from_bytes(files.head)
    run._encoder.eval()
    import torch

    for question in rows[:10]:
        tokens, states = served.encode(question.title, question.body)
        with torch.no_grad():
            here = run._encoder(torch.from_numpy(tokens.ids)[None], None)[0].numpy()
        found = states.mean(axis=0)
        with torch.no_grad():
            said = run._head(torch.from_numpy(here)).numpy()
        assert head.select(run._tags)[0] @ here + head.select(run._tags)[1] == pytest.approx(
            said, abs=float(0.05 * np.abs(said).max())
        )
        assert float(found @ here / np.linalg.norm(found) / np.linalg.norm(here)) > 0.98
