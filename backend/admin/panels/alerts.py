"""Alerts, firing, pending and lately resolved, whatever is filtered, and challengers that the service has ended."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable, iso_format
from backend.alerts.rule_status import read_rules_summary
from backend.alerts.service import list_alerts
from backend.alerts.silences import read_silences
from backend.deployments.tables import Deployment
from backend.experiments.service import BY_SERVICE

COLUMNS = ("rule", "subject", "state", "since", "fired_at", "resolved_at", "words", "unjudged")

ROLLED_BACK_SHOWN = timedelta(days=7)


async def read_section(request: PanelRequest) -> dict[str, Any]:
    """Read the alerts, and the challengers that the service itself has lately rolled back."""
    rolled_back = rolled_back_lately(await request.deployments(), request.now)
    summary = await read_rules_summary(request.session, request.rules)
    return {
        "alerts": await list_alerts(request.session, request.now),
        "summary": summary,
        "not_judged": summary.not_judged,
        "silences": await read_silences(request.session, request.now),
        "now": request.now,
        "tomorrow": request.now.date() + timedelta(days=1),
        "rolled_back": rolled_back,
    }


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row an alert."""
    alerts = await list_alerts(request.session, request.now)
    return PanelTable(COLUMNS, [{name: iso_format(getattr(row, name)) for name in COLUMNS} for row in alerts])


def rolled_back_lately(deployments: Sequence[Deployment], now: datetime) -> list[Deployment]:
    """Return the challengers that the service itself has lately ended, by a guardrail or because they were worse."""
    return [
        deployment
        for deployment in deployments
        if deployment.ended_at is not None
        and deployment.ended_at > now - ROLLED_BACK_SHOWN
        and (deployment.ended_because or "").startswith(BY_SERVICE)
    ]


PANEL = Panel("alerts", "Alerts", read_section, read_table)
