"""The head that an encoder was fine-tuned with, which alone gives every tag a logit; 8 bits a number."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np

from model.runs.arrays import Floats


@dataclass(frozen=True, slots=True)
class Head:
    """logit[t] = mean embedding · weight[t] + bias[t]: ``weight`` float32 [tags, width], ``bias`` float32 [tags]."""

    tags: tuple[str, ...]
    weight: Floats
    bias: Floats

    def select(self, tags: Sequence[str]) -> tuple[Floats, Floats]:
        """Return weight [tags, width] and bias [tags] of other tags; what it does not know is 0."""
        number = {tag: i for i, tag in enumerate(self.tags)}
        weight = np.zeros((len(tags), self.weight.shape[1]), np.float32)
        bias = np.zeros(len(tags), np.float32)
        known = [i for i, tag in enumerate(tags) if tag in number]
        own = [number[tags[i]] for i in known]
        weight[known], bias[known] = self.weight[own], self.bias[own]
        return weight, bias

    def as_bytes(self) -> bytes:
        """Return the content of its file; the same head gives the same bytes."""
        scale = np.maximum(np.abs(self.weight).max(axis=1), 1e-12).astype(np.float32) / np.float32(127)
        file = io.BytesIO()
        np.savez(
            file,
            tags=np.array("\n".join(self.tags)),
            weight=np.rint(self.weight / scale[:, None]).astype(np.int8),
            scale=scale,
            bias=self.bias.astype(np.float32),
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Head":
        """Read what ``as_bytes`` returned.

        Raises:
            ValueError: it is not the file of a head.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                tags = tuple(str(arrays["tags"]).split("\n"))
                return cls(tags, arrays["weight"] * arrays["scale"][:, None], arrays["bias"])
        except (OSError, KeyError, BadZipFile) as error:
            raise ValueError(f"not the file of a head: {error}") from error
