"""The gates as data: how good, exact, fast and small a version must be; read from ``gates.toml``."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model.evaluation.metrics import COMPARED
from model.serving.classifier import IMPORTED, TIERS

SHIPPED_GATES: Final = Path(__file__).with_name("gates.toml")
_IMPORTED_MEGABYTES: Final = 500.0
"""Most megabytes of an imported version where the file of the gates is older than these."""


class GatesError(Exception):
    """The file of the gates cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class QualityGate:
    """Least value of a metric on dev, and how much less than the champion's it may be."""

    metric: str
    least: float
    may_lose: float


@dataclass(frozen=True, slots=True)
class LatencyGate:
    """How many times slower than another model a version may be, and on what it is timed."""

    chars: int
    drafts: int
    rounds: int
    p50_times: float
    p99_times: float


@dataclass(frozen=True, slots=True)
class GateDraft:
    """A draft whose ``tags`` must all be among the best."""

    title: str
    body: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gates:
    """All gates: see ``gates.toml`` for what each means."""

    quality: tuple[QualityGate, ...]
    most_error: float
    most_difference: float
    latency: LatencyGate
    megabytes: dict[str, float]
    drafts: tuple[GateDraft, ...]
    best: int
    undecided_passes: bool = True


def read_gates(path: Path = SHIPPED_GATES) -> Gates:
    """Read the gates of a file, and the drafts of the file that it names.

    Raises:
        GatesError: a file is missing, no TOML or JSON, or lacks a value.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        gates = Gates(
            quality=tuple(QualityGate(**gate) for gate in content["quality"]),
            most_error=float(content["calibration"]["most"]),
            most_difference=float(content["parity"]["most"]),
            latency=LatencyGate(**content["latency"]),
            megabytes={tier: float(content["megabytes"][tier]) for tier in TIERS}
            | {IMPORTED: float(content["megabytes"].get(IMPORTED, _IMPORTED_MEGABYTES))},
            drafts=tuple(map(_parse_draft, (path.parent / content["drafts"]["file"]).read_text("utf-8").splitlines())),
            best=int(content["drafts"]["best"]),
            undecided_passes=_undecided_passes(content.get("undecided", {})),
        )
    except KeyError as error:
        raise GatesError(f"{path} lacks {error}.") from error
    except (OSError, ValueError, TypeError) as error:
        raise GatesError(f"{path} cannot be used: {error}.") from error
    if unknown := [gate.metric for gate in gates.quality if gate.metric not in COMPARED]:
        raise GatesError(f"{path} names the metrics {', '.join(unknown)}; known are {', '.join(COMPARED)}.")
    return gates


def _undecided_passes(undecided: dict[str, Any]) -> bool:
    passes = undecided.get("passes", True)
    if undecided.keys() - {"passes"} or not isinstance(passes, bool):
        raise ValueError("[undecided] must say `passes = true` or `passes = false`, and nothing else")
    return passes


def _parse_draft(line: str) -> GateDraft:
    row: dict[str, Any] = json.loads(line)
    return GateDraft(str(row["title"]), str(row.get("body", "")), tuple(map(str, row["tags"])))
