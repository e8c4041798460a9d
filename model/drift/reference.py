"""The reference: how a model answers what it is for, in counts and sums only, with no text and no question.

It comes with a released model as ``reference.json``. Where the training data's mix is not that of a service, one can be
made of the service's own first weeks instead.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from model.drift.traffic import (
    BANDS,
    EDGES,
    OTHER,
    STRATA,
    JudgedDraft,
    Values,
    best_tag,
    count_bands,
    count_categories,
    count_right_bands,
    find_strata,
)
from model.questions import RANKS
from model.runs.arrays import Ints
from model.runs.files import write_atomically
from model.serving.synonyms import main_names

if TYPE_CHECKING:
    from model.evaluation.answers import Answer
    from model.questions import Question
    from model.serving.classifier import Classifier

FORMAT: Final = 1
REFERENCE_FILE: Final = "reference.json"
"""Where it lies in a released model's folder."""
TAGS_NAMED: Final = 40
"""The commonest best tags, each a category of its own; the others are one."""


class BadReference(Exception):
    """A file is no reference, or none can be made; the message says what to do."""


@dataclass(frozen=True, slots=True)
class StratumSums:
    """Of each stratum of equal inputs, [STRATA]: posted drafts, and sums of their Jaccard.

    Attributes:
        n: posted drafts.
        expected, expected_squares: of the Jaccard to be expected by the scores alone, at the reference's own relation.
        over, over_squares: of what the Jaccard was above that.
    """

    n: list[int] = field(default_factory=lambda: [0] * len(STRATA))
    expected: list[float] = field(default_factory=lambda: [0.0] * len(STRATA))
    expected_squares: list[float] = field(default_factory=lambda: [0.0] * len(STRATA))
    over: list[float] = field(default_factory=lambda: [0.0] * len(STRATA))
    over_squares: list[float] = field(default_factory=lambda: [0.0] * len(STRATA))


@dataclass(frozen=True, slots=True)
class Reference:
    """What traffic is compared with.

    Attributes:
        model_version: whose answers these are.
        made_of: of what, in words.
        drafts: how many drafts or questions.
        columns: of each column of numbers, how many drafts are in each of its categories.
        best_tags: how often each of the commonest tags came first; all others as ``OTHER``.
        offered, right: of all tags of the answers to posted drafts, by band of score: how many, and how many right.
        posted_tags, unknown_tags: how many tags were posted, and of them not in the vocabulary.
    """

    model_version: str
    made_of: str
    drafts: int
    columns: dict[str, list[int]]
    best_tags: dict[str, int]
    offered: list[int]
    right: list[int]
    posted_tags: int
    unknown_tags: int
    performance: StratumSums

    @property
    def share_right(self) -> Values:
        """Share of right tags by band of score, a little towards a half where there are few, [BANDS]."""
        return np.asarray((np.array(self.right) + 0.5) / (np.array(self.offered) + 1), float)


def reference_of_answers(
    questions: Sequence["Question"], answers: Sequence["Answer"], classifier: "Classifier"
) -> Reference:
    """Make the reference of a model from its answers to questions with complete tags.

    Questions without a body are left out where there are others: nothing is posted without one, their source had kept
    the title only.

    Raises:
        BadReference: there is no question.
    """
    posted = [main_names(question.tags) for question in questions]
    drafts = [
        JudgedDraft(
            day="",
            model_version=classifier.version,
            title_chars=len(question.title),
            body_chars=len(question.body),
            chosen=0,
            tags=answer.tags[:RANKS],
            scores=answer.scores[:RANKS],
            confident=min(answer.confident, RANKS),
            posted=len(tags),
            right=tuple(tag in tags for tag in answer.tags[:RANKS]),
            unknown=len(tags - classifier.names),
        )
        for question, tags, answer in zip(questions, posted, answers, strict=True)
    ]
    drafts = [draft for draft in drafts if draft.body_chars] or drafts
    return reference_of_drafts(drafts, classifier.version, f"{len(drafts):,} questions kept apart from training")


