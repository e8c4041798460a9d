"""From answered to kept: how many drafts and chips are left after each step."""

from dataclasses import dataclass

from backend.acceptance.figures import ACCEPTANCE, COVERAGE, HELP, KEPT, Counts, Mean, Rate
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable, Row


@dataclass(frozen=True, slots=True)
class Step:
    """A step, and the drafts and chips that reach it, each of those that reached the step before.

    Attributes:
        name: in words.
        drafts, chips: None where that is not counted.
    """

    name: str
    drafts: Rate | Mean | None
    chips: Rate | Mean | None


async def read_steps(request: PanelRequest) -> list[Step]:
    """Return the steps in order."""
    return list_steps(await request.overview())


def list_steps(counts: Counts) -> list[Step]:
    """Return the steps of the way from an answer to a tag that is kept.

    Chips are counted from the moment they are seen, and those kept among the chips seen in drafts that were posted.
    """
    seen = Rate(min(counts.viewed_drafts, counts.covered), counts.covered)
    return [
        Step("offered", COVERAGE.compute(counts), None),
        Step("viewed", seen, None),
        Step("accepted", HELP.compute(counts), ACCEPTANCE.compute(counts)),
        Step("kept", None, KEPT.compute(counts)),
    ]


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a step: those that reach it, of those that reached the step before."""
    rows: list[Row] = []
    for step in await read_steps(request):
        row: Row = {"step": step.name}
        for unit, rate in (("drafts", step.drafts), ("chips", step.chips)):
            row[unit] = None if rate is None else rate.numerator
            row[f"of_{unit}"] = None if rate is None else rate.denominator
        rows.append(row)
    return PanelTable(("step", "drafts", "of_drafts", "chips", "of_chips"), rows)


PANEL = Panel("funnel", "From offered to kept", read_steps, read_table)
