"""Fine-tuning of the encoder: end to end with a head over all tags, by binary cross-entropy on the train rows.

AdamW (Loshchilov and Hutter 2019), the rate rising over the first steps and falling to 0 over the budget. A batch has
about as many tokens as the last, of questions of like length, so that little is padded. The head starts from the
encoder's own mean states of the tags' names. A share of the bodies is left out, since writers type the title first.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from model.questions import Question
from model.runs.files import write_atomically
from model.serving.classifier import ENCODER_FILE, MANIFEST_FILE, TOKENIZER_FILE
from model.serving.encoder import EncoderSession
from model.serving.tokens import DraftTokenizer
from model.training.encoder import graph
from model.training.encoder.encode import HEAD_FILE
from model.training.encoder.head import Head
from model.training.encoder.network import EncoderNetwork
from model.training.train import Targets
from model.training.trained_titles import TITLES_FILE, TrainedTitles

CHECKPOINT_FILE: Final = "checkpoint.pt"
SAVE_EVERY_S: Final = 300.0
"""Seconds between checkpoints."""
_KEPT: Final = 0.99
"""What the mean loss keeps of itself at each step."""
_ROWS_AT_ONCE: Final = 8_192
"""Rows that are sorted by length together: enough to pad little, few enough that batches stay mixed."""
_HEAD_LENGTH: Final = 0.5
"""Length of a tag's row of the head at the start."""


@dataclass(frozen=True, slots=True)
class FineTuningParameters:
    """What a fine-tuning run is given.

    ``tokens``: of a question that are read. ``batch_tokens``, ``batch_rows``: most of a batch. ``rate``,
    ``head_rate``: of the encoder and of the head; ``rising``: steps until they are reached. ``body_dropout``: share of
    bodies left out; ``dropout``: of each part's output.
    """

    seed: int = 1
    epochs: float = 3.0
    tokens: int = 96
    batch_tokens: int = 4_096
    batch_rows: int = 96
    rate: float = 1.5e-4
    head_rate: float = 1.5e-3
    rising: int = 300
    decay: float = 0.01
    dropout: float = 0.1
    body_dropout: float = 0.25


