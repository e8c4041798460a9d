"""``tagalong-model drift``: whether what comes in, and what becomes of it, is still what a model was made for."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import click

from model.commands.registry_option import registry_option
from model.commands.terminal import RELEASED, load_model, out_file, progress_bars, report_errors, require_extra
from model.drift import findings, reference, summary, traffic
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
    """Compare what came in with the model's reference: data, concept and model drift, and bad days.

    Released models bring their reference. If the mix of their training data is not that of your service, make one from
    an export of your first weeks: --make-reference --export first.jsonl.gz --reference mine.json.
    """
    try:
        exported = traffic.read_export(export) if export else None
        if make_reference:
            folder = model or _served_folder(exported, registry)
            reference_path = reference_file or folder / reference.REFERENCE_FILE
            made = (
                _reference_of_questions(folder, questions)
                if questions
                else _reference_of_export(folder, export, exported)
            )
            with report_errors(reference_path):
                reference.write_reference(made, reference_path)
            click.echo(f"{reference_path}: {made.made_of}, {made.drafts:,} answered by {made.model_version}")
            return
        if exported is None:
            raise click.UsageError("Name what came in: --export FILE, as `tagalong-server export` writes it.")
        against = reference.read_reference(
            reference_file or (model or _served_folder(exported, registry)) / reference.REFERENCE_FILE
        )
    except (reference.BadReference, traffic.TrafficError) as error:
        raise click.ClickException(str(error)) from error
    report = findings.find_drift(exported, against)
    click.echo("\n".join(summary.format_findings(report)))
    if json_file is not None:
        with report_errors(json_file):
            content = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
            write_atomically(json_file.parent, {json_file.name: content.encode()})
    if not report["drafts"]:
        raise click.ClickException(f"{summary.explain_no_verdict(report)}.{_describe_other_versions(exported)}")
    if html is not None:
        # Evidently is of the extra 'drift', and takes a second to import.
        with require_extra(), report_errors(html):
            from model.drift.page import write_page

            write_page(report, findings.comparable_drafts(exported, against), against, html)


def _served_folder(exported: traffic.Traffic | None, registry: Path) -> Path:
    """Return the folder of the version that served, or of the shipped model where an older export does not say."""
    if exported is None or exported.serving is None:
        return RELEASED / DEFAULT_TIER
    shipped = [RELEASED / tier for tier in TIERS]
    if folder := next((path for path in shipped if read_manifest(path)["version"] == exported.serving), None):
        return folder
    # The commands of the registry need the extra 'train', and reading an export does not.
    with require_extra():
        from model.commands.registry import registry_errors
        from model.registry.versions import read_versions
    with registry_errors(registry):
        versions = read_versions(registry)
    if version := next((version for version in versions if version.name == exported.serving), None):
        return version.folder
    raise click.ClickException(
        f"{exported.serving} served, and it is neither a shipped model nor in {registry}. Name its folder with "
        "--model, or the service's registry with --registry."
    )


def _describe_other_versions(exported: traffic.Traffic) -> str:
    """Name the versions that did answer."""
    answered = Counter(draft.model_version for draft in exported.drafts).most_common()
    counts = ", ".join(f"{version} ({n:,})" for version, n in answered)
    return f" They were answered by {counts}: --model names the folder of one." if counts else ""


def _reference_of_questions(model: Path, questions: Path) -> reference.Reference:
    # Questions need the extra 'train', and reading an export does not.
    with require_extra():
        from model.evaluation.answers import answer_questions
        from model.evaluation.unseen import exclude_seen
        from model.questions.parquet import read_questions
        from model.training.trained_titles import read_trained_titles
    classifier = load_model(model)
    with report_errors(questions):
        rows = [row for row in read_questions(questions) if row.split == "dev" and row.tags_complete]
    if not rows:
        raise click.ClickException(
            f"{questions} has no dev questions with complete tags. Mark some rows dev in a column split."
        )
    unseen = exclude_seen(rows, read_trained_titles([model]))
    with report_errors(questions):
        unseen.require_enough()
    click.echo("; ".join(unseen.sentences()), err=True)
    rows = unseen.questions
    with progress_bars() as open_bar:
        answers = answer_questions(classifier, rows, open_bar(f"{classifier.version} on dev", len(rows)))
    return reference.reference_of_answers(rows, answers, classifier)


def _reference_of_export(model: Path, export: Path | None, exported: traffic.Traffic | None) -> reference.Reference:
    if export is None or exported is None:
        raise click.UsageError("Make a reference of what: --questions FILE, or --export FILE?")
    made_of = f"drafts of {exported.since} to {exported.until}, {hashlib.sha256(export.read_bytes()).hexdigest()[:8]}"
    return reference.reference_of_drafts(findings.drafts_of_good_days(exported), load_model(model).version, made_of)
