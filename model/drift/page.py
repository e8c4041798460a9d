"""The same comparison as a page to read, by Evidently, from the same counts. Needs the extra ``drift``."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from model.drift.findings import PSI_BOUND, count_column
from model.drift.reference import Reference
from model.drift.traffic import BEST_TAG, COLUMNS, JudgedDraft, category_names
from model.runs.arrays import Ints

MOST_ROWS: Final = 20_000
"""Evidently wants rows, where we have counts; of more than these, that many are laid out in the same proportions."""


def write_page(drafts: Sequence[JudgedDraft], reference: Reference, out: Path) -> dict[str, float]:
    """Write Evidently's report on every column as one HTML file; return its own PSI of each column.

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
        before[column], now[column] = (expand_counts(column_counts, names) for column_counts in counts)
    definition = DataDefinition(categorical_columns=list(COLUMNS))
    report = Report([DataDriftPreset(columns=list(COLUMNS), cat_method="psi", cat_threshold=PSI_BOUND)])
    done = report.run(
        Dataset.from_pandas(pd.DataFrame(now), data_definition=definition),
        Dataset.from_pandas(pd.DataFrame(before), data_definition=definition),
    )
    done.save_html(str(out))
    return {
        metric["config"]["column"]: float(metric["value"])
        for metric in done.dict()["metrics"]
        if "column" in metric["config"]
    }


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
