"""The rules of the house: which room may import which."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import model.serving
from tools.numbers import measured

ROOT = Path(__file__).parent.parent
ROOMS = ("backend", "model", "migrations", "tests")


def package_of(module: str) -> str:
    """Return a module's package: two names deep, the module itself where it lies in a room's own folder."""
    return ".".join(module.split(".")[:2])


def modules(room: str) -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / room).rglob("*.py")):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in ROOMS}


def within(name: str, allowed: set[str]) -> bool:
    return any(name == each or name.startswith(each + ".") for each in allowed)


def test_the_backend_knows_the_names_of_model_serving_and_nothing_else_of_the_model() -> None:
    allowed = {"model.serving"} | {f"model.serving.{name}" for name in model.serving.__all__}
    for module, path in modules("backend"):
        assert {name for name in imports(path) if name.split(".")[0] == "model"} <= allowed, module


def test_the_model_never_imports_the_backend() -> None:
    for module, path in modules("model"):
        assert not any(name.startswith("backend") for name in imports(path)), module


def test_nothing_that_ships_imports_the_tests() -> None:
    for room in ("backend", "model", "migrations"):
        for module, path in modules(room):
            assert not any(name.startswith("tests") for name in imports(path)), module


def test_model_serving_imports_nothing_else_of_the_model() -> None:
    for module, path in modules("model/serving"):
        strangers = {
            name for name in imports(path) if name.startswith("model.") and not within(name, {"model.serving"})
        }
        assert strangers == set(), module


def package_graph(room: str) -> dict[str, set[str]]:
    """Return which packages of a room each of its packages imports."""
    graph: dict[str, set[str]] = {}
    for module, path in modules(room):
        package = package_of(module)
        imported = {package_of(name) for name in imports(path) if name.startswith(f"{room}.")}
        graph.setdefault(package, set()).update(imported - {package})
    return graph


def test_the_packages_of_the_backend_form_no_circle() -> None:
    # admin → experiments → acceptance → feedback → deployments → drafts → postgres, and never back.
    order = list(TopologicalSorter(package_graph("backend")).static_order())
    assert order.index("backend.postgres") < order.index("backend.drafts") < order.index("backend.admin")


def test_the_packages_of_the_model_form_no_circle() -> None:
    # commands → retraining → registry → evaluation → training → preparation → questions → serving, and never back.
    order = list(TopologicalSorter(package_graph("model")).static_order())
    assert order.index("model.serving") < order.index("model.training") < order.index("model.evaluation")


def test_serving_imports_nothing_of_training() -> None:
    check = "import sys, backend.cli; print(sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for package in ("scipy", "sklearn", "onnx", "polars", "pytest"):
        assert f"'{package}'" not in loaded


def test_the_house_keeps_its_words_and_sizes() -> None:
    numbers = measured(ROOT)
    for name in ("modules over 400 lines", "upward arrows between packages", "old names left"):
        assert numbers[name] == [], name
    assert numbers["docstrings with Give or Say"] == []
