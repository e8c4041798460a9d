"""Weights rounded to 8 bits a number, row by row, as a released model stores them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.runs.arrays import Floats
from model.training.train import Weights


@dataclass(frozen=True, slots=True)
class QuantisedWeights:
    """Weights with 8-bit rows: value = integer · scale of its row.

    ``embedding`` int8 [words, rank], ``wide`` int8 [features, k], ``output`` int8 [tags, rank] and ``dense`` int8
    [tags, width] (transposed, since evidence needs a tag's row); scales are float32, one a row.
    """

    embedding: NDArray[np.int8]
    embedding_scale: Floats
    wide: NDArray[np.int8]
    wide_scale: Floats
    wide_tags: NDArray[np.int32]
    output: NDArray[np.int8]
    output_scale: Floats
    dense: NDArray[np.int8]
    dense_scale: Floats
    bias: Floats

    def dequantise(self) -> Weights:
        """Return the rounded numbers as the trainer's float32 weights."""
        return Weights(
            embedding=self.embedding * self.embedding_scale[:, None],
            output=np.ascontiguousarray((self.output * self.output_scale[:, None]).T),
            bias=self.bias,
            wide=self.wide * self.wide_scale[:, None],
            wide_tags=self.wide_tags,
            dense=np.ascontiguousarray((self.dense * self.dense_scale[:, None]).T),
        )


def quantise_weights(weights: Weights) -> QuantisedWeights:
    """Round weights to 8 bits a number, scaled by the largest of each row."""
    embedding, embedding_scale = quantise_rows(weights.embedding)
    wide, wide_scale = quantise_rows(weights.wide)
    output, output_scale = quantise_rows(np.ascontiguousarray(weights.output.T))
    dense, dense_scale = quantise_rows(np.ascontiguousarray(weights.dense.T))
    return QuantisedWeights(
        embedding=embedding,
        embedding_scale=embedding_scale,
        wide=wide,
        wide_scale=wide_scale,
        wide_tags=weights.wide_tags,
        output=output,
        output_scale=output_scale,
        dense=dense,
        dense_scale=dense_scale,
        bias=weights.bias,
    )


def quantise_rows(matrix: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Return a matrix as int8, and the scale of each row: its largest absolute value is 127."""
    scale = np.maximum(np.abs(matrix).max(axis=1, initial=0), 1e-12).astype(np.float32) / np.float32(127)
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale
