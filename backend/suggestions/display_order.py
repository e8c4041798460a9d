"""The order that chips are shown in: the model's, or, in a small share of drafts, a random one.

A chip in the first place is clicked more often because it is better, and because it is first. Drafts in random order
tell the two apart. What a draft gets is drawn by a hash of its id, so that all answers to it and all replicas agree,
and two tags that are in two answers stand in the same order in both.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from model.serving.classifier import Suggested

Order = Literal["model", "random"]


def order_of(draft_id: UUID, share: float) -> Order:
    """The order of a draft's chips.

    Args:
        draft_id: of the draft.
        share: part of all drafts that get a random one, 0 to 1.
    """
    return "random" if _place(f"order/{draft_id}") < share else "model"


def shuffled(suggested: Sequence[Suggested], draft_id: UUID) -> list[Suggested]:
    """Suggested tags, best first, with those that are shown in the draft's random order."""
    chips = [each for each in suggested if each.confident]
    rest = [each for each in suggested if not each.confident]
    return sorted(chips, key=lambda each: _place(f"chip/{draft_id}/{each.tag}")) + rest


def _place(what: str) -> float:
    """A place in [0, 1), uniform over all that may be asked."""
    return int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], "big") / 2**64
