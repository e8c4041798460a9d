"""`worst`: write the worst tags to a file, for a weekly cron job."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.counts import count_tags
from backend.acceptance.filters import KINDS, Filters, Kind
from backend.acceptance.statements import begin_snapshot
from backend.acceptance.worst_tags import Category, WorstTag, list_worst_tags
from backend.admin.formatting import interval, percent
from backend.admin.panels.worst import worst_tags_table
from backend.admin.twins import to_csv
from backend.commands.terminal import served_model, with_session

TITLES: dict[Category, tuple[str, str]] = {
    "dismissed": ("Dismissed", "of the chips seen, were dismissed"),
    "missed": ("Missed", "of the drafts that posted it, were not offered it"),
    "unknown": ("Unknown to the model", "of the drafts that posted it, were not offered it"),
}


# Posted tags are other people's text: none may end a cell or its code span.
ESCAPES = str.maketrans("|`\n", "¦' ")


@click.command(name="worst")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path),
    required=True,
    help="File to write; CSV if it ends in .csv, else Markdown. - is the terminal.",
)
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True, help="Whole days, up to yesterday.")
@click.option("--kind", type=click.Choice(KINDS), default="ask", show_default=True, help="Kind of drafts.")
def write_worst(out: Path, days: int, kind: Kind) -> None:
    """Write the tags most dismissed, missed and unknown, each with its share, interval and n."""
    now = datetime.now(UTC)
    filters = Filters(now.date() - timedelta(days=days), now.date() - timedelta(days=1), kind)

    async def count(session: AsyncSession) -> list[WorstTag]:
        await begin_snapshot(session)
        vocabulary = (await served_model(session)).known
        return list_worst_tags(await count_tags(session, filters, vocabulary, now), vocabulary)

    rows = with_session(count)
    text = to_csv(worst_tags_table(rows)) if out.suffix.lower() == ".csv" else to_markdown(rows, filters)
    if str(out) == "-":
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise click.ClickException(f"{out} can't be written: {error.strerror}") from None
    click.echo(f"{len(rows)} tags of {filters.since} to {filters.until} written to {out}.")


def to_markdown(rows: list[WorstTag], filters: Filters) -> str:
    """Return the tags as a document in Markdown."""
    lines = [f"# The worst, {filters.since} to {filters.until}"]
    for category, (title, counted) in TITLES.items():
        lines += ["", f"## {title}", ""]
        tags = [row for row in rows if row.category == category]
        if not tags:
            lines.append("None.")
            continue
        lines += [f"| tag | share | 95 % interval | {counted} |", "| --- | ---: | ---: | ---: |"]
        lines += [
            f"| `{row.tag.translate(ESCAPES)}` | {percent(row.rate)} | {interval(row.rate)} "
            f"| {row.rate.numerator:,} of {row.rate.denominator:,} |"
            for row in tags
        ]
    return "\n".join([*lines, ""])
