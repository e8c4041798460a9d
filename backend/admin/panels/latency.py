"""Latency of the model, by who answered and by model version."""

from backend.acceptance.counts import Latency
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable


async def read_section(request: PanelRequest) -> list[Latency]:
    """Return the latencies of all versions together, then by version: of the service, then of devices."""
    return await request.latencies()


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a model version, the first of each origin for all of them; milliseconds."""
    return PanelTable(
        ("origin", "model_version", "n", "p50_ms", "p95_ms", "p99_ms"),
        [
            {
                "origin": latency.origin,
                "model_version": latency.model_version,
                "n": latency.n,
                "p50_ms": round(latency.p50, 3),
                "p95_ms": round(latency.p95, 3),
                "p99_ms": round(latency.p99, 3),
            }
            for latency in await request.latencies()
        ],
    )


PANEL = Panel("latency", "Latency of the model", read_section, read_table)
