"""Load a released model, and suggest tags for a draft.

Imports ONNX Runtime, NumPy, the tokenizers of the encoder and the standard library, nothing of training.
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

from model.serving.decision import Decision
from model.serving.encoder import EncoderSession
from model.serving.explanation import DraftWords, embedding_losses, pick_words, sparse_losses
from model.serving.interface import GraphInterface
from model.serving.synonyms import RETIRED, name_in_use, same_tags
from model.serving.text import BODY_FORMATS, original_spellings, prepare_text
from model.serving.tokens import Tokens

FORMAT: Final = 2
"""Format of the released files: what ``manifest.json`` says, and the graph's inputs and outputs."""
INTERFACE_FORMAT: Final = 3
"""The format of a version whose manifest says what its graph takes and can do (``interface``)."""
MODEL_FILE: Final = "model.onnx"
MANIFEST_FILE: Final = "manifest.json"
ENCODER_FILE: Final = "encoder.onnx"
TOKENIZER_FILE: Final = "tokenizer.json"
TIERS: Final = ("full", "light")
"""With an encoder beside the sparse part, or without."""
IMPORTED: Final = "imported"
"""The tier of versions that were made of a pipeline of scikit-learn."""
DEFAULT_TIER: Final = "full"
"""The shipped model that is used by default: the better one."""

_INPUTS: Final = ["title", "body", "limit"]
_CHOSEN: Final = "chosen"
_OUTPUTS: Final = ["tags", "scores", "uses", "features"]
_REASONS: Final = ["values", "title_features", "evidence"]
_EMBEDDINGS, _EMBEDDING_EVIDENCE = "states", "state_evidence"

_WINDOW: Final = 50
"""How many of the vocabulary's best tags are looked at, at least: names of one tag are merged among them."""


