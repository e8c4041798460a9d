"""The mean embeddings of questions, computed as serving computes them, and kept, since encoding takes long.

One draft at a time: the 8-bit graph finds its scales while running, and a batch would change them. Several processes;
finished parts are kept, so a run that was stopped goes on where it was.
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
from model.runs.workers import worker_pool
from model.serving.classifier import ENCODER_FILE, MANIFEST_FILE, TOKENIZER_FILE
from model.serving.encoder import EncoderSession
from model.training.train import QuestionEmbeddings
from model.training.trained_titles import TrainedTitles, read_titles

_MEAN_PART_ROWS: Final = 2_000
"""Rows of a part, on average."""


class EncoderFolderError(Exception):
    """A folder has no encoder; the message says what to do."""


HEAD_FILE: Final = "head.npz"


class EncoderFiles(NamedTuple):
    """An encoder's files: the graph, the tokenizer, and what the manifest says of it (``tokens`` above all).

    ``head`` is the one that it was fine-tuned with, empty if it was not, and ``titles`` what it was fine-tuned on.
    """

    graph: bytes
    tokenizer: bytes
    about: dict[str, Any]
    head: bytes = b""
    titles: TrainedTitles | None = None

    @property
    def digest(self) -> str:
        """Sha256 of all that its embeddings depend on."""
        settings = json.dumps(self.about["tokens"]).encode()
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in (*self[:2], settings))).hexdigest()

    def load(self) -> EncoderSession:
        """Return a session that runs the encoder."""
        return EncoderSession(self.graph, self.tokenizer, int(self.about["tokens"]))


def read_encoder(folder: Path) -> EncoderFiles:
    """Read the encoder of a folder: what ``finetune`` wrote, or a released model of the full tier.

    Raises:
        EncoderFolderError: the folder has none.
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
            "Give the folder of a full model or of what `tagalong-model finetune` wrote."
        ) from error
    return files


def encode_questions(
    questions: Sequence[Question],
    files: EncoderFiles,
    keep: Path,
    processes: int,
    after_each: Callable[[], None] = lambda: None,
) -> QuestionEmbeddings:
    """Return the embeddings of questions.

    Args:
        keep: folder for finished parts, by sha256 of encoder and texts; created if it is missing.
        processes: how many work at once.
        after_each: called for each question, when its part is finished.
    """
    keep.mkdir(parents=True, exist_ok=True)
    parts = split_parts(questions)
    files_of_parts = [keep / f"states-{_hash_part(files, part)}.npy" for part in parts]
    missing = [i for i, file in enumerate(files_of_parts) if not file.exists()]

    def advance(questions: int) -> None:
        for _ in range(questions):
            after_each()

    advance(len(questions) - sum(len(parts[i]) for i in missing))
    if missing:
        with worker_pool(min(processes, len(missing)), _load_encoder, (files,)) as pool:
            waiting = [pool.submit(_encode_part, [(q.title, q.body) for q in parts[i]]) for i in missing]
            for i, encoded in zip(missing, waiting, strict=True):
                write_atomically(keep, {files_of_parts[i].name: _as_npy(encoded.result())})
                advance(len(parts[i]))
    embeddings = np.concatenate([np.load(file) for file in files_of_parts])
    return QuestionEmbeddings(title=embeddings[:, 0], whole=embeddings[:, 1])


def split_parts(questions: Sequence[Question]) -> list[Sequence[Question]]:
    """Split questions after titles of certain hashes: one more or less changes its own part, not all that follow.

    Content-defined chunking, as rsync and backup programs do it.
    """
    digests = [hashlib.sha256(question.title.encode("utf-8", "replace")).digest() for question in questions]
    last = [i + 1 for i, digest in enumerate(digests) if int.from_bytes(digest[8:16], "big") % _MEAN_PART_ROWS == 0]
    ends = [*last, *([len(questions)] if not last or last[-1] < len(questions) else [])]
    return [questions[first:end] for first, end in zip([0, *ends], ends, strict=False)]


def _hash_part(files: EncoderFiles, part: Sequence[Question]) -> str:
    texts = json.dumps([(q.title, q.body) for q in part]).encode()
    return hashlib.sha256(files.digest.encode() + texts).hexdigest()[:32]


def _as_npy(array: NDArray[np.float16]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@cache
def _encoder_of_process() -> list[EncoderSession]:
    """Return the list that holds the one encoder of a worker process."""
    return []


def _load_encoder(files: EncoderFiles) -> None:
    _encoder_of_process().append(files.load())


def _encode_part(texts: Sequence[tuple[str, str]]) -> NDArray[np.float16]:
    """Return the mean embeddings of titles alone and of whole drafts: [questions, 2, width]."""
    encoder = _encoder_of_process()[0]
    embeddings = np.empty((len(texts), 2, encoder.width), np.float16)
    for i, (title, body) in enumerate(texts):
        embeddings[i] = encoder.mean_embedding(title, "")
        if body:
            embeddings[i, 1] = encoder.mean_embedding(title, body)
    return embeddings
