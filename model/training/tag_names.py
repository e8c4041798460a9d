"""Tags recognised by their own name: which spellings count, what each claims, and how a claim moves a tag.

A spelling found in the title or the body claims log-odds for its tag. Few numbers, fitted on the tune part, turn what
the training texts say of a spelling (how many have it, which share of them carries the tag) into its claim, so that a
rare tag's name counts by what such names are worth in general, and ``line`` or ``call`` by what they are worth.
A tag whose text speaks less for it than its name claims is pulled a share of the way up to the claim, never down:

    ordering[t] += Σ_field pull[field] · max(0, claim[field, t] - ordering[t])

Tags that are too rare to be learned from texts are in the vocabulary by their names alone.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from model.runs.arrays import Floats, Ints
from model.serving.synonyms import other_names
from model.serving.text import split_for_names

WORDS: Final = 4
"""Most words of a spelling."""
SURE: Final = 4.0
"""How many texts' worth of doubt the share of a spelling begins with: the share that spellings like it have."""
LEAST_CLAIM: Final = -3.0
"""Claims below it move nothing that is ever shown; such spellings are left out."""
FAR: Final = 30.0
"""What a tag without a learned logit lacks until its name is found."""
CANDIDATES: Final = 20
"""Best tags of a question that the fit looks at, beside those whose names are found."""
_FEW: Final = 10
"""Texts up to which a spelling is rare: what such spellings are worth on average is where all shares begin."""
_LIKELY: Final = -2.5
"""Log-odds of its share from which on a spelling makes its tag a candidate of the fit."""
_SHRINK: Final = 1e-5
"""Weight of the squares of a claim's numbers in the loss."""
_VERSION: Final = re.compile(r"(.*?[a-z#+])-?([0-9]+)(?:\.x)?")
_APART: Final = re.compile(r"[-.]")