class ReleaseError(Exception):
    """A released model is missing, corrupt or of another format; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Suggested:
    """A tag for a draft, by the name that the site uses for it.

    ``score`` is calibrated: the share of tags with this score that are right, 0..1. ``confident`` says that a chip
    is worth showing, ``uses`` how often the tag was used in the training data, ``because`` which words of the draft
    weigh most for it, the heaviest first, at most ``explanation.MAX_WORDS``.
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
        tags: the vocabulary: the learned tags, the commonest first, then those known by name alone.
        names: the names that can be suggested: of each tag the one in use, without retired ones.
        known: every name that the model knows, suggested or not.
        manifest: the content of ``manifest.json``.
        interface: what its graph takes and can do.
    """

    version: str
    sites: frozenset[str]
    tags: tuple[str, ...]
    names: frozenset[str]
    known: frozenset[str]
    manifest: dict[str, Any]
    interface: GraphInterface

    def __init__(
        self, session: onnxruntime.InferenceSession, encoder: EncoderSession | None, manifest: dict[str, Any]
    ) -> None:
        """Use a loaded graph with its manifest, and with its encoder if it needs one; see ``load``."""
        decision = manifest["decision"]
        self._session = session
        self.interface = GraphInterface.from_manifest(manifest)
        self._outputs = _list_outputs(self.interface, full=encoder is not None)
        self._encoder = encoder
        self._decision = Decision(float(decision["own"]), float(decision["first"]), int(decision["most"]))
        self.version = str(manifest["version"])
        self.sites = frozenset(map(str, manifest["sites"]))
        self.tags = tuple(json.loads(session.get_modelmeta().custom_metadata_map["tags"]))
        self.manifest = manifest
        self._name = {tag: name_in_use(tag) for tag in self.tags if tag not in RETIRED}
        self.names = frozenset(self._name.values())
        self.known = self.names.union(self.tags)
        # Of several names of a chosen tag, the commonest has the best counts of which tags occur with it.
        self._number: dict[str, int] = {}
        for number, tag in enumerate(self.tags):
            self._number.setdefault(name_in_use(tag), number)
        self._uses = self._count_uses()

    @classmethod
    def load(cls, folder: Path) -> "Classifier":
        """Load a model of either tier, each of its files checked against ``manifest.json``.

        Raises:
            ReleaseError: a file is missing, is not the manifest's, or the format is another one.
        """
        manifest = read_manifest(folder)
        full = manifest["tier"] == "full"
        # A folder has files for training too, which need not be read to serve it.
        needed = [MODEL_FILE, *([ENCODER_FILE, TOKENIZER_FILE] if full else [])]
        if missing := [name for name in needed if name not in manifest["files"]]:
            raise ReleaseError(
                f"{folder / MANIFEST_FILE} lacks {', '.join(missing)}. Copy the released folder again, whole."
            )
        files = {name: read_checked(folder / name, manifest["files"][name]) for name in needed}
        options = onnxruntime.SessionOptions()
        # A draft takes well under a millisecond: threads inside one answer only take cores from other answers.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            graph = files[MODEL_FILE]
            session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            interface, encoder = GraphInterface.from_manifest(manifest), None
            nodes = [*_INPUTS, *_list_outputs(interface, full=full)]
            if interface.chosen_tags:
                nodes.append(_CHOSEN)
            if full:
                encoder = EncoderSession(files[ENCODER_FILE], files[TOKENIZER_FILE], int(manifest["encoder"]["tokens"]))
                nodes.append(_EMBEDDINGS)
            if not {node.name for node in [*session.get_inputs(), *session.get_outputs()]}.issuperset(nodes):
                raise ValueError(f"its inputs and outputs are not {', '.join(nodes)}")
            return cls(session, encoder, manifest)
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
        """Return the ``limit`` best tags for a draft, best first: never two names of one tag, nor one of a chosen tag.

        The confident ones come first. A draft without any word that the model knows gets an empty list.

        Raises:
            ValueError: ``limit`` is below 1, or ``body_format`` is none of ``model.serving.text.BODY_FORMATS``.
        """
        if limit < 1:
            raise ValueError(f"limit is {limit}; it must be 1 or more")
        if body_format not in BODY_FORMATS:
            raise ValueError(f"body_format is {body_format!r}; it must be one of {', '.join(BODY_FORMATS)}")
        draft = prepare_text(title, body, body_format)
        chosen = same_tags(chosen_tags)
        outputs, tokens = self._run(*draft, chosen, max(limit, _WINDOW) + len(chosen))
        if not len(outputs["features"]):
            return []
        best = self._merge_names(outputs, chosen)
        if len(best) < limit and len(outputs["tags"]) < len(self.tags):
            outputs, tokens = self._run(*draft, chosen, len(self.tags))
            best = self._merge_names(outputs, chosen)
        best = best[:limit]
        confident = self._decision.count_confident([score for _, score, _ in best])
        explanations: list[tuple[str, ...]] = [()] * len(best)
        if self.interface.reasons:
            texts = ("\n".join(draft), "") if self.interface.joined else draft
            explanations = _explain(*texts, tokens, outputs, [place for _, _, place in best])
            explanations = _restore_spelling(explanations, title, body, body_format)
        return [
            Suggested(name, score, rank < confident, self._uses[name], explanations[rank])
            for rank, (name, score, _) in enumerate(best)
        ]

    def _run(
        self, title: str, body: str, chosen: frozenset[str], limit: int
    ) -> tuple[dict[str, NDArray[Any]], Tokens | None]:
        """Return the graph's outputs for a prepared draft, by their names, and the encoder's tokens."""
        if self.interface.lower_case:
            title, body = title.lower(), body.lower()
        draft: dict[str, NDArray[Any]] = {
            "title": np.array([title], object),
            "body": np.array([body], object),
            "limit": np.array([min(limit, len(self.tags))], np.int64),
        }
        if self.interface.chosen_tags:
            numbers = sorted(self._number[name] for name in chosen & self._number.keys())
            draft[_CHOSEN] = np.array(numbers, np.int64)
        tokens = None
        if self._encoder is not None:
            tokens, draft[_EMBEDDINGS] = self._encoder.encode(title, body)
        return dict(zip(self._outputs, self._session.run(self._outputs, draft), strict=True)), tokens

    def _merge_names(self, outputs: dict[str, NDArray[Any]], chosen: frozenset[str]) -> list[tuple[str, float, int]]:
        """Return (name in use, score, place in the outputs) of each tag that may be suggested, best first, each once.

        The probabilities of two names of one tag are merged by noisy-or: on dev it kept calibration and Jaccard better
        than the larger one and than their sum (docs/training.md). The place is that of the likelier name.
        """
        merged: dict[str, tuple[float, int]] = {}
        for place, (tag, score) in enumerate(zip(outputs["tags"].tolist(), outputs["scores"].tolist(), strict=True)):
            name = self._name.get(tag)
            if name is None or name in chosen:
                continue
            before, first = merged.get(name, (0.0, place))
            merged[name] = before + score - before * score, first
        return sorted(((name, score, place) for name, (score, place) in merged.items()), key=lambda item: -item[1])

    def _count_uses(self) -> dict[str, int]:
        """Return how often the training data have each name that may be suggested, under all names of its tag."""
        outputs, _ = self._run("", "", frozenset(), len(self.tags))
        uses: dict[str, int] = dict.fromkeys(self.names, 0)
        for tag, n in zip(outputs["tags"].tolist(), outputs["uses"].tolist(), strict=True):
            if tag in self._name:
                uses[self._name[tag]] += n
        return uses


def _list_outputs(interface: GraphInterface, *, full: bool) -> list[str]:
    """Return the outputs that a graph has: those of every one, and those of what it can do."""
    return [
        *_OUTPUTS,
        *(_REASONS if interface.reasons else []),
        *([_EMBEDDING_EVIDENCE] if full else []),
    ]


def _explain(
    title: str, body: str, tokens: Tokens | None, outputs: dict[str, NDArray[Any]], places: list[int]
) -> list[tuple[str, ...]]:
    """Return the words that weigh most for each of the tags at ``places`` of the graph's outputs."""
    in_title = int(outputs["title_features"][0])
    words = DraftWords(title, body, outputs["features"], in_title)
    # First, since it may add words that no feature has.
    word_of = words.number_tokens(tokens) if tokens is not None else None
    losses = sparse_losses(words, outputs["values"], outputs["evidence"].T[places], in_title)
    if word_of is not None:
        losses += embedding_losses(word_of, len(words.spelled), outputs[_EMBEDDING_EVIDENCE].T[places])
    return pick_words(words, losses)


