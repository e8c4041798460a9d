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
    require_extra,
)
from model.preparation.language import LANGUAGES


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

    Rows that are no question are listed in OUT.refused.jsonl with the reason. Empty questions, and those whose title
    or body was there before, are dropped. HTML and Markdown become plain text, with blocks of code in a column of
    their own; e-mail addresses, keys, passwords, telephone numbers, internet addresses and names in paths are taken
    out; questions in other languages than --languages are left out. OUT.report.json counts it all.
    """
    with require_extra():
        from model.preparation import prepare as preparation
        from model.questions.gather import REFUSED
        from model.questions.parquet import ParquetFile
        from model.runs.resumable import ResumableOutput
    with report_errors(out):
        source = ParquetFile(questions)
        parameters = {"dev_share": dev_share, "languages": languages and sorted(languages)}
        run = begin_run("prepare", [questions], out, parameters, force=force)
        if run is None:
            return
        with ResumableOutput(out, run.identity) as parts, progress_bars() as bar:
            advance = bar("preparing", source.length)
            report = preparation.prepare(source, parts, out, dev_share, advance, languages, refuse_above)
        run.record([out, *(out.with_name(out.name + ending) for ending in (preparation.REPORT, REFUSED))])
    click.echo(preparation.table(report))
