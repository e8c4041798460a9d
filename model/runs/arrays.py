"""The kinds of arrays, for all but serving, which has them from its own room."""

from model.serving.arrays import Floats, Ints

__all__ = ["Floats", "Ints"]
