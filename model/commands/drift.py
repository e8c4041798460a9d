"""``tagalong-model drift``: whether what comes in, and what becomes of it, is still what a model was made for."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import click

from model.commands.registry import registry_errors, registry_option
from model.commands.terminal import RELEASED, load_model, out_file, progress_bars, report_errors, require_extra
from model.drift import findings, reference, traffic
from model.runs.files import write_atomically
from model.serving.classifier import DEFAULT_TIER, TIERS, read_manifest


@click.command()
@click.option(
    "--model",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of a released model.  [default: the one that served when the export was made]",
)
@registry_option
@click.option(
    "--export", "export", type=click.Path(path_type=Path, dir_okay=False), help="What `tagalong-server export` wrote."
)
@click.option(
    "--reference",
    "reference_file",
    type=out_file,
    help=f"What to compare with.  [default: {reference.REFERENCE_FILE} in the model's folder]",
)
@click.option("--json", "json_file", type=out_file, help="Write the key figures here.")
@click.option("--html", type=out_file, help="Write Evidently's report here (extra 'drift').")
@click.option("--make-reference", is_flag=True, help="Make the reference: of --questions, or of --export.")
@click.option("--questions", type=click.Path(path_type=Path), help="Parquet file of questions; those of dev are taken.")
def drift(
    model: Path | None,
    registry: Path,
    export: Path | None,
    reference_file: Path | None,
    json_file: Path | None,
    html: Path | None,
    make_reference: bool,
    questions: Path | None,
) -> None:
    """Compare what came in with the model's reference: data, concept and model drift, told apart, and bad days.

    Released models bring their reference. Where the mix of their training data is not that of your service, make one of
    an export of your first weeks: --make-reference --export first.jsonl.gz --reference mine.json.
    """
    try:
        came = traffic.read(export) if export else None
        if make_reference:
            folder = model or _serving(came, registry)
            where = reference_file or folder / reference.REFERENCE_FILE
            made = _of_questions(folder, questions) if questions else _of_export(folder, export, came)
            with report_errors(where):
                reference.write(made, where)
            click.echo(f"{where}: {made.made_of}, {made.drafts:,} answered by {made.model_version}")
            return
        if came is None:
            raise click.UsageError("Name what came in: --export FILE, as `tagalong-server export` writes it.")
        against = reference.read(reference_file or (model or _serving(came, registry)) / reference.REFERENCE_FILE)
    except (reference.BadReference, traffic.TrafficError) as error:
        raise click.ClickException(str(error)) from error
    found = findings.findings(came, against)
    click.echo("\n".join(findings.in_words(found)))
    if json_file is not None:
        with report_errors(json_file):
            content = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
            write_atomically(json_file.parent, {json_file.name: content.encode()})
    if not found["drafts"]:
        raise click.ClickException(f"{findings.limit(found)}.{_other_versions(came)}")
    if html is not None:
        with require_extra(), report_errors(html):
            from model.drift.page import write_page

            write_page(findings.compared(came, against), against, html)


def _serving(came: traffic.Traffic | None, registry: Path) -> Path:
    """Return the folder of the version that served, or of the shipped model where an older export does not say."""
    if came is None or came.serving is None:
        return RELEASED / DEFAULT_TIER
    shipped = [RELEASED / tier for tier in TIERS]
    if found := next((folder for folder in shipped if read_manifest(folder)["version"] == came.serving), None):
        return found
    with require_extra():
        from model.registry.versions import all_versions
    with registry_errors(registry):
        versions = all_versions(registry)
    if version := next((version for version in versions if version.name == came.serving), None):
        return version.folder
    raise click.ClickException(
        f"{came.serving} served, and it is neither a shipped model nor in {registry}. Name its folder with --model, or "
        "the service's registry with --registry."
    )


def _other_versions(came: traffic.Traffic) -> str:
    """Name the versions that did answer."""
    answered = Counter(draft.model_version for draft in came.drafts).most_common()
    counts = ", ".join(f"{version} ({n:,})" for version, n in answered)
    return f" They were answered by {counts}: --model names the folder of one." if counts else ""


def _of_questions(model: Path, questions: Path) -> reference.Reference:
    with require_extra():
        from model.evaluation.metrics import answers
        from model.evaluation.unseen import unseen
        from model.questions.parquet import read
        from model.training.trained_titles import trained_titles
    classifier = load_model(model)
    with report_errors(questions):
        rows = [row for row in read(questions) if row.split == "dev" and row.tags_complete]
    if not rows:
        raise click.ClickException(
            f"{questions} has no dev questions with complete tags. Mark some rows dev in a column split."
        )
    left = unseen(rows, trained_titles([model]))
    with report_errors(questions):
        left.require_enough()
    click.echo("; ".join(left.sentences()), err=True)
    rows = left.questions
    with progress_bars() as bar:
        given = answers(classifier, rows, bar(f"{classifier.version} on dev", len(rows)))
    return reference.of_answers(rows, given, classifier)


def _of_export(model: Path, export: Path | None, came: traffic.Traffic | None) -> reference.Reference:
    if export is None or came is None:
        raise click.UsageError("Make a reference of what: --questions FILE, or --export FILE?")
    made_of = f"drafts of {came.since} to {came.until}, {hashlib.sha256(export.read_bytes()).hexdigest()[:8]}"
    return reference.summarised(findings.on_good_days(came), load_model(model).version, made_of)
