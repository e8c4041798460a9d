"""``tagalong-model prepare``: questions checked, cleaned, each once."""

from pathlib import Path

import click

from model.commands.terminal import carries_out, force_option, needs_train_extra, out_file, progress_bars, refuses


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
@force_option
def prepare(questions: Path, out: Path, dev_share: float, force: bool) -> None:
    """Check and clean the Parquet file QUESTIONS for training.

    Rows that are no question are listed in OUT.refused.jsonl with the reason. Empty questions, and those whose title
    or body was there before, are dropped. HTML and Markdown become plain text, with blocks of code in a column of
    their own; e-mail addresses, keys, passwords, telephone numbers, internet addresses and names in paths are taken
    out; the language is noted. OUT.report.json counts it all.
    """
    with needs_train_extra():
        from model.parts import Parts
        from model.preparation import prepare as preparation
        from model.questions.gather import REFUSED
        from model.questions.parquet import ParquetFile
    with refuses(out):
        source = ParquetFile(questions)
        run = carries_out("prepare", [questions], out, {"dev_share": dev_share}, force=force)
        if run is None:
            return
        with Parts(out, run.identity) as parts, progress_bars() as bar:
            report = preparation.prepare(source, parts, out, dev_share, bar("preparing", source.length))
        run.record([out, *(out.with_name(out.name + ending) for ending in (preparation.REPORT, REFUSED))])
    click.echo(preparation.table(report))
