"""The extension in one language: a browser in a test speaks the only one that it was installed with."""

import json
import shutil
from pathlib import Path

from tests.extension.browser import EXTENSION


def copy_in_language(language: str, folder: Path) -> Path:
    """A copy of the extension, in ``folder``, with the sentences of one language."""
    copy = folder / language
    shutil.copytree(EXTENSION, copy)
    for other in (copy / "_locales").iterdir():
        if other.name != language:
            shutil.rmtree(other)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "default_locale": language}))
    return copy
