"""The extension as it ships: small, complete, translated, with no more permissions than it needs."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from store.lint import KNOWN_FINDINGS, find_problems
from store.packages import (
    EXCLUDED,
    ROOT,
    chrome_manifest,
    firefox_manifest,
    list_files,
    write_all_packages,
    write_package,
)
from tests.extension import generations
from tests.extension.browser import EXTENSION

HERE = Path(__file__).resolve().parent
MANIFEST = json.loads((EXTENSION / "manifest.json").read_text())
SCRIPTS = sorted(EXTENSION.rglob("*.js"))
TEXTS = {
    path.parent.name: {key: entry["message"] for key, entry in json.loads(path.read_text()).items()}
    for path in sorted((EXTENSION / "_locales").glob("*/messages.json"))
}
GENERATIONS = re.findall(r'generation: "(\w+)"', (EXTENSION / "content" / "pages" / "index.js").read_text())
OTHER_LANGUAGES = sorted(set(TEXTS) - {"en"})
IMPORT = re.compile(r"""(?:from|^import) "(\.[^"]+)";""", re.MULTILINE)
PLURAL = re.compile(r"_(zero|one|two|few|many|other)$")


def imports_of(file: Path) -> list[str]:
    """Return the paths that a module imports, relative to it."""
    return IMPORT.findall(file.read_text())


def loaded_with(script: str) -> set[str]:
    """Return the files that a module loads with it, itself included, relative to the extension."""
    loaded, pending = set(), [EXTENSION / script]
    while pending:
        file = pending.pop().resolve()
        if file not in loaded:
            loaded.add(file)
            pending += [file.parent / path for path in imports_of(file)]
    return {str(file.relative_to(EXTENSION)) for file in loaded}


def code_size(scripts: set[str]) -> int:
    """Return the bytes of code, without comments and indentation."""
    code = "".join((EXTENSION / file).read_text() for file in scripts)
    code = re.sub(r"/\*\*.*?\*/", "", code, flags=re.DOTALL)
    return len(re.sub(r"^\s*(//.*\n)?", "", code, flags=re.MULTILINE).encode())


def line_kind(line: str) -> str:
    """Return what a line of Markdown is: a heading, a list item, a paragraph or nothing."""
    return line[: line.find(" ")] if line.startswith(("#", "- ")) else "text" if line else ""


def test_permissions_are_few() -> None:
    # None of them adds a warning at install: the content script already warns of the site's pages.
    assert MANIFEST["permissions"] == ["storage", "alarms", "scripting"]
    assert MANIFEST["host_permissions"] == ["http://127.0.0.1/*", "http://localhost/*", "https://stackoverflow.com/*"]
    # Any other server only over an encrypted connection, and only with the writer's permission.
    assert MANIFEST["optional_host_permissions"] == ["https://*/*"]
    assert MANIFEST["incognito"] == "not_allowed"
    matches = {match for script in MANIFEST["content_scripts"] for match in script["matches"]}
    assert all(re.match(r"https://stackoverflow\.com/(questions|staging-ground|posts)/", match) for match in matches)


def test_every_generation_of_the_page_is_tested() -> None:
    assert set(GENERATIONS) == {generation.name for generation in generations.GENERATIONS}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_content_script_is_small(generation: str) -> None:
    """At most 16 KB to recognize and read a page, 30 KB more for its chips, comments and indentation aside.

    What a click on a chip needs is loaded later, once the first chips are there.
    """
    adapter = loaded_with(f"content/pages/{generation}.js")
    reading = loaded_with("content/ask-page.js") | adapter | {"content/ask-page-loader.js"}
    assert code_size(reading) <= 16 * 1024
    assert code_size(loaded_with("content/controller.js") - reading) <= 30 * 1024


def test_pages_can_load_the_content_scripts_modules_and_nothing_else() -> None:
    (accessible,) = MANIFEST["web_accessible_resources"]
    content = [str(file.relative_to(EXTENSION)) for file in SCRIPTS if file.is_relative_to(EXTENSION / "content")]
    outside = {file for script in content for file in loaded_with(script) if not file.startswith("content/")}
    assert set(accessible["resources"]) == outside | {"content/*"}


