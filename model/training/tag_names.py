"""Tags recognised by their own name: which spellings count, the target logit of each, and how it moves a tag.

A spelling found in the title or the body has a target logit for its tag. A few parameters, fitted on the tune part,
turn what the training texts say of a spelling (how many have it, which share of them carries the tag) into its target,
so that a rare tag's name counts by what such names are worth in general, and ``line`` or ``call`` by what they are
worth.
A tag whose text speaks less for it than its name is pulled a share of the way up to the target, never down:

    ordering[t] += Σ_field pull_strength[field] · max(0, target_logit[field, t] - ordering[t])

Tags that are too rare to be learned from texts are in the vocabulary by their names alone.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.runs.arrays import Floats, Ints
from model.serving.synonyms import other_names
from model.serving.text import split_for_names

WORDS: Final = 4
"""Most words of a spelling."""
PRIOR_TEXTS: Final = 4.0
"""How many texts the prior of a spelling's share counts for: the share of spellings like it."""
ABSENT_PENALTY: Final = 30.0
"""What is taken from the logit of a tag that is known by name alone until its name is found."""
_RARE: Final = 10
"""Most texts of a rare spelling: the average share of these is the prior of all."""
_VERSION: Final = re.compile(r"(.*?[a-z#+])-?([0-9]+)(?:\.x)?")
_SEPARATOR: Final = re.compile(r"[-.]")

Found = tuple[list[int], list[int]]
"""The numbers of the spellings found in a title and in a body."""


# Words that point to a tag without being its name: what each is worth is learned, so that a wrong one does no harm.
_OTHER_WORDS: Final[dict[str, tuple[str, ...]]] = {
    ".htaccess": ("htaccess",),
    "cmake": ("cmakelists",),
    "docker": ("dockerfile",),
    "ggplot2": ("ggplot",),
    "jupyter-notebook": ("jupyter", "ipynb"),
    "kubernetes": ("kubectl",),
    "matplotlib": ("plt", "pyplot"),
    "nginx": ("nginx.conf",),
    "numpy": ("np", "ndarray"),
    "pandas": ("pd",),
    "postgresql": ("psql",),
    "python-asyncio": ("asyncio",),
    "react-hooks": ("useeffect", "usestate", "usememo", "usecallback", "useref", "usereducer", "usecontext"),
    "seaborn": ("sns",),
    "tensorflow": ("tf",),
    "webpack": ("webpack.config",),
}


@dataclass(frozen=True, slots=True)
class FieldNames:
    """The spellings that count in one field, with the number of the tag and the target logit of each, [spellings]."""

    spellings: tuple[str, ...]
    tags: Ints
    targets: Floats
    pull_strength: float

    def highest_targets(self, found: Iterable[int]) -> dict[int, float]:
        """Return the highest target logit of each tag that one of the found spellings names."""
        targets: dict[int, float] = {}
        for i in found:
            tag = int(self.tags[i])
            targets[tag] = max(targets.get(tag, -np.inf), float(self.targets[i]))
        return targets


def list_spellings(tag: str) -> frozenset[str]:
    """Return how writers spell a tag, in lower case, words separated by a space: joined, apart, with versions.

    ``react-hooks`` is also ``react hooks``, ``reacthooks`` and ``react hook``; ``vuejs3`` is also ``vue 3``.
    """
    forms = {form for name in (tag, *other_names(tag)) for form in _inflect(name)}
    return frozenset(form for form in [*forms, *_OTHER_WORDS.get(tag, ())] if form and form.count(" ") < WORDS)


def _inflect(name: str) -> set[str]:
    spaced = name.replace("-", " ")
    if name.startswith("."):
        return {name, spaced}
    parts = [part for part in _SEPARATOR.split(name) if part]
    forms = {name, spaced, " ".join(parts), "".join(parts)}
    if name.endswith("js") and len(name) > 4:
        base = name[:-2].rstrip(".-")
        forms |= {base, f"{base} js", f"{base}js", f"{base}.js"}
    version = _VERSION.fullmatch(name)
    if version:
        for base in _inflect(version[1]):
            forms |= {f"{base} {version[2]}"} | ({f"{base}{version[2]}"} if " " not in base else set())
    last = parts[-1] if parts else ""
    if last.isalpha() and len(last) > 3 and not last.endswith(("ss", "js", "us", "is", "os")):
        other = name[:-1] if name.endswith("s") else f"{name}s"
        forms |= {other, other.replace("-", " ")}
    return forms


class SpellingFinder:
    """Finds spellings in texts: the runs of ``model.serving.text.split_for_names``, as the ONNX graph does."""

    def __init__(self, spellings: Sequence[str]) -> None:
        self._number = {spelling: i for i, spelling in enumerate(spellings)}
        self._longest: dict[str, int] = {}
        for spelling in spellings:
            parts = spelling.split(" ")
            self._longest[parts[0]] = max(self._longest.get(parts[0], 0), len(parts))

    def find(self, text: str) -> list[int]:
        """Return the numbers of the spellings that a text has, each once, sorted."""
        found, pieces = set(), split_for_names(text)
        for i, piece in enumerate(pieces):
            for length in range(1, self._longest.get(piece, 0) + 1):
                number = self._number.get(" ".join(pieces[i : i + length]))
                if number is not None:
                    found.add(number)
        return sorted(found)


