"""The folder as it ships: small, complete, with no more permissions than it needs."""

import json
import re

from tests.extension.browser import EXTENSION

SCRIPTS = sorted(EXTENSION.rglob("*.js"))
IMPORT = re.compile(r"""(?:from|^import) "(\.[^"]+)";""", re.MULTILINE)


def loaded_with(script: str) -> set[str]:
    """The files, relative to the extension, that a module brings with it."""
    files, waiting = set(), [EXTENSION / script]
    while waiting:
        file = waiting.pop().resolve()
        if file not in files:
            files.add(file)
            waiting += [file.parent / path for path in IMPORT.findall(file.read_text())]
    return {str(file.relative_to(EXTENSION)) for file in files}


def test_permissions_are_few() -> None:
    manifest = json.loads((EXTENSION / "manifest.json").read_text())
    assert manifest["permissions"] == ["storage", "alarms"]
    assert manifest["host_permissions"] == ["http://127.0.0.1/*", "http://localhost/*"]
    assert manifest["incognito"] == "not_allowed"
    matches = {match for script in manifest["content_scripts"] for match in script["matches"]}
    assert all(re.match(r"https://stackoverflow\.com/(questions|staging-ground)/", match) for match in matches)


def test_the_content_script_is_small() -> None:
    """At most 30 KB of code, comments aside: types are written in comments, and cost a page nothing."""
    files = loaded_with("content/main.js") | {"content/load.js"}
    code = "".join((EXTENSION / file).read_text() for file in files)
    code = re.sub(r"/\*\*.*?\*/", "", code, flags=re.DOTALL)
    code = re.sub(r"^\s*(//.*)?\n", "", code, flags=re.MULTILINE)
    assert len(code.encode()) <= 30 * 1024


def test_all_a_content_script_loads_is_open_to_its_pages_and_nothing_else() -> None:
    manifest = json.loads((EXTENSION / "manifest.json").read_text())
    (opened,) = manifest["web_accessible_resources"]
    assert opened["resources"] == ["browser.js", "say.js", "content/*"]
    outside = {file for file in loaded_with("content/main.js") if not file.startswith("content/")}
    assert outside == {"browser.js", "say.js"}


def test_only_the_api_fetches() -> None:
    callers = {str(file.relative_to(EXTENSION)) for file in SCRIPTS if re.search(r"\bfetch\(", file.read_text())}
    assert callers == {"background/api.js"}
    asking = re.compile(r"XMLHttpRequest|WebSocket|sendBeacon|EventSource")
    assert not [file for file in SCRIPTS if asking.search(file.read_text())]


def test_every_sentence_is_there_and_used() -> None:
    sentences = set(json.loads((EXTENSION / "_locales/en/messages.json").read_text()))
    pages = "".join(file.read_text() for file in [*SCRIPTS, *EXTENSION.rglob("*.html"), EXTENSION / "manifest.json"])
    looked_up = re.findall(r"""words\(["`]([\w@]+)[$"`]|data-words="(\w+)"|__MSG_(\w+?)__""", pages)
    used = {next(filter(None, found)) for found in looked_up}
    # A sentence chosen by a state, such as `chip_${look}`.
    chosen = tuple(key for key in used if key.endswith("_"))
    assert {key for key in used - sentences if key not in chosen and not key.startswith("@@")} == set()
    assert {key for key in sentences if f'"{key}"' not in pages and not key.startswith(chosen)} - used == set()
