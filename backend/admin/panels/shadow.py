"""The version in the shadow and what was shown, on the same posted drafts; shown with the experiment."""

from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable, round_value
from backend.deployments.tables import Deployment
from backend.experiments.shadow_scores import ShadowScores, score_shadow

COLUMNS = ("model_version", "drafts", "mean_precision", "mean_recall", "mean_jaccard")


async def read_shadow(request: PanelRequest) -> tuple[Deployment, ShadowScores] | None:
    """Return the version in the shadow, or the last that was, and its scores."""
    for deployment in await request.deployments():
        if deployment.role == "shadow":
            return deployment, await score_shadow(request.session, deployment.id)
    return None


async def read_table(request: PanelRequest) -> PanelTable:
    """Return a row of the version in the shadow and one of what was shown."""
    shadow = await read_shadow(request)
    if shadow is None:
        return PanelTable(COLUMNS, [])
    deployment, scores = shadow
    return PanelTable(
        COLUMNS,
        [
            {
                "model_version": name,
                "drafts": row.drafts,
                "mean_precision": round_value(row.precision),
                "mean_recall": round_value(row.recall),
                "mean_jaccard": round_value(row.jaccard),
            }
            for name, row in ((deployment.model_version, scores.shadow), ("shown", scores.shown))
        ],
    )


PANEL = Panel("shadow", read_table=read_table)
