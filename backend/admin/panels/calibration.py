"""Calibration: scores beside what came of them, by band of scores."""

from typing import Any

from backend.acceptance.figures import ACCEPTANCE, AGREEMENT
from backend.acceptance.queries.items import SCORE_BANDS
from backend.admin.panels.breakdown import item_figures
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable, round_value

FIGURES = (ACCEPTANCE, AGREEMENT)


async def read_section(request: PanelRequest) -> dict[str, Any]:
    """Read the counts by score."""
    counts_by_band = (await request.offers()).by_score()
    score_points = [
        (counts.score_sum / counts.viewed, AGREEMENT.compute(counts))
        for counts in counts_by_band.values()
        if counts.viewed
    ]
    return {"counts_by_band": counts_by_band, "score_points": score_points}


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a band of scores: the mean score beside what came of it."""
    return PanelTable(
        ("score_from", "score_to", "mean_score", *(figure.name for figure in FIGURES)),
        [
            {
                "score_from": band / SCORE_BANDS,
                "score_to": (band + 1) / SCORE_BANDS,
                "mean_score": round_value(counts.score_sum / counts.viewed) if counts.viewed else None,
                **item_figures(counts, FIGURES),
            }
            for band, counts in (await request.offers()).by_score().items()
        ],
    )


PANEL = Panel("calibration", "Do scores mean what they say?", read_section, read_table)
