"""The model card, made from the manifest: nothing in it is written by hand twice."""

from collections.abc import Sequence
from typing import Any, Final

from model.evaluation.metrics import PART_METRICS
from model.serving.classifier import IMPORTED

_CARD: Final = """# Model card: {version}

Suggests tags for a question that is being written on {sites}: {tags:,} tags with calibrated scores, from the raw title
and body. {files}, {size:.1f} MB together, run by ONNX Runtime on a CPU.

## How it works

Words of the title (runs of 1 to 3) and of the body (single ones), {features:,} features, weighed by TF-IDF, each
field at length 1. A low-rank linear part of rank {rank} and {wide} direct weights a feature, learned together by
binary cross-entropy, 8 bits a number. A word of title and body learns from both.{encoder} Scores are
calibrated on the tune part, by frequency of the tag and by whether the draft has a body. A tag is
*confident*, worth showing, as many as promise the best Jaccard against {own:.1f} tags, {most} at most, and none if the
best one has less than {first:.2f}.

A tag's name in the title or the body, in any of its spellings, pulls the tag part of the way up to what that spelling
was worth in the train rows; {by_name:,} rare tags are known by their names alone. Tags that the writer has chosen speak
for and against others, as they go together in questions: with one tag of a question given, {with_one:.1%} of its other
tags are among the best five, without it {without_one:.1%} (n = {given:,} of tune).

## Use

For the writer's own choice, one click a tag. Not for tagging without a person: {wrong:.0%} of the tags that it
shows were not among those that the asker posted. A score is the share of suggestions with it that were right on the
data below, no more.

## Data

{data_name} (sha256 `{data_sha}`): {rows:,} questions of Stack Overflow, each title once{years}.
Licence of the questions: {licence}.
Train {train_rows:,}, tune {tune_rows:,}, dev {dev_rows:,} rows; dev is marked in the data, tune is 5 % of the rest
by hash of the title. Everything was chosen on tune; dev was only reported.

{mix}

## Metrics

{metrics}
### Calibration on {last}

![Share of right suggestions against their score](calibration.svg)

The best five of each question in bins with equally many suggestions; on the line, a score is what it says.

### Time of one suggestion

{latency}

## Where it fails

- Tags outside its vocabulary: used less than {least_uses} times in the training data, or newer than the data.
- Rare tags: see the table by uses.
- Characters other than ASCII letters, digits and `_ # + . -` are no words to it: a question in another script gets
  tags only by the names and the code in it.
- Recent questions and short titles are harder than old ones with a body: see the parts above.
- Versions (`python` and `python-3.x`) are told apart poorly. Of several names of one tag, the one in use is offered.

## How to make it again

`tagalong-model train --tier {tier} --questions FILE.parquet --out DIR` with the parameters in manifest.json
({seconds:.0f} s here), then `tagalong-model release`. Libraries: {libraries}.
"""

_IMPORTED_CARD: Final = """# Model card: {version}

Suggests tags for a question that is being written on {sites}: {tags:,} tags with calibrated scores, from the raw title
and body. {files}, {size:.1f} MB together, run by ONNX Runtime on a CPU.

## How it works

A pipeline of scikit-learn, imported from `{file}` (sha256 `{file_sha}`):

{steps}

Around it, scores are calibrated on {calibrated_on:,} questions, by frequency of the tag and by whether the draft has a
body. A tag is *confident*, worth showing, as many as promise the best Jaccard against {own:.1f} tags, {most} at most,
and none if the best one has less than {first:.2f}. {reasons}

## Use

For the writer's own choice, one click a tag. Not for tagging without a person: {wrong:.0%} of the tags that it
shows were not among those that the asker posted. A score is the share of suggestions with it that were right on the
data below, no more.

## Data

Calibrated and measured on {data_name} (sha256 `{data_sha}`): {rows:,} questions{years}. {learned}

## Metrics

{metrics}
### Calibration on {last}

![Share of right suggestions against their score](calibration.svg)

The best five of each question in bins with equally many suggestions; on the line, a score is what it says.

### Time of one suggestion

{latency}

## How to make it again

`tagalong-model import` with the same files. Libraries: {libraries}.
"""

