"""The exposition for scrapers: this process's metrics, and the running counts from the database."""

from collections import Counter
from collections.abc import Iterable, Sequence

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from backend.acceptance.running import RunningCounts
from backend.admin.negotiation import choose_exposition

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


class ScrapeCollector(Collector):
    """Collects the process's registry, then the database's counts, if it answered."""

    def __init__(self, counts: Sequence[RunningCounts] | None) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        """Yield all metric families."""
        yield from REGISTRY.collect()
        if self._counts is not None:
            yield from item_families(self._counts)


def render_exposition(counts: Sequence[RunningCounts] | None, accept: str) -> tuple[bytes, str]:
    """Return the exposition in the format and version that an Accept header asks for, and its media type.

    Args:
        counts: the database's counts; None while it is unreachable: then they are left out, since zeros would
            be wrong.
        accept: the header's value, empty if there was none.
    """
    encode, media_type = choose_encoder(choose_exposition(accept))
    return encode(ScrapeCollector(counts)), media_type