class FineTuning:
    """A run over questions, step by step; it can be written down and taken up again.

    Attributes:
        parameters, tokenizer: what it was given.
        seen: questions seen so far.
        wanted: questions seen at the end.
        loss: mean loss of the last steps, weighed towards the newest.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        tags: Sequence[str],
        goal: Targets,
        start: Mapping[str, NDArray[np.float32]],
        tokenizer: bytes,
        parameters: FineTuningParameters,
    ) -> None:
        """Start from an encoder's weights and tokenizer, as ``model.training.encoder.minilm`` gives them.

        Args:
            goal: the questions' tags as ``model.training.train.targets`` gives them.
        """
        torch.manual_seed(parameters.seed)
        self.parameters, self.tokenizer = parameters, tokenizer
        self._questions, self._tags, self._goal = questions, tuple(tags), goal
        self._drafts = DraftTokenizer.from_bytes(tokenizer, parameters.tokens)
        self._encoder = EncoderNetwork(start)
        self._head = nn.Linear(self._encoder.word.embedding_dim, len(tags))
        self._start_head(tags)
        self._optimizer = torch.optim.AdamW(
            [
                {"params": self._encoder.parameters(), "lr": parameters.rate},
                {"params": self._head.parameters(), "lr": parameters.head_rate, "weight_decay": 0.0},
            ],
            weight_decay=parameters.decay,
            fused=True,
        )
        self._rates = (parameters.rate, parameters.head_rate)
        self.seen, self._steps, self.loss = 0, 0, 0.0
        self.wanted = round(parameters.epochs * len(questions))

    def run(self, after_step: Callable[[int], None], *, checkpoint: Path, until_s: float) -> bool:
        """Go on to the end or for ``until_s`` seconds; give whether the end was reached.

        Args:
            after_step: called with the number of questions of each step.
            checkpoint: file that is written now and then and at the end, and that ``resume`` takes.
        """
        began = saved = time.monotonic()
        self._encoder.train()
        while self.seen < self.wanted and time.monotonic() - began < until_s:
            for rows in self._batches():
                loss = self._step(rows)
                self.seen += len(rows)
                self.loss = _KEPT * self.loss + (1 - _KEPT) * loss if self.loss else loss
                after_step(len(rows))
                if time.monotonic() - saved >= SAVE_EVERY_S:
                    self.save(checkpoint)
                    saved = time.monotonic()
                if self.seen >= self.wanted or time.monotonic() - began >= until_s:
                    break
        self.save(checkpoint)
        return self.seen >= self.wanted

    def save(self, file: Path) -> None:
        """Write the whole state of the run, whole or not at all."""
        temporary = file.with_suffix(".unfinished")
        state = {
            "parameters": asdict(self.parameters),
            "seen": self.seen,
            "steps": self._steps,
            "encoder": self._encoder.state_dict(),
            "head": self._head.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        torch.save(state, temporary)
        temporary.replace(file)

    def resume(self, file: Path) -> None:
        """Take up a run that ``save`` wrote.

        Raises:
            ValueError: it was made with other parameters.
        """
        state = torch.load(file, weights_only=True)
        if state["parameters"] != asdict(self.parameters):
            raise ValueError(f"{file} was made with other parameters: {state['parameters']}")
        self._encoder.load_state_dict(state["encoder"])
        self._head.load_state_dict(state["head"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.seen, self._steps = state["seen"], state["steps"]

    def graph(self) -> bytes:
        """Give the encoder as it is now as an 8-bit ONNX graph.

        Raises:
            ValueError: the graph in float32 computes something else than torch.
        """
        weights = self._encoder.weights()
        largest = self._largest_difference(graph.build(weights, eight_bits=False))
        if largest > 1e-4:
            raise ValueError(f"ONNX Runtime and torch differ by {largest:.1e} in the encoder's states")
        return graph.build(weights)

    def head(self) -> Head:
        """Give the head as it is now."""
        weight, bias = (of.detach().float().numpy() for of in (self._head.weight, self._head.bias))
        return Head(self._tags, weight, bias)

    def titles(self) -> TrainedTitles:
        """Return the titles that it learns from."""
        return TrainedTitles.of(self._questions)

    def _largest_difference(self, floats: bytes) -> float:
        served = EncoderSession(floats, self.tokenizer, self.parameters.tokens)
        self._encoder.eval()
        largest = 0.0
        with torch.no_grad():
            for question in self._questions[:50]:
                tokens, states = served.encode(question.title, question.body)
                here = self._encoder(torch.from_numpy(tokens.ids)[None], None)[0].numpy()
                largest = max(largest, float(np.abs(states.mean(axis=0) - here).max()))
        self._encoder.train()
        return largest

    def _start_head(self, tags: Sequence[str]) -> None:
        """Point each tag's row at the mean state of its name, and give it its share of the questions."""
        self._encoder.eval()
        names = [self._drafts.tokenize(tag.replace("-", " "), "").ids.tolist() for tag in tags]
        with torch.no_grad():
            states = [self._encoder(*_padded(names[i : i + 256])) for i in range(0, len(names), 256)]
            rows = torch.cat(states)
            self._head.weight.copy_(rows / rows.norm(dim=1, keepdim=True) * _HEAD_LENGTH)
            share = np.asarray(self._goal.tags.sum(axis=0)).ravel() / len(self._questions)
            share = np.clip(share, 1e-6, 0.5)
            self._head.bias.copy_(torch.from_numpy(np.log(share / (1 - share))) - _HEAD_LENGTH)

    def _batches(self) -> Iterator[list[tuple[int, list[int]]]]:
        """Give the batches of an epoch, as (question, tokens), beginning where the run stands in it."""
        p, n = self.parameters, len(self._questions)
        chance = np.random.default_rng((p.seed, self.seen // n))
        order = chance.permutation(n)
        done = self.seen % n
        for start in range(0, n, _ROWS_AT_ONCE):
            rows = []
            for i in order[start : start + _ROWS_AT_ONCE]:
                question = self._questions[int(i)]
                body = question.body if chance.random() >= p.body_dropout else ""
                rows.append((int(i), question.title, body))
            if start + len(rows) <= done:
                continue
            tokens = [(i, self._drafts.tokenize(title, body).ids.tolist()) for i, title, body in rows]
            tokens.sort(key=lambda row: len(row[1]))
            batches: list[list[tuple[int, list[int]]]] = [[]]
            for row in tokens:
                last = batches[-1]
                if last and (len(row[1]) * (len(last) + 1) > p.batch_tokens or len(last) >= p.batch_rows):
                    batches.append([])
                batches[-1].append(row)
            at = start
            for place in chance.permutation(len(batches)):
                batch = batches[place]
                at += len(batch)
                if at > done:
                    yield batch

    def _step(self, rows: Sequence[tuple[int, list[int]]]) -> float:
        p = self.parameters
        left = 1 - self.seen / self.wanted
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * left * min(1, (self._steps + 1) / p.rising)
        ids, mask = _padded([tokens for _, tokens in rows])
        numbers = np.array([i for i, _ in rows])
        wanted = torch.from_numpy(self._goal.tags[numbers].toarray())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = self._head(self._encoder(ids, None if bool(mask.all()) else mask, p.dropout))
        losses = F.binary_cross_entropy_with_logits(logits.float(), wanted, reduction="none")
        for row, source in enumerate(self._goal.incomplete[numbers].tolist()):
            if source >= 0:
                losses[row] *= torch.maximum(torch.from_numpy(self._goal.known[source]), wanted[row])
        loss = losses.sum() / len(rows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._encoder.parameters(), 5.0)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._steps += 1
        return float(loss.detach())


def _padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Give token numbers, filled up with 0, and where they are: both [rows, most tokens]."""
    longest = max(map(len, rows))
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        mask[row, : len(tokens)] = True
    return ids, mask


def write(out: Path, run: FineTuning, start: str, seconds: float) -> None:
    """Write the fine-tuned encoder into a folder, as ``model.training.encoder.encode.read_encoder`` reads it.

    Args:
        start: what it was before, in words.
        seconds: how long the run took.

    Raises:
        ValueError: ONNX Runtime does not compute what torch computes.
    """
    p = run.parameters
    about = {
        "tokens": p.tokens,
        "start": start,
        "fine_tuning": asdict(p) | {"questions_seen": run.seen, "seconds": round(seconds)},
    }
    manifest = json.dumps({"encoder": about}, indent=1) + "\n"
    files = {ENCODER_FILE: run.graph(), TOKENIZER_FILE: run.tokenizer, HEAD_FILE: run.head().as_bytes()}
    files[TITLES_FILE] = run.titles().as_bytes()
    files[MANIFEST_FILE] = manifest.encode()
    write_atomically(out, files)
