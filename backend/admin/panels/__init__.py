"""The panels of /metrics. A new one is a module here, a template, and a place in the lists below (docs/growing.md)."""

from backend.admin.panels import (
    acts,
    alerts,
    answer,
    bookkeeping,
    calibration,
    days,
    deployments,
    drift,
    experiment,
    funnel,
    guardrails,
    latency,
    lengths,
    missed,
    models,
    orders,
    origins,
    overview,
    positions,
    posted,
    releases,
    requests,
    shadow,
    sites,
    tags,
    trend,
    unknown,
    worst,
    worth,
)
from backend.admin.panels.panel import Panel

# In the order in which an answer names them.
MODULES = (
    answer,
    alerts,
    trend,
    overview,
    funnel,
    days,
    posted,
    tags,
    positions,
    orders,
    models,
    origins,
    experiment,
    guardrails,
    deployments,
    shadow,
    releases,
    unknown,
    missed,
    worst,
    sites,
    lengths,
    calibration,
    latency,
    requests,
    worth,
    bookkeeping,
    drift,
    acts,
)

PANELS: dict[str, Panel] = {module.PANEL.name: module.PANEL for module in MODULES}

TWINS = {name: panel.read_table for name, panel in PANELS.items() if panel.read_table is not None}
"""What the JSON and the CSV of each panel are read by, by its name in the URL."""

FIRST_SCREEN = ("answer", "alerts", "trend")
"""The sections that are read first, on any screen; the filters follow them."""

LAYOUT: tuple[tuple[tuple[str, ...], ...], ...] = (
    (("overview",),),
    (("funnel",),),
    (("days",),),
    (("posted",),),
    (("tags",),),
    (("positions", "unknown"), ("missed",)),
    (("lengths", "sites", "worth", "latency", "requests"), ("calibration",)),
    (("models",),),
    (("origins",),),
    (("experiment",),),
    (("bookkeeping",),),
    (("drift",),),
    (("acts",),),
)
"""What follows: rows of one or two columns of sections."""