def reference_of_drafts(drafts: Sequence[JudgedDraft], version: str, made_of: str) -> Reference:
    """Make a reference of the drafts that one version answered.

    Raises:
        BadReference: there is no posted draft of that version.
    """
    drafts = [draft for draft in drafts if draft.model_version == version]
    posted = [draft for draft in drafts if draft.posted]
    if not posted:
        raise BadReference(f"There are no posted drafts that {version} answered, so nothing to compare with.")
    tags = Counter(map(best_tag, drafts))
    named = dict(tags.most_common(TAGS_NAMED))
    offered: Ints = np.sum([count_bands(draft, RANKS) for draft in posted], axis=0)
    right: Ints = np.sum([count_right_bands(draft) for draft in posted], axis=0)
    reference = Reference(
        model_version=version,
        made_of=made_of,
        drafts=len(drafts),
        columns={column: count_categories(drafts, column).tolist() for column in EDGES},
        best_tags=named | {OTHER: len(drafts) - sum(named.values())},
        offered=offered.tolist(),
        right=right.tolist(),
        posted_tags=sum(draft.posted or 0 for draft in posted),
        unknown_tags=sum(draft.unknown for draft in posted),
        performance=StratumSums(),
    )
    jaccard, expected = (
        compute_jaccards(posted),
        expect_jaccards(count_shown_bands(posted), count_shown_and_posted(posted), reference.share_right),
    )
    strata = find_strata(posted)

    def sums(values: Values) -> list[float]:
        return [round(float(total), 4) for total in np.bincount(strata, values, minlength=len(STRATA))]

    over = jaccard - expected
    performance = StratumSums(
        n=np.bincount(strata, minlength=len(STRATA)).tolist(),
        expected=sums(expected),
        expected_squares=sums(expected**2),
        over=sums(over),
        over_squares=sums(over**2),
    )
    return Reference(**{**_fields(reference), "performance": performance})


def count_shown_and_posted(posted: Sequence[JudgedDraft]) -> Values:
    """Return how many tags were shown and posted together, of each posted draft."""
    return np.array([draft.confident + (draft.posted or 0) for draft in posted], float)


def count_shown_bands(posted: Sequence[JudgedDraft]) -> Values:
    """Count the shown tags of each posted draft by band of score, [drafts, BANDS]."""
    return np.array([count_bands(draft, draft.confident) for draft in posted], float).reshape(len(posted), BANDS)


def compute_jaccards(posted: Sequence[JudgedDraft]) -> Values:
    """Return the Jaccard of shown against posted tags, of each posted draft."""
    n_right = np.array([sum(draft.right[: draft.confident]) for draft in posted], float)
    return np.asarray(n_right / (count_shown_and_posted(posted) - n_right), float)


def expect_jaccards(bands: Values, both: Values, share_right: Values) -> Values:
    """Return the Jaccard to expect if tags of each band are right as often as ``share_right``, [drafts]."""
    n_right = bands @ share_right
    return np.asarray(n_right / (both - n_right), float)


def _fields(reference: Reference) -> dict[str, Any]:
    return {name: getattr(reference, name) for name in Reference.__slots__}


def as_json(reference: Reference) -> bytes:
    """Write a reference as the file of a released model."""
    return (json.dumps({"format": FORMAT} | asdict(reference), indent=1, ensure_ascii=False) + "\n").encode()


def write_reference(reference: Reference, path: Path) -> None:
    """Write a reference, whole or not at all."""
    write_atomically(path.parent, {path.name: as_json(reference)})


def read_reference(path: Path) -> Reference:
    """Read a reference.

    Raises:
        BadReference: it can't be read, or is no reference of this format.
    """
    try:
        content = json.loads(path.read_bytes())
        if content.pop("format") != FORMAT:
            raise ValueError(f"it is not of format {FORMAT}")
        reference = Reference(**{**content, "performance": StratumSums(**content["performance"])})
        lengths = {column: len(counts) for column, counts in reference.columns.items()}
        if lengths != {column: len(edges) for column, edges in EDGES.items()} or len(reference.offered) != BANDS:
            raise ValueError("its columns are others")
    except OSError as error:
        raise BadReference(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadReference(
            f"{path} is no reference: {error}. Make one with `tagalong-model drift --make-reference`."
        ) from error
    return reference
