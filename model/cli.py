"""The command ``tagalong-model``: train, evaluate, suggest."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, TextIO

import click

from model.classifier import Classifier, ReleaseError, Suggested
from model.text import BODY_FORMATS

RELEASED: Final = Path(__file__).parent / "released"

_model_option = click.option(
    "--model",
    type=click.Path(path_type=Path, file_okay=False),
    default=RELEASED,
    show_default="the shipped one",
    help="Folder of a released model.",
)
_questions_option = click.option(
    "--questions",
    type=click.Path(path_type=Path),
    required=True,
    help="Parquet file with the columns title, body, body_format and tags.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Train, measure and try the model that suggests tags."""


@main.command()
@_questions_option
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of everything random.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the questions.")
@click.option("--rank", type=click.IntRange(1, 2048), help="Numbers a word in the low-rank part.")
@click.option("--least-uses", type=click.IntRange(1), help="Uses from which on a tag is in the vocabulary.")
def train(questions: Path, out: Path, seed: int, epochs: int | None, rank: int | None, least_uses: int | None) -> None:
    """Train a model on questions and release it into a folder, checked and measured."""
    with _train_extra():
        from model.export import ExportError
        from model.features import FeatureLimits
        from model.questions import QuestionsError
        from model.questions.parquet import read
        from model.release import Data, Progress, release
        from model.train import Parameters
    given = {"seed": seed, "epochs": epochs, "rank": rank, "least_uses": least_uses}
    parameters = replace(Parameters(), **{name: value for name, value in given.items() if value is not None})
    with _bars() as bar:
        try:
            rows = read(questions)
            data = Data.of(questions, rows)
            progress = Progress(lambda line: click.echo(line, err=True), bar)
            manifest = release(rows, data, out, parameters, FeatureLimits(), progress)
        except (QuestionsError, ExportError) as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(f"{error.filename or out}: {error.strerror or error}.") from error
    click.echo(f"{manifest['version']}: {manifest['tags']:,} tags, {manifest['bytes'] / 1e6:.1f} MB, in {out}")
    for split, measured in manifest["metrics"].items():
        numbers = ", ".join(f"{name} {measured['metrics'][name]['value']:.3f}" for name in ("P@1", "R@5", "hit@5"))
        click.echo(f"{split}, n = {measured['n']:,}: {numbers}")


@main.command()
@_questions_option
@_model_option
@click.option("--split", type=click.Choice(["dev", "tune"]), default="dev", show_default=True)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write all numbers here."
)
def evaluate(questions: Path, model: Path, split: str, json_file: Path | None) -> None:
    """Measure a released model on the questions with complete tags of one split."""
    with _train_extra():
        from model.evaluate import answers, report, table
        from model.latency import latency
        from model.questions import QuestionsError
        from model.questions.parquet import read
        from model.release import baseline
    classifier = _load(model)
    try:
        rows = read(questions)
    except QuestionsError as error:
        raise click.ClickException(str(error)) from error
    asked = [row for row in rows if row.split == split and row.tags_complete]
    if not asked:
        raise click.ClickException(
            f"{questions} has no {split} questions with complete tags. "
            + ("Mark some rows dev in a column split." if split == "dev" else "It has too few rows.")
        )
    with _bars() as bar:
        given = answers(classifier, asked, bar(f"suggesting for {split}", len(asked)))
    result: dict[str, Any] = {"version": classifier.version, "split": split, "vocabulary": len(classifier.tags)}
    trained_on = [row for row in rows if row.split == "train"]
    result |= report(asked, given, baseline(trained_on, asked))
    result["latency_ms"] = latency(classifier, asked)
    click.echo(table(result))
    if json_file is not None:
        try:
            json_file.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise click.ClickException(f"{json_file} cannot be written: {error.strerror or error}.") from error


