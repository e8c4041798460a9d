"""Which titles a model was trained on, as a set of hashes beside its files: small, and without a word of any question.

A part of the training data is the sorted list of its titles' hashes, cut to ``LOW_BITS`` more bits than it takes to
number the titles: all of them are known again, and of other titles one in 2^``LOW_BITS``. It is stored in the code of
Elias (1974) and Fano (1971): the low bits of each hash as they are, the high ones in unary. Titles are compared by
``title_keys``. The file is a line of JSON that describes the parts, and then their bits.
"""

import hashlib
import json
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.preparation.personal import redact
from model.questions import Question, text_key
from model.serving.classifier import ReleaseError, read_manifest
from model.serving.text import plain_characters, without_entities

FORMAT: Final = 1
TITLES_FILE: Final = "trained-titles.bin"
SHIPPED: Final = Path(__file__).parent.parent / "released" / TITLES_FILE
"""The set of both shipped models, which were trained on the same questions. Their manifests are older than it."""
LOW_BITS: Final = 13
"""One in 8,192 other titles is taken for one of a part. A title takes two bits more than these."""
LEARNED, TUNED = "train", "tune"

Keys = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class TitleSet:
    """Titles that a model learned from (``train``) or that its choices were made on (``tune``).

    ``data`` is the sha256 of the file of questions that they came from.
    """

    name: str
    data: str
    titles: int
    hashes: int
    bits: bytes

    @classmethod
    def of(cls, name: str, data: str, keys: Keys) -> "TitleSet":
        """Cut the keys of at least one title, and store them."""
        titles = len(np.unique(keys))
        hashes = np.unique(keys % _range(titles))
        low = (hashes[:, None] >> np.arange(LOW_BITS, dtype=np.uint64)) & np.uint64(1)
        high = np.zeros(titles + len(hashes), np.bool_)
        high[(hashes >> np.uint64(LOW_BITS)) + np.arange(len(hashes), dtype=np.uint64)] = True
        packed = [np.packbits(bits.ravel().astype(np.bool_)).tobytes() for bits in (low, high)]
        return cls(name, data, titles, len(hashes), b"".join(packed))

    def holds(self, keys: Keys) -> NDArray[np.bool_]:
        """Return which of the keys are in it."""
        bits = np.frombuffer(self.bits, np.uint8)
        end_of_low = -(-self.hashes * LOW_BITS // 8)
        low = np.unpackbits(bits[:end_of_low], count=self.hashes * LOW_BITS).reshape(-1, LOW_BITS)
        high = np.flatnonzero(np.unpackbits(bits[end_of_low:])) - np.arange(self.hashes)
        hashes = (high << LOW_BITS) + low @ (1 << np.arange(LOW_BITS))
        return np.isin(keys % _range(self.titles), hashes.astype(np.uint64))

    def described(self) -> dict[str, Any]:
        """Return what the file's first line says of it."""
        return {
            "part": self.name,
            "data": self.data,
            "titles": self.titles,
            "hashes": self.hashes,
            "bytes": len(self.bits),
            "sha256": hashlib.sha256(self.bits).hexdigest(),
        }


@dataclass(frozen=True, slots=True)
class TrainedTitles:
    """The titles that one model was trained on, and where its encoder learned from others, those too."""

    parts: tuple[TitleSet, ...]

    @classmethod
    def of(cls, questions: Iterable[Question], data: str = "") -> "TrainedTitles":
        """Collect the titles of the questions that are not kept apart as ``dev``.

        Args:
            data: sha256 of the file of the questions.
        """
        titles: dict[str, list[str]] = {LEARNED: [], TUNED: []}
        for question in questions:
            if question.split in titles:
                titles[question.split].append(question.title)
        return cls(tuple(TitleSet.of(name, data, title_keys(of_part)) for name, of_part in titles.items() if of_part))

    @classmethod
    def from_bytes(cls, content: bytes) -> "TrainedTitles":
        """Read what ``as_bytes`` wrote.

        Raises:
            ValueError: it is something else, or damaged.
        """
        line, _, bits = content.partition(b"\n")
        described = json.loads(line)
        if not isinstance(described, dict) or described.get("format") != FORMAT:
            raise ValueError(f"it is not of format {FORMAT}")
        try:
            ends = accumulate(int(entry["bytes"]) for entry in described["parts"])
            parts = tuple(
                TitleSet(
                    entry["part"], entry["data"], entry["titles"], entry["hashes"], bits[end - entry["bytes"] : end]
                )
                for entry, end in zip(described["parts"], ends, strict=True)
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"a part lacks {error}") from error
        if (titles := cls(parts)).as_bytes() != content:
            raise ValueError("it was cut off or changed")
        return titles

    def as_bytes(self) -> bytes:
        """Return it as a file has it."""
        described = json.dumps({"format": FORMAT, "parts": [part.described() for part in self.parts]})
        return b"".join([described.encode(), b"\n", *(part.bits for part in self.parts)])

    def with_learned_of(self, other: "TrainedTitles | None") -> "TrainedTitles":
        """Add what another model learned from, such as the one whose encoder is used."""
        learned = [part for part in other.parts if part.name == LEARNED] if other else []
        return TrainedTitles(tuple(dict.fromkeys([*self.parts, *learned])))

    @property
    def knows_learned(self) -> bool:
        """Whether it says what the model learned from; of a model from elsewhere it may know its choices alone."""
        return any(part.name == LEARNED for part in self.parts)

    def seen(self, questions: Sequence[Question], parts: Collection[str] = (LEARNED, TUNED)) -> NDArray[np.bool_]:
        """Return which of the questions are in the named parts."""
        keys = title_keys(question.title for question in questions)
        holding = [part.holds(keys) for part in self.parts if part.name in parts]
        return np.asarray(np.any([np.zeros(len(keys), np.bool_), *holding], axis=0), np.bool_)


def title_keys(titles: Iterable[str]) -> Keys:
    """Return 64 bits for each title that do not change with spelling.

    Titles are made ready as ``prepare`` makes them, and more: case, spaces, punctuation, HTML entities and forms of one
    letter make no difference, nor does it whether personal data were taken out before.
    """
    return np.array([text_key(redact(_normalise(title))[0]) for title in titles], np.uint64)


def read_trained_titles(folders: Collection[Path]) -> Mapping[str, TrainedTitles | None]:
    """Return by version the titles that the models in some folders were trained on, None where one does not say.

    Raises:
        ReleaseError: a folder has no manifest, or its set of titles cannot be read.
    """
    manifests = [read_manifest(folder) for folder in folders]
    return {
        str(manifest["version"]): read_titles(folder, manifest)
        for folder, manifest in zip(folders, manifests, strict=True)
    }


def read_titles_beside(path: Path) -> TrainedTitles | None:
    """Return the set of titles in a file's folder, or None if there is none.

    Raises:
        ReleaseError: it cannot be read.
    """
    own = path.with_name(TITLES_FILE)
    try:
        return TrainedTitles.from_bytes(own.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{own} cannot be read: {error}.") from error


def read_titles(folder: Path, manifest: Mapping[str, Any]) -> TrainedTitles | None:
    """Return the titles that the model in a folder was trained on, or None if it is older than these sets.

    A model without a set of its own has the shipped one if it was made of the same file of questions.

    Raises:
        ReleaseError: the file cannot be read, or is not the one that the manifest describes.
    """
    own = folder / TITLES_FILE
    path = own if own.is_file() else SHIPPED
    digest = manifest.get("files", {}).get(TITLES_FILE) if path == own else None
    try:
        content = path.read_bytes()
        if digest not in (None, hashlib.sha256(content).hexdigest()):
            raise ValueError("its sha256 differs from the manifest's")
        titles = TrainedTitles.from_bytes(content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{path} cannot be read: {error}. Copy the released folder again, whole.") from error
    data = manifest.get("data", {}).get("sha256")
    return titles if path == own or any(part.data == data for part in titles.parts) else None


def _normalise(title: str) -> str:
    """Decode entities, those of entities too, and write every letter in its usual form, on one line."""
    while (decoded := without_entities(title)) != title:
        title = decoded
    return " ".join(unicodedata.normalize("NFKC", plain_characters(title)).split())


def _range(titles: int) -> np.uint64:
    """Return the number of different hashes of a part with so many titles."""
    return np.uint64(titles << LOW_BITS)
