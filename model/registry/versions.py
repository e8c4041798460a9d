"""The registry on disk: a folder a version, named by its number, with a release's files and ``version.json``.

It is what the service reads; nothing but files is needed for it. A version is there whole or not at all. Which one is
champion or challenger is not in it: the service's database knows.
"""

import fcntl
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model.drift.reference import REFERENCE_FILE
from model.registry.release import CARD_FILE, PICTURE_FILE
from model.runs.files import write_atomically
from model.serving.classifier import MANIFEST_FILE
from model.serving.registry import FORMAT, VERSION_FILE, RegistryError, read_version_file, version_numbers
from model.training.trained_titles import TITLES_FILE, read_titles

TRAINED: Final = "trained"
"""The state of a version that is not checked yet."""
CHECKED: Final = "checked"
"""The state of a version that passed every gate: it can be deployed."""
REFUSED: Final = "refused"
"""The state of a version that failed a gate: it cannot be deployed, and its checks say why."""

_UNFINISHED: Final = ".unfinished-"


@dataclass(frozen=True, slots=True)
class Version:
    """A version: its folder, and what ``version.json`` says of it."""

    folder: Path
    about: dict[str, Any]

    @property
    def number(self) -> int:
        """Its number, from 1."""
        return int(self.about["number"])

    @property
    def state(self) -> str:
        """``trained``, ``checked`` or ``refused``."""
        return str(self.about["state"])

    @property
    def name(self) -> str:
        """What its answers carry as ``model_version``."""
        return str(self.about["version"])

    def require_checked(self) -> None:
        """Raise RegistryError unless it passed its checks: nothing may be judged beside a version that did not."""
        if self.state == CHECKED:
            return
        if self.state == REFUSED:
            reason = f"was refused ({', '.join(self.failed_names())})"
        else:
            reason = f"has not been checked yet (`tagalong-model register {self.number}` does that)"
        raise RegistryError(
            f"Version {self.number} {reason}, so it cannot be the champion. Name a version that passed its checks, or "
            "leave --champion out to compare with the shipped model."
        )

    @property
    def undecided(self) -> list[str]:
        """Names of the checks that chance may decide."""
        return list(self.about.get("undecided", []))

    def outcome(self, check: Mapping[str, Any]) -> str:
        """Return what became of one of its checks, in a word."""
        if not check["passed"]:
            return "FAILED"
        return "unsure" if check["name"] in self.undecided else "passed"

    def failed_names(self) -> list[str]:
        """Name the checks that it failed."""
        return [check["name"] for check in self.about["checks"] if not check["passed"]]

    def failed(self) -> list[str]:
        """Return why it was refused, one line a check."""
        return [f"{check['name']}: {check['says']}" for check in self.about["checks"] if not check["passed"]]


def read_versions(registry: Path) -> list[Version]:
    """Return the versions of a registry by number; a registry that is not there has none.

    Raises:
        RegistryError: one cannot be read.
    """
    return [read_version(registry, number) for number in version_numbers(registry)]


def read_version(registry: Path, number: int) -> Version:
    """Return a version.

    Raises:
        RegistryError: there is none with this number, or it cannot be read.
    """
    folder = registry / str(number)
    if not folder.is_dir():
        there = ", ".join(map(str, version_numbers(registry))) or "none"
        raise RegistryError(f"There is no version {number} in {registry}; there are: {there}.")
    return read_folder(folder, number)


def read_folder(folder: Path, number: int | None = None) -> Version:
    """Return the version in a folder, which must have ``number`` if one is passed.

    Raises:
        RegistryError: its ``version.json`` cannot be read.
    """
    version = Version(folder, read_version_file(folder, number))
    try:
        version.failed()
    except (KeyError, TypeError) as error:
        raise RegistryError(
            f"{folder / VERSION_FILE} cannot be read: a check lacks what it must have ({error}). Move its folder away, "
            "and register the model again."
        ) from error
    return version


def store_version(registry: Path, source: Path, about: Mapping[str, Any]) -> Version:
    """Copy a model's folder into the registry under the next number, with ``about`` as its ``version.json``.

    Raises:
        OSError: a file cannot be read or written.
    """
    with _lock_registry(registry):
        folder = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=registry))
        for name in (*about["files"], MANIFEST_FILE, CARD_FILE, PICTURE_FILE, REFERENCE_FILE):
            if (source / name).is_file():
                shutil.copyfile(source / name, folder / name)
        if TITLES_FILE not in about["files"] and (titles := read_titles(source, about)):
            (folder / TITLES_FILE).write_bytes(titles.as_bytes())
        number = max(version_numbers(registry), default=0) + 1
        content = {"format": FORMAT, "number": number, **about}
        write_atomically(folder, {VERSION_FILE: _as_json(content)})
        folder.chmod(0o755)
        folder.rename(registry / str(number))
    return Version(registry / str(number), content)


def update_version(version: Version, changes: Mapping[str, Any], files: Mapping[str, str] = {}) -> Version:
    """Write what the checks found into a version, beside ``files`` with their texts; return it anew."""
    about = {**version.about, **changes}
    texts = {name: text.encode() for name, text in files.items()}
    write_atomically(version.folder, texts | {VERSION_FILE: _as_json(about)})
    return Version(version.folder, about)


@contextmanager
def _lock_registry(registry: Path) -> Iterator[None]:
    """Hold the registry while a number is given, and throw away what was left half-way by a run that was killed."""
    registry.mkdir(parents=True, exist_ok=True)
    with (registry / ".adding").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for unfinished in registry.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(unfinished)
        yield


def _as_json(about: Mapping[str, Any]) -> bytes:
    return (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode()