def _restore_spelling(
    explanations: list[tuple[str, ...]], title: str, body: str, body_format: str
) -> list[tuple[str, ...]]:
    """Return explanations in the writer's own characters, where the model read plainer ones."""
    if all(word in title or word in body for words in explanations for word in words):
        return explanations
    spellings = original_spellings(title, body, body_format)
    return [tuple(spellings.get(word, word) for word in words) for words in explanations]


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the content of ``manifest.json`` of a released or trained folder.

    Raises:
        ReleaseError: it is missing, not JSON, of another format, or not whole.
    """
    path = folder / MANIFEST_FILE
    try:
        manifest = json.loads(_read(path))
    except ValueError as error:
        raise ReleaseError(f"{path} is not JSON: {error}. Copy the released folder again, whole.") from error
    if not isinstance(manifest, dict) or manifest.get("format") not in (FORMAT, INTERFACE_FORMAT):
        raise ReleaseError(
            f"{path} is not of format {FORMAT} or {INTERFACE_FORMAT}, those that this version reads. "
            "Use a model that was released for this version, or install the version that the model is for."
        )
    missing = {"version", "tier", "files", "sites", "decision"} - manifest.keys()
    if missing:
        raise ReleaseError(f"{path} lacks {', '.join(sorted(missing))}. Copy the released folder again, whole.")
    return manifest


def read_checked(path: Path, digest: str) -> bytes:
    """Return the content of a file; raise ReleaseError if it cannot be read or has another sha256."""
    content = _read(path)
    if hashlib.sha256(content).hexdigest() != digest:
        raise ReleaseError(
            f"{path} is not the file that {MANIFEST_FILE} describes: its sha256 differs. "
            "Copy the released folder again, whole."
        )
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReleaseError(
            f"{path} cannot be read: {error.strerror or error}. "
            "A released model is a folder with manifest.json and the files that it names."
        ) from error
