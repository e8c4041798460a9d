"""The registry on disk: a folder a version, named by its number, with a released model's files and ``version.json``.

``tagalong-model`` writes versions and the service reads them, both by this module.
"""

import json
from pathlib import Path
from typing import Any, Final

FORMAT: Final = 1
VERSION_FILE: Final = "version.json"

_REQUIRED: Final = {"number": int, "version": str, "state": str, "checks": list}
_ADVICE: Final = "Move its folder away, and register the model again."


class RegistryError(Exception):
    """A version is missing or cannot be used; the message says what to do."""


def version_numbers(registry: Path) -> list[int]:
    """Return the numbers of all versions in order; a registry that is not there has none."""
    if not registry.is_dir():
        return []
    names = (path.name for path in registry.iterdir() if path.is_dir())
    return sorted(int(name) for name in names if name.isascii() and name.isdigit() and str(int(name)) == name)


def read_version_file(folder: Path, number: int | None = None) -> dict[str, Any]:
    """Return what the ``version.json`` of a version's folder says.

    Args:
        number: the one that it must say, if any.

    Raises:
        RegistryError: the file cannot be read, or lacks what every version has.
    """
    path = folder / VERSION_FILE
    try:
        about = json.loads(path.read_bytes())
    except OSError as error:
        raise RegistryError(f"{path} cannot be read: {error.strerror}. {_ADVICE}") from None
    except ValueError as error:
        raise RegistryError(f"{path} cannot be read: it is not JSON ({error}). {_ADVICE}") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        reason = f"it is not of format {FORMAT}, the one that this version of Tagalong reads"
    elif number is not None and isinstance(about.get("number"), int) and about["number"] != number:
        reason = f"it is of version {about['number']}, and a version's folder is named by its number"
    elif missing := [name for name, kind in _REQUIRED.items() if not isinstance(about.get(name), kind)]:
        reason = f"it lacks {', '.join(missing)}"
    else:
        return about
    raise RegistryError(f"{path} cannot be read: {reason}. {_ADVICE}")
