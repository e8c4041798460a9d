"""A registry for tests: numbered versions as `tagalong-model` writes them, made of the shipped models."""

import json
import shutil
from pathlib import Path
from typing import Any

RELEASED = Path(__file__).parents[3] / "model" / "released"


def register(models: Path, number: int, *, version: str | None = None, tier: str = "light", **changes: Any) -> str:
    """Write a version of that number; return its name. ``changes`` go into its ``version.json``."""
    version = version or f"{tier}-test{number:04}"
    folder = models / str(number)
    shutil.copytree(RELEASED / tier, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"version": version}))
    about = {
        "format": 1,
        "number": number,
        "version": version,
        "trained_at": "2026-11-01T03:00:00+00:00",
        "data": {"sha256": "0" * 64, "rows": 250_000},
        "code": "1a2b3c4",
        "parameters": {"seed": number},
        "metrics": {"P@1": 0.77},
        "signature": {"inputs": ["title", "body"], "outputs": ["tags", "scores"]},
        "checks": [{"name": "P@1", "passed": True, "value": 0.77, "bound": 0.75, "says": "P@1 is .770"}],
        "state": "checked",
    }
    (folder / "version.json").write_text(json.dumps(about | changes))
    return version


def fail_check(models: Path, number: int) -> None:
    """Make a version one that was refused at a gate."""
    path = models / str(number) / "version.json"
    about = json.loads(path.read_text())
    about["checks"].append(
        {"name": "latency", "passed": False, "value": 40.0, "bound": 15.0, "says": "40.0 ms, more than 15.0 ms"}
    )
    path.write_text(json.dumps(about | {"state": "refused"}))
