"""Lines of figures, for what is measured in a browser and printed as it comes."""

from collections.abc import Sequence


def quantile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def print_row(name: str, *cells: str) -> None:
    """One row: a name and its figures."""
    print(f"{name:<44}" + "".join(f"{cell:>16}" for cell in cells), flush=True)
