"""The deployments of model versions and their verdicts; shown with the experiment."""

from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable, Row, iso_format, round_value
from backend.experiments.status import read_verdicts

DEPLOYMENT_COLUMNS = (
    "number",
    "model_version",
    "role",
    "share",
    "started_at",
    "ended_at",
    "ended_because",
    "horizon",
)
VERDICT_PARTS = ("installs", "difference", "low", "high")


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a deployment, the newest first; ``stands`` is an experiment's verdict, or how far it is."""
    verdict_by_deployment = await read_verdicts(request.session)
    status = await request.experiment()
    rows: list[Row] = []
    for deployment in await request.deployments():
        verdict = verdict_by_deployment.get(deployment.id)
        stands = None if verdict is None else verdict.word
        if status is not None and status.deployment.id == deployment.id:
            stands = status.summary
        rows.append(
            {name: iso_format(getattr(deployment, name)) for name in DEPLOYMENT_COLUMNS}
            | {"stands": stands}
            | {f"verdict_{part}": round_value(getattr(verdict, part)) if verdict else None for part in VERDICT_PARTS}
        )
    return PanelTable((*DEPLOYMENT_COLUMNS, "stands", *(f"verdict_{part}" for part in VERDICT_PARTS)), rows)


PANEL = Panel("deployments", read_table=read_table)
