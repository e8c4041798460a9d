"""What serving needs of the model: load a released one, suggest tags for a draft.

Imports ONNX Runtime, NumPy and the standard library, nothing of training.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from model.synonyms import same_tags
from model.text import BODY_FORMATS, names_of_words, ready

FORMAT: Final = 1
"""Number of the released files' format: what ``manifest.json`` says and what the graph takes and gives."""
MODEL_FILE: Final = "model.onnx"
MANIFEST_FILE: Final = "manifest.json"
BECAUSE_WORDS: Final = 3

_INPUTS: Final = ["title", "body", "limit"]
_OUTPUTS: Final = ["tags", "scores", "uses", "features", "values", "title_features", "evidence"]

_NOTHING_LEFT: Final = 1e-5
"""Square of a field's length below which nothing is left in it but rounding."""


class ReleaseError(Exception):
    """A released model is missing, corrupt or of another format; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Suggested:
    """A tag for a draft.

    ``score`` is calibrated: the share of tags with this score that are right, 0..1. ``confident`` says that a chip
    is worth showing, ``uses`` how often the tag was used in the training data, ``because`` which words of the draft
    weigh most for it, most first, at most ``BECAUSE_WORDS``.
    """

    tag: str
    score: float
    confident: bool
    uses: int
    because: tuple[str, ...]


class Classifier:
    """A released model in memory. Safe to use from several threads at once.

    Attributes:
        version: tier and first 8 digits of the graph's sha256, like ``light-1a2b3c4d``.
        sites: hosts whose drafts it was made for.
        tags: the vocabulary, the commonest first.
        manifest: what ``manifest.json`` says.
    """

    version: str
    sites: frozenset[str]
    tags: tuple[str, ...]
    manifest: dict[str, Any]

    def __init__(self, session: onnxruntime.InferenceSession, manifest: dict[str, Any]) -> None:
        """Use a loaded graph with its manifest; ``load`` does both."""
        decision = manifest["decision"]
        self._session = session
        self._threshold = float(decision["threshold"])
        self._first = float(decision["first"])
        self._most = int(decision["most"])
        self.version = str(manifest["version"])
        self.sites = frozenset(map(str, manifest["sites"]))
        self.tags = tuple(json.loads(session.get_modelmeta().custom_metadata_map["tags"]))
        self.manifest = manifest
        self._known = frozenset(self.tags)

    @classmethod
    def load(cls, folder: Path) -> "Classifier":
        """Load ``model.onnx`` and ``manifest.json`` from a folder, and check the one against the other.

        Raises:
            ReleaseError: a file is missing, the graph is not the manifest's, or the format is another one.
        """
        manifest = _manifest(folder)
        graph = _bytes(folder / MODEL_FILE)
        if hashlib.sha256(graph).hexdigest() != manifest.get("sha256"):
            raise ReleaseError(
                f"{folder / MODEL_FILE} is not the file that {MANIFEST_FILE} describes: its sha256 differs. "
                "Copy the released folder again, whole."
            )
        options = onnxruntime.SessionOptions()
        # A draft takes well under a millisecond: threads inside one answer only take cores from other answers.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            has = {node.name for node in [*session.get_inputs(), *session.get_outputs()]}
            if not has.issuperset([*_INPUTS, *_OUTPUTS]):
                raise ValueError(f"its inputs and outputs are not {', '.join([*_INPUTS, *_OUTPUTS])}")
            return cls(session, manifest)
        except Exception as error:  # ONNX Runtime's own errors share no base but Exception
            raise ReleaseError(
                f"{folder} cannot be loaded: {type(error).__name__}: {str(error)[:300]}. "
                "Copy the released folder again, whole, or release the model anew."
            ) from error

    def suggest(
        self,
        title: str,
        body: str = "",
        *,
        body_format: str = "markdown",
        chosen_tags: Sequence[str] = (),
        limit: int = 5,
    ) -> list[Suggested]:
        """Give the ``limit`` best tags for a draft, best first, never a chosen tag nor another name of one.

        The confident ones come first. A draft without any word that the model knows gets an empty list.

        Raises:
            ValueError: ``limit`` is below 1, or ``body_format`` is none of ``model.text.BODY_FORMATS``.
        """
        if limit < 1:
            raise ValueError(f"limit is {limit}; it must be 1 or more")
        if body_format not in BODY_FORMATS:
            raise ValueError(f"body_format is {body_format!r}; it must be one of {', '.join(BODY_FORMATS)}")
        title, body = ready(title, body, body_format)
        left_out = same_tags(chosen_tags) & self._known
        wanted = min(limit + len(left_out), len(self.tags))
        tags, scores, uses, features, values, title_features, evidence = self._session.run(
            _OUTPUTS,
            {
                "title": np.array([title], object),
                "body": np.array([body], object),
                "limit": np.array([wanted], np.int64),
            },
        )
        if not len(features):
            return []
        places = [i for i, tag in enumerate(tags) if tag not in left_out][:limit]
        confident = self._confident([float(scores[i]) for i in places])
        in_title = int(title_features[0])
        reasons = _because(features, values, evidence[:, places], in_title, title, body)
        return [
            Suggested(str(tags[i]), float(scores[i]), rank < confident, int(uses[i]), reasons[rank])
            for rank, i in enumerate(places)
        ]

    def _confident(self, scores: Sequence[float]) -> int:
        """Give how many of the scores, best first, are worth a chip (see ``model.calibration.Decision``)."""
        if not scores or scores[0] < self._first:
            return 0
        return max(1, sum(score >= self._threshold for score in scores[: self._most]))


def _because(
    features: NDArray[Any],
    values: NDArray[np.float32],
    evidence: NDArray[np.float32],
    in_title: int,
    title: str,
    body: str,
) -> list[tuple[str, ...]]:
    """Give the words that weigh most for each tag, as the draft spells them.

    A word weighs what the tag's logit would lose without it: the features of the word, of its parts and of runs with
    it would go, and the others of the field would weigh more, since a field's values are brought to length 1.

    Args:
        features: the active features, [n], the first ``in_title`` are the title's; words are joined by a space.
        values: of each feature in the draft, [n]; the squares of each field add up to 1.
        evidence: what each feature adds to each tag's logit, [n, tags].
    """
    number: dict[str, int] = {}
    spelled: list[str] = []
    feature_of: list[int] = []
    word_of: list[int] = []
    names = features.tolist()
    fields = ((title, slice(0, in_title)), (body, slice(in_title, len(names))))
    for text, span in fields:
        features_with: dict[str, list[int]] = {}
        for i, feature in enumerate(names[span], start=span.start):
            for name in feature.split(" "):
                features_with.setdefault(name, []).append(i)
        words, names_of = names_of_words(text)
        for i, name in names_of:
            if name in features_with:
                found = features_with[name]
                place = number.setdefault(words[i].lower(), len(number))
                if place == len(spelled):
                    spelled.append(words[i])
                feature_of += found
                word_of += [place] * len(found)
    # Two spellings of one word would count its features twice.
    pairs = np.unique(np.array(word_of, np.int64) * len(names) + np.array(feature_of, np.int64))
    word_at, feature_at = pairs // len(names), pairs % len(names)
    # One row a field and word. No matrix product: the library behind it would start threads for each answer.
    rows = len(spelled)
    row_at = word_at + rows * (feature_at >= in_title)
    left = 1 - np.bincount(row_at, values[feature_at] ** 2, 2 * rows).reshape(2, rows)
    alone = left <= _NOTHING_LEFT
    shrink = np.where(alone, 0, 1 / np.sqrt(np.where(alone, 1, left)))
    reasons = []
    for column in evidence.T:
        gone = np.bincount(row_at, column[feature_at], 2 * rows).reshape(2, rows)
        whole = np.array([[column[:in_title].sum()], [column[in_title:].sum()]])
        loss = (whole - (whole - gone) * shrink).sum(axis=0)
        best = np.argsort(-loss, kind="stable")[:BECAUSE_WORDS]
        reasons.append(tuple(spelled[i] for i in best if loss[i] > 0))
    return reasons


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_FILE
    try:
        manifest = json.loads(_bytes(path))
    except ValueError as error:
        raise ReleaseError(f"{path} is not JSON: {error}. Copy the released folder again, whole.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ReleaseError(
            f"{path} is not of format {FORMAT}, the one that this version reads. "
            "Use a model that was released for this version, or install the version that the model is for."
        )
    missing = {"version", "sha256", "sites", "decision"} - manifest.keys()
    if missing:
        raise ReleaseError(f"{path} lacks {', '.join(sorted(missing))}. Copy the released folder again, whole.")
    return manifest


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReleaseError(
            f"{path} cannot be read: {error.strerror or error}. "
            "A released model is a folder with model.onnx and manifest.json."
        ) from error
