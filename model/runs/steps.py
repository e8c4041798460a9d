"""The steps from a source of questions to suggestions, and a record of what made each output.

A step's record stands beside its output as ``OUT.step.json``: the sha256 of every input and output, the parameters,
and a digest of the code that did it. A step whose record still holds need not be done again.
"""

import ast
import hashlib
import importlib.util
import json
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from model.runs.files import write_atomically


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the pipeline.

    ``name`` is its command and what its records say; ``summary`` is for people; ``inputs`` and ``outputs`` are examples
    of file names. ``module`` does the work: it may move, the name stays.
    """

    name: str
    summary: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    module: str


STEPS: Final = {
    step.name: step
    for step in (
        Step("questions", "read a source, row by row", ("a source",), ("questions.parquet",), "model.questions.gather"),
        Step(
            "prepare",
            "check, clean, drop duplicates",
            ("questions.parquet",),
            ("prepared.parquet",),
            "model.preparation.prepare",
        ),
        Step(
            "finetune",
            "fine-tune the encoder on the site",
            ("prepared.parquet",),
            ("my-encoder/",),
            "model.training.encoder.finetune",
        ),
        Step(
            "train",
            "learn, calibrate, export, check",
            ("prepared.parquet", "my-encoder/", "question-tags.parquet"),
            ("my-model/",),
            "model.training.build",
        ),
        Step(
            "evaluate",
            "measure on held-out questions",
            ("my-model/", "prepared.parquet"),
            ("measured.json",),
            "model.evaluation.report",
        ),
        Step(
            "compare",
            "train and measure other models",
            ("prepared.parquet",),
            ("compared/",),
            "model.compare.comparison",
        ),
        Step(
            "release",
            "measure, check limits, write the card",
            ("my-model/", "prepared.parquet"),
            ("released/",),
            "model.registry.release",
        ),
        Step(
            "suggest",
            "suggest tags for drafts",
            ("my-model/", "drafts.jsonl"),
            ("tags.jsonl",),
            "model.questions.drafts",
        ),
    )
}
"""The steps in their order: each takes outputs of the ones before."""

RECORD: Final = ".step.json"
CODE_DIGEST: Final = "tree"
"""How a digest of code begins. Without it, a record is of the time when the digest depended on where modules lay."""
_LIBRARIES: Final = ("numpy", "onnx", "onnxruntime", "polars", "scipy", "scikit-learn", "tokenizers")


class Run:
    """One run of a step: everything that its output depends on, known before the work is done.

    Attributes:
        identity: sha256 of all of it. The same identity means the same output.
    """

    identity: str

    def __init__(
        self,
        step: Step,
        inputs: Sequence[Path],
        out: Path,
        parameters: Mapping[str, Any],
        *,
        advance: Callable[[int], None] = lambda size: None,
    ) -> None:
        """Read every input once for its sha256.

        Args:
            inputs: files, or folders with files, that the output depends on.
            parameters: what JSON can hold; no password, no key, no path of this machine.
            advance: called with the number of bytes just read.

        Raises:
            OSError: an input cannot be read.
        """
        self.step = step
        self.out = out
        self._record = out.with_name(out.name + RECORD)
        self._depends_on = {
            "inputs": [_describe_file(file, advance) for path in inputs for file in _list_files(path)],
            "parameters": dict(parameters),
            "code": hash_code(step.module),
            "libraries": library_versions(),
        }
        self.identity = _hash_json(self._depends_on | {"step": step.name})

    def is_done(self) -> bool:
        """Return whether the output is there, whole, and made of the same inputs, parameters and code."""
        try:
            record = json.loads(self._record.read_bytes())
            return record["identity"] == self.identity and all(
                _describe_file(self.out.parent / output["name"]) | {"name": output["name"]} == output
                for output in record["outputs"]
            )
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def record(self, outputs: Sequence[Path]) -> None:
        """Write the record beside the output.

        Args:
            outputs: every file that the run wrote, or folders of them; the output itself or beside it.
        """
        files = [file for path in outputs for file in _list_files(path)]
        described = [_describe_file(file) | {"name": file.relative_to(self.out.parent).as_posix()} for file in files]
        content = {"step": self.step.name, "identity": self.identity} | self._depends_on | {"outputs": described}
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        write_atomically(self._record.parent, {self._record.name: text.encode()})


def hash_code(module: str) -> str:
    """Return a digest of a module's code and of every module of ours that it imports, directly or not.

    It is a tree of digests over the imports (after Merkle 1987): a source without its imports of ours, then for each
    imported name the digest of where it comes from. What a module is called and where it lies are not part of it, so a
    module that moves leaves every record valid.
    """
    return f"{CODE_DIGEST}:{_hash_module(module, {})}"


def _hash_module(module: str, digests: dict[str, str]) -> str:
    if module not in digests:
        digests[module] = ""  # modules that import each other would not end
        source = _read_source(module)
        lines: list[bytes | None] = [*source.splitlines()]
        imported = []
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import | ast.ImportFrom) and (names := list(_own_imports(node))):
                imported += names
                end = node.end_lineno or node.lineno
                lines[node.lineno - 1 : end] = [None] * (end + 1 - node.lineno)
        tree = sorted([name, _hash_module(origin, digests)] for name, origin in imported)
        rest = b"\n".join(line for line in lines if line is not None)
        digests[module] = _hash_json({"source": hashlib.sha256(rest).hexdigest(), "imports": tree})
    return digests[module]


def _own_imports(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Yield the names of ours that an import makes, each with the module that it comes from or is.

    The name of a module is left empty: it may be renamed with it.
    """
    for alias in node.names:
        if isinstance(node, ast.Import):
            if _is_module(alias.name):
                yield "", alias.name
        elif node.module and _is_module(node.module):
            submodule = f"{node.module}.{alias.name}"
            yield ("", submodule) if _is_module(submodule) else (alias.name, node.module)


def _is_module(name: str) -> bool:
    try:
        return name.split(".")[0] == "model" and importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # model.x.name, where model.x is a module and no package
        return False


def _read_source(module: str) -> bytes:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_bytes()


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that outputs depend on, as far as they are installed."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def sha256_of(file: Path) -> str:
    """Return the sha256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    return str(_describe_file(file)["sha256"])


def git_revision() -> str:
    """Return the commit of this code, with ``+changes`` where files of ours differ from it; empty without git."""
    git = shutil.which("git")
    if git is None:
        return ""

    def run_git(*arguments: str) -> str:
        command = [git, "-C", str(Path(__file__).parent.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()

    try:
        run_git("ls-files", "--error-unmatch", "runs/steps.py")  # else it is somebody else's repository
        return run_git("rev-parse", "HEAD") + ("+changes" if run_git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _list_files(path: Path) -> list[Path]:
    """Return a file itself, or all files of a folder, sorted; unfinished ones begin with a dot."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))


def _describe_file(path: Path, advance: Callable[[int], None] = lambda size: None) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
            advance(len(block))
    return {"name": path.name, "bytes": size, "sha256": digest.hexdigest()}


def _hash_json(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
