"""``tagalong-model prepare``: questions checked, cleaned, each once."""

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
from model.preparation.language import LANGUAGES
from model.preparation.prepare import REPORT, format_report
from model.preparation.prepare import prepare as prepare_questions
from model.questions.gather import REFUSED
from model.questions.parquet import ParquetFile
from model.runs.resumable import ResumableOutput


class Languages(click.ParamType[tuple[str, ...] | None]):
    """Languages by their codes, with commas between; ``all`` is None."""

    name = "languages"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> tuple[str, ...] | None:
        """Return the codes, or fail with those that are known."""
        if not isinstance(value, str):
            return tuple(value)
        codes = tuple(code.strip().lower() for code in value.split(","))
        if codes == ("all",):
            return None
        if unknown := set(codes) - set(LANGUAGES):
            known = ", ".join(LANGUAGES)
            self.fail(
                f"{', '.join(sorted(unknown))!r} is none of {known}, with commas between, or all.", param, context
            )
        return codes


languages_option = click.option(
    "--languages",
    type=Languages(),
    default="en",
    show_default=True,
    help="Languages of questions that stay, like en,es, or all. One whose language cannot be told stays.",
)


@click.command()
@click.argument("questions", type=click.Path(path_type=Path))
@click.option("--out", type=out_file, required=True, help="Parquet file to write.")
@click.option(
    "--dev-share",
    type=click.FloatRange(0, 0.5),
    default=0.05,
    show_default=True,
    help="Share of the questions that is kept apart to measure on, if none is marked dev.",
)
@languages_option
@refuse_above_option
@force_option
def prepare(
    questions: Path, out: Path, dev_share: float, languages: tuple[str, ...] | None, refuse_above: float, force: bool
) -> None:
    """Check and clean the Parquet file QUESTIONS for training.

    Rows that are no question are listed in OUT.refused.jsonl with the reason. Empty questions and repeated titles or
    bodies are dropped. HTML and Markdown become plain text, with blocks of code in a column of their own. E-mail
    addresses, keys, passwords, telephone numbers, internet addresses and names in paths are removed, and questions in
    languages other than --languages are left out. OUT.report.json has the counts.
    """
    prepare_file(questions, out, dev_share, languages, refuse_above, force=force)


def prepare_file(
    questions: Path,
    out: Path,
    dev_share: float,
    languages: tuple[str, ...] | None,
    refuse_above: float,
    *,
    force: bool,
) -> None:
    """Prepare a file of questions into ``out`` and print the report, unless that has been done."""
    with report_errors(out):
        source = ParquetFile(questions)
        parameters = {"dev_share": dev_share, "languages": languages and sorted(languages)}
        run = begin_run("prepare", [questions], out, parameters, force=force)
        if run is None:
            return
        with ResumableOutput(out, run.identity) as parts, progress_bars() as open_bar:
            advance = open_bar("preparing", source.length)
            report = prepare_questions(source, parts, out, dev_share, advance, languages, refuse_above)
        run.record([out, *(out.with_name(out.name + ending) for ending in (REPORT, REFUSED))])
    click.echo(format_report(report))