def test_parts_import_only_themselves_and_what_is_shared() -> None:
    for script in SCRIPTS:
        part = script.relative_to(EXTENSION).parts[0]
        imported = {(script.parent / path).resolve().relative_to(EXTENSION).parts[0] for path in imports_of(script)}
        assert imported <= {part, "shared"} | ({"device"} if part == "background" else set()), script


def test_only_the_api_fetches() -> None:
    callers = {str(file.relative_to(EXTENSION)) for file in SCRIPTS if re.search(r"\bfetch\(", file.read_text())}
    # The second reads a file of the package.
    assert callers == {"background/api.js", "background/device-model.js"}
    others = re.compile(r"XMLHttpRequest|WebSocket|sendBeacon|EventSource")
    assert not [file for file in SCRIPTS if others.search(file.read_text())]


def test_every_text_exists_and_is_used() -> None:
    pages = "".join(file.read_text() for file in [*SCRIPTS, *EXTENSION.rglob("*.html"), EXTENSION / "manifest.json"])
    looked_up = re.findall(r"""getText\(["`]([\w@]+)[$"`]|data-i18n="(\w+)"|__MSG_(\w+?)__""", pages)
    used = {next(filter(None, groups)) for groups in looked_up}
    by_number = set(re.findall(r"""getPluralText\("(\w+)\"""", pages))
    # A text chosen by a state, such as `chip_${look}`.
    chosen = tuple(key for key in used if key.endswith("_")) + tuple(f"{key}_" for key in by_number)
    texts = set(TEXTS["en"])
    assert {key for key in used - texts if key not in chosen} == set()
    assert {key for key in chosen if not any(text.startswith(key) for text in texts)} == set()
    assert {key for key in texts if f'"{key}"' not in pages and not key.startswith(chosen)} - used == set()


@pytest.mark.parametrize("language", OTHER_LANGUAGES)
def test_every_language_is_complete(language: str) -> None:
    """The same texts with the same placeholders; of a plural, the forms that its language has."""
    english, other = TEXTS["en"], TEXTS[language]
    assert {PLURAL.sub("", key) for key in other} == {PLURAL.sub("", key) for key in english}
    for key, text in other.items():
        original = english.get(key) or english[PLURAL.sub("_other", key)]
        assert set(re.findall(r"\$\d", text)) == set(re.findall(r"\$\d", original)), key
        assert text.strip() == text != "", key
    assert other["language"] == language
    assert re.fullmatch(r"1\D000", other["thousand"])


def test_plurals_have_the_forms_of_their_language() -> None:
    """As CLDR names them: English has one and other; French has many, too, for whole millions."""
    forms = {"en": {"one", "other"}, "fr": {"one", "many", "other"}}
    assert set(forms) == set(TEXTS)
    pages = "".join(file.read_text() for file in SCRIPTS)
    for key in re.findall(r"""getPluralText\("(\w+)\"""", pages):
        for language, texts in TEXTS.items():
            assert {form for form in forms[language] if f"{key}_{form}" in texts} >= {"one", "other"}, key


def test_french_typography() -> None:
    """No-break spaces before : and inside « », narrow ones before ; ! ?; the curved apostrophe; no straight quotes."""
    for key, message in TEXTS["fr"].items():
        text = re.sub(r"https?://\S+", "", message)
        assert not re.search(r"['\"]|\.\.\.", text), key
        assert not re.search("[^\u00a0]:", text), key
        assert not re.search("[^\u202f][;!?]", text), key
        assert not re.search("«[^\u00a0]|[^\u00a0]»", text), key


