"""The extension in one language: the browser of a test uses the only one that is there."""

import json
import shutil
from pathlib import Path

from tests.extension.browser import EXTENSION


def copy_in_language(language: str, folder: Path) -> Path:
    """Copy the extension into ``folder`` with the texts of one language only; return the copy."""
    copy = folder / language
    shutil.copytree(EXTENSION, copy)
    for other in (copy / "_locales").iterdir():
        if other.name != language:
            shutil.rmtree(other)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "default_locale": language}))
    return copy