_ENCODER: Final = """
Beside them a sentence encoder reads the first {tokens} word pieces of title and body: {start}, fine-tuned on the train
rows with a head over all tags, its products in 8 bits. The mean of its last states has a linear part of its own in the
same sum, learned together with the others, and the head of the fine-tuning counts {times:g} times beside it."""

_MIX_OF: Final = {
    "cbe4f311ed0671b252fbd26ed16f53517dac5619a606a1eb78bde23fb4a44de8": """Its mix is not the site's:

- Questions with a body are mostly of 2008 to 2012 and of 2018, or about Java in 2025; others are titles only.
- In the oldest part the commonest tags (c#, java, php) are thin, and its tags are what the asker first typed.
- Some sources have one topic only (java, pandas, salesforce, azure-data-factory, r, web-scraping, matplotlib).
- One source kept only 100 frequent tags: there, a tag that is missing counts as unknown, not as wrong.
- Two people's tags for one question agree to a Jaccard of about 0.74: no model can reach 1.""",
}
"""What is known of the mix of a data file, by its sha256."""
_UNKNOWN_MIX: Final = "How its mix differs from the site's is not known. Find out before you trust a number below."


def format_card(manifest: dict[str, Any]) -> str:
    """Write the card of a released model as Markdown."""
    if manifest["tier"] == IMPORTED:
        return _format_imported(manifest)
    split = manifest["split"]["rows"]
    return _CARD.format(
        tier=manifest["tier"],
        features=sum(manifest["features"].values()),
        rank=manifest["parameters"]["rank"],
        wide=manifest["parameters"]["wide_kept"],
        encoder=_ENCODER.format(times=manifest["head_weight"], **manifest["encoder"]) if "encoder" in manifest else "",
        least_uses=manifest["parameters"]["least_uses"],
        by_name=manifest["names"]["tags_by_name_alone"],
        with_one=manifest["chosen"]["R@5 with"],
        without_one=manifest["chosen"]["R@5 without"],
        given=manifest["chosen"]["n"],
        licence=manifest["data"]["licence"],
        mix=_MIX_OF.get(manifest["data"]["sha256"], _UNKNOWN_MIX),
        train_rows=split["train"],
        tune_rows=split["tune"],
        dev_rows=split["dev"],
        seconds=manifest["training"]["seconds"],
        **_describe_measured(manifest),
    )


def _format_imported(manifest: dict[str, Any]) -> str:
    """Write the card of a version that was made of a pipeline of scikit-learn."""
    origin, interface = manifest["imported"], manifest["interface"]
    known = "Which questions it learned from is known: none of them judged it."
    unknown = "Which questions it learned from is not known: it may have seen some of those that judged it."
    reasons = "For each tag it names the words that weigh most." if interface["reasons"] else "It gives no reasons."
    return _IMPORTED_CARD.format(
        file=origin["file"],
        file_sha=origin["sha256"],
        steps="\n".join(f"- `{name}`: `{step}`" for name, step in manifest["parameters"]["pipeline"].items()),
        calibrated_on=manifest["split"]["calibrated_on"],
        reasons=f"{reasons} Tags that the writer has chosen are not offered again, and change nothing else.",
        learned=known if origin["knows_what_it_learned_from"] else unknown,
        **_describe_measured(manifest),
    )