def test_a_package_contains_what_runs_and_nothing_else(tmp_path: Path) -> None:
    packages = write_all_packages(tmp_path)
    assert [path.name for path in packages] == [
        f"tagalong-{MANIFEST['version']}-chrome.zip",
        f"tagalong-{MANIFEST['version']}-firefox.xpi",
    ]
    folder = {str(path.relative_to(EXTENSION)) for path in EXTENSION.rglob("*") if path.is_file()}
    for path in packages:
        with zipfile.ZipFile(path) as package:
            assert package.testzip() is None
            assert set(package.namelist()) == folder - EXCLUDED
            for name in set(package.namelist()) - {"manifest.json"}:
                assert package.read(name) == (EXTENSION / name).read_bytes()


def test_packages_differ_from_the_folder_in_the_other_browsers_entries_only() -> None:
    chrome, firefox = chrome_manifest(MANIFEST), firefox_manifest(MANIFEST)
    assert chrome["background"] == {"service_worker": "background/main.js", "type": "module"}
    assert firefox["background"] == {"scripts": ["background/main.js"], "type": "module"}
    assert set(MANIFEST) - set(chrome) == {"browser_specific_settings"}
    assert set(MANIFEST) - set(firefox) == {"minimum_chrome_version"}
    for manifest in (chrome, firefox):
        assert all(MANIFEST[key] == value for key, value in manifest.items() if key != "background")


def test_packages_are_reproducible(tmp_path: Path) -> None:
    """Whatever the files' times, their order on disk and their permissions."""
    copy = tmp_path / "copy"
    for name, path in reversed(list(list_files())):
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        target.chmod(0o755)
    (copy / ".DS_Store").write_text("of a desktop")
    write_package(tmp_path / "first.zip", MANIFEST)
    write_package(tmp_path / "second.zip", MANIFEST, copy)
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


def test_packages_hold_the_model_and_stay_within_the_stores_limits(tmp_path: Path) -> None:
    for path in write_all_packages(tmp_path):
        with zipfile.ZipFile(path) as package:
            assert "device/model.bin" in package.namelist()
            code = [
                entry.file_size for entry in package.infolist() if entry.filename.endswith((".js", ".json", ".html"))
            ]
        # addons.mozilla.org refuses larger files of code.
        assert max(code) < 4_000_000
        assert path.stat().st_size < 25_000_000


def test_without_the_model_on_the_device_no_package_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.packages.EXTENSION", tmp_path)
    with pytest.raises(FileNotFoundError, match="tagalong-model export-device"):
        write_all_packages(tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


def test_an_unexpected_file_stops_packing(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("to do")
    with pytest.raises(ValueError, match=r"notes\.txt does not belong"):
        list(list_files(tmp_path))


def test_the_review_notes_explain_every_permission() -> None:
    notes = (ROOT / "store" / "review.md").read_text()
    data = MANIFEST["browser_specific_settings"]["gecko"]["data_collection_permissions"]
    permissions = [
        *MANIFEST["permissions"],
        *MANIFEST["host_permissions"],
        *MANIFEST["optional_host_permissions"],
        *(match for script in MANIFEST["content_scripts"] for match in script["matches"]),
        *data["optional"],
    ]
    assert [permission for permission in permissions if f"`{permission}`" not in notes] == []
    assert data["required"] == ["none"]


def test_store_texts_match_in_every_language() -> None:
    for text in ("listing", "privacy"):
        parts = {
            language: [line_kind(line) for line in (ROOT / "store" / f"{text}.{language}.md").read_text().splitlines()]
            for language in TEXTS
        }
        assert all(kinds == parts["en"] for kinds in parts.values()), text
    for texts in TEXTS.values():
        # The Chrome Web Store accepts no longer summary.
        assert len(texts["description"]) <= 132


def test_mozillas_linter_finds_nothing_unknown() -> None:
    assert {(finding["code"], finding.get("file")) for finding in find_problems()} == KNOWN_FINDINGS


def test_the_types_are_correct() -> None:
    tsc = HERE / "node_modules" / "typescript" / "bin" / "tsc"
    if not tsc.exists():
        pytest.fail("no TypeScript here; fetch it with: make browser", pytrace=False)
    node = Path(sys.executable).parent / "node"
    result = subprocess.run([node, tsc, "-p", HERE / "tsconfig.json"], capture_output=True, text=True, check=False)
    assert result.stdout + result.stderr == ""
