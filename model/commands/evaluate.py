"""``tagalong-model evaluate``: how good models are, and how much better than each other."""

import json
from pathlib import Path
from typing import Any

import click

from model.commands.terminal import (
    RELEASED,
    begin_run,
    force_option,
    load_model,
    out_file,
    progress_bars,
    questions_option,
    report_errors,
    require_extra,
)
from model.runs.files import write_atomically


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

    Questions that one of them was trained on are left out, and how many these are is said.
    Every model is compared with the first one, on the same questions. With --split all nothing is taken for training,
    so there is no baseline: how a model that ships has aged, on questions that came after it.
    """
    with require_extra():
        from model.evaluation.latency import latency
        from model.evaluation.metrics import answers, baseline, differences, metrics, report, table, uses_of
        from model.evaluation.unseen import unseen
        from model.questions.parquet import read
        from model.training.trained_titles import SHIPPED, TrainedTitles, trained_titles

        if parabel:
            from model.compare.parabel import fitted
    classifiers = [load_model(folder) for folder in models]
    run = None
    with report_errors(json_file or questions):
        if json_file is not None:
            parameters = {"split": split, "parabel": parabel}
            run = begin_run("evaluate", [questions, *models, SHIPPED], json_file, parameters, force=force)
            if run is None:
                return
        rows = read(questions)
    if split == "all" and parabel:
        raise click.UsageError("--parabel needs rows to train on, and --split all leaves none.")
    asked = [row for row in rows if split in (row.split, "all") and row.tags_complete]
    if not asked:
        raise click.ClickException(
            f"{questions} has no {'' if split == 'all' else split + ' '}questions with complete tags. "
            + ("Mark some rows dev in a column split." if split == "dev" else "It has too few rows.")
        )
    trained_on, tuned = ([row for row in rows if row.split == name and split != "all"] for name in ("train", "tune"))
    by_model = dict(trained_titles(models))
    if trained_on:
        by_model[f"the train part of {questions.name}"] = TrainedTitles.of([*trained_on, *tuned])
    left = unseen(asked, by_model, for_choices=split == "tune")
    with report_errors(questions):
        left.require_enough()
    for sentence in left.sentences():
        click.echo(sentence, err=True)
    asked = left.questions
    posted = [row.tags for row in asked]
    uses = uses_of(trained_on)
    result: dict[str, Any] = {"split": split, "n": len(asked), "left_out": left.described()}
    result |= {"models": {}, "baselines": {}, "differences": {}}
    given = {}
    with progress_bars() as bar:
        for classifier in classifiers:
            version = classifier.version
            given[version] = answers(classifier, asked, bar(f"{version} on {split}", len(asked)))
            result["models"][version] = {"vocabulary": len(classifier.tags)} | report(asked, given[version], uses)
            result["models"][version]["latency_ms"] = latency(classifier, asked, bar)
        others = {"commonest five": baseline(trained_on, asked)} if trained_on else {}
        if parabel:
            click.echo("training Parabel", err=True)
            others["Parabel"] = fitted(trained_on, tuned).answers(asked, bar(f"Parabel on {split}", len(asked)))
    for name, answered in others.items():
        result["baselines"][name] = metrics(posted, answered)
    first, *rest = given
    for name, answered in ({other: given[other] for other in rest} | others).items():
        result["differences"][f"{first} against {name}"] = differences(posted, given[first], answered)
    click.echo(table(result))
    if json_file is not None and run is not None:
        with report_errors(json_file):
            content = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
            write_atomically(json_file.parent, {json_file.name: content.encode()})
            run.record([json_file])
