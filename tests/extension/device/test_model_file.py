"""A model file is used only if it is one: whole, of this format, and, where it arrives, by its own sha256."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from model.commands.export_device import PACKAGED
from tests.extension.device.node import HERE, NODE


def sealed(content: bytes) -> bytes:
    """Return a changed file with the sha256 of what it holds now."""
    return content[:16] + hashlib.sha256(content[48:]).digest() + content[48:]


def with_byte(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def open_file(path: Path) -> dict[str, str]:
    result = subprocess.run([NODE, HERE / "open.mjs", path], capture_output=True, text=True, check=True)
    answer: dict[str, str] = json.loads(result.stdout)
    return answer


@pytest.fixture(scope="module")
def content() -> bytes:
    return PACKAGED.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.bin"


def test_the_packaged_file_is_opened_and_verified() -> None:
    assert open_file(PACKAGED) == {
        "version": "light-c22ec615",
        "sites": "stackoverflow.com",
        "load": "",
        "verify": "",
    }


@pytest.mark.parametrize("change", [b"", b"tagalong", b"not a model file at all, but long enough to be one" * 9])
def test_a_foreign_file_is_no_model(path: Path, change: bytes) -> None:
    path.write_bytes(change)
    message = "DeviceModelError: This is no model file of Tagalong."
    assert open_file(path) == {"load": message, "verify": message}


def test_a_file_of_another_format_says_which(path: Path, content: bytes) -> None:
    path.write_bytes(sealed(content[:8] + (2).to_bytes(4, "little") + content[12:]))
    message = "DeviceModelError: The model file is of format 2, and this version of the extension reads format 1."
    assert open_file(path) == {"load": message, "verify": message}


@pytest.mark.parametrize("length", [48, 60, 5_000, 10_000_000, -1])
def test_a_file_that_ends_early_is_not_whole(path: Path, content: bytes, length: int) -> None:
    path.write_bytes(content[:length])
    answer = open_file(path)
    assert answer["load"] == "DeviceModelError: The model file is not whole."
    assert answer["verify"].startswith("DeviceModelError: The model file is ")


@pytest.mark.parametrize("at", [20, 60, 9_000_000, -1])
def test_one_changed_bit_is_found_where_a_file_arrives(path: Path, content: bytes, at: int) -> None:
    path.write_bytes(with_byte(content, at % len(content)))
    answer = open_file(path)
    assert answer["verify"] == "DeviceModelError: The model file is damaged: its sha256 is not the one that it names."


def test_a_file_without_a_needed_section_says_which(path: Path, content: bytes) -> None:
    path.write_bytes(sealed(content.replace(b'"wide_tags": {', b'"wide_gone": {', 1)))
    assert open_file(path)["load"] == "DeviceModelError: The model file lacks a section that is needed: wide_tags."


@pytest.mark.parametrize("header", [b"null", b"7", b'{"bytes": 0}', b'{"bytes": 0, "sections": {"word_text": {}}}'])
def test_a_file_with_another_header_is_refused(path: Path, content: bytes, header: bytes) -> None:
    path.write_bytes(sealed(content[:12] + len(header).to_bytes(4, "little") + bytes(32) + header))
    assert open_file(path)["load"].startswith("DeviceModelError: The model file ")


def test_a_section_that_reaches_beyond_the_file_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(sealed(content.replace(b'"shape": [79330, 128]', b'"shape": [79330, 828]', 1)))
    assert open_file(path)["load"] == "DeviceModelError: The model file is not whole."


def test_what_cannot_be_asked_is_refused() -> None:
    model = HERE.parents[2] / "extension" / "device" / "model.js"
    script = (
        f"import {{ readFileSync }} from 'node:fs'; import {{ loadModel }} from '{model}';"
        f"const {{ buffer, byteOffset, byteLength }} = readFileSync('{PACKAGED}');"
        "const model = loadModel(buffer.slice(byteOffset, byteOffset + byteLength));"
        "for (const draft of [{ title: 'x', limit: 0 }, { title: 'x', body_format: 'rtf' }]) {"
        "try { model.suggest(draft); } catch (error) { console.log(String(error)); } }"
    )
    result = subprocess.run([NODE, "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == [
        "RangeError: limit is 0; it must be 1 or more",
        "RangeError: body_format is rtf; it must be one of markdown, html, text",
    ]
