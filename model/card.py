"""The model card, made from the manifest: nothing in it is written by hand twice."""

from typing import Any, Final

from model.evaluate import PART_METRICS

_CARD: Final = """# Model card: {version}

Suggests tags for a question that is being written on {sites}. One ONNX graph, {size:.1f} MB, from the raw title
and body to {tags:,} tags with calibrated scores. It runs on ONNX Runtime's own operators, on a CPU.

## How it works

Words of the title (runs of 1 to 3) and of the body (single ones), {features:,} features, weighed by TF-IDF, each
field at length 1. A low-rank linear part of rank {rank} and {wide} direct weights a feature, learned together by
binary cross-entropy, 8 bits a number. A word of title and body learns from both. Scores are
calibrated on the tune part, by frequency of the tag and by whether the draft has a body. A tag is
*confident*, worth showing, from a score of {threshold:.2f} on, {most} tags at most; the best one from {first:.2f} on.
If none reaches that, nothing is shown.

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
## Where it fails

- Tags outside its vocabulary: used less than {least_uses} times in the training data, or newer than the data.
- Characters other than ASCII letters, digits and `_ # + . -` are not seen: a question in another script gets tags
  only by the names and the code in it.
- Recent questions and short titles are harder than old ones with a body: see the parts above.
- Versions and old names (`python` and `python-3.x`, `macos` and `osx`) are told apart poorly.

## How to make it again

`tagalong-model train --questions FILE.parquet --out DIR`, with the parameters in manifest.json: {seconds:.0f} s on
two cores. Libraries: {libraries}.
"""

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


def model_card(manifest: dict[str, Any]) -> str:
    """Write the card of a released model as Markdown."""
    split, data = manifest["split"]["rows"], manifest["data"]
    reported = manifest["metrics"].get("dev") or manifest["metrics"]["tune"]
    return _CARD.format(
        version=manifest["version"],
        sites=", ".join(manifest["sites"]),
        size=manifest["bytes"] / 1e6,
        tags=manifest["tags"],
        features=sum(manifest["features"].values()),
        rank=manifest["parameters"]["rank"],
        wide=manifest["parameters"]["wide"],
        least_uses=manifest["parameters"]["least_uses"],
        threshold=manifest["decision"]["threshold"],
        first=manifest["decision"]["first"],
        most=manifest["decision"]["most"],
        wrong=1 - reported["metrics"]["precision"]["value"],
        data_name=data["name"],
        data_sha=data["sha256"],
        rows=data["rows"],
        licence=data["licence"],
        years=", {} to {}".format(*data["years"]) if data["years"] else "",
        mix=_MIX_OF.get(data["sha256"], _UNKNOWN_MIX),
        train_rows=split["train"],
        tune_rows=split["tune"],
        dev_rows=split["dev"],
        metrics="\n".join(_metrics(name, of) for name, of in manifest["metrics"].items()),
        seconds=manifest["training"]["seconds"],
        libraries=", ".join(f"{name} {version}" for name, version in manifest["libraries"].items()),
    )


def _metrics(split: str, reported: dict[str, Any]) -> str:
    """Lay out one split's metrics, and its parts, as Markdown tables."""
    lines = [
        f"### {split}: {reported['n']:,} questions with complete tags",
        "",
        "| metric | value | 95 % interval | commonest five tags |",
        "| --- | --- | --- | --- |",
    ]
    for name, of in reported["metrics"].items():
        base = reported["baseline"][name]["value"]
        lines.append(f"| {name} | {of['value']:.3f} | {of['low']:.3f} to {of['high']:.3f} | {base:.3f} |")
    for way, parts in reported["parts"].items():
        lines += ["", f"| by {way} | n | {' | '.join(PART_METRICS)} |", "| --- " * (2 + len(PART_METRICS)) + "|"]
        for part, of in parts.items():
            cells = " | ".join(f"{of['metrics'][name]['value']:.3f}" for name in PART_METRICS)
            lines.append(f"| {part} | {of['n']:,} | {cells} |")
    return "\n".join([*lines, ""])