# Words that name a tag though they are no name of it: what each is worth is learned, so that a wrong one does no harm.
_ALSO: Final[dict[str, tuple[str, ...]]] = {
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
class Names:
    """The spellings that count in one field: ``tags`` int64 and ``claims`` float32 [spellings], the tag's numbers."""

    spellings: tuple[str, ...]
    tags: Ints
    claims: Floats
    pull: float

    def claimed(self, found: Iterable[int]) -> dict[int, float]:
        """Give the highest claim for each tag that one of the found spellings names."""
        claims: dict[int, float] = {}
        for i in found:
            tag = int(self.tags[i])
            claims[tag] = max(claims.get(tag, -np.inf), float(self.claims[i]))
        return claims


def spellings(tag: str) -> frozenset[str]:
    """Give how writers spell a tag, in lower case, words apart by a space: its names, joined, apart, with versions.

    ``react-hooks`` is also ``react hooks``, ``reacthooks`` and ``react hook``; ``vuejs3`` is also ``vue 3``.
    """
    found = {form for name in (tag, *other_names(tag)) for form in _forms(name)}
    return frozenset(form for form in [*found, *_ALSO.get(tag, ())] if form and form.count(" ") < WORDS)


def _forms(name: str) -> set[str]:
    spaced = name.replace("-", " ")
    if name.startswith("."):
        return {name, spaced}
    parts = [part for part in _APART.split(name) if part]
    forms = {name, spaced, " ".join(parts), "".join(parts)}
    if name.endswith("js") and len(name) > 4:
        base = name[:-2].rstrip(".-")
        forms |= {base, f"{base} js", f"{base}js", f"{base}.js"}
    version = _VERSION.fullmatch(name)
    if version:
        for base in _forms(version[1]):
            forms |= {f"{base} {version[2]}"} | ({f"{base}{version[2]}"} if " " not in base else set())
    last = parts[-1] if parts else ""
    if last.isalpha() and len(last) > 3 and not last.endswith(("ss", "js", "us", "is", "os")):
        other = name[:-1] if name.endswith("s") else f"{name}s"
        forms |= {other, other.replace("-", " ")}
    return forms


class Finder:
    """Finds spellings in texts: the runs of ``model.serving.text.split_for_names``, as the ONNX graph does."""

    def __init__(self, of: Sequence[str]) -> None:
        self._number = {spelling: i for i, spelling in enumerate(of)}
        self._longest: dict[str, int] = {}
        for spelling in of:
            parts = spelling.split(" ")
            self._longest[parts[0]] = max(self._longest.get(parts[0], 0), len(parts))

    def find(self, text: str) -> list[int]:
        """Give the numbers of the spellings that a text has, each once, sorted."""
        found, pieces = set(), split_for_names(text)
        for i, piece in enumerate(pieces):
            for length in range(1, self._longest.get(piece, 0) + 1):
                number = self._number.get(" ".join(pieces[i : i + length]))
                if number is not None:
                    found.add(number)
        return sorted(found)


@dataclass(frozen=True, slots=True)
class Seen:
    """What training texts say of spellings, by field (title, body), each [2, spellings].

    ``texts``: how many have the spelling; ``share``: of them that carry the tag, as log-odds, shrunk.
    """

    spellings: tuple[str, ...]
    tags: Ints
    texts: Floats
    share: Floats


def see(tags: Sequence[str], texts: Sequence[tuple[str, str]], own: Sequence[Iterable[str]]) -> Seen:
    """Count the spellings of all tags in training texts, each a title and a body, with their own tags."""
    number = {tag: i for i, tag in enumerate(tags)}
    tag_of: dict[str, int] = {}
    # A spelling stands for one tag: its own name's, else the commonest tag's, which comes first.
    for i, tag in enumerate(tags):
        for spelling in sorted(spellings(tag)):
            tag_of.setdefault(spelling, i)
    tag_of |= {spelling: i for tag, i in number.items() for spelling in (tag, tag.replace("-", " "))}
    names = tuple(sorted(tag_of))
    of_tag = np.array([tag_of[name] for name in names], np.int64)
    finder = Finder(names)
    seen, right = np.zeros((2, len(names))), np.zeros((2, len(names)))
    for text, has in zip(texts, own, strict=True):
        carried = {number[tag] for tag in has if tag in number}
        for field in (0, 1):
            found = finder.find(text[field]) if text[field] else []
            for i in found:
                seen[field, i] += 1
                right[field, i] += of_tag[i] in carried
    length = np.minimum([name.count(" ") for name in names], 2)
    share = np.empty((2, len(names)))
    for field, words_more in np.ndindex(2, 3):
        alike = length == words_more
        rare = alike & (seen[field] <= _FEW)
        usual = (right[field, rare].sum() + 1) / (seen[field, rare].sum() + SURE)
        share[field, alike] = (right[field, alike] + SURE * usual) / (seen[field, alike] + SURE)
    # What no text has ever had is kept only as the tag's very name.
    kept = seen.any(axis=0) | np.array(
        [name in (tags[i], tags[i].replace("-", " ")) for name, i in zip(names, of_tag, strict=True)]
    )
    return Seen(
        tuple(name for name, keep in zip(names, kept, strict=True) if keep),
        of_tag[kept],
        seen[:, kept].astype(np.float32),
        np.log(share / (1 - share))[:, kept].astype(np.float32),
    )


@dataclass(frozen=True, slots=True)
class Naming:
    """All that names say: the spellings of titles and of bodies, and the tags that are known by name alone.

    The first ``learned`` of a model's tags have learned logits, ``rare`` more have names alone: once one is found, they
    begin at ``start``.
    """

    title: Names
    body: Names
    learned: int
    rare: int
    start: float

    def padded(self, logits: Floats) -> Floats:
        """Give the rare tags their logit beside the learned ones: [questions, learned] to [questions, tags]."""
        return np.pad(logits, ((0, 0), (0, self.rare)), constant_values=self.start)

    def find(self, texts: Iterable[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
        """Give the numbers of the spellings found in each title and body."""
        title, body = Finder(self.title.spellings), Finder(self.body.spellings)
        return [(title.find(of_title), body.find(of_body)) for of_title, of_body in texts]

    def added(self, ordering: Floats, found: Sequence[tuple[list[int], list[int]]]) -> Floats:
        """Add what names say to what orders the tags, [questions, tags]: what the graph computes."""
        result = ordering.copy()
        result[:, self.learned :] -= FAR
        for row, spelled in enumerate(found):
            named: set[int] = set()
            for names, numbers in zip((self.title, self.body), spelled, strict=True):
                for tag, claim in names.claimed(numbers).items():
                    result[row, tag] += names.pull * max(0.0, claim - float(ordering[row, tag]))
                    named.add(tag)
            result[row, [tag for tag in named if tag >= self.learned]] += FAR
        return result


def rare_tags(uses: Counter[str], learned: Sequence[str], least: int) -> tuple[str, ...]:
    """Give the tags with at least ``least`` uses that are not learned, the commonest first."""
    known = frozenset(learned)
    found = (tag for tag, n in uses.items() if n >= least and tag not in known)
    return tuple(sorted(found, key=lambda tag: (-uses[tag], tag)))


@dataclass(frozen=True, slots=True)
class Case:
    """What the fit knows of questions: ``ordering`` [questions, learned tags], kind, own tags, title and body."""

    ordering: Floats
    kind: Ints
    own: Sequence[frozenset[int]]
    texts: Sequence[tuple[str, str]]


def fit(seen: Seen, cases: Case, rare: int) -> Naming:
    """Fit the claims and pulls on the tune part; ``rare`` tags follow the learned ones.

    A claim is a straight line in the share's log-odds with a bend at -2 and at 0, in the logarithm of the number of
    texts, and in whether the tag has a learned logit (which then knows its name already). All is fitted at once by
    binary cross-entropy over each question's candidates; every kind of draft has its own scale.
    """
    learned = cases.ordering.shape[1]
    rows, columns = _candidates(seen, cases)
    right = np.array([tag in cases.own[row] for row, tag in zip(rows.tolist(), columns.tolist(), strict=True)], float)
    has_logit = columns < learned
    values = np.where(has_logit, cases.ordering[rows, np.minimum(columns, learned - 1)], 0).astype(np.float64)
    finder = Finder(seen.spellings)
    best: list[Ints] = []
    for field in (0, 1):
        strongest: dict[tuple[int, int], int] = {}
        for row, text in enumerate(cases.texts):
            for i in finder.find(text[field]) if text[field] else ():
                key = (row, int(seen.tags[i]))
                if key not in strongest or seen.share[field, i] > seen.share[field, strongest[key]]:
                    strongest[key] = i
        best.append(np.array([strongest.get(key, -1) for key in zip(rows.tolist(), columns.tolist(), strict=True)]))
    described = [_described(seen, field, learned) for field in (0, 1)]
    on = [of >= 0 for of in best]
    x = [described[field][best[field]] * on[field][:, None] for field in (0, 1)]
    kind = cases.kind[rows]
    width = x[0].shape[1]

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Give loss and slope; w: start, scale and offset by kind, pulls, and each field's numbers of a claim."""
        z = values + w[0] * ~has_logit
        pulls, total = [], z.copy()
        for field in (0, 1):
            claim = x[field] @ w[7 + field * width : 7 + (field + 1) * width]
            up = np.where(on[field], np.maximum(claim - z, 0), 0)
            pulls.append(up)
            total += w[5 + field] * up
        scale, offset = w[1 + kind], w[3 + kind]
        s = scale * total + offset
        slope = (expit(s) - right) / len(right)
        by_total = slope * scale
        given = np.zeros_like(w)
        by_value = by_total.copy()
        for k in (0, 1):
            given[1 + k], given[3 + k] = (slope * total)[kind == k].sum(), slope[kind == k].sum()
        for field in (0, 1):
            given[5 + field] = (by_total * pulls[field]).sum()
            by_claim = by_total * w[5 + field] * (pulls[field] > 0)
            given[7 + field * width : 7 + (field + 1) * width] = by_claim @ x[field]
            by_value -= by_claim
        given[0] = by_value[~has_logit].sum()
        given[7:] += 2 * _SHRINK * w[7:]
        value = float(np.mean(np.logaddexp(0, s) - right * s) + _SHRINK * (w[7:] ** 2).sum())
        return value, given

    first = np.concatenate([[-2, 1, 1, 0, 0, 0.5, 0.5], np.tile([0.0, 1.0, *[0.0] * (width - 2)], 2)])
    bounds = [
        (-10.0, 0.0),
        *[(0.1, 10.0)] * 2,
        *[(-10.0, 10.0)] * 2,
        *[(0.02, 0.98)] * 2,
        *[(-20.0, 20.0)] * (2 * width),
    ]
    w = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 150}).x
    names = []
    for field in (0, 1):
        claims = described[field] @ w[7 + field * width : 7 + (field + 1) * width]
        kept = np.flatnonzero(claims >= LEAST_CLAIM)
        names.append(
            Names(
                tuple(seen.spellings[i] for i in kept),
                seen.tags[kept],
                claims[kept].astype(np.float32),
                round(float(w[5 + field]), 4),
            )
        )
    return Naming(names[0], names[1], learned, rare, round(float(w[0]), 4))


def _described(seen: Seen, field: int, learned: int) -> NDArray[np.float64]:
    """Describe what a field's spellings claim from: [spellings, numbers]."""
    share, texts = seen.share[field].astype(np.float64), np.log1p(seen.texts[field].astype(np.float64))
    has_logit = (seen.tags < learned).astype(np.float64)
    bends = [np.maximum(share + 2, 0), np.maximum(share, 0)]
    return np.column_stack([np.ones(len(share)), share, *bends, texts, has_logit, texts * has_logit])


def _candidates(seen: Seen, cases: Case) -> tuple[Ints, Ints]:
    """Give (question, tag) pairs: each question's best tags, and those that a likely spelling names."""
    likely = np.flatnonzero((seen.share >= _LIKELY).any(axis=0))
    finder = Finder([seen.spellings[i] for i in likely])
    n = min(CANDIDATES, cases.ordering.shape[1])
    best = np.argpartition(-cases.ordering, n - 1, axis=1)[:, :n]
    pairs: set[tuple[int, int]] = set()
    for row, text in enumerate(cases.texts):
        pairs.update((row, tag) for tag in best[row].tolist())
        pairs.update((row, int(seen.tags[likely[i]])) for part in text if part for i in finder.find(part))
    rows, columns = np.array(sorted(pairs), np.int64).T
    return rows, columns
