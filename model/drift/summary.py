"""Findings in words: one line for the service's import too, and a page for a terminal."""

from collections.abc import Mapping
from typing import Any


def summarise(findings: Mapping[str, Any]) -> str:
    """Return what was found; "no drift" only of drafts enough to see one. The service says the same of an import."""
    parts = [kind.replace("_", " ") for kind in findings["found"]]
    return "; ".join(filter(None, [", ".join(parts), explain_no_verdict(findings)])) or "no drift"


def explain_no_verdict(findings: Mapping[str, Any]) -> str:
    """Return why nothing could be judged; empty if something could."""
    if not findings["drafts"]:
        counts = {
            "other versions": findings["other_versions"],
            "bad days": findings["left_out"] - findings["other_versions"],
        }
        left_out = " and ".join(f"{_count_drafts(n)} of {which}" for which, n in counts.items() if n)
        return f"nothing to judge: {f'{left_out} left out' if left_out else 'no drafts came in'}"
    judged = [*findings["columns"], findings["relation"], findings["performance"]]
    if all(finding["drifted"] is None for finding in judged):
        return f"too few to judge: {_count_drafts(findings['drafts'])}"
    return ""


def _count_drafts(n: int) -> str:
    return f"{n:,} draft{'' if n == 1 else 's'}"


def format_findings(findings: Mapping[str, Any]) -> list[str]:
    """Put findings into lines for a terminal."""
    lines = [
        f"{findings['since']} to {findings['until']}: {findings['drafts']:,} drafts that {findings['model_version']} "
        f"answered, against {findings['reference']}"
        + (f"; {findings['left_out']:,} left out" if findings["left_out"] else ""),
        f"found: {summarise(findings)}",
    ]
    lines += [
        f"{finding['day']} {finding['kind'].replace('_', ' ')}: {finding['words']}"
        for finding in findings["disturbances"]
    ]
    lines += ["", f"{'column':<14}{'PSI':>8}{'noise':>8}{'JS':>8}{'noise':>8}"]
    lines += [
        f"{column['column']:<14}{column['psi']:>8.3f}{column['psi_noise']:>8.3f}{column['js']:>8.3f}"
        f"{column['js_noise']:>8.3f}  {_format_drifted(column['drifted'])}"
        for column in findings["columns"]
    ]
    relation, performance = findings["relation"], findings["performance"]
    lines += [
        "",
        f"share right at equal scores, {relation['n']:,} tags: differs by {relation['shift']:.3f}, "
        f"noise {relation['noise']:.3f}  {_format_drifted(relation['drifted'])}",
        f"Jaccard of {performance['n']:,} posted drafts: {_format_number(performance['jaccard'])}, "
        f"reference {performance['reference']:.3f}",
    ]
    if performance["change"]:
        lines += [
            f"  {name:<26}{interval['value']:+.3f} ({interval['low']:+.3f} to {interval['high']:+.3f})"
            for name, interval in (
                ("change", performance["change"]),
                ("by other inputs", performance["by_inputs"]),
                ("by another relation", performance["by_relation"]),
                ("the rest: by the model", performance["by_model"]),
            )
        ]
        lines[-1] += f"  {_format_drifted(performance['drifted'])}"
    lines.append(
        f"posted tags that it does not know: {_format_number(performance['unknown'])}, "
        f"reference {performance['unknown_reference']:.3f}"
    )
    return lines


def _format_drifted(drifted: bool | None) -> str:
    return "too few to judge" if drifted is None else "drifted" if drifted else ""


def _format_number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
