"""``tagalong-model questions``: questions from a source, one command a kind of source."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from model.commands.terminal import (
    begin_run,
    force_option,
    out_file,
    progress_bars,
    refuse_above_option,
    report_errors,
)
from model.questions.csv_file import CsvFile
from model.questions.csv_rows import SEPARATORS
from model.questions.data_dump import DataDump
from model.questions.database import Database
from model.questions.feedback import Feedback
from model.questions.gather import REFUSED, check_earlier_output, gather
from model.questions.parquet import ParquetFile
from model.questions.posts import Source
from model.questions.stack_exchange import ADDRESS, FILTER, ApiClient, QuestionPages
from model.runs.resumable import ResumableOutput
from model.runs.steps import STEPS, Run

_files_argument = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
_out_option = click.option("--out", type=out_file, required=True, help="Parquet file to write.")
key_option = click.option(
    "--key", envvar="TAGALONG_STACK_API_KEY", show_envvar=True, help="Key of an application at stackapps.com."
)
address_option = click.option("--address", default=ADDRESS, show_default=True, help="Address of the API.")


@click.group()
def questions() -> None:
    """Read questions from a source into a Parquet file of the same form for every source.

    Rows without a title or tags are listed in OUT.refused.jsonl with the reason. Other values that cannot be read are
    left empty and counted. A run that was stopped resumes where it left off.
    """


@questions.command()
@_files_argument
@click.option(
    "--separator",
    type=click.Choice(list(SEPARATORS)),
    help="Column separator.  [default: read from the header]",
)
@_out_option
@refuse_above_option
@force_option
def csv(files: tuple[Path, ...], separator: str | None, out: Path, refuse_above: float, force: bool) -> None:
    """Read CSV FILES from data.stackexchange.com with Title, Body, Tags and, optionally, Id and CreationDate."""
    with report_errors(out):
        sources = [CsvFile(path, SEPARATORS[separator] if separator else None) for path in files]
        _gather(sources, files, {"source": "csv", "separator": separator}, out, refuse_above, force=force)


@questions.command()
@_files_argument
@_out_option
@refuse_above_option
@force_option
def parquet(files: tuple[Path, ...], out: Path, refuse_above: float, force: bool) -> None:
    """Read and join Parquet FILES with the columns title and tags, and any others of a file of questions."""
    with report_errors(out):
        _gather([ParquetFile(path) for path in files], files, {"source": "parquet"}, out, refuse_above, force=force)


@questions.command()
@click.argument("file", type=click.Path(path_type=Path))
@_out_option
@refuse_above_option
@force_option
def dump(file: Path, out: Path, refuse_above: float, force: bool) -> None:
    """Read FILE, the Posts.xml of a data dump. It is streamed, so memory does not grow with its size."""
    with report_errors(out):
        _gather([DataDump(file)], [file], {"source": "dump"}, out, refuse_above, force=force)


@questions.command()
@click.argument("url")
@click.option("--query", required=True, help="SELECT, or the name of a table or view, with the columns title and tags.")
@_out_option
@refuse_above_option
@force_option
def sql(url: str, query: str, out: Path, refuse_above: float, force: bool) -> None:
    """Read the rows of a query from the database at URL, in SQLAlchemy's form: postgresql://user@host/database.

    Leave the password out of the URL: PostgreSQL's PGPASSWORD and ~/.pgpass are read. Changed rows in the database go
    unnoticed, so use --force to read them again.
    """
    with report_errors(out):
        source = Database(url, query)
        parameters = {"source": "sql", "url": source.name, "query": source.query}
        _gather([source], [], parameters, out, refuse_above, force=force, resume=False)


@questions.command()
@click.option("--site", default="stackoverflow.com", show_default=True, help="Site to ask.")
@click.option("--tagged", multiple=True, help="Only questions with this tag; repeat for more.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="First day, UTC.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Day before which questions were posted, UTC.")
@click.option("--pages", type=click.IntRange(1), help="Maximum number of pages, of 100 questions each.")
@click.option("--filter", "fields", default=FILTER, show_default=True, help="The API's filter; it must give bodies.")
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
    """Fetch questions from the Stack Exchange API, oldest first.

    It allows 300 requests a day without a key and 10,000 with one. When the quota is used up, the run stops; run the
    same command later to resume. Use --force to fetch questions that are newer than a finished run.
    """
    first, last = ((day.replace(tzinfo=UTC) if day else None) for day in (since, until))
    with report_errors(out):
        source = QuestionPages(
            _client(site, key, address), tagged=tagged, since=first, until=last, pages=pages, fields=fields
        )
        parameters = {
            "source": "api",
            "site": site,
            "tagged": list(tagged),
            "since": first and first.date().isoformat(),
            "until": last and last.date().isoformat(),
            "pages": pages,
            "filter": fields,
        }
        # A run that was denied its next page resumes if it is asked for no more pages than it has.
        _gather(
            [source],
            [],
            parameters,
            out,
            refuse_above,
            force=force,
            resumable=parameters | {"pages": None},
            max_parts=pages,
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
    """Fetch the texts and tags of the questions that FILE names, JSON lines of the service's feedback.

    The tags in the file are not used, since anybody can send them to a service. Deleted questions are listed.
    """
    fetch_feedback(file, sites, key, address, out, refuse_above, force=force)


def fetch_feedback(
    file: Path, sites: Sequence[str], key: str | None, address: str, out: Path, refuse_above: float, *, force: bool
) -> None:
    """Fetch the questions that a feedback file names into ``out``, unless that has been done."""
    with report_errors(out):
        source = Feedback(file, {site: _client(site, key, address) for site in sites})
        _gather([source], [file], {"source": "feedback", "sites": list(sites)}, out, refuse_above, force=force)


def _client(site: str, key: str | None, address: str) -> ApiClient:
    return ApiClient(site, key=key, address=address, say=lambda line: click.echo(line, err=True))


def _gather(
    sources: Sequence[Source],
    files: Sequence[Path],
    parameters: Mapping[str, Any],
    out: Path,
    refuse_above: float,
    *,
    force: bool,
    resume: bool = True,
    resumable: Mapping[str, Any] | None = None,
    max_parts: int | None = None,
) -> None:
    """Gather sources into ``out``.

    Args:
        resume: whether a stopped run can be resumed.
        resumable: parameters of the stopped runs that this one can resume; by default its own.
        max_parts: how many of their parts are wanted.
    """
    run = begin_run("questions", files, out, parameters, force=force)
    if run is None:
        check_earlier_output(out, refuse_above)
        return
    identity = run.identity if resumable is None else Run(STEPS["questions"], files, out, resumable).identity
    with ResumableOutput(out, identity, fresh=not resume, max_parts=max_parts) as parts, progress_bars() as open_bar:
        if parts.done:
            click.echo(f"Resuming after {parts.rows():,} questions of a run that was stopped.", err=True)
        length = sum(source.length for source in sources)
        result = gather(sources, parts, out, open_bar("reading", length), refuse_above)
    run.record([out, out.with_name(out.name + REFUSED)])
    click.echo(f"{out}: {result.questions:,} questions; {result.refused:,} rows refused")
    for line in result.lines():
        click.echo(line, err=True)
    if result.refused:
        click.echo(f"Refused rows are listed in {out}{REFUSED}.", err=True)
