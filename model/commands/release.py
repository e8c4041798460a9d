"""``tagalong-model release``: from a trained model to one that ships."""

from pathlib import Path

import click

from model.commands.terminal import (
    begin_run,
    force_option,
    out_folder,
    questions_option,
    report_errors,
    require_extra,
    show_progress,
)
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
    with require_extra():
        from model.questions.parquet import read
        from model.registry.release import LIMITED, SLOWEST, ReleaseRefused, of_length
        from model.registry.release import release as released
    with report_errors(out):
        run = begin_run("release", [questions, trained], out, {}, force=force)
        if run is None:
            return
        try:
            with show_progress() as progress:
                manifest = released(read(questions), trained, out, progress)
        except (ReleaseError, ReleaseRefused) as error:
            raise click.ClickException(str(error)) from error
        run.record([out])
    click.echo(f"{manifest['version']}: {manifest['bytes'] / 1e6:.1f} MB, in {out}")
    for split, measured in manifest["metrics"].items():
        numbers = ", ".join(f"{name} {measured['metrics'][name]['value']:.3f}" for name in ("P@1", "R@5", "hit@5"))
        click.echo(f"{split}, n = {measured['n']:,}: {numbers}")
    taken, allowed = of_length(manifest["latency_ms"], LIMITED)["p50"], SLOWEST[manifest["tier"]]
    if taken > allowed:
        click.echo(f"Slow here: {taken:.2f} ms a suggestion at {LIMITED:,} characters; the aim is {allowed:g} ms.")
