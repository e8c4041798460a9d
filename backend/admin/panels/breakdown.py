"""Tables of figures by a key, for the twins of several panels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from backend.acceptance.figures import FIGURES, ITEM_FIGURES, Counts, Figure
from backend.admin.twins import PanelTable, Row


def breakdown_table(key: str, counts_by_key: Mapping[date, Counts] | Mapping[str, Counts]) -> PanelTable:
    """Return a table with one row a key and all figures."""
    return PanelTable(
        (key, *(figure.name for figure in FIGURES)),
        [
            {key: value, **{figure.name: figure.compute(counts) for figure in FIGURES}}
            for value, counts in counts_by_key.items()
        ],
    )


def item_breakdown_table(
    key: str,
    counts_by_key: Mapping[int | None, Counts] | Mapping[str, Counts],
    figures: Sequence[Figure] = ITEM_FIGURES,
) -> PanelTable:
    """Return a table with one row a key and the figures of items."""
    return PanelTable(
        (key, *(figure.name for figure in figures)),
        [{key: value, **item_figures(counts, figures)} for value, counts in counts_by_key.items()],
    )


def item_figures(counts: Counts, figures: Sequence[Figure] = ITEM_FIGURES) -> Row:
    """Return figures of a tag or a position, without open drafts: a draft has many tags and positions."""
    row: Row = {}
    for figure in figures:
        result = figure.compute(counts)
        row[figure.name] = result if figure.open_unit == "items" else replace(result, open=None)
    return row
