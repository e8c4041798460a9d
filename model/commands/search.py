"""``tagalong-model search``: the parameters with which a plain recipe does best."""

import shlex
from itertools import islice
from pathlib import Path

import click

from model.commands.terminal import out_folder, questions_option, report_errors, show_progress
from model.pipelines.recipes import RECIPES, ParametersError
from model.pipelines.search import draw_parameters, format_trials, read_space, search_recipe, track_trials
from model.questions.parquet import read_questions
from model.runs.steps import Run, Step
from model.runs.tracking import MISSING, store_uri

_SEARCH = Step(
    "search", "search a recipe's parameters", ("prepared.parquet",), ("searched/",), "model.pipelines.search"
)


@click.command()
@questions_option
@click.option("--recipe", type=click.Choice(list(RECIPES)), required=True, help="Recipe whose parameters to search.")
@click.option("--out", type=out_folder, required=True, help="Folder to write: best.json, and a file a trial.")
@click.option("--trials", type=click.IntRange(1), default=20, show_default=True, help="Most trials.")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=60,
    show_default=True,
    help="Minutes after which no new trial begins, those of earlier runs of the same search included.",
)
@click.option("--tags", type=click.IntRange(2), help="Commonest tags to learn.  [default: the recipe's]")
@click.option(
    "--space",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="JSON file with lists of values by scikit-learn's names of parameters.  [default: the recipe's]",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the order of trials.")
def search(
    questions: Path,
    recipe: str,
    out: Path,
    trials: int,
    minutes: float,
    tags: int | None,
    space: Path | None,
    seed: int,
) -> None:
    """Search the parameters of a plain recipe: those with the best R@5 on the tune part.

    Each trial is saved as it ends, so the same command goes on after a break. To search longer, raise --trials or
    --minutes.
    """
    with report_errors(out), show_progress() as progress:
        try:
            searched = read_space(recipe, space) if space else RECIPES[recipe].space
        except ParametersError as error:
            raise click.ClickException(str(error)) from error
        planned = list(islice(draw_parameters(recipe, searched, seed), trials))
        identity = Run(_SEARCH, [questions], out, {"recipe": recipe, "tags": tags}).identity
        ended = search_recipe(recipe, read_questions(questions), tags, planned, minutes, identity, out, progress)
    if len(ended) < len(planned):
        click.echo(
            f"{len(ended)} of {len(planned)} trials in {minutes:g} minutes. To go on, raise --minutes.", err=True
        )
    click.echo(format_trials(ended, RECIPES[recipe].own_parameters()))
    command = ["tagalong-model", "train", "--recipe", recipe, "--questions", questions, "--params", out / "best.json"]
    command += ["--tags", tags] if tags else []
    click.echo(f"To train with the best:\n{shlex.join(map(str, command))} --out my-pipeline")
    store = store_uri(out)
    try:
        written = track_trials(recipe, ended, store)
    except ModuleNotFoundError:
        click.echo(f"Not tracked: {MISSING} Then run this again: what is done is not done again.", err=True)
    else:
        click.echo(f"{written} new runs in MLflow's store {store}.", err=True)