@dataclass(frozen=True, slots=True)
class SpellingCounts:
    """What training texts say of spellings, by field (title, body), each [2, spellings].

    ``texts``: how many have the spelling; ``share``: of them that carry the tag, as log-odds, shrunk towards a prior.
    """

    spellings: tuple[str, ...]
    tags: Ints
    texts: Floats
    share: Floats


def count_spellings(
    tags: Sequence[str], texts: Sequence[tuple[str, str]], own: Sequence[Iterable[str]]
) -> SpellingCounts:
    """Count the spellings of all tags in training texts, each a title and a body, with their own tags."""
    number = {tag: i for i, tag in enumerate(tags)}
    tag_of = _assign_spellings(tags)
    spellings = tuple(sorted(tag_of))
    spelled_tag = np.array([tag_of[spelling] for spelling in spellings], np.int64)
    finder = SpellingFinder(spellings)
    seen, right = np.zeros((2, len(spellings))), np.zeros((2, len(spellings)))
    for text, text_tags in zip(texts, own, strict=True):
        carried = {number[tag] for tag in text_tags if tag in number}
        for field in (0, 1):
            for i in finder.find(text[field]) if text[field] else ():
                seen[field, i] += 1
                right[field, i] += spelled_tag[i] in carried
    share = _shrink_shares(spellings, seen, right)
    # What no text has ever had is kept only as the tag's very name.
    kept = seen.any(axis=0) | np.array(
        [name in (tags[i], tags[i].replace("-", " ")) for name, i in zip(spellings, spelled_tag, strict=True)]
    )
    return SpellingCounts(
        tuple(spelling for spelling, keep in zip(spellings, kept, strict=True) if keep),
        spelled_tag[kept],
        seen[:, kept].astype(np.float32),
        np.log(share / (1 - share))[:, kept].astype(np.float32),
    )


def _assign_spellings(tags: Sequence[str]) -> dict[str, int]:
    """Return the number of the one tag that each spelling stands for: its own name's, else the commonest tag's."""
    tag_of: dict[str, int] = {}
    for i, tag in enumerate(tags):  # the commonest comes first
        for spelling in sorted(list_spellings(tag)):
            tag_of.setdefault(spelling, i)
    return tag_of | {spelling: i for i, tag in enumerate(tags) for spelling in (tag, tag.replace("-", " "))}


def _shrink_shares(
    spellings: Sequence[str], seen: NDArray[np.float64], right: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the share of texts that carry the tag, [2, spellings], shrunk to that of rare spellings as long."""
    length = np.minimum([spelling.count(" ") for spelling in spellings], 2)
    share = np.empty((2, len(spellings)))
    for field, more_words in np.ndindex(2, 3):
        alike = length == more_words
        rare = alike & (seen[field] <= _RARE)
        prior = (right[field, rare].sum() + 1) / (seen[field, rare].sum() + PRIOR_TEXTS)
        share[field, alike] = (right[field, alike] + PRIOR_TEXTS * prior) / (seen[field, alike] + PRIOR_TEXTS)
    return share


@dataclass(frozen=True, slots=True)
class NameMatcher:
    """All that names say: the spellings of titles and of bodies, and the tags that are known by name alone.

    The first ``learned`` of a model's tags have learned logits, ``rare`` more have names alone: once one is found, they
    begin at ``start``.
    """

    title: FieldNames
    body: FieldNames
    learned: int
    rare: int
    start: float

    def pad(self, logits: Floats) -> Floats:
        """Append the logit of the rare tags to the learned ones: [questions, learned] to [questions, tags]."""
        return np.pad(logits, ((0, 0), (0, self.rare)), constant_values=self.start)

    def find(self, texts: Iterable[tuple[str, str]]) -> list[Found]:
        """Return the numbers of the spellings found in each title and body."""
        in_title, in_body = SpellingFinder(self.title.spellings), SpellingFinder(self.body.spellings)
        return [(in_title.find(title), in_body.find(body)) for title, body in texts]

    def named_tags(self, found: Found) -> set[int]:
        """Return the numbers of the tags that the found spellings name."""
        fields = zip((self.title, self.body), found, strict=True)
        return {int(names.tags[i]) for names, numbers in fields for i in numbers}

    def apply(self, ordering: Floats, found: Sequence[Found]) -> Floats:
        """Return what orders the tags, [questions, tags], moved by the names found: what the graph computes."""
        result = ordering.copy()
        result[:, self.learned :] -= ABSENT_PENALTY
        for row, numbers_by_field in enumerate(found):
            for names, numbers in zip((self.title, self.body), numbers_by_field, strict=True):
                for tag, target in names.highest_targets(numbers).items():
                    result[row, tag] += names.pull_strength * max(0.0, target - float(ordering[row, tag]))
            named = self.named_tags(numbers_by_field)
            result[row, [tag for tag in named if tag >= self.learned]] += ABSENT_PENALTY
        return result


def list_rare_tags(uses: Counter[str], learned: Sequence[str], min_count: int) -> tuple[str, ...]:
    """Return the tags with at least ``min_count`` uses that are not learned, the commonest first."""
    known = frozenset(learned)
    rare = (tag for tag, n in uses.items() if n >= min_count and tag not in known)
    return tuple(sorted(rare, key=lambda tag: (-uses[tag], tag)))
