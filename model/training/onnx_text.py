"""The part of a model's graph that reads text: words, their counts, and which runs of them are in a vocabulary."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.runs.arrays import Floats
from model.serving.text import PART, SEPARATOR, WORD
from model.training.onnx_graph import OnnxGraph, Value

_BLOCK: Final = 64
"""Counts that are looked at together."""
_NO_WORD: Final = "\t"
"""No word can be this."""
NEVER: Final = "\t\t"
"""Stands where a field has no feature at all: the operator needs one."""


class ModelGraph(OnnxGraph):
    """The graph with the constants that many of its nodes take, and its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.axis_0 = self.constant("axis_0", np.array([0], np.int64))
        self.axis_1 = self.constant("axis_1", np.array([1], np.int64))
        self.axis_2 = self.constant("axis_2", np.array([2], np.int64))
        self.flat_shape = self.constant("flat", np.array([-1], np.int64))
        self.blocks_shape = self.constant("blocks", np.array([-1, _BLOCK], np.int64))
        self.block = self.constant("block", np.array([_BLOCK], np.int64))
        # A field without any known word has length 0; what it has, nothing, is divided by a little more than that.
        self.tiny = self.constant("tiny", np.array([1e-12], np.float32))
        self.one = self.constant("one", np.array([1], np.float32))
        self.separator = self.constant("apart", np.array([[SEPARATOR]], dtype=object))
        self.limit, self.chosen, self.embeddings = Value("limit"), Value("chosen"), Value("states")

    def flatten(self, value: Value, name: str) -> Value:
        """Add a value with one axis."""
        return self.node("Reshape", value, self.flat_shape, name=name)

    def column(self, value: Value, name: str) -> Value:
        """Add a value [n] as [n, 1]."""
        return self.node("Unsqueeze", value, self.axis_1, name=name)


@dataclass(frozen=True, slots=True)
class FieldFeatures:
    """A field's ``words`` [1, any], and the numbers ``index`` of its active features with their ``value``, [n]."""

    words: Value
    index: Value
    value: Value


def add_field(g: ModelGraph, field: str, pool: Sequence[str], idf: Floats) -> FieldFeatures:
    """Add the way from a field's text to its active features and their tf-idf, brought to length 1."""
    if not pool:
        pool, idf = [NEVER], np.ones(1, np.float32)
    words = add_tokens(g, Value(field), f"{field}_words", WORD)
    lower = lower_case(g, f"{field}_lower", words, add_tokens(g, Value(field), f"{field}_parts", PART))
    index, counts = count_runs(g, lower, field, pool)
    idf_by_index = g.constant(f"{field}_idf", idf)
    tf = g.gather(counts, index, name=f"{field}_tf")
    sublinear = g.node("Add", g.node("Log", tf, name=f"{field}_log_tf"), g.one, name=f"{field}_sublinear")
    active_idf = g.gather(idf_by_index, index, name=f"{field}_idf_active")
    weighted = g.node("Mul", sublinear, active_idf, name=f"{field}_weighed")
    squares = g.node("ReduceSumSquare", weighted, name=f"{field}_squares", keepdims=1)
    length = g.node("Sqrt", g.node("Add", squares, g.tiny, name=f"{field}_squares_safe"), name=f"{field}_length")
    return FieldFeatures(words, index, g.node("Div", weighted, length, name=f"{field}_value"))


def add_tokens(g: ModelGraph, text: Value, name: str, expression: str) -> Value:
    """Add the matches of an expression in a text: [1, n]."""
    return g.node(
        "Tokenizer", text, name=name, domain="com.microsoft", mark=0, mincharnum=1, pad_value="", tokenexp=expression
    )


def lower_case(g: ModelGraph, name: str, words: Value, parts: Value) -> Value:
    """Add words, ``SEPARATOR`` and parts in one row, in lower case."""
    cased = g.concat(words, g.separator, parts, name=f"{name}_cased", axis=1)
    # Locale "C": ASCII letters only, the same everywhere. The default, en_US.UTF-8, is not on every machine.
    return g.node("StringNormalizer", cased, name=name, case_change_action="LOWER", is_case_sensitive=1, locale="C")


def count_runs(g: ModelGraph, pieces: Value, name: str, pool: Sequence[str]) -> tuple[Value, Value]:
    """Add which runs of words of a pool a text has: their numbers [n], rising, and the counts of the whole pool."""
    by_length: list[list[int]] = [[] for _ in range(1 + max(run.count(" ") for run in pool))]
    for i, run in enumerate(pool):
        by_length[run.count(" ")].append(i)
    # One word more, which is in no text, makes the counts a whole number of blocks.
    last = (len(pool) // _BLOCK + 1) * _BLOCK - 1
    runs = [[*(pool[i] for i in by_length[0]), _NO_WORD], *([pool[i] for i in numbers] for numbers in by_length[1:])]
    sizes = [len(of_length) * (length + 1) for length, of_length in enumerate(runs[:-1])]
    counts = g.node(
        "TfIdfVectorizer",
        pieces,
        name=f"{name}_counts",
        mode="TF",
        min_gram_length=1,
        max_gram_length=len(runs),
        max_skip_count=0,
        ngram_counts=np.cumsum([0, *sizes]).tolist(),
        ngram_indexes=[*by_length[0], last, *(i for numbers in by_length[1:] for i in numbers)],
        pool_strings=[word for of_length in runs for run in of_length for word in run.split(" ")],
    )
    return _find_nonzero(g, counts, name)


def _find_nonzero(g: ModelGraph, counts: Value, name: str) -> tuple[Value, Value]:
    """Add the places of counts other than 0, [n], and the counts with one axis.

    Nearly all are 0. First the blocks with others are found, then the places in them: NonZero is slow.
    """
    flat = g.flatten(counts, f"{name}_counts_flat")
    blocks = g.node("Reshape", counts, g.blocks_shape, name=f"{name}_blocks")
    most = g.node("ReduceMax", blocks, g.axis_1, name=f"{name}_most", keepdims=0)
    used = g.flatten(g.node("NonZero", most, name=f"{name}_used_row"), f"{name}_used")
    places = g.node("NonZero", g.gather(blocks, used, name=f"{name}_used_blocks"), name=f"{name}_places")
    names = [f"{name}_place_row", f"{name}_place_in_row"]
    block_row, place_row = g.nodes("Split", places, names=names, domain="", axis=0, num_outputs=2)
    used_block, place = g.flatten(block_row, f"{name}_place"), g.flatten(place_row, f"{name}_place_in_block")
    block = g.gather(used, used_block, name=f"{name}_block")
    block_start = g.node("Mul", block, g.block, name=f"{name}_block_start")
    return g.node("Add", block_start, place, name=f"{name}_index"), flat
