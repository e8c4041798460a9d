"""`make bench`: what an answer, an event and a start cost, beside a plain peer and beside the floors.

All in one run on one machine; ratios are worth more than the figures, since the load comes from the same machine.
``--write`` writes docs/bench.md and its pictures, else the report is printed.
"""

import math
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click

from bench.load import Load, LoadFailed
from bench.measure import CLIENTS, FULL, LIGHT, MANY_EVENTS, SECONDS, Report, measure
from bench.picture import SCHEMES, draw_report

DOCS = Path(__file__).parent.parent / "docs"


RATIOS = [
    "clients",
    "of a bare insert's rate",
    "times the peer's rate",
    "of its p99",
    "times its best rate",
    "of its best p99",
    "two replicas: times one's rate",
]


def format_ms(seconds: float) -> str:
    """Seconds as milliseconds, in three digits or more."""
    value = seconds * 1000
    return f"{value:,.2f}" if value < 10 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def format_ratio(more: float, less: float) -> str:
    """A ratio, with as many digits as count."""
    ratio = more / less if less else math.inf
    digits = 0 if ratio >= 20 else 1 if ratio >= 2 else 2 if ratio >= 0.1 else 3
    return f"{ratio:,.{digits}f}"


def format_rate(rate: float) -> str:
    """A rate, with as many digits as count."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def format_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown that can be read as it stands; all but the first column to the right."""
    body = [list(head), *map(list, rows)]
    widths = [max(len(row[i]) for row in body) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join([first, *others])} |"

    rule = f"| {'-' * widths[0]} | " + " | ".join("-" * (w - 1) + ":" for w in widths[1:]) + " |"
    return "\n".join([line(body[0]), rule, *map(line, body[1:])])


def load_rows(name: str, loads: Mapping[int, Load], a_request: int = 1) -> Iterable[Sequence[str]]:
    """A row for each number of clients; ``a_request`` things are done by each request."""
    for load in loads.values():
        label = f"{name} ({load.failed} failed)" if load.failed else name
        yield [label, str(load.clients), format_rate(load.rate * a_request), format_ms(load.p50), format_ms(load.p99)]


