"""The newest import of drift findings, whatever else is filtered."""

from datetime import timedelta
from typing import Any

from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable, Row
from backend.alerts.evaluation import is_old
from backend.alerts.rules import DriftRule
from backend.drift.findings import Estimate, Findings
from backend.drift.service import newest_findings

SPAN_COLUMNS = ("since", "until", "model_version", "drafts")
COLUMNS = (*SPAN_COLUMNS, "kind", "name", "n", "value", "low", "high", "noise", "drifted")


async def read_section(request: PanelRequest) -> dict[str, Any] | None:
    """Read the findings; None if nothing was ever imported."""
    findings = await read_findings(request)
    if findings is None:
        return None
    today = request.now.date()
    return {
        "findings": findings,
        "days_ago": (today - findings.until).days,
        "is_old": any(
            isinstance(rule, DriftRule) and is_old(findings, rule, today - timedelta(days=1))
            for rule in request.rules.values()
        ),
    }


async def read_findings(request: PanelRequest) -> Findings | None:
    """Return the newest findings on the view's kind of drafts or, without any, on any kind."""
    return await newest_findings(request.session, request.filters.kind) or await newest_findings(request.session)


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a figure of the findings; ``noise`` is what chance alone brings."""
    findings = await read_findings(request)
    if findings is None:
        return PanelTable(COLUMNS, [])
    rows = [*data_rows(findings), concept_row(findings), *model_rows(findings)] if findings.drafts else []
    rows += [_row(day.kind, day.day.isoformat(), None, None, drifted=True) for day in findings.disturbances]
    span: Row = {
        "since": findings.since,
        "until": findings.until,
        "model_version": findings.model_version,
        "drafts": findings.kind,
    }
    return PanelTable(COLUMNS, [span | row for row in rows])


def data_rows(findings: Findings) -> list[Row]:
    """Return two rows a column of the drafts: its PSI and its Jensen-Shannon distance."""
    return [
        _row("data", name, findings.drafts, value, noise=noise, drifted=column.drifted)
        for column in findings.columns
        for name, value, noise in (
            (f"{column.column} psi", column.psi, column.psi_noise),
            (f"{column.column} jensen-shannon", column.js, column.js_noise),
        )
    ]


def concept_row(findings: Findings) -> Row:
    """Return the row of the relation between scores and posted tags."""
    relation = findings.relation
    return _row("concept", "shift", relation.n, relation.shift, noise=relation.noise, drifted=relation.drifted)


def model_rows(findings: Findings) -> list[Row]:
    """Return the rows of the performance on posted drafts."""
    performance = findings.performance
    values: list[tuple[str, float | Estimate | None]] = [
        ("jaccard", performance.jaccard),
        ("jaccard reference", performance.reference),
        ("change", performance.change),
        ("by inputs", performance.by_inputs),
        ("by relation", performance.by_relation),
        ("by model", performance.by_model),
        ("unknown posted tags", performance.unknown),
        ("unknown posted tags reference", performance.unknown_reference),
    ]
    return [
        _row("model", name, performance.n, value, drifted=performance.drifted if name == "by model" else None)
        for name, value in values
    ]


def _row(
    kind: str,
    name: str,
    n: int | None,
    value: float | Estimate | None,
    *,
    noise: float | None = None,
    drifted: bool | None,
) -> Row:
    bounds = (value.value, value.low, value.high) if isinstance(value, Estimate) else (value, None, None)
    return {
        "kind": kind,
        "name": name,
        "n": n,
        **dict(zip(("value", "low", "high"), bounds, strict=True)),
        "noise": noise,
        "drifted": None if drifted is None else "yes" if drifted else "no",
    }


PANEL = Panel("drift", "Drift", read_section, read_table)
