"""The report of a retraining: challenger and champion on the same questions, old and new, and what became of tags."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from model.evaluation.metrics import COMPARED, compute_differences, compute_metrics
from model.questions import Question
from model.registry.checks import ComparedAnswers
from model.registry.versions import Version
from model.retraining.mixing import is_posted

JSON_FILE: Final = "retraining.json"
REPORT_FILE: Final = "RETRAINING.md"
SHOWN: Final = (*COMPARED, "coverage", "ECE")
LISTED: Final = 40
"""New tags that the report names, those that posted questions use most."""
PARTS: Final = {"old": "kept apart in the base data", "new": "posted, and kept apart"}

_REPORT: Final = """# Version {number}, {version}: {state}

Trained again on {learned:,} posted questions beside {base:,} of the base data, and compared with {champion} on the same
questions, those that neither was trained on; the checks say how many were left out. {replaced:,} of the base data gave
way to the same question as posted. New questions are what people posted while a model suggested tags to them: they
agree with the champion more than others would.

{parts}
## Tags

The vocabulary has {after:,} tags; {champion} has {before:,}. {added:,} came in, {lost:,} went out.
{known}

## Checks

{checks}
"""


def compare_answers(both: ComparedAnswers) -> dict[str, dict[str, Any]]:
    """Measure both on the old and on the new of the questions: {part: {n, challenger, champion, difference}}."""
    parts: dict[str, dict[str, Any]] = {}
    for part in PARTS:
        rows = [i for i, question in enumerate(both.questions) if is_posted(question) == (part == "new")]
        if rows:
            posted = [both.questions[i].tags for i in rows]
            own, others = ([answers[i] for i in rows] for answers in (both.given, both.champions))
            challenger, champion = compute_metrics(posted, own), compute_metrics(posted, others)
            parts[part] = {
                "n": len(rows),
                "challenger": {name: challenger[name] for name in SHOWN},
                "champion": {name: champion[name] for name in SHOWN},
                "difference": compute_differences(posted, own, others),
            }
    return parts


def compare_vocabularies(
    before: Sequence[str], after: Sequence[str], questions: Sequence[Question], both: ComparedAnswers
) -> dict[str, Any]:
    """Return the tags that came in and went out, and how often the former are found in new held-out questions."""
    added = set(after) - set(before)
    learned = Counter(
        tag for question in questions if question.split == "train" and is_posted(question) for tag in question.tags
    )
    answered = zip(both.questions, both.given, strict=True)
    new = [(question.tags, answer) for question, answer in answered if is_posted(question)]
    uses = [(tag, answer) for tags, answer in new for tag in tags if tag in added]
    return {
        "before": len(before),
        "after": len(after),
        "lost": sorted(set(before) - set(after)),
        "added": sorted(added, key=lambda tag: (-learned[tag], tag)),
        "posted": len(uses),
        "found": sum(tag in answer.tags for tag, answer in uses),
    }


def format_report(version: Version, report: Mapping[str, Any]) -> str:
    """Write the report as Markdown."""
    tags, mixed = report["tags"], report["mixed"]
    named = ", ".join(f"`{tag}`" for tag in tags["added"][:LISTED])
    known = f"Came in: {named}{' …' if len(tags['added']) > LISTED else ''}." if named else ""
    if tags["posted"]:
        known += (
            f" New questions kept apart use them {tags['posted']:,} times; {tags['found']:,} times they are among the "
            "best five."
        )
    return _REPORT.format(
        number=version.number,
        version=version.name,
        state=version.state,
        champion=version.about["against"],
        learned=mixed["learned"],
        base=mixed["base"],
        replaced=mixed["replaced"],
        parts="\n".join(_format_part(name, of) for name, of in report["compared"].items()),
        before=tags["before"],
        after=tags["after"],
        added=len(tags["added"]),
        lost=len(tags["lost"]),
        known=known,
        checks="\n".join(
            f"- {version.outcome(check)}: {check['name']}: {check['says']}" for check in version.about["checks"]
        ),
    )


def _format_part(name: str, figures: Mapping[str, Any]) -> str:
    lines = [
        f"## {name.capitalize()} questions: {figures['n']:,}, {PARTS[name]}",
        "",
        "| metric | this version | champion | difference, 95 % interval |",
        "| --- | --- | --- | --- |",
    ]
    for metric in SHOWN:
        gap = figures["difference"].get(metric)
        interval = f"{gap['value']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})" if gap else ""
        values = (f"{figures[who][metric]['value']:.3f}" for who in ("challenger", "champion"))
        lines.append(f"| {metric} | {' | '.join(values)} | {interval} |")
    return "\n".join([*lines, ""])
