"""``tagalong-model train``: from questions to a trained model of either tier."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from model.commands.terminal import (
    RELEASED,
    begin_run,
    force_option,
    out_folder,
    questions_option,
    report_errors,
    show_progress,
)
from model.pipelines.recipes import BINARIZER_FILE, PIPELINE_FILE, RECIPES, ParametersError, fit_recipe, read_parameters
from model.questions.parquet import read_questions
from model.questions.tag_sets import read_tag_sets
from model.runs.parameters import to_record
from model.runs.steps import Step, sha256_of
from model.serving.classifier import TIERS
from model.training.build import DataSource, EncoderInput, train_model
from model.training.encoder.encode import EncoderFolderError, read_encoder
from model.training.onnx_check import ExportError
from model.training.tfidf import FeatureLimits
from model.training.train import TrainingParameters

_FIT = Step("recipe", "fit a plain pipeline", ("prepared.parquet",), ("my-pipeline/",), "model.pipelines.recipes")


@click.command()
@questions_option
@click.option(
    "--tag-sets",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Parquet file with question_id and tags of more questions, for rare tags and for tags that go together.",
)
@click.option(
    "--tier", type=click.Choice(TIERS), default="light", show_default=True, help="full has an encoder, light has none."
)
@click.option(
    "--recipe",
    type=click.Choice(list(RECIPES)),
    help="Fit a plain pipeline of scikit-learn instead, which `import` takes; of the rest --tags and --params count.",
)
@click.option("--tags", type=click.IntRange(2), help="Commonest tags that a recipe learns.  [default: the recipe's]")
@click.option(
    "--params",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="JSON file of parameters for a recipe, such as the best.json of `search`.  [default: the recipe's]",
)
@click.option("--out", type=out_folder, required=True, help="Folder to write.")
@click.option(
    "--encoder",
    type=click.Path(path_type=Path, file_okay=False),
    default=RELEASED / "full",
    show_default="the shipped one",
    help="Folder of a full model, or of what finetune wrote. Full tier only.",
)
@click.option(
    "--keep",
    type=out_folder,
    help="Folder where encoded questions are kept for the next run.  [default: OUT.encoded]",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of everything random.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the questions.")
@click.option("--rank", type=click.IntRange(1, 2048), help="Width of the low-rank part.")
@click.option("--least-uses", type=click.IntRange(1), help="Fewest uses of a tag in the vocabulary.")
@force_option
def train(
    questions: Path,
    tag_sets: Path | None,
    tier: str,
    recipe: str | None,
    tags: int | None,
    params: Path | None,
    out: Path,
    encoder: Path,
    keep: Path | None,
    seed: int,
    epochs: int | None,
    rank: int | None,
    least_uses: int | None,
    force: bool,
) -> None:
    """Train a model on questions, calibrate it, and check that ONNX Runtime computes the same.

    The next steps are evaluate and release.
    """
    if recipe is not None:
        _fit_recipe(recipe, questions, tags, params, out, force=force)
        return
    if tags is not None:
        raise click.UsageError("--tags is for --recipe; our own model learns all with --least-uses.")
    if params is not None:
        raise click.UsageError("--params is for --recipe; our own model has --epochs, --rank and --least-uses.")
    options = {"seed": seed, "epochs": epochs, "rank": rank, "min_count": least_uses}
    parameters = replace(TrainingParameters(), **{name: value for name, value in options.items() if value is not None})
    train_file(questions, tag_sets, tier, encoder, keep, parameters, out, force=force)


def train_file(
    questions: Path,
    tag_sets: Path | None,
    tier: str,
    encoder: Path,
    keep: Path | None,
    parameters: TrainingParameters,
    out: Path,
    *,
    force: bool,
) -> None:
    """Train a model on a file of questions into ``out`` and print its size, unless that has been done."""
    limits = FeatureLimits()
    with report_errors(out):
        encoder_input, inputs = None, [questions, *filter(None, [tag_sets])]
        try:
            if tier == "full":
                encoder_input = EncoderInput(read_encoder(encoder), keep or out.with_name(f"{out.name}.encoded"))
                inputs.append(encoder)
            settings = {"tier": tier, "parameters": to_record(parameters), "features": to_record(limits)}
            run = begin_run("train", inputs, out, settings, force=force)
            if run is None:
                return
            with show_progress() as progress:
                rows = read_questions(questions)
                hidden = [question for question in rows if question.split != "train"]
                sets = read_tag_sets(tag_sets, without=hidden) if tag_sets else []
                data = DataSource.describe(questions, rows, tag_sets)
                manifest = train_model(rows, sets, data, out, encoder_input, parameters, limits, progress)
        except (ExportError, EncoderFolderError) as error:
            raise click.ClickException(str(error)) from error
        run.record([out])
    click.echo(f"{manifest['version']}: {manifest['tags']:,} tags, {manifest['bytes'] / 1e6:.1f} MB, in {out}")


def _fit_recipe(recipe: str, questions: Path, tags: int | None, params: Path | None, out: Path, *, force: bool) -> None:
    """Fit a recipe to a file of questions and say how to import it, unless that has been done."""
    with report_errors(out):
        try:
            parameters: dict[str, Any] = read_parameters(recipe, params) if params else {}
        except ParametersError as error:
            raise click.ClickException(str(error)) from error
        settings = {"recipe": recipe, "tags": tags, "parameters": parameters}
        run = begin_run(_FIT, [questions], out, settings, force=force)
        if run is None:
            return
        with show_progress() as progress:
            rows = read_questions(questions)
            learned = fit_recipe(recipe, rows, tags, parameters, sha256_of(questions), out, progress)
        run.record([out])
    click.echo(
        f"{recipe}: {learned:,} tags, in {out}. To serve it:\n"
        f"tagalong-model import {out / PIPELINE_FILE} --labels {out / BINARIZER_FILE} --questions {questions} --trust"
    )
