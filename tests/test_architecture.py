"""The rules of the house: which room may import which."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("backend", "model", "migrations", "tests")
FEATURES = (
    "suggestions",
    "deployments",
    "feedback",
    "installs",
    "retention",
    "acceptance",
    "alerts",
    "audit",
    "drift",
    "admin",
    "trial",
    "demo",
)

# Who may import whom among the service's features: admin → acceptance → tables, and no feature reaches into
# another's tables except by a function of that feature. What is missing here may import no other feature.
MAY_IMPORT = {
    # An answer is recorded in one statement, with its install's arm.
    "suggestions": {
        "backend.deployments.arms",
        "backend.deployments.serving",
        "backend.deployments.shadowing",
        "backend.deployments.tables",
    },
    "deployments": {"backend.audit.service", "backend.suggestions.tables", "backend.acceptance"},
    "feedback": {"backend.suggestions.service"},
    "installs": {"backend.suggestions.service", "backend.feedback.service", "backend.deployments.service"},
    "retention": {
        "backend.acceptance.sums",
        "backend.deployments.service",
        "backend.suggestions.addresses",
        "backend.suggestions.service",
        "backend.feedback.service",
    },
    "acceptance": {"backend.suggestions.tables", "backend.feedback.tables", "backend.deployments.tables"},
    "drift": {"backend.suggestions.tables", "backend.feedback.tables"},
    "alerts": {
        "backend.acceptance",
        "backend.audit.service",
        "backend.audit.tables",
        "backend.deployments.service",
        "backend.drift.service",
        "backend.drift.findings",
    },
    "admin": {"backend.acceptance", "backend.alerts", "backend.audit", "backend.deployments", "backend.drift"},
    "demo": {
        "backend.suggestions.service",
        "backend.suggestions.recording",
        "backend.suggestions.schemas",
        "backend.feedback.service",
        "backend.feedback.schemas",
    },
}


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


def test_the_backend_knows_the_classifier_and_nothing_else_of_the_model() -> None:
    for module, path in modules("backend"):
        strangers = {
            name
            for name in imports(path)
            if name.startswith("model") and not within(name, {"model.classifier", "model.text"})
        }
        assert strangers - {"model"} == set(), module


def test_the_model_never_imports_the_backend() -> None:
    for module, path in modules("model"):
        assert not any(name.startswith("backend") for name in imports(path)), module


def test_nothing_that_ships_imports_the_tests() -> None:
    for room in ("backend", "model", "migrations"):
        for module, path in modules(room):
            assert not any(name.startswith("tests") for name in imports(path)), module


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_reaches_others_only_where_the_house_allows_it(feature: str) -> None:
    others = {f"backend.{other}" for other in FEATURES if other != feature}
    checked = list(modules(f"backend/{feature}"))
    assert checked
    for module, path in checked:
        for name in imports(path):
            if within(name, others):
                # `from backend.x import y` is noted as backend.x and backend.x.y: either may be the allowed one.
                allowed = MAY_IMPORT.get(feature, set())
                assert within(name, allowed) or any(each.startswith(name + ".") for each in allowed), (
                    f"{module} imports {name}"
                )


def test_serving_imports_nothing_of_training() -> None:
    check = "import sys, backend.cli; print(sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for package in ("scipy", "sklearn", "onnx", "polars", "pytest"):
        assert f"'{package}'" not in loaded
