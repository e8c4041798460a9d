"""The same comparison as a page to read, by Evidently, from the same counts. Needs the extra ``drift``."""

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

import numpy as np

from model.drift.findings import PSI_BOUND, count_column
from model.drift.reference import Reference
from model.drift.summary import format_findings
from model.drift.traffic import BEST_TAG, COLUMNS, JudgedDraft, category_names
from model.runs.arrays import Ints
from model.runs.files import write_atomically

MOST_ROWS: Final = 20_000
"""Evidently wants rows, where we have counts; of more than these, that many are laid out in the same proportions."""

_ROUNDING: Final = 0.02
"""Most that Evidently's PSI differs from that of the counts."""
_NEVER: Final = 1e6
"""A bound that no PSI reaches, where there is too little to judge by."""


def write_page(
    findings: Mapping[str, Any], drafts: Sequence[JudgedDraft], reference: Reference, out: Path
) -> dict[str, float]:
    """Write Evidently's report on every column as one HTML file; return its own PSI of each column.

    The page begins with the findings in words, and its verdicts are theirs: the same bound for each column, and one
    column is enough for the whole.

    Raises:
        ModuleNotFoundError: the extra ``drift`` is not installed.
    """
    # Evidently would tell its makers that it is used.
    os.environ["DO_NOT_TRACK"] = "1"
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    before: dict[str, Any] = {}
    now: dict[str, Any] = {}
    for column in COLUMNS:
        names = list(reference.best_tags) if column == BEST_TAG else category_names(column)
        counts = count_column(drafts, reference, column)
        before[column], now[column] = (expand_counts(_smooth(column_counts), names) for column_counts in counts)
    definition = DataDefinition(categorical_columns=list(COLUMNS))
    preset = DataDriftPreset(
        columns=list(COLUMNS),
        cat_method="psi",
        per_column_threshold={column["column"]: _bound_of(column) for column in findings["columns"]},
        drift_share=1 / len(COLUMNS),
    )
    done = Report([preset]).run(
        Dataset.from_pandas(pd.DataFrame(now), data_definition=definition),
        Dataset.from_pandas(pd.DataFrame(before), data_definition=definition),
    )
    done.save_html(str(out))
    words = f"<pre>{escape(chr(10).join(format_findings(findings)))}</pre>"
    page = out.read_text("utf-8")
    write_atomically(out.parent, {out.name: page.replace("<body>", f"<body>{words}", 1).encode()})
    return {
        metric["config"]["column"]: float(metric["value"])
        for metric in done.dict()["metrics"]
        if "column" in metric["config"]
    }


def _smooth(counts: Ints) -> Ints:
    """Return counts in the proportions of those whose PSI the findings have: half a draft more in each category."""
    smoothed = counts + 0.5
    return np.asarray(smoothed * (100 * MOST_ROWS / smoothed.sum()), np.int64)


def _bound_of(column: Mapping[str, Any]) -> float:
    """Return the PSI above which Evidently says what the findings say of a column.

    Its own PSI differs in the third digit, since it counts rows laid out anew: near the bound, the verdict decides.
    """
    if column["drifted"] is None:
        return _NEVER
    bound = max(PSI_BOUND, column["psi_noise"])
    return float(min(bound, column["psi"] - _ROUNDING) if column["drifted"] else max(bound, column["psi"] + _ROUNDING))


def expand_counts(counts: Ints, names: Sequence[str]) -> list[str]:
    """Lay counts out as rows, one category after the other.

    All columns get the same number of rows: largest remainders where they are drawn down.
    """
    total = int(counts.sum())
    rows = min(total, MOST_ROWS)
    exact = counts * rows / max(total, 1)
    whole = np.floor(exact).astype(int)
    for place in np.argsort(whole - exact)[: rows - int(whole.sum())]:
        whole[place] += 1
    return [name for name, n in zip(names, whole, strict=True) for _ in range(n)]
