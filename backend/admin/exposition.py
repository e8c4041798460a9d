"""The exposition for scrapers: this process's metrics, and the running counts from the database."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from backend.acceptance.figures import ACCEPTANCE, COVERAGE, F1, JACCARD, KEPT, MISSED, Counts
from backend.acceptance.running import RunningCounts
from backend.admin.negotiation import choose_exposition
from backend.drift.findings import Findings

LABELS = ("kind", "model_version")

# Beside the families of all items, the same of those that the model on the device suggested.
PREFIXES = {"tagalong_items": "", "tagalong_device_items": " Of answers of the model on the device."}

COUNTERS = {
    "viewed": "Items viewed: offered tags that a writer has seen.",
    "accepted": "Viewed items that were ever accepted.",
    "posted": "Viewed items of drafts that were posted.",
}

# Not counters: they can fall, which a scraper would take for a restart.
GAUGES = {
    "dismissed": "Viewed items whose last word is a dismissal and that were never accepted.",
    "kept": "Accepted items that are among the posted tags of their draft.",
}


def item_families(counts: Sequence[RunningCounts]) -> Iterable[Metric]:
    """Yield the running counts as metric families, labelled by kind of draft and model version only."""
    for prefix, whose in PREFIXES.items():
        rows = [row for row in counts if not whose or row.origin == "device"]
        for name, documentation in (COUNTERS | GAUGES).items():
            sums: Counter[tuple[str, str]] = Counter()
            for row in rows:
                sums[row.kind, row.model_version] += getattr(row, name)
            family = CounterMetricFamily if name in COUNTERS else GaugeMetricFamily
            metric = family(f"{prefix}_{name}", documentation + whose, labels=LABELS)
            for labels, n in sums.items():
                metric.add_metric(labels, n)
            yield metric


@dataclass(frozen=True, slots=True)
class DatabaseFigures:
    """What scrapers get from the database.

    Attributes:
        items: the running counts.
        week: the counts of questions of the last 7 whole days.
        findings: the newest findings of drift; None if none was imported.
    """

    items: Sequence[RunningCounts]
    week: Counts
    findings: Findings | None


def figure_families(week: Counts) -> Iterable[Metric]:
    """Yield the figures of a week as gauges, and what each is counted over; a figure of nothing is left out."""
    shares = GaugeMetricFamily(
        "tagalong_figure_ratio", "A figure of the last 7 whole days, 0 to 1.", labels=("figure",)
    )
    sizes = GaugeMetricFamily(
        "tagalong_figure_denominator", "The items, drafts or tags that it is of.", labels=("figure",)
    )
    for figure in (ACCEPTANCE, KEPT, COVERAGE, MISSED, JACCARD, F1):
        result = figure.compute(week)
        sizes.add_metric((figure.name,), result.n)
        if result.value is not None:
            shares.add_metric((figure.name,), result.value)
    yield shares
    yield sizes


def drift_families(findings: Findings) -> Iterable[Metric]:
    """Yield how far each column of the drafts is from the reference, by the newest findings imported."""
    psi = GaugeMetricFamily("tagalong_drift_psi", "PSI of a column, as last imported.", labels=("column",))
    for column in findings.columns:
        psi.add_metric((column.column,), column.psi)
    yield psi


class ScrapeCollector(Collector):
    """Collects the process's registry, then the database's counts, if it answered."""

    def __init__(self, figures: DatabaseFigures | None) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Yield all metric families."""
        yield from REGISTRY.collect()
        if self._figures is not None:
            yield from item_families(self._figures.items)
            yield from figure_families(self._figures.week)
            if self._figures.findings is not None:
                yield from drift_families(self._figures.findings)


def render_exposition(figures: DatabaseFigures | None, accept: str) -> tuple[bytes, str]:
    """Return the exposition in the format and version that an Accept header asks for, and its media type.

    Args:
        figures: of the database; None while it is unreachable: then they are left out, since zeros would be wrong.
        accept: the header's value, empty if there was none.
    """
    encode, media_type = choose_encoder(choose_exposition(accept))
    return encode(ScrapeCollector(figures)), media_type
