"""Hash tables laid out as arrays, so that whoever reads them from a file builds nothing.

Open addressing with linear probing in a power of two of slots: a slot holds an entry's number + 1, or 0. A key's first
slot is the lowest bits of its hash; the reader, ``extension/device/tables.js``, computes the same hashes.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_Hashes = NDArray[np.uint32]

_FNV_START: Final = np.uint32(0x811C9DC5)
_FNV_PRIME: Final = np.uint32(0x01000193)
_PARENT_FACTOR: Final = np.uint32(0x9E3779B1)
_MIX_FACTOR: Final = np.uint32(0x85EBCA6B)


def string_table(strings: Sequence[str], name: str) -> dict[str, NDArray[Any]]:
    """Return the table of distinct strings, as the arrays ``<name>_text``, ``_starts`` and ``_slots``.

    The text is in UTF-16, which JavaScript's strings are made of; in 8 bits where those are enough.
    """
    encoded = [string.encode("utf-16-le") for string in strings]
    text = np.frombuffer(b"".join(encoded), "<u2")
    starts = np.cumsum([0, *(len(string) // 2 for string in encoded)]).astype(np.uint32)
    slots = _fill_slots(_hash_strings(text, starts))
    return {f"{name}_text": narrow(text), f"{name}_starts": starts, f"{name}_slots": slots}


def pair_slots(parents: NDArray[np.uint32], words: NDArray[np.uint32]) -> _Hashes:
    """Return the slots of a table of distinct pairs of numbers."""
    mixed = (parents * _PARENT_FACTOR ^ words) * _MIX_FACTOR
    return _fill_slots(mixed ^ mixed >> np.uint32(15))


def narrow(values: NDArray[Any] | Sequence[int]) -> NDArray[Any]:
    """Return numbers from 0 in the narrowest unsigned type that holds them."""
    array = np.asarray(values)
    return array.astype(np.min_scalar_type(int(array.max(initial=0))))


def _hash_strings(text: NDArray[np.uint16], starts: NDArray[np.uint32]) -> _Hashes:
    """Return the FNV-1a hash of each string (Fowler, Noll and Vo), its upper half folded onto the lower."""
    lengths = np.diff(starts)
    hashes = np.full(len(lengths), _FNV_START)
    for position in range(int(lengths.max(initial=0))):
        longer = np.flatnonzero(lengths > position)
        hashes[longer] = (hashes[longer] ^ text[starts[longer] + np.uint32(position)]) * _FNV_PRIME
    return hashes ^ hashes >> np.uint32(15)


def _fill_slots(hashes: _Hashes) -> _Hashes:
    # At most three quarters full: a search then ends after two or three slots.
    size = 1 << (4 * len(hashes) // 3).bit_length()
    slots = [0] * size
    for number, slot in enumerate((hashes & np.uint32(size - 1)).tolist(), start=1):
        while slots[slot]:
            slot = (slot + 1) % size
        slots[slot] = number
    return np.array(slots, np.uint32)
