"""The guardrails of the experiment, as last read; shown with the experiment."""

from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable, Row, round_value
from backend.experiments.guardrails import TITLES

COLUMNS = ("model_version", "guardrail", "n", "champion", "challenger", "breached", "words", "read_at")


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a guardrail."""
    status = await request.experiment()
    if status is None:
        return PanelTable(COLUMNS, [])
    rows: list[Row] = []
    for name in TITLES:
        reading = status.guardrails.get(name)
        if reading is not None:
            rows.append(
                {
                    "model_version": status.deployment.model_version,
                    "guardrail": name,
                    "n": reading.n,
                    "champion": round_value(reading.champion),
                    "challenger": round_value(reading.challenger),
                    "breached": None if reading.breached is None else "yes" if reading.breached else "no",
                    "words": reading.words,
                    "read_at": reading.read_at.isoformat(),
                }
            )
    return PanelTable(COLUMNS, rows)


PANEL = Panel("guardrails", read_table=read_table)