def format_report(report: Report, seconds: float) -> str:
    """The report as Markdown."""
    light, full = report.recorded[LIGHT], report.recorded[FULL]
    head = ["", "clients", "a second", "p50 ms", "p99 ms"]
    routes = [
        *load_rows("HTTP alone: a bare route that reads the draft", report.http),
        *load_rows("a bare route with one insert", report.insert),
        *load_rows("Tagalong, light, recorded", light),
        *load_rows("Tagalong, light, recorded, two replicas", report.two_replicas),
        *load_rows("Tagalong, light, not recorded", report.unrecorded),
        *load_rows("Tagalong, full, recorded", full),
        *load_rows("peer: one-vs-rest, not recorded", report.peer),
        *load_rows("peer, its weights in one matrix, not recorded", report.fast_peer),
    ]
    events = [
        *load_rows("events, one a request", report.events),
        *load_rows(f"events, {MANY_EVENTS} a request", report.many_events, MANY_EVENTS),
    ]
    ratios = [
        [
            str(n),
            format_ratio(light[n].rate, report.insert[n].rate),
            format_ratio(light[n].rate, report.peer[n].rate),
            format_ratio(light[n].p99, report.peer[n].p99),
            format_ratio(light[n].rate, report.fast_peer[n].rate),
            format_ratio(light[n].p99, report.fast_peer[n].p99),
            format_ratio(report.two_replicas[n].rate, light[n].rate) if n in report.two_replicas else "",
        ]
        for n in CLIENTS
    ]
    inference = [
        [f"{chars:,}", *(format_ms(value) for tier in (LIGHT, FULL) for value in (by[tier].p50, by[tier].p99))]
        for chars, by in (
            (chars, {tier: report.inference[tier][chars] for tier in (LIGHT, FULL)})
            for chars in report.inference[LIGHT]
        )
    ]
    http, insert = report.http[1].p50, report.insert[1].p50 - report.http[1].p50
    infer, whole = report.inference[LIGHT][2_000].p50, light[1].p50
    floors = [
        ["HTTP alone", format_ms(http)],
        ["one insert, without HTTP", format_ms(insert)],
        ["inference alone, 2,000 characters", format_ms(infer)],
        ["their sum", format_ms(http + insert + infer)],
        ["the whole: a recorded suggestion", format_ms(whole)],
    ]
    rest = [
        [f"start to the first answer, new database, {tier}", f"{report.starts[tier].first:.1f} s"]
        for tier in (LIGHT, FULL)
    ]
    rest += [
        [f"start to the first answer, database there, {tier}", f"{report.starts[tier].again:.1f} s"]
        for tier in (LIGHT, FULL)
    ]
    rest += [
        [f"memory of the service after the load, {tier}", f"{report.resident[tier] / 1e6:,.0f} MB"]
        for tier in (LIGHT, FULL)
    ]
    rest += [[f"model, {tier}", f"{report.models[tier] / 1e6:,.1f} MB"] for tier in (LIGHT, FULL)]
    rest += [
        ["all that serving needs, installed (an image adds Python)", f"{report.installed / 1e6:,.0f} MB"],
        ["wheel", f"{report.wheel / 1e6:,.1f} MB"],
    ]
    return f"""# What it costs

One run of `python -m bench.report --write`, {seconds / 60:.1f} minutes: {report.machine}.
The load comes from wrk on the same machine, from one thread for each process of the service, for {SECONDS} s each; each
client sends its next request when the last one is answered. The database is the embedded PostgreSQL, durable as
shipped; no log has a line for each request. Ratios are worth more than the figures.

<picture><source media="(prefers-color-scheme: dark)" srcset="bench-dark.svg"><img src="bench-light.svg" alt="Requests a
second and p99 of a bare route with one insert, of Tagalong and of the peer"></picture>

## Suggestions over HTTP

Drafts with 2,000 characters, each a new one. *Recorded*: the draft and the answer are on the disk before the answer
goes out. *Two replicas* are two processes with one database, each with half of the clients and of the drafts.

{format_table(head, routes)}

The peer is the usual way to serve such a model: Flask under gunicorn with two sync workers, and a pickled scikit-learn
pipeline of TF-IDF and one-vs-rest, with the features, tags and direct weights of the `light` model (`bench/peer/`). As
scikit-learn does it, an answer asks thousands of estimators one after the other. With all their weights in one sparse
matrix, which scikit-learn does not do by itself, the peer is at its best; it still lacks the model's low-rank part,
the reasons, and the record.

`light`, recorded, against the others:

{format_table(RATIOS, ratios)}

## Events

{format_table(head, events)}

## Inference in one thread

{format_table(["characters of the body", "light p50 ms", "light p99 ms", "full p50 ms", "full p99 ms"], inference)}

## Where the time of an answer goes

One client, `light`, p50.

{format_table(["", "ms"], floors)}

## Start, memory, size

{format_table(["", ""], rest)}
"""


@click.command()
@click.option("--write", is_flag=True, help="Write docs/bench.md and its pictures.")
def main(write: bool) -> None:
    """Measure, and print the report."""
    started = time.perf_counter()
    # Whoever is ended ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def progress(what: str) -> None:
        print(f"{time.perf_counter() - started:4.0f} s  {what} …", file=sys.stderr, flush=True)

    try:
        report = measure(progress)
    except LoadFailed as error:
        raise click.ClickException(str(error)) from None
    text = format_report(report, time.perf_counter() - started)
    if not write:
        print(text)
        return
    for scheme in SCHEMES:
        (DOCS / f"bench-{scheme}.svg").write_text(draw_report(report, scheme), encoding="utf-8")
    (DOCS / "bench.md").write_text(text, encoding="utf-8")
    progress("docs/bench.md is written")


if __name__ == "__main__":
    main()
