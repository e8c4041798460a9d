"""``tagalong-model retrain``: from posted questions to a checked version that can be tried as challenger."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model.commands import questions as sources
from model.commands.prepare import languages_option, prepare
from model.commands.registry import (
    against,
    champion_of,
    champion_option,
    gates_option,
    mlflow_option,
    registry_errors,
    registry_option,
    show,
    track,
)
from model.commands.release import release
from model.commands.terminal import RELEASED, begin_run, require_extra, show_progress
from model.commands.train import train
from model.runs.files import write_atomically
from model.runs.steps import RECORD
from model.serving.classifier import DEFAULT_TIER, TIERS, Classifier, read_manifest

if TYPE_CHECKING:
    from model.questions.feedback import Told
    from model.registry.versions import Version
    from model.retraining.mixing import Mixed, Weighing

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
@sources.key_option
@sources.address_option
@mlflow_option
@click.pass_context
def retrain(
    context: click.Context,
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

    Texts and tags come from the site, by number: the tags in FILE are not learned from. A run that was stopped goes on
    where it was. Only one runs at a time.
    """
    with require_extra():
        from model.questions.feedback import told
        from model.retraining.lock import held
        from model.retraining.mixing import Weighing
    given = {"feedback": weight, "half_life": half_life, "missed": missed}
    weighing = Weighing(**{name: value for name, value in given.items() if value is not None})
    asked = {"sites": sites, "key": key, "address": address}
    learned = {"seed": seed, "epochs": epochs, "rank": rank, "least_uses": least_uses, "tag_sets": tag_sets}
    work = registry / WORK
    with registry_errors(registry), held(work / "lock"):
        chosen = tier or read_manifest(champion_of(registry, champion, DEFAULT_TIER))["tier"]
        encoder = champion_of(registry, champion, "full")
        if read_manifest(encoder)["tier"] != "full":
            encoder = RELEASED / "full"
        lines = [line for file in files for line in told(file, sites)[0]]
        posted = [_posted(context, file, work, asked, languages) for file in files]
        mixed, counts = _mixed(base, posted, files, lines, weighing, work)
        trained, released = (mixed.with_name(f"{step}-{chosen}") for step in ("trained", "released"))
        places = {"questions": mixed, "out": trained, "encoder": encoder, "keep": work / "encoded"}
        context.invoke(train, tier=chosen, **places, **learned, force=False)
        context.invoke(release, questions=mixed, trained=trained, out=released, force=False)
        version = _registered(registry, mixed, trained, released, champion, gates, counts, lines)
    show(version)
    if mlflow:
        track(version, mlflow)
    if failed := version.failed_names():
        raise click.ClickException(f"It cannot be deployed: it failed {', '.join(failed)}.")
    click.echo(f"To try it: tagalong-server deploy {version.number} --share 10%")


def _posted(
    context: click.Context, file: Path, work: Path, asked: dict[str, Any], languages: tuple[str, ...] | None
) -> Path:
    """Ask the sites for the questions that a file names, and prepare them, if that is not done; return the file."""
    from model.runs.steps import sha256_of

    name = sha256_of(file)[:16]
    fetched, prepared = work / f"posted-{name}.parquet", work / f"prepared-{name}.parquet"
    click.echo(f"Asking for the questions of {file}", err=True)
    # Anybody can send numbers of questions that are none: however many they are, the others are learned from.
    every = {"refuse_above": 1.0, "force": False}
    context.invoke(sources.feedback, file=file, out=fetched, **asked, **every)
    context.invoke(prepare, questions=fetched, out=prepared, dev_share=0.0, languages=languages, **every)
    return prepared


def _mixed(
    base: Path,
    posted: Sequence[Path],
    files: Sequence[Path],
    lines: "Sequence[Told]",
    weighing: "Weighing",
    work: Path,
) -> "tuple[Path, Mixed]":
    """Mix, if that is not done; return the file and what became of the rows."""
    from model.retraining.mixing import STEP, Mixed, mix
    from model.runs.steps import Run

    inputs = [base, *posted, *files]
    name = Run(STEP, inputs, work, asdict(weighing)).identity[:16]
    mixed = work / name / "mixed.parquet"
    notes = mixed.with_name("mixed.json")
    run = begin_run(STEP, inputs, mixed, asdict(weighing), force=False)
    if run is None:
        return mixed, Mixed(**json.loads(notes.read_bytes()))
    mixed.parent.mkdir(exist_ok=True)
    counts = mix(base, posted, lines, weighing, mixed)
    write_atomically(notes.parent, {notes.name: json.dumps(asdict(counts)).encode()})
    run.record([mixed, notes])
    click.echo(
        f"{mixed}: {counts.base:,} questions of the base data, {counts.learned:,} posted ones to learn from, "
        f"{counts.kept_apart:,} kept apart"
    )
    return mixed, counts


def _registered(
    registry: Path,
    mixed: Path,
    trained: Path,
    released: Path,
    champion: str | None,
    gates: Path | None,
    counts: "Mixed",
    lines: "Sequence[Told]",
) -> "Version":
    """Register and check the released model, and write the report, if that is not done."""
    from model.questions.parquet import read
    from model.registry import gates as gates_of
    from model.registry.register import On, add, checked
    from model.registry.versions import all_versions, settled
    from model.retraining import report
    from model.runs.steps import sha256_of

    made_of = json.loads(trained.with_name(trained.name + RECORD).read_bytes())["identity"]
    known = [each for each in all_versions(registry) if each.about.get("retrained", {}).get("made_of") == made_of]
    if known and (known[0].folder / report.REPORT_FILE).exists():
        click.echo(f"Version {known[0].number} was made of the same: nothing to do.")
        return known[0]
    retrained = {"made_of": made_of, "mixed": asdict(counts), "months": _months(lines)}
    version = known[0] if known else add(registry, released, {"retrained": retrained})
    with show_progress() as progress:
        on = On(read(mixed), mixed.name, sha256_of(mixed))
        with_ = against(registry, champion, version.about["tier"])
        version, found = checked(version, on, with_, gates_of.read(gates or gates_of.SHIPPED), progress)
    after = Classifier.load(version.folder).tags
    content: dict[str, Any] = {
        "champion": version.about["against"],
        "mixed": asdict(counts),
        "compared": report.compared(found.both),
        "tags": report.vocabulary(with_.champion.tags, after, on.questions, found.both),
    }
    texts = {report.JSON_FILE: json.dumps(content, indent=1, ensure_ascii=False) + "\n"}
    return settled(version, {}, texts | {report.REPORT_FILE: report.written(version, content)})


def _months(lines: "Sequence[Told]") -> dict[str, int]:
    """Count the posted questions by month, for `due`; those of an unknown month under an empty name."""
    of = {(line.site, line.question_id): line.month or "" for line in lines}
    return dict(sorted(Counter(of.values()).items()))
