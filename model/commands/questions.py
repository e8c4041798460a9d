"""``tagalong-model questions``: questions from a source, one command a kind of source."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model.commands.terminal import (
    begin_run,
    force_option,
    out_file,
    progress_bars,
    refuse_above_option,
    report_errors,
    require_extra,
)

if TYPE_CHECKING:
    from model.questions.posts import Source
    from model.questions.stack_exchange import Client

_files_argument = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
_out_option = click.option("--out", type=out_file, required=True, help="Parquet file to write.")
key_option = click.option(
    "--key", envvar="TAGALONG_STACK_API_KEY", show_envvar=True, help="Key of an application at stackapps.com."
)
address_option = click.option(
    "--address", default="https://api.stackexchange.com/2.3", show_default=True, help="Address of the API."
)


@click.group()
def questions() -> None:
    """Read questions from a source into a Parquet file, the same for every source.

    Rows that are no question are listed in OUT.refused.jsonl with the reason: they have no title, or no tags. What
    else of a row cannot be read is left out, and counted. A run that was stopped goes on where it was.
    """


@questions.command()
@_files_argument
@click.option(
    "--separator",
    type=click.Choice(["comma", "semicolon", "tab"]),
    help="Between columns.  [default: what the header has]",
)
@_out_option
@refuse_above_option
@force_option
def csv(files: tuple[Path, ...], separator: str | None, out: Path, refuse_above: float, force: bool) -> None:
    """Read CSV FILES of data.stackexchange.com: Title, Body, Tags and, if they are there, Id and CreationDate."""
    with require_extra():
        from model.questions.csv_file import CsvFile
        from model.questions.csv_rows import SEPARATORS
    with report_errors(out):
        sources = [CsvFile(path, SEPARATORS[separator] if separator else None) for path in files]
        _gather(sources, files, {"source": "csv", "separator": separator}, out, refuse_above, force=force)


@questions.command()
@_files_argument
@_out_option
@refuse_above_option
@force_option
def parquet(files: tuple[Path, ...], out: Path, refuse_above: float, force: bool) -> None:
    """Read Parquet FILES with the columns title and tags, and any others of a file of questions; join them."""
    with require_extra():
        from model.questions.parquet import ParquetFile
    with report_errors(out):
        _gather([ParquetFile(path) for path in files], files, {"source": "parquet"}, out, refuse_above, force=force)


@questions.command()
@click.argument("file", type=click.Path(path_type=Path))
@_out_option
@refuse_above_option
@force_option
def dump(file: Path, out: Path, refuse_above: float, force: bool) -> None:
    """Read FILE, the Posts.xml of a data dump. It is streamed: memory does not grow with it."""
    with require_extra():
        from model.questions.data_dump import DataDump
    with report_errors(out):
        _gather([DataDump(file)], [file], {"source": "dump"}, out, refuse_above, force=force)


@questions.command()
@click.argument("url")
@click.option("--query", required=True, help="SELECT, or the name of a table or view, with the columns title and tags.")
@_out_option
@refuse_above_option
@force_option
def sql(url: str, query: str, out: Path, refuse_above: float, force: bool) -> None:
    """Read the rows of a query from the database at URL, SQLAlchemy's, like postgresql://user@host/database.

    A password is best left out of the URL: PostgreSQL's PGPASSWORD and ~/.pgpass are read. That rows have changed in
    the database cannot be seen from here: --force reads them again.
    """
    with require_extra():
        from model.questions.database import Database
    with report_errors(out):
        source = Database(url, query)
        parameters = {"source": "sql", "url": source.name, "query": source.query}
        _gather([source], [], parameters, out, refuse_above, force=force, go_on=False)


@questions.command()
@click.option("--site", default="stackoverflow.com", show_default=True, help="Site to ask.")
@click.option("--tagged", multiple=True, help="A tag that all questions have; may be given again.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="First day, UTC.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Day before which they were posted, UTC.")
@click.option("--pages", type=click.IntRange(1), help="Most pages to ask for, of 100 questions each.")
@click.option(
    "--filter", "fields", default="withbody", show_default=True, help="The API's filter; it must give bodies."
)
@key_option
@address_option
@_out_option
@refuse_above_option
@force_option
def api(
    site: str,
    tagged: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    pages: int | None,
    fields: str,
    key: str | None,
    address: str,
    out: Path,
    refuse_above: float,
    force: bool,
) -> None:
    """Ask the Stack Exchange API for questions, oldest first.

    Without a key it answers 300 requests a day, with one 10,000. When the quota is used up, the run stops; the same
    command goes on later. New questions since a run that ended are asked for with --force.
    """
    with require_extra():
        from model.questions.stack_exchange import Pages
    first, last = ((day.replace(tzinfo=UTC) if day else None) for day in (since, until))
    with report_errors(out):
        source = Pages(_client(site, key, address), tagged=tagged, since=first, until=last, pages=pages, fields=fields)
        parameters = {
            "source": "api",
            "site": site,
            "tagged": list(tagged),
            "since": first and first.date().isoformat(),
            "until": last and last.date().isoformat(),
            "pages": pages,
            "filter": fields,
        }
        # A run that was denied its next page goes on when it is asked for no more pages than it has.
        _gather(
            [source],
            [],
            parameters,
            out,
            refuse_above,
            force=force,
            unfinished=parameters | {"pages": None},
            most_parts=pages,
        )


@questions.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--site", "sites", multiple=True, default=["stackoverflow.com"], show_default=True, help="Sites to ask.")
@key_option
@address_option
@_out_option
@refuse_above_option
@force_option
def feedback(
    file: Path, sites: tuple[str, ...], key: str | None, address: str, out: Path, refuse_above: float, force: bool
) -> None:
    """Ask the API for the questions that FILE names, JSON lines of the service's feedback: texts and tags.

    The tags in the file are not used: anybody can send them to a service. Questions that were deleted are listed.
    """
    with require_extra():
        from model.questions.feedback import Feedback
    with report_errors(out):
        source = Feedback(file, {site: _client(site, key, address) for site in sites})
        _gather([source], [file], {"source": "feedback", "sites": list(sites)}, out, refuse_above, force=force)


def _client(site: str, key: str | None, address: str) -> "Client":
    from model.questions.stack_exchange import Client

    return Client(site, key=key, address=address, say=lambda line: click.echo(line, err=True))


def _gather(
    sources: "Sequence[Source]",
    files: Sequence[Path],
    parameters: Mapping[str, Any],
    out: Path,
    refuse_above: float,
    *,
    force: bool,
    go_on: bool = True,
    unfinished: Mapping[str, Any] | None = None,
    most_parts: int | None = None,
) -> None:
    """Gather sources into ``out``.

    Args:
        go_on: a stopped run can go on where it was.
        unfinished: parameters of the stopped runs that this one can go on from; by default its own.
        most_parts: how many of their parts are wanted.
    """
    from model.questions.gather import REFUSED, gather, recheck
    from model.runs.resumable import ResumableOutput
    from model.runs.steps import STEPS, Run

    run = begin_run("questions", files, out, parameters, force=force)
    if run is None:
        recheck(out, refuse_above)
        return
    identity = run.identity if unfinished is None else Run(STEPS["questions"], files, out, unfinished).identity
    with ResumableOutput(out, identity, fresh=not go_on, max_parts=most_parts) as parts, progress_bars() as bar:
        if parts.done:
            click.echo(f"Going on after {parts.rows():,} questions of a run that was stopped.", err=True)
        length = sum(source.length for source in sources)
        gathered = gather(sources, parts, out, bar("reading", length), refuse_above)
    run.record([out, out.with_name(out.name + REFUSED)])
    click.echo(f"{out}: {gathered.questions:,} questions; {gathered.refused:,} rows refused")
    for line in gathered.lines():
        click.echo(line, err=True)
    if gathered.refused:
        click.echo(f"Refused rows are listed in {out}{REFUSED}.", err=True)
