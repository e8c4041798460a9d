"""The experiment that runs, or else the last one: arms side by side by install, and all that belongs to it.

The section also shows the guardrails, the version in the shadow and the deployments, which have twins of their own.
"""

from typing import Any

from backend.acceptance.filters import ARMS
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.panels.shadow import read_shadow
from backend.admin.twins import PanelTable, Row, round_value
from backend.experiments.comparison import ArmComparison
from backend.experiments.status import read_verdicts

ARM_PARTS = ("installs", "n", "value", "low", "high")
COLUMNS = (
    "model_version",
    "figure",
    *(f"{arm}_{part}" for arm in ARMS for part in ARM_PARTS),
    "difference",
    "difference_low",
    "difference_high",
    "why_no_difference",
    "smallest_visible_loss",
)


async def read_section(request: PanelRequest) -> dict[str, Any]:
    """Read the experiment's status, the shadow's scores, and the deployments with their verdicts."""
    return {
        "status": await request.experiment(),
        "shadow": await read_shadow(request),
        "deployments": await request.deployments(),
        "verdicts": await read_verdicts(request.session),
    }


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a figure, with the arms side by side, by install.

    Until the verdict the bounds of the difference hold however often one looks; from then on they are of one look.
    """
    status = await request.experiment()
    if status is None:
        return PanelTable(COLUMNS, [])
    return PanelTable(
        COLUMNS,
        [
            comparison_row(status.deployment.model_version, comparison)
            | {"smallest_visible_loss": round_value(status.visible_loss)}
            for comparison in status.arms
        ],
    )


def comparison_row(model_version: str, comparison: ArmComparison) -> Row:
    """Return the row of one figure."""
    row: Row = {"model_version": model_version, "figure": comparison.figure.name}
    for arm, estimate, n in zip(ARMS, (comparison.champion, comparison.challenger), comparison.trials, strict=True):
        low, high = (estimate.interval if estimate else None) or (None, None)
        values = (estimate.installs if estimate else 0, n, estimate.value if estimate else None, low, high)
        row |= {f"{arm}_{part}": round_value(value) for part, value in zip(ARM_PARTS, values, strict=True)}
    difference = comparison.difference
    for column, part in (("difference", "value"), ("difference_low", "low"), ("difference_high", "high")):
        row[column] = round_value(getattr(difference, part)) if difference else None
    return row | {"why_no_difference": comparison.lack}


PANEL = Panel("experiment", "Experiment", read_section, read_table)
