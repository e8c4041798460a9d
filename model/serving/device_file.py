"""A released model as one file for the scorer in the browser, ``extension/device``.

Only the light tier has that form: the encoder of the full one takes too long in a browser (docs/device.md). The file,
little-endian:

    0   ``tagalong``
    8   format, uint32
    12  length of the header, uint32
    16  sha256 of all that follows
    48  header: JSON, padded with spaces to a multiple of 8 bytes
    ..  sections: arrays, each begins at a multiple of 8 bytes, counted from the end of the header

All arrays are used as they lie in the file, the weights with 8 bits a number. Words, and runs of words, are found by
hash tables that are laid out here (``hash_tables``). The same model gives the same bytes.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from html.entities import html5
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.serving.classifier import IMPORTED, MODEL_FILE, ReleaseError, read_checked, read_manifest
from model.serving.graph_constants import read_constants
from model.serving.hash_tables import narrow, pair_slots, string_table
from model.serving.synonyms import RETIRED, name_in_use, other_names, renamed_tags

FORMAT: Final = 1
MAGIC: Final = b"tagalong"

_ALIGNMENT: Final = 8
_COPIED: Final = {
    "embedding": "embedding",
    "embedding_scale": "embedding_scale",
    "output": "output_int8",
    "output_scale": "output_scale",
    "bias": "bias",
    "wide": "wide",
    "wide_scale": "wide_scale",
    "wide_tags": "wide_tags",
    "slope": "slope_by_kind",
    "offset": "offset_by_kind",
    "lacks": "lacks",
    "title_name_target": "title_claim_of_name",
    "body_name_target": "body_claim_of_name",
    "chosen_row": "row_of_chosen",
    "says": "says",
    "says_scale": "says_scale",
    "partners": "partners",
    "rise": "rise_by_kind",
    "start": "start_by_kind",
    "piece_begin": "piece_begin",
    "piece_least": "piece_least",
    "piece_most": "piece_most",
}
"""Sections that are constants of the graph, by the constant's name."""
_NUMBERS: Final = ("title_pull", "body_pull", "less")
"""Constants with one number, which the header holds."""
_NEEDED: Final = {
    *_COPIED.values(),
    *_NUMBERS,
    *(f"{field}_{name}" for field in ("title", "body") for name in ("idf", "tag_of_name", "spellings")),
    *("feature_names", "tag_names", "tag_uses"),
}

_Arrays = dict[str, NDArray[Any]]


class NoDeviceFormError(ReleaseError):
    """A version cannot run on the device; the message says why."""


def device_file(folder: Path) -> bytes:
    """Return the device file of a released folder.

    Raises:
        NoDeviceFormError: the version has no device form: it is not of the light tier, or its graph is not of the kind
            that the device's scorer knows.
        ReleaseError: the folder is no released model, or is damaged.
    """
    manifest = read_manifest(folder)
    version = str(manifest["version"])
    if manifest["tier"] != "light":
        reason = "it was imported" if manifest["tier"] == IMPORTED else "its encoder is too slow in a browser"
        raise NoDeviceFormError(f"{version} has no device form: {reason}. Export a version of the tier 'light'.")
    if MODEL_FILE not in manifest["files"]:
        raise ReleaseError(f"{folder} lacks {MODEL_FILE}. Copy the released folder again, whole.")
    content = read_checked(folder / MODEL_FILE, manifest["files"][MODEL_FILE])
    try:
        constants = read_constants(content)
        if missing := sorted(_NEEDED - constants.keys()):
            raise ValueError(f"it lacks {', '.join(missing)}")
        sections = _make_sections(constants)
    except ValueError as error:
        raise NoDeviceFormError(
            f"{version} has no device form: its graph is not one that this version of Tagalong makes ({error}). "
            "Export a version that was released with this version."
        ) from error
    header = {
        "version": version,
        "sites": sorted(map(str, manifest["sites"])),
        "decision": {key: manifest["decision"][key] for key in ("own", "first", "most")},
        "title_features": len(constants["title_idf"]),
        **{name: float(constants[name][0]) for name in _NUMBERS},
    }
    return _pack(header, sections)


