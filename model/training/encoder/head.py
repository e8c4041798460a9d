"""The head that an encoder was fine-tuned with: what it alone says of every tag, 8 bits a number."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np

from model.runs.arrays import Floats


@dataclass(frozen=True, slots=True)
class Head:
    """logit[t] = state · weight[t] + bias[t]: ``weight`` float32 [tags, width], ``bias`` float32 [tags]."""

    tags: tuple[str, ...]
    weight: Floats
    bias: Floats

    def of(self, tags: Sequence[str]) -> tuple[Floats, Floats]:
        """Give weight [tags, width] and bias [tags] in another order of tags; what it does not know is 0."""
        number = {tag: i for i, tag in enumerate(self.tags)}
        weight = np.zeros((len(tags), self.weight.shape[1]), np.float32)
        bias = np.zeros(len(tags), np.float32)
        known = [i for i, tag in enumerate(tags) if tag in number]
        own = [number[tags[i]] for i in known]
        weight[known], bias[known] = self.weight[own], self.bias[own]
        return weight, bias

    def as_bytes(self) -> bytes:
        """Give the content of its file; the same head gives the same bytes."""
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
        """Read what ``as_bytes`` gives.

        Raises:
            ValueError: it is no such file.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as found:
                tags = tuple(str(found["tags"]).split("\n"))
                return cls(tags, found["weight"] * found["scale"][:, None], found["bias"])
        except (OSError, KeyError, BadZipFile) as error:
            raise ValueError(f"not the file of a head: {error}") from error
