"""``tagalong-model release``: from a trained model to one that ships."""

from pathlib import Path

import click

from model.commands.terminal import (
    begin_run,
    force_option,
    out_folder,
    questions_option,
    report_errors,
    show_progress,
)
from model.evaluation.latency import LIMITED_LENGTH
from model.questions.parquet import read_questions
from model.registry.release import TARGET_MS, ReleaseRefused, latency_up_to, release_model
from model.serving.classifier import ReleaseError


@click.command()
@questions_option
@click.option(
    "--trained", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder that train wrote."
)
@click.option("--out", type=out_folder, required=True, help="Folder to write.")
@force_option
def release(questions: Path, trained: Path, out: Path, force: bool) -> None:
    """Measure a trained model and write it as a released one: with its numbers, a model card and a picture.

    A model whose files are larger than its tier allows is refused.
    """
    release_folder(questions, trained, out, force=force)


def release_folder(questions: Path, trained: Path, out: Path, *, force: bool) -> None:
    """Release a trained folder into ``out`` and print its figures, unless that has been done."""
    with report_errors(out):
        run = begin_run("release", [questions, trained], out, {}, force=force)
        if run is None:
            return
        try:
            with show_progress() as progress:
                manifest = release_model(read_questions(questions), trained, out, progress)
        except (ReleaseError, ReleaseRefused) as error:
            raise click.ClickException(str(error)) from error
        run.record([out])
    click.echo(f"{manifest['version']}: {manifest['bytes'] / 1e6:.1f} MB, in {out}")
    for split, report in manifest["metrics"].items():
        figures = ", ".join(f"{name} {report['metrics'][name]['value']:.3f}" for name in ("P@1", "R@5", "hit@5"))
        click.echo(f"{split}, n = {report['n']:,}: {figures}")
    p50, target = latency_up_to(manifest["latency_ms"], LIMITED_LENGTH)["p50"], TARGET_MS.get(manifest["tier"])
    if target and p50 > target:
        click.echo(f"Slow here: {p50:.2f} ms a suggestion at {LIMITED_LENGTH:,} characters; the aim is {target:g} ms.")
