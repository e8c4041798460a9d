"""``tagalong-model retrain``: from posted questions to a checked version that can be tried as challenger."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from model.commands.prepare import languages_option, prepare_file
from model.commands.questions import address_option, fetch_feedback, key_option
from model.commands.registry import (
    champion_folder,
    champion_option,
    gates_option,
    load_opponents,
    mlflow_option,
    registry_errors,
    show_checks,
    track,
)
from model.commands.registry_option import registry_option
from model.commands.release import release_folder
from model.commands.terminal import RELEASED, begin_run, show_progress
from model.commands.train import train_file
from model.questions.feedback import PostedQuestion, count_by_month, read_feedback
from model.questions.parquet import read_questions
from model.registry.gates import SHIPPED_GATES, read_gates
from model.registry.register import CheckQuestions, add_version, check_and_record
from model.registry.versions import Version, read_versions, update_version
from model.retraining.lock import hold_lock
from model.retraining.mixing import STEP, MixCounts, Weighting, write_mix
from model.retraining.report import JSON_FILE, REPORT_FILE, compare_answers, compare_vocabularies, format_report
from model.runs.files import write_atomically
from model.runs.steps import RECORD, Run, sha256_of
from model.serving.classifier import DEFAULT_TIER, TIERS, Classifier, read_manifest
from model.training.train import TrainingParameters

WORK = ".retraining"
"""Folder inside the registry where a retraining works, and finds what it had done when it was stopped."""


@click.command()
@click.option(
    "--feedback",
    "files",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    required=True,
    help="File that `tagalong-server export-feedback` wrote; may be given again. One that was fetched is not asked for "
    "again.",
)
@click.option(
    "--base",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="Parquet file of questions to learn from beside, as for train.",
)
@click.option(
    "--tag-sets", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="As for train: tags of questions."
)
@registry_option
@champion_option
@gates_option
@click.option("--tier", type=click.Choice(TIERS), help="With an encoder or without.  [default: the champion's]")
@click.option("--weight", type=click.FloatRange(0, min_open=True), help="How many times a posted question counts.")
@click.option("--half-life", type=click.FloatRange(0, min_open=True), help="Months in which that halves.")
@click.option("--missed", type=click.FloatRange(0), help="How much more it counts if all its tags were missed.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of everything random.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the questions.")
@click.option("--rank", type=click.IntRange(1, 2048), help="Numbers a word in the low-rank part.")
@click.option("--least-uses", type=click.IntRange(1), help="Uses from which on a tag is in the vocabulary.")
@click.option("--site", "sites", multiple=True, default=["stackoverflow.com"], show_default=True, help="Sites to ask.")
@languages_option
@key_option
@address_option
@mlflow_option
def retrain(
    files: tuple[Path, ...],
    base: Path,
    tag_sets: Path | None,
    registry: Path,
    champion: str | None,
    gates: Path | None,
    tier: str | None,
    weight: float | None,
    half_life: float | None,
    missed: float | None,
    seed: int,
    epochs: int | None,
    rank: int | None,
    least_uses: int | None,
    sites: tuple[str, ...],
    languages: tuple[str, ...] | None,
    key: str | None,
    address: str,
    mlflow: str | None,
) -> None:
    """Train again on what people posted, and register the model: ready for `tagalong-server deploy` if it passes.

    Texts and tags are fetched from the site by number; the tags in FILE are not learned from. A run that was stopped
    resumes where it left off. Only one runs at a time.
    """
    weighting = Weighting(**_given(feedback=weight, half_life=half_life, missed=missed))
    parameters = replace(TrainingParameters(), **_given(seed=seed, epochs=epochs, rank=rank, min_count=least_uses))
    work = registry / WORK
    with registry_errors(registry), hold_lock(work / "lock"):
        tier = tier or read_manifest(champion_folder(registry, champion, DEFAULT_TIER))["tier"]
        if tier not in TIERS:
            raise click.UsageError("The champion was imported. Say which tier of ours to train: --tier light or full.")
        encoder = champion_folder(registry, champion, "full")
        if read_manifest(encoder)["tier"] != "full":
            encoder = RELEASED / "full"
        posted = [question for file in files for question in read_feedback(file, sites)[0]]
        prepared = [_prepare_posted(file, work, sites, key, address, languages) for file in files]
        mixed, counts = _mix(base, prepared, files, posted, weighting, work)
        trained, released = (mixed.with_name(f"{step}-{tier}") for step in ("trained", "released"))
        train_file(mixed, tag_sets, tier, encoder, work / "encoded", parameters, trained, force=False)
        release_folder(mixed, trained, released, force=False)
        version = _register(registry, mixed, trained, released, champion, gates, counts, posted)
    show_checks(version)
    if mlflow:
        track(version, mlflow)
    if failed := version.failed_names():
        raise click.ClickException(f"It cannot be deployed: it failed {', '.join(failed)}.")
    click.echo(f"To try it: tagalong-server deploy {version.number} --share 10%")


def _given(**options: Any) -> dict[str, Any]:
    """Return the options that were given a value."""
    return {name: value for name, value in options.items() if value is not None}


def _prepare_posted(
    file: Path, work: Path, sites: Sequence[str], key: str | None, address: str, languages: tuple[str, ...] | None
) -> Path:
    """Fetch and prepare the questions that a feedback file names, unless that has been done; return the file."""
    name = sha256_of(file)[:16]
    fetched, prepared = work / f"posted-{name}.parquet", work / f"prepared-{name}.parquet"
    click.echo(f"Fetching the questions of {file}", err=True)
    # Anybody can send numbers of questions that do not exist: however many they are, the others are learned from.
    fetch_feedback(file, sites, key, address, fetched, 1.0, force=False)
    prepare_file(fetched, prepared, 0.0, languages, 1.0, force=False)
    return prepared


def _mix(
    base: Path,
    prepared: Sequence[Path],
    files: Sequence[Path],
    posted: Sequence[PostedQuestion],
    weighting: Weighting,
    work: Path,
) -> tuple[Path, MixCounts]:
    """Mix base and posted questions, unless that has been done; return the file and what became of the rows."""
    inputs = [base, *prepared, *files]
    name = Run(STEP, inputs, work, asdict(weighting)).identity[:16]
    mixed = work / name / "mixed.parquet"
    notes = mixed.with_name("mixed.json")
    run = begin_run(STEP, inputs, mixed, asdict(weighting), force=False)
    if run is None:
        return mixed, MixCounts(**json.loads(notes.read_bytes()))
    mixed.parent.mkdir(exist_ok=True)
    counts = write_mix(base, prepared, posted, weighting, mixed)
    write_atomically(notes.parent, {notes.name: json.dumps(asdict(counts)).encode()})
    run.record([mixed, notes])
    click.echo(
        f"{mixed}: {counts.base:,} questions of the base data, {counts.learned:,} posted ones to learn from, "
        f"{counts.kept_apart:,} kept apart"
    )
    return mixed, counts


def _register(
    registry: Path,
    mixed: Path,
    trained: Path,
    released: Path,
    champion: str | None,
    gates: Path | None,
    counts: MixCounts,
    posted: Sequence[PostedQuestion],
) -> Version:
    """Register and check the released model and write the report, unless that has been done."""
    made_of = json.loads(trained.with_name(trained.name + RECORD).read_bytes())["identity"]
    known = [
        version for version in read_versions(registry) if version.about.get("retrained", {}).get("made_of") == made_of
    ]
    if known and (known[0].folder / REPORT_FILE).exists():
        click.echo(f"Version {known[0].number} was made of the same: nothing to do.")
        return known[0]
    retrained = {"made_of": made_of, "mixed": asdict(counts), "months": count_by_month(posted)}
    version = known[0] if known else add_version(registry, released, {"retrained": retrained})
    with show_progress() as progress:
        questions = CheckQuestions(read_questions(mixed), mixed.name, sha256_of(mixed))
        opponents = load_opponents(registry, champion, version.about["tier"])
        limits = read_gates(gates or SHIPPED_GATES)
        version, result = check_and_record(version, questions, opponents, limits, progress)
    vocabulary = Classifier.load(version.folder).tags
    report: dict[str, Any] = {
        "champion": version.about["against"],
        "mixed": asdict(counts),
        "compared": compare_answers(result.both),
        "tags": compare_vocabularies(opponents.champion.tags, vocabulary, questions.questions, result.both),
    }
    texts = {JSON_FILE: json.dumps(report, indent=1, ensure_ascii=False) + "\n"}
    return update_version(version, {}, texts | {REPORT_FILE: format_report(version, report)})
