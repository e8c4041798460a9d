"""``tagalong-model evaluate``: how good models are, and how much better than each other."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model.commands.terminal import (
    RELEASED,
    begin_run,
    force_option,
    load_model,
    out_file,
    questions_option,
    report_errors,
    require_extra,
    show_progress,
)
from model.evaluation.answers import answer_baseline, answer_questions, count_tags
from model.evaluation.latency import measure_latency
from model.evaluation.metrics import compute_differences, compute_metrics
from model.evaluation.report import build_report, format_report
from model.evaluation.unseen import UnseenQuestions, exclude_seen
from model.questions import Question
from model.questions.parquet import read_questions
from model.runs.files import write_atomically
from model.runs.progress import Progress
from model.serving.classifier import Classifier
from model.training.trained_titles import SHIPPED, TrainedTitles, read_trained_titles

if TYPE_CHECKING:
    from model.compare.parabel import Parabel

TrainParabel = Callable[[Sequence[Question], Sequence[Question]], "Parabel"]


@click.command()
@questions_option
@click.option(
    "--model",
    "models",
    type=click.Path(path_type=Path, file_okay=False),
    multiple=True,
    default=(RELEASED / "full", RELEASED / "light"),
    show_default="both shipped tiers",
    help="Folder of a trained or released model; may be given again.",
)
@click.option(
    "--split",
    type=click.Choice(["dev", "tune", "all"]),
    default="dev",
    show_default=True,
    help="Which part to measure on: dev for figures, tune for choices, all of a file of later questions for ageing.",
)
@click.option("--parabel", is_flag=True, help="Also train and measure Parabel on the same rows (extra 'compare').")
@click.option("--json", "json_file", type=out_file, help="Also write all numbers here.")
@force_option
def evaluate(
    questions: Path, models: tuple[Path, ...], split: str, parabel: bool, json_file: Path | None, force: bool
) -> None:
    """Measure models on the questions with complete tags of one split, beside the most frequent tags and Parabel.

    Questions that one of the models was trained on are left out and counted. Every model is compared with the first one
    on the same questions. With --split all nothing is used for training, so there is no baseline: measure that way how
    a shipped model has aged, on questions that came after it.
    """
    train_parabel: TrainParabel | None = None
    if parabel:
        # Only this needs the extra 'compare'.
        with require_extra():
            from model.compare.parabel import train_parabel as train_parabel
    classifiers = [load_model(folder) for folder in models]
    run = None
    with report_errors(json_file or questions):
        if json_file is not None:
            parameters = {"split": split, "parabel": parabel}
            run = begin_run("evaluate", [questions, *models, SHIPPED], json_file, parameters, force=force)
            if run is None:
                return
        rows = read_questions(questions)
    if split == "all" and parabel:
        raise click.UsageError("--parabel needs rows to train on, and --split all leaves none.")
    train, tune = ([row for row in rows if row.split == name and split != "all"] for name in ("train", "tune"))
    unseen = _select_unseen(rows, questions, models, split)
    result: dict[str, Any] = {"split": split, "n": len(unseen.questions), "left_out": unseen.described()}
    with show_progress() as progress:
        result |= _measure(classifiers, unseen.questions, train, tune, train_parabel, split, progress)
    click.echo(format_report(result))
    if json_file is not None and run is not None:
        with report_errors(json_file):
            content = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
            write_atomically(json_file.parent, {json_file.name: content.encode()})
            run.record([json_file])


def _select_unseen(rows: Sequence[Question], file: Path, models: Sequence[Path], split: str) -> UnseenQuestions:
    """Return the questions of a split that no model was trained on, or end the command if they are too few."""
    complete = [row for row in rows if split in (row.split, "all") and row.tags_complete]
    if not complete:
        raise click.ClickException(
            f"{file} has no {'' if split == 'all' else split + ' '}questions with complete tags. "
            + ("Mark some rows dev in a column split." if split == "dev" else "It has too few rows.")
        )
    trained = dict(read_trained_titles(models))
    learned = [row for row in rows if row.split in ("train", "tune") and split != "all"]
    if any(row.split == "train" for row in learned):
        trained[f"the train part of {file.name}"] = TrainedTitles.of(learned)
    unseen = exclude_seen(complete, trained, for_choices=split == "tune")
    with report_errors(file):
        unseen.require_enough()
    for sentence in unseen.sentences():
        click.echo(sentence, err=True)
    return unseen


def _measure(
    classifiers: Sequence[Classifier],
    questions: Sequence[Question],
    train: Sequence[Question],
    tune: Sequence[Question],
    train_parabel: TrainParabel | None,
    split: str,
    progress: Progress,
) -> dict[str, Any]:
    """Measure models and baselines: ``{models, baselines, differences}``, each by name.

    Args:
        train: what the baselines learn from; without any there is no baseline.
        train_parabel: trains Parabel on ``train`` and fits its threshold on ``tune``; None leaves it out.
    """
    posted = [question.tags for question in questions]
    uses = count_tags(train)
    answers, models = {}, {}
    for classifier in classifiers:
        version = classifier.version
        advance = progress.open_bar(f"{version} on {split}", len(questions))
        answers[version] = answer_questions(classifier, questions, advance)
        size = {"vocabulary": len(classifier.tags), "megabytes": classifier.manifest["bytes"] / 1e6}
        models[version] = size | build_report(questions, answers[version], uses)
        models[version]["latency_ms"] = measure_latency(classifier, questions, progress.open_bar)
    baselines = {"commonest five": answer_baseline(train, questions)} if train else {}
    if train_parabel:
        progress.log("training Parabel")
        advance = progress.open_bar(f"Parabel on {split}", len(questions))
        baselines["Parabel"] = train_parabel(train, tune).answers(questions, advance)
    first, *rest = answers
    others = {name: answers[name] for name in rest} | baselines
    return {
        "models": models,
        "baselines": {name: compute_metrics(posted, tags_by_question) for name, tags_by_question in baselines.items()},
        "differences": {
            f"{first} against {name}": compute_differences(posted, answers[first], tags_by_question)
            for name, tags_by_question in others.items()
        },
    }
