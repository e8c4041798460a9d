"""What admins did, from the audit log, whatever is filtered."""

from backend.admin.formatting import details_line
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable
from backend.audit.service import list_newest_acts
from backend.audit.tables import Act

ACTS_SHOWN = 10
ACTS_IN_TABLE = 1_000


async def read_section(request: PanelRequest) -> list[Act]:
    """Return the newest acts."""
    return await list_newest_acts(request.session, ACTS_SHOWN)


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row an act, the newest first."""
    return PanelTable(
        ("at", "actor", "act", "subject", "details"),
        [
            {
                "at": act.at.isoformat(),
                "actor": act.actor,
                "act": act.act,
                "subject": act.subject,
                "details": details_line(act.details),
            }
            for act in await list_newest_acts(request.session, ACTS_IN_TABLE)
        ],
    )


PANEL = Panel("acts", "What admins did", read_section, read_table)
