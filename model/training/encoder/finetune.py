"""Fine-tuning of the encoder: end to end with a head over all tags, by binary cross-entropy on the train rows.

AdamW (Loshchilov and Hutter 2019) with linear warmup and decay to 0. Batches have about as many tokens, of questions of
similar length, so that little is padded. The head starts from the encoder's own mean embeddings of the tags' names. A
share of the bodies is dropped, since writers type the title first.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from model.questions import Question
from model.runs.arrays import Floats
from model.runs.files import write_atomically
from model.runs.parameters import stored_as, to_record
from model.serving.classifier import ENCODER_FILE, MANIFEST_FILE, TOKENIZER_FILE
from model.serving.encoder import EncoderSession
from model.serving.tokens import DraftTokenizer
from model.training.encoder.encode import HEAD_FILE
from model.training.encoder.graph import export_encoder
from model.training.encoder.head import Head
from model.training.encoder.network import EncoderNetwork
from model.training.train import Targets
from model.training.trained_titles import TITLES_FILE, TrainedTitles

CHECKPOINT_FILE: Final = "checkpoint.pt"
SAVE_EVERY_S: Final = 300.0
"""Seconds between checkpoints."""
_LOSS_DECAY: Final = 0.99
"""Of the moving average of the loss."""
_BUCKET_ROWS: Final = 8_192
"""Rows that are sorted by length together: enough to pad little, few enough that batches stay mixed."""
_HEAD_NORM: Final = 0.5
"""Norm of a tag's row of the head at the start."""


@dataclass(frozen=True, slots=True)
class FineTuningParameters:
    """The parameters of a fine-tuning run.

    ``tokens``: of a question that are read. ``batch_tokens``, ``batch_rows``: most of a batch. ``learning_rate``,
    ``head_learning_rate``: of the encoder and of the head, reached after ``warmup_steps``. ``body_dropout``: share of
    bodies dropped; ``dropout``: of each part's output.
    """

    seed: int = 1
    epochs: float = 3.0
    tokens: int = 96
    batch_tokens: int = 4_096
    batch_rows: int = 96
    learning_rate: float = stored_as("rate", 1.5e-4)
    head_learning_rate: float = stored_as("head_rate", 1.5e-3)
    warmup_steps: int = stored_as("rising", 300)
    weight_decay: float = stored_as("decay", 0.01)
    dropout: float = 0.1
    body_dropout: float = 0.25


