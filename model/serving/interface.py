"""What a version's graph takes and can do, as its manifest says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class GraphInterface:
    """What a version takes and can do; the defaults are those of the models that are trained here.

    ``lower_case``: texts are put in lower case first; ``joined``: the graph reads title and body as one text, so words
    are looked for in both; ``reasons``: it says what each word adds to each tag; ``chosen_tags``: the writer's chosen
    tags speak for and against others.
    """

    lower_case: bool = False
    joined: bool = False
    reasons: bool = True
    chosen_tags: bool = True

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> "GraphInterface":
        """Return what a manifest says; one of our own models says nothing of it.

        Raises:
            ValueError: the version takes or does what is not known here.
        """
        described = manifest.get("interface", {})
        if unknown := described.keys() - set(cls.__slots__):
            raise ValueError(
                f"its manifest asks for {', '.join(sorted(unknown))}, which this version of Tagalong does not know"
            )
        return cls(**{name: bool(value) for name, value in described.items()})
