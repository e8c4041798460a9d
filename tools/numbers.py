"""The house in numbers: ``python -m tools.numbers``, or of any commit, ``python -m tools.numbers --at COMMIT``.

Counted are the files that ship (backend, model, extension), migrations apart. An upward arrow is an import between two
packages that can reach each other. Old names are those of tools/old_names/, ``room: name`` a line; a name is left
where it occurs as a whole identifier in a file below the room's folder, comments and texts included.
"""

import ast
import io
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).parent.parent
ROOMS = ("backend", "model", "extension")
OLD_NAMES = Path(__file__).parent / "old_names"

LONG_FUNCTION, LONG_MODULE = 60, 400
POOR_DOCSTRING = re.compile(r"(Give|Gives|Say|Says)\b")


@dataclass(frozen=True, slots=True)
class Function:
    """A function, by where it begins, and its length in lines."""

    file: str
    line: int
    name: str
    lines: int


@click.command()
@click.option("--at", "commit", help="a commit to count instead of the files as they are")
@click.option("--list", "listed", is_flag=True, help="name what is counted, too")
def main(commit: str | None, listed: bool) -> None:
    """Print the house in numbers."""
    with tempfile.TemporaryDirectory() as folder:
        root = checked_out(commit, Path(folder)) if commit else ROOT
        for name, entries in measured(root).items():
            click.echo(f"{name:32} {len(entries) if isinstance(entries, list) else entries:>7,}")
            if listed and isinstance(entries, list):
                for entry in entries:
                    click.echo(f"    {entry}")


def measured(root: Path) -> dict[str, int | list[str]]:
    """Return the numbers of a source tree by their names; a list's number is its length."""
    files = list(shipped_files(root))
    lengths = {file: len((root / file).read_text().splitlines()) for file in files}
    functions = [*python_functions(root, files), *javascript_functions(root, files)]
    return {
        "modules": len(files),
        "lines": sum(lengths.values()),
        "functions": len(functions),
        f"functions over {LONG_FUNCTION} lines": [
            f"{function.file}:{function.line} {function.name} ({function.lines})"
            for function in sorted(functions, key=lambda function: -function.lines)
            if function.lines > LONG_FUNCTION
        ],
        f"modules over {LONG_MODULE} lines": [
            f"{file} ({lines})" for file, lines in lengths.items() if lines > LONG_MODULE
        ],
        "upward arrows between packages": upward_arrows(root),
        "old names left": old_names_left(root),
        "docstrings with Give or Say": poor_docstrings(root, files),
    }


def shipped_files(root: Path) -> Iterator[str]:
    """Yield the Python and JavaScript files that ship, relative to the root, sorted."""
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in {".py", ".js"}:
                yield path.relative_to(root).as_posix()


def python_functions(root: Path, files: list[str]) -> Iterator[Function]:
    """Yield all functions of the Python files, nested ones and methods included."""
    for file in files:
        if file.endswith(".py"):
            for node in ast.walk(ast.parse((root / file).read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield Function(file, node.lineno, node.name, (node.end_lineno or node.lineno) - node.lineno + 1)


def javascript_functions(root: Path, files: list[str]) -> Iterator[Function]:
    """Yield all functions of the JavaScript files, closures included, as acorn parses them."""
    scripts = [str(root / file) for file in files if file.endswith(".js")]
    node = shutil.which("node", path=f"{ROOT / '.venv' / 'bin'}:/usr/local/bin:/usr/bin") or "node"
    printed = subprocess.run(
        [node, Path(__file__).with_name("functions.mjs"), *scripts], capture_output=True, text=True, check=True
    ).stdout
    for line in printed.splitlines():
        file, first, name, lines = line.split("\t")
        yield Function(Path(file).relative_to(root).as_posix(), int(first), name, int(lines))


def upward_arrows(root: Path) -> list[str]:
    """Return the imports between packages of the backend or the model that lie on a circle."""
    return [
        f"{package} → {other}"
        for room in ("backend", "model")
        for graph in [package_graph(root, room)]
        for package in sorted(graph)
        for other in sorted(graph[package])
        if package in reachable(graph, other)
    ]


def package_graph(root: Path, room: str) -> dict[str, set[str]]:
    """Return which packages of a room each of them imports; a module in the room's own folder is its own package."""
    graph: dict[str, set[str]] = {}
    for path in sorted((root / room).rglob("*.py")):
        package = ".".join(path.relative_to(root).with_suffix("").parts[:2])
        graph.setdefault(package, set()).update(
            ".".join(name.split(".")[:2])
            for name in imported_names(path)
            if name.startswith(f"{room}.") and is_module(root, name)
        )
        graph[package].discard(package)
    return graph


def imported_names(path: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports, wherever in it; ``from a import b`` yields a and a.b."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_module(root: Path, name: str) -> bool:
    """Return whether the first two parts of a dotted name are a package or a module of the tree."""
    path = root.joinpath(*name.split(".")[:2])
    return path.is_dir() or path.with_suffix(".py").is_file()


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """Return the packages that can be reached from one of them, itself included."""
    seen, left = {start}, [start]
    while left:
        new = graph.get(left.pop(), set()) - seen
        seen |= new
        left += new
    return seen


def old_names_left(root: Path) -> list[str]:
    """Return the old names that still occur, with a file that holds each."""
    entries = [
        line.strip().split(": ")
        for path in sorted(OLD_NAMES.glob("*.txt"))
        for line in path.read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]
    left = []
    for room in sorted({room for room, _ in entries}):
        texts = {
            path.relative_to(root).as_posix(): path.read_text()
            for path in sorted((root / room).rglob("*"))
            if path.suffix in {".py", ".js"} and "node_modules" not in path.parts and "versions" not in path.parts
        }
        identifiers = {
            file: set(re.findall(r"[A-Za-z_$][\w$-]*", text)) | set(re.findall(r"[A-Za-z_]\w*", text))
            for file, text in texts.items()
        }
        for _, name in (entry for entry in entries if entry[0] == room):
            files = [file for file, names in identifiers.items() if name in names]
            if files:
                left.append(f"{room}: {name} in {files[0]}" + (f" and {len(files) - 1} more" if files[1:] else ""))
    return left


def poor_docstrings(root: Path, files: list[str]) -> list[str]:
    """Return where a docstring begins with "Give" or "Say" instead of "Return"."""
    left = []
    for file in files:
        text = (root / file).read_text()
        if file.endswith(".js"):
            left += [file for _ in re.finditer(r"/\*\*\s*(?:\*\s*)?(?:Gives?|Says?)\b", text)]
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
                docstring = ast.get_docstring(node) or ""
                if POOR_DOCSTRING.match(docstring):
                    left.append(f"{file}: {docstring.splitlines()[0]}")
    return left


def checked_out(commit: str, folder: Path) -> Path:
    """Return a folder with the files of a commit."""
    git = shutil.which("git") or "git"
    archive = subprocess.run([git, "-C", str(ROOT), "archive", commit], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


if __name__ == "__main__":
    main()