@main.command()
@click.option("--title", help="Title of the draft.")
@click.option("--body", help="Body of the draft; - reads it from standard input.")
@click.option("--body-format", type=click.Choice(BODY_FORMATS), default="markdown", show_default=True)
@click.option("--chosen", multiple=True, help="A tag that the draft has already; may be given again.")
@click.option("--limit", type=click.IntRange(1, 100), default=5, show_default=True, help="Most tags to give.")
@click.option(
    "--drafts",
    type=click.File("r", encoding="utf-8"),
    help="JSON lines, {title, body, body_format, chosen_tags}; - for standard input. Gives JSON lines.",
)
@_model_option
def suggest(
    title: str | None,
    body: str | None,
    body_format: str,
    chosen: tuple[str, ...],
    limit: int,
    drafts: TextIO | None,
    model: Path,
) -> None:
    """Suggest tags for a draft, or for many."""
    if drafts is None and title is None and body is None:
        raise click.UsageError("Give --title or --body, or --drafts with a file of many.")
    classifier = _load(model)
    if drafts is not None:
        try:
            for number, line in enumerate(drafts, start=1):
                if line.strip():
                    items = _suggest_line(classifier, line, f"{drafts.name}, line {number}", limit)
                    click.echo(json.dumps({"items": [asdict(item) for item in items]}, ensure_ascii=False))
        except UnicodeDecodeError as error:
            raise click.ClickException(f"{drafts.name} is not UTF-8: {error.reason}.") from error
        return
    text = sys.stdin.read() if body == "-" else body or ""
    items = classifier.suggest(title or "", text, body_format=body_format, chosen_tags=chosen, limit=limit)
    if not items:
        click.echo("No tag: the draft has no word that the model knows.")
    for item in items:
        mark = "*" if item.confident else " "
        click.echo(f"{mark} {item.tag:<28}{item.score:.3f}  {item.uses:>6,} uses  because of {', '.join(item.because)}")


def _suggest_line(classifier: Classifier, line: str, place: str, limit: int) -> list[Suggested]:
    """Answer one JSON line; say where the line is if it is not a draft."""
    try:
        draft = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise click.ClickException(f"{place} is not JSON: {error}.") from error
    if not isinstance(draft, dict):
        raise click.ClickException(f"{place} is not an object with title and body.")
    title, body, body_format = (draft.get(name, default) for name, default in _DRAFT_DEFAULTS)
    chosen = draft.get("chosen_tags", [])
    if not all(isinstance(value, str) for value in (title, body, body_format)) or body_format not in BODY_FORMATS:
        raise click.ClickException(
            f"{place}: title and body must be strings, body_format one of {', '.join(BODY_FORMATS)}."
        )
    if not isinstance(chosen, list) or not all(isinstance(tag, str) for tag in chosen):
        raise click.ClickException(f"{place}: chosen_tags must be a list of strings.")
    return classifier.suggest(title, body, body_format=body_format, chosen_tags=chosen, limit=limit)


_DRAFT_DEFAULTS: Final = (("title", ""), ("body", ""), ("body_format", "markdown"))


def _load(folder: Path) -> Classifier:
    try:
        return Classifier.load(folder)
    except ReleaseError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _train_extra() -> Iterator[None]:
    """Say what to install where a library of the extra ``train`` is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed. Training and measuring need it: run `make tools`, "
            "or install tagalong with its extra 'train'."
        ) from error


@contextmanager
def _bars() -> Iterator[Callable[[str, int], Callable[[], None]]]:
    """Give a function that opens a progress bar and gives what advances it; each new bar ends the one before."""
    shown: list[Any] = []

    def end() -> None:
        if shown:
            shown.pop().__exit__(None, None, None)

    def bar(label: str, length: int) -> Callable[[], None]:
        end()
        opened = click.progressbar(length=length, label=label, file=sys.stderr)
        shown.append(opened.__enter__())
        return lambda: opened.update(1)

    try:
        yield bar
    finally:
        end()


if __name__ == "__main__":
    main()
