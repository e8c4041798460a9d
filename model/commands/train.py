"""``tagalong-model train``: from questions to a trained model of either tier."""

from dataclasses import asdict, replace
from pathlib import Path

import click

from model.commands.terminal import (
    RELEASED,
    carries_out,
    force_option,
    needs_train_extra,
    out_folder,
    progress_bars,
    questions_option,
    refuses,
)
from model.serving.classifier import TIERS


@click.command()
@questions_option
@click.option(
    "--tag-sets",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Parquet file with question_id and tags of more questions: which tags go together, and rare ones.",
)
@click.option(
    "--tier", type=click.Choice(TIERS), default="light", show_default=True, help="With an encoder or without."
)
@click.option("--out", type=out_folder, required=True, help="Folder to write.")
@click.option(
    "--encoder",
    type=click.Path(path_type=Path, file_okay=False),
    default=RELEASED / "full",
    show_default="the shipped one",
    help="Folder of a full model, or of what finetune made. Full tier only.",
)
@click.option(
    "--keep",
    type=out_folder,
    help="Folder where encoded questions are kept for the next run.  [default: OUT.encoded]",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of everything random.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the questions.")
@click.option("--rank", type=click.IntRange(1, 2048), help="Numbers a word in the low-rank part.")
@click.option("--least-uses", type=click.IntRange(1), help="Uses from which on a tag is in the vocabulary.")
@force_option
def train(
    questions: Path,
    tag_sets: Path | None,
    tier: str,
    out: Path,
    encoder: Path,
    keep: Path | None,
    seed: int,
    epochs: int | None,
    rank: int | None,
    least_uses: int | None,
    force: bool,
) -> None:
    """Train a model on questions: learned, calibrated, and checked against what ONNX Runtime computes.

    The next steps are evaluate and release.
    """
    with needs_train_extra():
        from model.questions.parquet import read
        from model.questions.tag_sets import read_tag_sets
        from model.training.build import Data, Progress, WithEncoder, fit
        from model.training.encoder.encode import EncoderFolderError, read_encoder
        from model.training.onnx_export import ExportError
        from model.training.tfidf import FeatureLimits
        from model.training.train import Parameters
    given = {"seed": seed, "epochs": epochs, "rank": rank, "least_uses": least_uses}
    parameters = replace(Parameters(), **{name: value for name, value in given.items() if value is not None})
    limits = FeatureLimits()
    with refuses(out):
        with_encoder, inputs = None, [questions, *filter(None, [tag_sets])]
        try:
            if tier == "full":
                with_encoder = WithEncoder(read_encoder(encoder), keep or out.with_name(f"{out.name}.encoded"))
                inputs.append(encoder)
            settings = {"tier": tier, "parameters": asdict(parameters), "features": asdict(limits)}
            run = carries_out("train", inputs, out, settings, force=force)
            if run is None:
                return
            with progress_bars() as bar:
                rows = read(questions)
                hidden = [question for question in rows if question.split != "train"]
                sets = read_tag_sets(tag_sets, without=hidden) if tag_sets else []
                progress = Progress(lambda line: click.echo(line, err=True), bar)
                data = Data.of(questions, rows, tag_sets)
                manifest = fit(rows, sets, data, out, with_encoder, parameters, limits, progress)
        except (ExportError, EncoderFolderError) as error:
            raise click.ClickException(str(error)) from error
        run.record([out])
    click.echo(f"{manifest['version']}: {manifest['tags']:,} tags, {manifest['bytes'] / 1e6:.1f} MB, in {out}")
