"""A version made again from what it says of itself, and how near that comes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model.questions.parquet import read_questions
from model.questions.tag_sets import read_tag_sets
from model.registry.versions import Version
from model.runs import steps
from model.runs.parameters import from_record
from model.runs.progress import Progress
from model.serving.classifier import IMPORTED, Classifier
from model.training.build import HARD_TEXTS, DataSource, EncoderInput, describe_build, train_model
from model.training.encoder.encode import read_encoder
from model.training.tfidf import FeatureLimits
from model.training.train import TrainingParameters

TOLERANCE: Final = 0.05
"""Largest difference of a tag's score that another machine or other libraries may make.

Sums in another order are rounded otherwise, and training carries that on: with one thread instead of two, the best tags
of 300 titles differed by .021 at most (a model of 43,702 titles).
"""
COMPARED: Final = 300
"""Questions of dev on which scores are compared where the bytes differ, beside texts that are hard."""
_BEST: Final = 10


class RebuildError(Exception):
    """A version cannot be made again; the message says which input is missing or differs."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files that a version was made of."""

    questions: Path
    tag_sets: Path | None


def find_inputs(version: Version, places: Sequence[Path]) -> Inputs:
    """Find the files that a version was made of, by sha256, among files and folders.

    Raises:
        RebuildError: one is missing or differs, or the version does not say what it is made of.
    """
    if version.about["tier"] == IMPORTED:
        raise RebuildError(
            f"Version {version.number} was imported: import the pipeline that it was made of again, "
            "with the same questions, and compare the files."
        )
    data = version.about["data"]
    if "tag_sets" not in data or not version.about["made"]:
        raise RebuildError(
            f"Version {version.number} was trained before manifests said all that a model is made of: whether with tag "
            "sets, by which code. It cannot be made again for sure."
        )
    wanted = {"questions": (data["name"], data["sha256"])}
    if data["tag_sets"]:
        wanted["tag sets"] = ("", data["tag_sets"])
    files = sorted({file for place in places for file in _find_parquet_files(place)})
    files_by_use = {what: _find_by_digest(digest, name, files) for what, (name, digest) in wanted.items()}
    if missing := [what for what, file in files_by_use.items() if file is None]:
        messages = [_describe_missing(what, *wanted[what], files, places) for what in missing]
        raise RebuildError(" ".join([*messages, "Say with --from where they are."]))
    questions = files_by_use["questions"]
    assert questions is not None
    return Inputs(questions, files_by_use.get("tag sets"))


def list_environment_changes(version: Version) -> list[str]:
    """Return what is different here from where a version was made: code, libraries, machine, threads."""
    recorded, libraries = version.about["made"], version.about["libraries"]
    lines = []
    for name, now in describe_build().items():
        if name == "code" and not str(recorded.get(name)).startswith(steps.CODE_DIGEST):
            lines.append("code: recorded before digests of code left out where modules lie; only the files can tell.")
        elif name not in ("at", "revision") and recorded.get(name) != now:
            lines.append(f"{name}: {recorded.get(name)} then, {now} now")
    for name, now in steps.library_versions().items():
        if name in libraries and libraries[name] != now:
            lines.append(f"{name}: {libraries[name]} then, {now} now")
    return lines


def rebuild_version(version: Version, inputs: Inputs, out: Path, keep: Path, progress: Progress) -> dict[str, Any]:
    """Train as the version was trained; return the new manifest.

    Args:
        keep: folder where encoded questions are kept.

    Raises:
        QuestionsError, EncoderFolderError, ExportError: as ``model.training.build.train_model``.
    """
    written = dict(version.about["parameters"])
    limits = from_record(FeatureLimits, written.pop("features"))
    parameters = from_record(TrainingParameters, written)
    encoder = EncoderInput(read_encoder(version.folder), keep) if version.about["tier"] == "full" else None
    rows = read_questions(inputs.questions)
    hidden = [question for question in rows if question.split != "train"]
    sets = read_tag_sets(inputs.tag_sets, without=hidden) if inputs.tag_sets else []
    data = DataSource.describe(inputs.questions, rows, inputs.tag_sets)
    return train_model(rows, sets, data, out, encoder, parameters, limits, progress)


def list_changed_files(version: Version, manifest: dict[str, Any]) -> list[str]:
    """Name the files that have another sha256 than the version's."""
    return [name for name, digest in version.about["files"].items() if manifest["files"].get(name) != digest]


def largest_score_difference(version: Version, rebuilt: Path, questions: Path) -> float:
    """Return the largest difference of a score between a version and what was made, of either's best tags."""
    one, other = Classifier.load(version.folder), Classifier.load(rebuilt)
    dev = [question for question in read_questions(questions) if question.split == "dev"][:COMPARED]
    largest = 0.0
    for title, body in [*HARD_TEXTS, *((question.title, question.body) for question in dev)]:
        scores = [
            {item.tag: item.score for item in model.suggest(title, body, body_format="text", limit=2 * _BEST)}
            for model in (one, other)
        ]
        best = {tag for tag_scores in scores for tag in list(tag_scores)[:_BEST]}
        largest = max([largest, *(abs(scores[0].get(tag, 0) - scores[1].get(tag, 0)) for tag in best)])
    return largest


def _find_parquet_files(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from (file for file in place.rglob("*.parquet") if file.is_file())
    elif place.is_file():
        yield place


def _find_by_digest(digest: str, name: str, files: Sequence[Path]) -> Path | None:
    """Return the file with this sha256; those of the right name are read first."""
    ordered = sorted(files, key=lambda file: file.name != name)
    return next((file for file in ordered if steps.sha256_of(file) == digest), None)


def _describe_missing(what: str, name: str, digest: str, files: Sequence[Path], places: Sequence[Path]) -> str:
    same_name = [str(file) for file in files if file.name == name]
    looked = ", ".join(map(str, places))
    if same_name:
        return f"The {what} differ: {', '.join(same_name)} has not the sha256 {digest}."
    return f"The {what} are missing: no file in {looked} has the sha256 {digest}{f' ({name})' if name else ''}."
