"""Questions as the encoder's mean states, computed as serving computes them, and kept: encoding is what takes long.

One draft at a time, since the 8-bit graph finds its scales while running and a batch would change them. Several
processes; finished parts are kept, so a run that was stopped goes on where it was.
"""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.questions import Question
from model.runs.files import write_atomically
from model.runs.workers import workers
from model.serving.classifier import ENCODER_FILE, MANIFEST_FILE, TOKENIZER_FILE
from model.serving.encoder import EncoderSession
from model.training.train import States
from model.training.trained_titles import TrainedTitles, read_titles

_ROWS_OF_A_PART: Final = 2_000
"""On average."""


class EncoderFolderError(Exception):
    """A folder is none with an encoder; the message says what to do."""


HEAD_FILE: Final = "head.npz"


class EncoderFiles(NamedTuple):
    """An encoder's files: the graph, the word pieces, and what the manifest says of it (``tokens`` above all).

    ``head`` is what it was fine-tuned with, empty if it was not, and ``titles`` what it was fine-tuned on.
    """

    graph: bytes
    tokenizer: bytes
    about: dict[str, Any]
    head: bytes = b""
    titles: TrainedTitles | None = None

    @property
    def digest(self) -> str:
        """Sha256 of all that its states depend on."""
        settings = json.dumps(self.about["tokens"]).encode()
        return hashlib.sha256(b"".join(hashlib.sha256(of).digest() for of in (*self[:2], settings))).hexdigest()

    def load(self) -> EncoderSession:
        """Give the encoder itself."""
        return EncoderSession(self.graph, self.tokenizer, int(self.about["tokens"]))


def read_encoder(folder: Path) -> EncoderFiles:
    """Read the encoder of a folder: what ``finetune`` made, or a released model of the full tier.

    Raises:
        EncoderFolderError: there is none.
    """
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_bytes())
        head = (folder / HEAD_FILE).read_bytes() if (folder / HEAD_FILE).exists() else b""
        graph, tokenizer = (folder / ENCODER_FILE).read_bytes(), (folder / TOKENIZER_FILE).read_bytes()
        files = EncoderFiles(graph, tokenizer, manifest["encoder"], head, read_titles(folder, manifest))
        files.load()
    except Exception as error:  # ONNX Runtime's own errors share no base but Exception
        raise EncoderFolderError(
            f"{folder} has no encoder that can be read: {type(error).__name__}: {str(error)[:200]}. "
            "Give the folder of a full model or of what `tagalong-model finetune` made."
        ) from error
    return files


def encode(
    questions: Sequence[Question],
    files: EncoderFiles,
    keep: Path,
    processes: int,
    after_each: Callable[[], None] = lambda: None,
) -> States:
    """Give the states of questions.

    Args:
        keep: folder for finished parts, by sha256 of encoder and texts; made if it is not there.
        processes: how many work at once.
        after_each: called for each question, when its part is finished.
    """
    keep.mkdir(parents=True, exist_ok=True)
    parts = parted(questions)
    named = [keep / f"states-{_digest(files, part)}.npy" for part in parts]
    missing = [i for i, file in enumerate(named) if not file.exists()]

    def advance(questions: int) -> None:
        for _ in range(questions):
            after_each()

    advance(len(questions) - sum(len(parts[i]) for i in missing))
    if missing:
        with workers(min(processes, len(missing)), _start, (files,)) as pool:
            waiting = [pool.submit(_encode_part, [(q.title, q.body) for q in parts[i]]) for i in missing]
            for i, encoded in zip(missing, waiting, strict=True):
                write_atomically(keep, {named[i].name: _npy(encoded.result())})
                advance(len(parts[i]))
    found = np.concatenate([np.load(file) for file in named])
    return States(title=found[:, 0], whole=found[:, 1])


def parted(questions: Sequence[Question]) -> list[Sequence[Question]]:
    """Part questions where the hash of a title says so: one more or less changes its own part, not all that follow."""
    digests = [hashlib.sha256(question.title.encode("utf-8", "replace")).digest() for question in questions]
    last = [i + 1 for i, digest in enumerate(digests) if int.from_bytes(digest[8:16], "big") % _ROWS_OF_A_PART == 0]
    ends = [*last, *([len(questions)] if not last or last[-1] < len(questions) else [])]
    return [questions[first:end] for first, end in zip([0, *ends], ends, strict=False)]


def _digest(files: EncoderFiles, part: Sequence[Question]) -> str:
    texts = json.dumps([(q.title, q.body) for q in part]).encode()
    return hashlib.sha256(files.digest.encode() + texts).hexdigest()[:32]


def _npy(states: NDArray[np.float16]) -> bytes:
    file = io.BytesIO()
    np.save(file, states)
    return file.getvalue()


@cache
def _encoder_of_process() -> list[EncoderSession]:
    """Hold the one encoder of a worker process."""
    return []


def _start(files: EncoderFiles) -> None:
    _encoder_of_process().append(files.load())


def _encode_part(texts: Sequence[tuple[str, str]]) -> NDArray[np.float16]:
    """Give the mean states of titles alone and of whole drafts: [questions, 2, width]."""
    encoder = _encoder_of_process()[0]
    found = np.empty((len(texts), 2, encoder.width), np.float16)
    for i, (title, body) in enumerate(texts):
        found[i] = encoder.mean_embedding(title, "")
        if body:
            found[i, 1] = encoder.mean_embedding(title, body)
    return found
