"""``tagalong-model suggest``: tags for a draft, or for a file of drafts."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from model.commands.terminal import begin_run, force_option, load_model, model_option, require_extra
from model.questions.drafts import DraftError, parse_json_lines, read_drafts, suggest_for_drafts
from model.questions.tags import TagsError, read_tags
from model.runs.files import write_atomically
from model.serving.text import BODY_FORMATS


@click.command()
@click.option("--title", help="Title of the draft.")
@click.option("--body", help="Body of the draft; - reads it from standard input.")
@click.option(
    "--body-format",
    type=click.Choice(BODY_FORMATS),
    default="markdown",
    show_default=True,
    help="What bodies are in that do not say it.",
)
@click.option("--chosen", multiple=True, help="A tag that the draft has already; may be given again.")
@click.option("--limit", type=click.IntRange(1, 100), default=5, show_default=True, help="Most tags to give.")
@click.option(
    "--drafts",
    type=click.Path(path_type=Path, allow_dash=True),
    help="File of drafts with title, body, body_format and chosen_tags or tags: .csv, .tsv, .parquet, or JSON lines, "
    "as - for standard input. Gives JSON lines.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File to write the JSON lines to.  [default: -, the terminal]",
)
@model_option
@force_option
def suggest(
    title: str | None,
    body: str | None,
    body_format: str,
    chosen: tuple[str, ...],
    limit: int,
    drafts: Path | None,
    out: Path | None,
    model: Path,
    force: bool,
) -> None:
    """Suggest tags for a draft, or for a file of them."""
    if drafts is not None:
        _suggest_for_all(drafts, out, model, body_format, limit, force=force)
        return
    if out is not None:
        raise click.UsageError("--out is for the answers to --drafts.")
    if title is None and body is None:
        raise click.UsageError("Give --title or --body, or --drafts with a file of many.")
    text = sys.stdin.read() if body == "-" else body or ""
    try:
        tags = read_tags(chosen)
    except TagsError as error:
        raise click.UsageError(f"--chosen: {error}.") from error
    items = load_model(model).suggest(title or "", text, body_format=body_format, chosen_tags=tags, limit=limit)
    if not items:
        click.echo("No tag: the draft has no word that the model knows.")
    for item in items:
        mark = "*" if item.confident else " "
        click.echo(f"{mark} {item.tag:<28}{item.score:.3f}  {item.uses:>6,} uses  because of {', '.join(item.because)}")


def _suggest_for_all(drafts: Path, out: Path | None, model: Path, body_format: str, limit: int, *, force: bool) -> None:
    from_input = drafts == Path("-")
    classifier = load_model(model)
    say = partial(click.echo, err=True)
    try:
        with require_extra():
            read_in = (
                parse_json_lines(sys.stdin, "<stdin>", body_format)
                if from_input
                else read_drafts(drafts, body_format, say)
            )
            lines = suggest_for_drafts(classifier, read_in, limit)
            if out is None or out == Path("-"):
                for line in lines:
                    click.echo(line, nl=False)
                return
            if from_input:
                write_atomically(out.parent, {out.name: "".join(lines).encode()})
                return
            parameters: dict[str, Any] = {"limit": limit, "body_format": body_format}
            if (run := begin_run("suggest", [model, drafts], out, parameters, force=force)) is not None:
                write_atomically(out.parent, {out.name: "".join(lines).encode()})
                run.record([out])
    except DraftError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or drafts}: {error.strerror or error}.") from error
