"""The registry on disk: numbered versions that `tagalong-model` has made and checked, read without any of its tools.

One folder a version, named by its number, with the files of a released model and `version.json` beside them.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.serving import (
    MANIFEST_FILE,
    VERSION_FILE,
    Classifier,
    RegistryError,
    ReleaseError,
    read_version_file,
    version_numbers,
)


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A version in the registry; ``about`` is all that its ``version.json`` says."""

    folder: Path
    number: int
    version: str
    state: str
    about: dict[str, Any]


def read_version(models_dir: Path, number: int) -> RegisteredVersion:
    """Return what the registry says of a version.

    Raises:
        RegistryError: there is none of that number, or its folder is not whole.
    """
    folder = models_dir / str(number)
    if not folder.is_dir():
        raise RegistryError(
            f"there is no version {number} in {models_dir}. `tagalong-model versions` lists those that are there; "
            "TAGALONG_MODELS_DIR names another registry."
        )
    about = read_version_file(folder, number)
    return RegisteredVersion(folder, number, about["version"], about["state"], about)


def find_version(models_dir: Path, name: str) -> RegisteredVersion:
    """Return a version by its number (``7``) or by its full name (``full-176fc757``).

    Raises:
        RegistryError: there is none, or its folder is not whole.
    """
    if name.isdecimal():
        return read_version(models_dir, int(name))
    for number in version_numbers(models_dir):
        try:
            version = read_version(models_dir, number)
        except RegistryError:
            continue
        if version.version == name:
            return version
    raise RegistryError(f"there is no version {name} in {models_dir}. `tagalong-model versions` lists those there.")


def list_refusals(registered: RegisteredVersion) -> list[str]:
    """Return why a version must not be deployed; nothing if it may."""
    reasons = []
    for check in registered.about["checks"]:
        if not isinstance(check, dict) or check.get("passed") is not True:
            reasons.append(f"its check {describe_check(check)}")
    if registered.state != "checked":
        reasons.append(f"its state is {registered.state!r}, not 'checked'")
    if not registered.about["checks"]:
        reasons.append("it was never checked")
    return reasons + find_file_faults(registered)


def find_file_faults(registered: RegisteredVersion) -> list[str]:
    """Return what is wrong with a version's files; nothing if they are what its manifest describes."""
    path = registered.folder / MANIFEST_FILE
    try:
        manifest = json.loads(path.read_bytes())
        version, files = manifest["version"], dict(manifest["files"])
    except OSError as error:
        return [f"{MANIFEST_FILE} can't be read: {error.strerror}"]
    except (ValueError, KeyError, TypeError):
        return [f"{MANIFEST_FILE} is not that of a released model"]
    faults = []
    if version != registered.version:
        faults.append(f"{MANIFEST_FILE} is of {version}, and {VERSION_FILE} of {registered.version}")
    for name, digest in sorted(files.items()):
        try:
            with (registered.folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    faults.append(f"{name} is not the file that {MANIFEST_FILE} describes: its sha256 differs")
        except OSError as error:
            faults.append(f"{name} can't be read: {error.strerror}")
    return faults


def describe_check(check: object) -> str:
    """Return in words that a check was not passed, and why."""
    if not isinstance(check, dict):
        return "can't be read"
    reason = check.get("says") or f"{check.get('value')} where {check.get('bound')} is the bound"
    return f"{check.get('name')} was not passed: {reason}"


def load(registered: RegisteredVersion) -> Classifier:
    """Load a version, ready to answer.

    Raises:
        RegistryError: it can't be loaded, or does not answer.
    """
    try:
        classifier = load_warm(registered.folder)
    except ReleaseError as error:
        raise RegistryError(str(error)) from None
    if classifier.version != registered.version:
        raise RegistryError(f"{registered.folder} holds {classifier.version}, not {registered.version}.")
    return classifier


def load_warm(folder: Path) -> Classifier:
    """Load a released model, and answer drafts with it, so that no writer waits for what is made once.

    Raises:
        ReleaseError: it can't be loaded, or does not answer.
    """
    classifier = Classifier.load(folder)
    title = "How do I merge two pandas DataFrames on the nearest date?"
    sentence = "I tried pd.merge(trades, quotes, on='time'), but it only joins rows whose dates are equal. "
    try:
        for repeats in (0, 5, 25):
            classifier.suggest(title, sentence * repeats)
    except Exception as error:  # ONNX Runtime's own errors share no base but Exception
        raise ReleaseError(f"{folder} is loaded but does not answer: {str(error)[:300]}") from error
    return classifier
