"""What the tests serve as stackoverflow.com: pages that behave like its own, with its real styles and editor."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

PAGES = Path(__file__).resolve().parent / "pages"
STACKS = Path(__file__).resolve().parent / "node_modules" / "@stackoverflow"
FROM_STACKS = {
    "/stacks/stacks.min.css": "stacks/dist/css/stacks.min.css",
    "/stacks-editor/styles.css": "stacks-editor/dist/styles.css",
    "/stacks-editor/app.bundle.js": "stacks-editor/dist/app.bundle.js",
}
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


@dataclass
class Response:
    """A text and its content type."""

    text: str
    content_type: str = "text/html; charset=utf-8"


def get_response(url: str) -> Response | None:
    """Return the site's response at an address, or None; ``?page=`` chooses the generation of the ask page."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    path = parts.path
    if parts.hostname != "stackoverflow.com":
        return None
    if path == "/questions/ask":
        return read_file(PAGES / f"{query.get('page', 'classic')}.html")
    if re.fullmatch(r"/posts/\d+/edit", path):
        return read_file(PAGES / "edit.html")
    if path.startswith("/fixture/"):
        return read_file(PAGES / path.removeprefix("/fixture/"))
    if path in FROM_STACKS:
        return read_file(STACKS / FROM_STACKS[path])
    if path == "/posts/validate-tags":
        refused = query.get("refused")
        return Response(f"Creating the new tag '{refused}' requires 1500 reputation." if refused else "")
    if path == "/questions/ask/submit" or re.fullmatch(r"/posts/\d+/edit-submit", path):
        return Response("")
    if path == "/questions" or re.match(r"/(questions|staging-ground)/\d+", path):
        return Response("<!doctype html><title>A question</title><h1>A question</h1>")
    return None


@cache
def read_file(file: Path) -> Response:
    """Return a file's content; fail with the command that installs it."""
    if not file.exists() and STACKS in file.parents:
        pytest.fail(f"{file.name} is not there; install what the tests need with: make browser", pytrace=False)
    return Response(file.read_text(), f"{TYPES[file.suffix]}; charset=utf-8")
