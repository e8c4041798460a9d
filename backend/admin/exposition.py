"""The exposition for scrapers: this process's metrics, and the running counts of the database."""

from collections.abc import Iterable, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from backend.acceptance.service import Running

LABELS = ("kind", "model_version")

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


def item_families(counts: Sequence[Running]) -> Iterable[Metric]:
    """The running counts as metric families, labelled by kind of draft and model version only."""
    for name, documentation in COUNTERS.items():
        counter = CounterMetricFamily(f"tagalong_items_{name}", documentation, labels=LABELS)
        for row in counts:
            counter.add_metric([row.kind, row.model_version], getattr(row, name))
        yield counter
    for name, documentation in GAUGES.items():
        gauge = GaugeMetricFamily(f"tagalong_items_{name}", documentation, labels=LABELS)
        for row in counts:
            gauge.add_metric([row.kind, row.model_version], getattr(row, name))
        yield gauge


class Scrape(Collector):
    """Everything of one scrape: the process's registry, then the database's counts, if it answered."""

    def __init__(self, counts: Sequence[Running] | None) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        """All metric families."""
        yield from REGISTRY.collect()
        if self._counts is not None:
            yield from item_families(self._counts)


def render(counts: Sequence[Running] | None, *, as_openmetrics: bool) -> tuple[bytes, str]:
    """The exposition and its media type.

    Args:
        counts: the database's counts; None while it is away, and then they are left out, since zeros would
            be lies.
        as_openmetrics: in the OpenMetrics format rather than in Prometheus's own text format.
    """
    if as_openmetrics:
        content: bytes = openmetrics.generate_latest(Scrape(counts))  # type: ignore[no-untyped-call]
        return content, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(Scrape(counts)), CONTENT_TYPE_LATEST
