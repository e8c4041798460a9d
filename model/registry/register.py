"""From a trained or released folder to a numbered version that is checked or refused."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model.questions import Question, QuestionsError
from model.registry import versions
from model.registry.checks import CheckResult, Opponents, check_version
from model.registry.gates import Gates
from model.registry.release import CARD_FILE, ReleaseRefused, release_model
from model.registry.versions import Version
from model.runs.progress import Progress
from model.serving.classifier import MANIFEST_FILE, ReleaseError, read_manifest


@dataclass(frozen=True, slots=True)
class CheckQuestions:
    """The questions that versions are checked on: all rows of a file, its name and sha256."""

    questions: Sequence[Question]
    name: str
    sha256: str

    def dev(self) -> list[Question]:
        """Return those that were kept apart, with complete tags.

        Raises:
            QuestionsError: there are none.
        """
        questions = [question for question in self.questions if question.split == "dev" and question.tags_complete]
        if not questions:
            raise QuestionsError(f"{self.name} has no dev questions with complete tags to check a version on.")
        return questions


def register_model(
    registry: Path, source: Path, on: CheckQuestions, against: Opponents, gates: Gates, progress: Progress
) -> tuple[Version, CheckResult]:
    """Register a model's folder as the next version and check it; one that is only trained is released first.

    Args:
        source: folder that ``train`` or ``release`` wrote, whole or broken: a broken one is kept and refused.

    Raises:
        QuestionsError: there is nothing to check it on.
        model.serving.classifier.ReleaseError: the folder has no manifest that can be read.
        OSError: files cannot be read or written.
    """
    on.dev()
    with tempfile.TemporaryDirectory(prefix="tagalong-") as folder:
        version = add_version(registry, _release_if_needed(source, on, Path(folder), progress))
    return check_and_record(version, on, against, gates, progress)


def add_version(registry: Path, released: Path, more: Mapping[str, Any] = {}) -> Version:
    """Register a released folder as the next version, not checked yet.

    Args:
        more: what ``version.json`` is to say beside.
    """
    about = describe_model(read_manifest(released), _manifest_time(released))
    card = CARD_FILE if (released / CARD_FILE).is_file() else None
    state: dict[str, Any] = {"card": card, "state": versions.TRAINED, "checks": []}
    return versions.store_version(registry, released, about | state | dict(more))


def check_and_record(
    version: Version, on: CheckQuestions, against: Opponents, gates: Gates, progress: Progress
) -> tuple[Version, CheckResult]:
    """Check a version, and write down what was found."""
    result = check_version(version.folder, on.dev(), against, gates, progress.open_bar)
    state = versions.CHECKED if result.passed else versions.REFUSED
    about = {"state": state, "against": against.champion.version, "on": {"name": on.name, "sha256": on.sha256}}
    return versions.update_version(version, result.described() | about), result


def describe_model(manifest: Mapping[str, Any], trained_at: str) -> dict[str, Any]:
    """Return what ``version.json`` says of a model before it is checked."""
    data, source = manifest.get("data", {}), manifest.get("made", {})
    return {
        "version": manifest["version"],
        "tier": manifest["tier"],
        "files": dict(manifest["files"]),
        "trained_at": source.get("at", trained_at),
        "data": {name: data[name] for name in ("name", "sha256", "rows", "tag_sets") if name in data},
        "code": source.get("revision") or source.get("code", ""),
        "made": dict(source),
        "parameters": manifest.get("parameters", {}),
        "libraries": manifest.get("libraries", {}),
        "metrics": {},
        "signature": {"inputs": [], "outputs": []},
    }


def _release_if_needed(source: Path, on: CheckQuestions, folder: Path, progress: Progress) -> Path:
    """Release a folder that is only trained; return the folder to take the files from.

    What cannot be released is taken as it is: the checks will say why it is refused.
    """
    if "metrics" in read_manifest(source):
        return source
    try:
        release_model(on.questions, source, folder / "released", progress)
    except (ReleaseError, ReleaseRefused):
        return source
    return folder / "released"


def _manifest_time(folder: Path) -> str:
    """Return when the manifest was written, for models whose manifest does not say when they were trained."""
    written = (folder / MANIFEST_FILE).stat().st_mtime
    return datetime.fromtimestamp(written, UTC).isoformat(timespec="seconds")
