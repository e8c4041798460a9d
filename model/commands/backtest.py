"""``tagalong-model backtest``: how fast a model ages, and when training again is worth it."""

import json
from dataclasses import replace
from pathlib import Path

import click

from model.commands.terminal import (
    begin_run,
    force_option,
    out_file,
    questions_option,
    report_errors,
    show_progress,
)
from model.evaluation.backtest import (
    STEP,
    describe_settings,
    format_tables,
    measure_ageing,
    measure_newer_questions,
    select_base,
    split_mixes,
)
from model.questions.parquet import read_questions
from model.runs.files import write_atomically
from model.training.train import TrainingParameters


class _YearAndSource(click.ParamType[tuple[int, str]]):
    name = "year=source"

    def convert(self, value: str, param: click.Parameter | None, context: click.Context | None) -> tuple[int, str]:
        year, _, source = value.partition("=")
        if not (year.isdigit() and source):
            self.fail(f"{value!r} is not like 2020=name-of-a-source", param, context)
        return int(year), source


@click.command()
@questions_option
@click.option(
    "--mix",
    "sources",
    type=_YearAndSource(),
    multiple=True,
    required=True,
    help="Year and source of a natural mix, like 2020=a-source; give two or more.",
)
@click.option(
    "--newest",
    type=int,
    required=True,
    help="Year of the mix that models with more and more newer questions are asked.",
)
@click.option(
    "--rows", type=click.IntRange(100), default=60_000, show_default=True, help="Most old questions of these."
)
@click.option("--epochs", type=click.IntRange(1), help="Passes over the questions.")
@click.option("--rank", type=click.IntRange(1, 2048), help="Numbers a word in the low-rank part.")
@click.option("--least-uses", type=click.IntRange(1), help="Uses from which on a tag is in the vocabulary.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of everything random.")
@click.option("--out", type=out_file, required=True, help="JSON file to write, for a plot.")
@force_option
def backtest(
    questions: Path,
    sources: tuple[tuple[int, str], ...],
    newest: int,
    rows: int,
    epochs: int | None,
    rank: int | None,
    least_uses: int | None,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Train light models on old questions, and compare them with fresh models on newer questions.

    Only titles are used, from mixes like the site's own. Each mix is divided by hash into questions to learn from and
    questions to test on.
    """
    source_of_year = dict(sources)
    if len(source_of_year) < 2 or newest not in source_of_year or newest == min(source_of_year):
        raise click.UsageError("Give --mix for two years or more, and one of the later ones as --newest.")
    options = {"epochs": epochs, "rank": rank, "min_count": least_uses}
    parameters = replace(
        TrainingParameters(seed=seed), **{name: value for name, value in options.items() if value is not None}
    )
    settings = describe_settings(parameters) | {"mixes": {str(year): name for year, name in source_of_year.items()}}
    with report_errors(out):
        run = begin_run(STEP, [questions], out, settings | {"newest": newest, "rows": rows}, force=force)
        if run is None:
            return
        with show_progress() as progress:
            all_questions = read_questions(questions)
            mixes = split_mixes(all_questions, source_of_year)
            base = select_base(all_questions, min(source_of_year), mixes, rows)
            newest_mix = next(mix for mix in mixes if mix.year == newest)
            result = {
                "settings": settings,
                "left_out": {str(mix.year): mix.left_out for mix in mixes},
                "ageing": measure_ageing(mixes, parameters, progress),
                "worth": measure_newer_questions(base, newest_mix, parameters, progress),
            }
        write_atomically(out.parent, {out.name: (json.dumps(result, indent=1) + "\n").encode()})
        run.record([out])
    click.echo(format_tables(result))