def _describe_measured(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what both cards say: files, decision, data, metrics and times."""
    data, last = manifest["data"], list(manifest["metrics"])[-1]
    return {
        "version": manifest["version"],
        "sites": ", ".join(manifest["sites"]),
        "files": _join_words([f"`{name}`" for name in manifest["files"]]),
        "size": manifest["bytes"] / 1e6,
        "tags": manifest["tags"],
        **manifest["decision"],
        "wrong": 1 - manifest["metrics"][last]["metrics"]["precision"]["value"],
        "data_name": data["name"],
        "data_sha": data["sha256"],
        "rows": data["rows"],
        "years": ", {} to {}".format(*data["years"]) if data["years"] else "",
        "metrics": "\n".join(_format_metrics(name, entry) for name, entry in manifest["metrics"].items()),
        "last": last,
        "latency": _format_latency(manifest["latency_ms"]),
        "libraries": ", ".join(f"{name} {version}" for name, version in manifest["libraries"].items()),
    }


def _join_words(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _format_metrics(split: str, reported: dict[str, Any]) -> str:
    """Lay out one split's metrics, and its parts, as Markdown tables."""
    lines = [
        f"### {split}: {reported['n']:,} questions with complete tags",
        "",
        "| metric | value | 95 % interval | commonest five tags |",
        "| --- | --- | --- | --- |",
    ]
    for name, entry in reported["metrics"].items():
        base = reported["baseline"][name]["value"]
        lines.append(f"| {name} | {entry['value']:.3f} | {entry['low']:.3f} to {entry['high']:.3f} | {base:.3f} |")
    for division, parts in reported["parts"].items():
        lines += ["", f"| by {division} | n | {' | '.join(PART_METRICS)} |", "| --- " * (2 + len(PART_METRICS)) + "|"]
        for part, entry in parts.items():
            cells = " | ".join(f"{entry['metrics'][name]['value']:.3f}" for name in PART_METRICS)
            lines.append(f"| {part} | {entry['n']:,} | {cells} |")
    lines += ["", "| tags by uses in training | posted | among the best five | shown | right of these |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for band, entry in reported["frequency"].items():
        lines.append(
            f"| {band} | {entry['posted']:,} | {entry['found']:.3f} | {entry['shown']:,} | {entry['right']:.3f} |"
        )
    return "\n".join([*lines, ""])


def _format_latency(measured: Sequence[dict[str, float]]) -> str:
    lines = ["| characters of the body | p50, ms | p99, ms |", "| --- | --- | --- |"]
    lines += [f"| {entry['body_chars']:,} | {entry['p50']:.2f} | {entry['p99']:.2f} |" for entry in measured]
    return "\n".join([*lines, "", f"{measured[0]['n']:,} drafts each, one thread, on the machine that released it."])


def draw_calibration(bins: Sequence[dict[str, float]], n: int) -> str:
    """Draw the share of right suggestions against the mean score of each bin, as SVG.

    Args:
        bins: as ``model.evaluation.metrics.reliability`` gives them.
        n: questions that they are of.
    """
    side, left, top = 320, 60, 20

    def point(x: float, y: float) -> str:
        return f"{left + x * side:.1f},{top + (1 - y) * side:.1f}"

    marks = "".join(
        f'<circle cx="{left + entry["score"] * side:.1f}" cy="{top + (1 - entry["right"]) * side:.1f}" r="4"/>'
        for entry in bins
    )
    grid = "".join(
        f'<path d="M{point(x, 0)} L{point(x, 1)} M{point(0, x)} L{point(1, x)}"/>' for x in (0, 0.25, 0.5, 0.75, 1)
    )
    labels = "".join(
        f'<text x="{left + x * side:.1f}" y="{top + side + 18}" text-anchor="middle">{x:g}</text>'
        f'<text x="{left - 8}" y="{top + (1 - x) * side + 4:.1f}" text-anchor="end">{x:g}</text>'
        for x in (0, 0.25, 0.5, 0.75, 1)
    )
    line = " L".join(point(entry["score"], entry["right"]) for entry in bins)
    width, height = left + side + 20, top + side + 45
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"
  font-family="sans-serif" font-size="12" role="img" aria-label="Share of right suggestions against their score">
<rect width="{width}" height="{height}" fill="#fff"/>
<g stroke="#ddd" fill="none">{grid}</g>
<path d="M{point(0, 0)} L{point(1, 1)}" stroke="#888" stroke-dasharray="4 4" fill="none"/>
<path d="M{line}" stroke="#0a58ca" stroke-width="1.5" fill="none"/>
<g fill="#0a58ca">{marks}</g>
<g fill="#222">{labels}
<text x="{left + side / 2:.1f}" y="{top + side + 36}" text-anchor="middle">score</text>
<text x="16" y="{top + side / 2:.1f}" text-anchor="middle" transform="rotate(-90 16 {top + side / 2:.1f})">share of
right suggestions, n = {n:,} questions</text></g>
</svg>
"""