class FineTuning:
    """A run over questions, step by step; it can be saved and resumed.

    Attributes:
        parameters, tokenizer: those it was made with.
        seen: questions seen so far.
        total: questions seen at the end.
        loss: moving average of the loss.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        tags: Sequence[str],
        targets: Targets,
        initial_weights: Mapping[str, Floats],
        tokenizer: bytes,
        parameters: FineTuningParameters,
    ) -> None:
        """Start from an encoder's weights and tokenizer, as ``minilm`` reads them.

        Args:
            targets: the questions' tags as ``model.training.train.make_targets`` returns them.
        """
        torch.manual_seed(parameters.seed)
        self.parameters, self.tokenizer = parameters, tokenizer
        self._questions, self._tags, self._targets = questions, tuple(tags), targets
        self._draft_tokenizer = DraftTokenizer.from_bytes(tokenizer, parameters.tokens)
        self._encoder = EncoderNetwork(initial_weights)
        self._head = nn.Linear(self._encoder.word.embedding_dim, len(tags))
        self._initialise_head(tags)
        self._optimizer = torch.optim.AdamW(
            [
                {"params": self._encoder.parameters(), "lr": parameters.learning_rate},
                {"params": self._head.parameters(), "lr": parameters.head_learning_rate, "weight_decay": 0.0},
            ],
            weight_decay=parameters.weight_decay,
            fused=True,
        )
        self._learning_rates = (parameters.learning_rate, parameters.head_learning_rate)
        self.seen, self._steps, self.loss = 0, 0, 0.0
        self.total = round(parameters.epochs * len(questions))

    def run(self, after_step: Callable[[int], None], *, checkpoint: Path, max_seconds: float) -> bool:
        """Train to the end or for ``max_seconds``; return whether the end was reached.

        Args:
            after_step: called with the number of questions of each step.
            checkpoint: file that is written every ``SAVE_EVERY_S`` and at the end, for ``resume``.
        """
        began = saved = time.monotonic()
        self._encoder.train()
        while self.seen < self.total and time.monotonic() - began < max_seconds:
            for rows in self._batches():
                loss = self._step(rows)
                self.seen += len(rows)
                self.loss = _LOSS_DECAY * self.loss + (1 - _LOSS_DECAY) * loss if self.loss else loss
                after_step(len(rows))
                if time.monotonic() - saved >= SAVE_EVERY_S:
                    self.save(checkpoint)
                    saved = time.monotonic()
                if self.seen >= self.total or time.monotonic() - began >= max_seconds:
                    break
        self.save(checkpoint)
        return self.seen >= self.total

    def save(self, file: Path) -> None:
        """Write the state of the run, whole or not at all."""
        temporary = file.with_suffix(".unfinished")
        state = {
            "parameters": to_record(self.parameters),
            "seen": self.seen,
            "steps": self._steps,
            "encoder": self._encoder.state_dict(),
            "head": self._head.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        torch.save(state, temporary)
        temporary.replace(file)

    def resume(self, file: Path) -> None:
        """Continue a run that ``save`` wrote.

        Raises:
            ValueError: it was made with other parameters.
        """
        state = torch.load(file, weights_only=True)
        if state["parameters"] != to_record(self.parameters):
            raise ValueError(f"{file} was made with other parameters: {state['parameters']}")
        self._encoder.load_state_dict(state["encoder"])
        self._head.load_state_dict(state["head"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.seen, self._steps = state["seen"], state["steps"]

    def export(self) -> bytes:
        """Return the encoder as it is now as an 8-bit ONNX graph.

        Raises:
            ValueError: the graph in float32 computes something else than torch.
        """
        weights = self._encoder.weights()
        largest = self._largest_difference(export_encoder(weights, eight_bits=False))
        if largest > 1e-4:
            raise ValueError(f"ONNX Runtime and torch differ by {largest:.1e} in the encoder's states")
        return export_encoder(weights)

    def head(self) -> Head:
        """Return the head as it is now."""
        weight, bias = (part.detach().float().numpy() for part in (self._head.weight, self._head.bias))
        return Head(self._tags, weight, bias)

    def titles(self) -> TrainedTitles:
        """Return the titles that it learns from."""
        return TrainedTitles.of(self._questions)

    def _largest_difference(self, graph: bytes) -> float:
        session = EncoderSession(graph, self.tokenizer, self.parameters.tokens)
        self._encoder.eval()
        largest = 0.0
        with torch.no_grad():
            for question in self._questions[:50]:
                tokens, states = session.encode(question.title, question.body)
                mean = self._encoder(torch.from_numpy(tokens.ids)[None], None)[0].numpy()
                largest = max(largest, float(np.abs(states.mean(axis=0) - mean).max()))
        self._encoder.train()
        return largest

    def _initialise_head(self, tags: Sequence[str]) -> None:
        """Set each tag's row to the mean embedding of its name, and its bias to its share of the questions."""
        self._encoder.eval()
        names = [self._draft_tokenizer.tokenize(tag.replace("-", " "), "").ids.tolist() for tag in tags]
        with torch.no_grad():
            states = [self._encoder(*_pad(names[i : i + 256])) for i in range(0, len(names), 256)]
            rows = torch.cat(states)
            self._head.weight.copy_(rows / rows.norm(dim=1, keepdim=True) * _HEAD_NORM)
            share = np.asarray(self._targets.tags.sum(axis=0)).ravel() / len(self._questions)
            share = np.clip(share, 1e-6, 0.5)
            self._head.bias.copy_(torch.from_numpy(np.log(share / (1 - share))) - _HEAD_NORM)

    def _batches(self) -> Iterator[list[tuple[int, list[int]]]]:
        """Yield the batches of an epoch that are left, as (question, tokens)."""
        p, n = self.parameters, len(self._questions)
        random = np.random.default_rng((p.seed, self.seen // n))
        order = random.permutation(n)
        done = self.seen % n
        for start in range(0, n, _BUCKET_ROWS):
            rows = []
            for i in order[start : start + _BUCKET_ROWS]:
                question = self._questions[int(i)]
                body = question.body if random.random() >= p.body_dropout else ""
                rows.append((int(i), question.title, body))
            if start + len(rows) <= done:
                continue
            tokens = [(i, self._draft_tokenizer.tokenize(title, body).ids.tolist()) for i, title, body in rows]
            tokens.sort(key=lambda row: len(row[1]))
            batches: list[list[tuple[int, list[int]]]] = [[]]
            for row in tokens:
                last = batches[-1]
                if last and (len(row[1]) * (len(last) + 1) > p.batch_tokens or len(last) >= p.batch_rows):
                    batches.append([])
                batches[-1].append(row)
            at = start
            for place in random.permutation(len(batches)):
                batch = batches[place]
                at += len(batch)
                if at > done:
                    yield batch

    def _step(self, rows: Sequence[tuple[int, list[int]]]) -> float:
        p = self.parameters
        remaining = 1 - self.seen / self.total
        for group, rate in zip(self._optimizer.param_groups, self._learning_rates, strict=True):
            group["lr"] = rate * remaining * min(1, (self._steps + 1) / p.warmup_steps)
        ids, mask = _pad([tokens for _, tokens in rows])
        numbers = np.array([i for i, _ in rows])
        targets = torch.from_numpy(self._targets.tags[numbers].toarray())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = self._head(self._encoder(ids, None if bool(mask.all()) else mask, p.dropout))
        losses = F.binary_cross_entropy_with_logits(logits.float(), targets, reduction="none")
        for row, source in enumerate(self._targets.incomplete[numbers].tolist()):
            if source >= 0:
                losses[row] *= torch.maximum(torch.from_numpy(self._targets.known[source]), targets[row])
        loss = losses.sum() / len(rows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._encoder.parameters(), 5.0)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._steps += 1
        return float(loss.detach())


def _pad(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Return token numbers, padded with 0, and where they are: both [rows, most tokens]."""
    longest = max(map(len, rows))
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        mask[row, : len(tokens)] = True
    return ids, mask


def write_encoder(out: Path, run: FineTuning, start: str, seconds: float) -> None:
    """Write the fine-tuned encoder into a folder, as ``model.training.encoder.encode.read_encoder`` reads it.

    Args:
        start: the encoder that it was before, in words.
        seconds: how long the run took.

    Raises:
        ValueError: ONNX Runtime does not compute what torch computes.
    """
    p = run.parameters
    about = {
        "tokens": p.tokens,
        "start": start,
        "fine_tuning": to_record(p) | {"questions_seen": run.seen, "seconds": round(seconds)},
    }
    manifest = json.dumps({"encoder": about}, indent=1) + "\n"
    files = {ENCODER_FILE: run.export(), TOKENIZER_FILE: run.tokenizer, HEAD_FILE: run.head().as_bytes()}
    files[TITLES_FILE] = run.titles().as_bytes()
    files[MANIFEST_FILE] = manifest.encode()
    write_atomically(out, files)