def _make_sections(constants: Mapping[str, NDArray[Any]]) -> _Arrays:
    sections = {name: constants[constant] for name, constant in _COPIED.items()}
    for name in ("embedding", "output"):
        sections[name] = _pad_rank(sections[name])
    sections["idf"] = np.concatenate([constants["title_idf"], constants["body_idf"]])
    # A model whose every tag is learned has no such constant.
    sections["rare_start"] = constants.get("rare_start", np.zeros(0, np.float32))
    for field in ("title", "body"):
        sections[f"{field}_name_tag"] = narrow(constants[f"{field}_tag_of_name"])
    sections |= _index_runs(
        {
            "title_feature": constants["feature_names"][: len(constants["title_idf"])],
            "body_feature": constants["feature_names"][len(constants["title_idf"]) :],
            "title_name": constants["title_spellings"],
            "body_name": constants["body_spellings"],
        }
    )
    sections |= _index_tags(constants["tag_names"].tolist(), constants["tag_uses"].tolist())
    # The names of HTML's entities, for bodies: JSON, since most drafts need none of them.
    sections["entities"] = np.frombuffer(json.dumps(html5, sort_keys=True).encode(), np.uint8)
    return sections


def _index_runs(pools: Mapping[str, NDArray[Any]]) -> _Arrays:
    """Return the tables in which runs of words are found.

    A run is a node: the first nodes are the words, in the order of ``word_starts``; another one is its ``run_parent``
    and one more word ``run_word``. Arrays by the pools' names hold each node's number in the pool + 1, or 0.
    """
    runs = {pool: [tuple(run.split(" ")) for run in names.tolist()] for pool, names in pools.items()}
    node_of: dict[tuple[int, int], int] = {}
    words = sorted({word for pool in runs.values() for run in pool for word in run})
    number_of = {word: number for number, word in enumerate(words)}
    nodes: dict[str, list[int]] = {}
    for pool, names in runs.items():
        nodes[pool] = []
        for run in names:
            node = number_of[run[0]]
            for word in run[1:]:
                node = node_of.setdefault((node, number_of[word]), len(words) + len(node_of))
            nodes[pool].append(node)
    arrays = string_table(words, "word")
    pairs = np.array(list(node_of), np.uint32).reshape(-1, 2)
    arrays |= {"run_parent": pairs[:, 0], "run_word": pairs[:, 1], "run_slots": pair_slots(pairs[:, 0], pairs[:, 1])}
    for pool, numbers in nodes.items():
        in_pool = np.zeros(len(words) + len(node_of), np.int64)
        in_pool[numbers] = np.arange(1, len(numbers) + 1)
        arrays[pool] = narrow(in_pool)
    return arrays


def _index_tags(tags: Sequence[str], uses: Sequence[int]) -> _Arrays:
    """Return what is known of names: those of the vocabulary's tags, and all others that a writer may choose.

    For each name: ``name_in_use``, the number of the name that the site uses for it; and of each that is in use,
    ``name_count``, how many names mean the same; ``name_tag``, the number of its commonest tag + 1, or 0; and
    ``name_uses``. For each tag: ``tag_name``, the number of its name in use + 1, or 0 for a retired one.
    """
    masters = {name_in_use(tag) for tag in tags} | renamed_tags()
    names = sorted(masters.union(tags, *map(other_names, masters)))
    number_of = {name: number for number, name in enumerate(names)}
    in_use = [number_of[name_in_use(name)] for name in names]
    count, tag_of, name_uses = [0] * len(names), [0] * len(names), [0] * len(names)
    for master in masters:
        count[number_of[master]] = len({master, *other_names(master)})
    tag_name = [0] * len(tags)
    for number, tag in enumerate(tags):
        name = number_of[name_in_use(tag)]
        tag_of[name] = tag_of[name] or number + 1
        if tag not in RETIRED:
            tag_name[number] = name + 1
            name_uses[name] += uses[number]
    arrays = string_table(names, "name")
    lists = {"name_in_use": in_use, "name_count": count, "name_tag": tag_of, "name_uses": name_uses}
    return arrays | {key: narrow(values) for key, values in {**lists, "tag_name": tag_name}.items()}


def _pad_rank(rows: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return rows [n, rank] with zeros up to a multiple of four, since the scorer adds four products at once."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))


def _pack(header: Mapping[str, Any], sections: Mapping[str, NDArray[Any]]) -> bytes:
    described, pieces, offset = {}, [], 0
    for name, array in sections.items():
        content = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        padding = -len(content) % _ALIGNMENT
        described[name] = {"dtype": array.dtype.name, "shape": list(array.shape), "offset": offset}
        pieces += [content, bytes(padding)]
        offset += len(content) + padding
    text = json.dumps({**header, "bytes": offset, "sections": described}).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    digest = hashlib.sha256(text)
    for piece in pieces:
        digest.update(piece)
    start = MAGIC + FORMAT.to_bytes(4, "little") + len(text).to_bytes(4, "little") + digest.digest()
    return b"".join([start, text, *pieces])
