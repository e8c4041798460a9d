"""The order in which chips are shown: the model's or, in a small share of drafts, a random one.

A chip in the first place is clicked more often because it is better, and because it is first. Drafts in random order
tell the two apart. A draft's order is drawn by a hash of its id, so that all answers to it and all replicas agree, and
two tags that are in two answers are in the same order in both.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from model.serving import Suggested

Order = Literal["model", "random"]


def draw_order(draft_id: UUID, share: float) -> Order:
    """Return the order of a draft's chips.

    Args:
        draft_id: of the draft.
        share: part of all drafts that get a random order, 0 to 1.
    """
    return "random" if _hash_to_unit(f"order/{draft_id}") < share else "model"


def shuffle_chips(suggested: Sequence[Suggested], draft_id: UUID) -> list[Suggested]:
    """Return suggested tags, best first, with the chips among them in the draft's random order."""
    chips = [tag for tag in suggested if tag.confident]
    rest = [tag for tag in suggested if not tag.confident]
    return sorted(chips, key=lambda chip: _hash_to_unit(f"chip/{draft_id}/{chip.tag}")) + rest


def _hash_to_unit(text: str) -> float:
    """Return a place in [0, 1), uniform over all texts."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
