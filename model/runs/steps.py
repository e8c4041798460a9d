"""The pipeline from a source of questions to suggestions: its steps as data, and a record of what made each output.

A step's record stands beside its output as ``OUT.step.json``: the sha256 of every input and output, the parameters,
and the sha256 of the code that did it. A step whose record still holds need not be done again.
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
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Final

from model.runs.files import write_atomically


@dataclass(frozen=True, slots=True)
class Step:
    """A step: the command of its name, what it takes and gives, and the module that does it."""

    name: str
    does: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    module: str


STEPS: Final = {
    step.name: step
    for step in (
        Step("questions", "read a source, row by row", ("a source",), ("questions.parquet",), "model.questions.gather"),
        Step(
            "prepare",
            "check, clean, drop what is double",
            ("questions.parquet",),
            ("prepared.parquet",),
            "model.preparation.prepare",
        ),
        Step(
            "finetune",
            "teach the encoder the site",
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
            "measure on questions kept apart",
            ("my-model/", "prepared.parquet"),
            ("measured.json",),
            "model.evaluation.metrics",
        ),
        Step(
            "compare",
            "train and measure others beside ours",
            ("prepared.parquet",),
            ("compared/",),
            "model.compare.comparison",
        ),
        Step(
            "release",
            "measure, keep to limits, write the card",
            ("my-model/", "prepared.parquet"),
            ("released/",),
            "model.registry.release",
        ),
        Step("suggest", "give tags for drafts", ("my-model/", "drafts.jsonl"), ("tags.jsonl",), "model.drafts"),
    )
}
"""The steps in their order. The names of files are examples: the next step takes what the one before gave."""

RECORD: Final = ".step.json"
_LIBRARIES: Final = ("numpy", "onnx", "onnxruntime", "polars", "scipy", "scikit-learn", "tokenizers")


class Run:
    """One run of a step: what its output is made of, known before the work is done.

    Attributes:
        identity: sha256 of everything that the output depends on. The same identity means the same output.
    """

    identity: str

    def __init__(
        self,
        step: Step,
        inputs: Sequence[Path],
        out: Path,
        parameters: Mapping[str, Any],
        *,
        advance: Callable[[int], None] = lambda chars: None,
    ) -> None:
        """Read every input once for its sha256.

        Args:
            inputs: files, or folders with files, that the output depends on.
            parameters: what JSON can hold; no password, no key, no path of this machine.
            advance: called with a number of bytes each time so many have been read.

        Raises:
            OSError: an input cannot be read.
        """
        self.step = step
        self.out = out
        self._record = out.with_name(out.name + RECORD)
        self._made_of = {
            "inputs": [_described(path, advance) for each in inputs for path in _files(each)],
            "parameters": dict(parameters),
            "code": code_of(step.module),
            "libraries": libraries(),
        }
        self.identity = _sha256_of(self._made_of | {"step": step.name})

    def is_done(self) -> bool:
        """Say whether the output is there, whole, and made of the same inputs, parameters and code."""
        try:
            record = json.loads(self._record.read_bytes())
            return record["identity"] == self.identity and all(
                _described(self.out.parent / each["name"]) | {"name": each["name"]} == each
                for each in record["outputs"]
            )
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def record(self, outputs: Sequence[Path]) -> None:
        """Write the record beside the output.

        Args:
            outputs: every file that the run wrote, or folders of them; the output itself or beside it.
        """
        files = [path for each in outputs for path in _files(each)]
        names = [path.relative_to(self.out.parent).as_posix() for path in files]
        described = [_described(path) | {"name": name} for path, name in zip(files, names, strict=True)]
        content = {"step": self.step.name, "identity": self.identity} | self._made_of | {"outputs": described}
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        write_atomically(self._record.parent, {self._record.name: text.encode()})


def code_of(module: str) -> str:
    """Give the sha256 of a module's source and of every module of ours that it imports, directly or not."""
    found: dict[str, str] = {}
    left = [module]
    while left:
        name = left.pop()
        spec = None if name in found or not name.startswith("model") else importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        source = Path(spec.origin).read_bytes()
        found[name] = hashlib.sha256(source).hexdigest()
        left += [each for each in _imported(source) if _is_module(each)]
    return _sha256_of(dict(sorted(found.items())))


def libraries() -> dict[str, str]:
    """Give the versions of Python and of the libraries that outputs depend on, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = installed(name)
    return found


def sha256_of(path: Path) -> str:
    """Give the sha256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    return str(_described(path)["sha256"])


def revision() -> str:
    """Give the commit of this code, with ``+changes`` where files of ours differ from it; empty without git."""
    git = shutil.which("git")
    if git is None:
        return ""

    def said(*arguments: str) -> str:
        asked = [git, "-C", str(Path(__file__).parent.parent), *arguments]
        return subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True).stdout.strip()

    try:
        said("ls-files", "--error-unmatch", "runs/steps.py")  # else it is somebody else's repository
        return said("rev-parse", "HEAD") + ("+changes" if said("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _imported(source: bytes) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_module(name: str) -> bool:
    try:
        return name.split(".")[0] == "model" and importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # model.x.name, where model.x is a module and no package
        return False


def _files(path: Path) -> list[Path]:
    """Give a file itself, and of a folder all files, sorted; unfinished ones begin with a dot."""
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.rglob("*") if each.is_file() and not each.name.startswith("."))


def _described(path: Path, advance: Callable[[int], None] = lambda chars: None) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
            advance(len(block))
    return {"name": path.name, "bytes": size, "sha256": digest.hexdigest()}


def _sha256_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
