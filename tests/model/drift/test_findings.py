"""Data, concept and model drift are told apart, and apart from bad days: of generated traffic, one thing is odd."""

from dataclasses import replace
from typing import Any

import pytest

from model.drift import findings
from model.drift.bad_days import find_bad_days
from model.drift.findings import comparable_drafts
from model.drift.reference import Reference, reference_of_drafts
from model.drift.summary import format_findings
from tests.model.drift.generated import VERSION, traffic


@pytest.fixture(scope="module")
def reference() -> Reference:
    return reference_of_drafts(traffic(seed=99, days=40).drafts, VERSION, "generated")


# What is another in each kind of traffic, and what must be found.
ODD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "shorter drafts": ({"lengths": (0.3, 0.45, 0.2, 0.05)}, ["data"]),
    "other topics": ({"zipf": 0.2}, ["data"]),
    "tags chosen before the first answer": ({"chosen": 0.9}, ["data"]),
    "tags are right less often at any score": ({"relation": lambda score: 0.7 * score}, ["concept"]),
    "tags of low scores are right, of high ones wrong": (
        {"relation": lambda score: score + 0.12 if score < 0.5 else score - 0.12},
        ["concept"],
    ),
    "people post tags that the model does not know": ({"missed": 2.2, "unknown": 0.6}, ["model"]),
    "a day without its database": ({"bad_day": (("unrecorded", 60),)}, ["outage"]),
    "a day without any traffic": ({"bad_day": (("recorded", 0), ("events", 0), ("without_consent", 0))}, ["outage"]),
    "a day of malformed requests": ({"bad_day": (("malformed", 200),)}, ["bad_input"]),
    "a day of refused events": ({"bad_day": (("refused", 200),)}, ["bad_input"]),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_found_and_nothing_else(reference: Reference, name: str) -> None:
    change, expected = ODD[name]
    assert findings.find_drift(traffic(seed=3, **change), reference)["found"] == expected


@pytest.mark.parametrize("seed", range(4, 6))
def test_usual_traffic_has_no_drift(reference: Reference, seed: int) -> None:
    assert findings.find_drift(traffic(seed=seed), reference)["found"] == []


def test_the_parts_of_a_change_add_up_to_it(reference: Reference) -> None:
    odd = traffic(seed=5, lengths=(0.3, 0.45, 0.2, 0.05), relation=lambda score: 0.8 * score, missed=1.5)
    told = findings.find_drift(odd, reference)["performance"]
    parts = [told[name]["value"] for name in ("by_inputs", "by_relation", "by_model")]
    assert sum(parts) == pytest.approx(told["change"]["value"], abs=2e-4)
    assert told["jaccard"] - told["reference"] == pytest.approx(told["change"]["value"], abs=2e-4)
    assert told["by_inputs"]["value"] < -0.01
    assert told["by_relation"]["value"] < -0.05


def test_few_drafts_are_no_drift_however_odd_they_look(reference: Reference) -> None:
    # 14 days of 3 drafts: the PSI alone would cry.
    few = traffic(seed=3, drafts=3)
    found = findings.find_drift(few, reference)
    assert max(column["psi"] for column in found["columns"]) > findings.PSI_BOUND
    assert found["found"] == []
    assert {column["drifted"] for column in found["columns"]} == {None}
    assert "too few to judge" in "\n".join(format_findings(found))


def test_nothing_at_all_is_no_fault(reference: Reference) -> None:
    nothing = replace(traffic(seed=3, drafts=3), drafts=[])
    found = findings.find_drift(nothing, reference)
    assert found["drafts"] == 0
    assert found["performance"]["jaccard"] is None
    assert "n/a" in "\n".join(format_findings(found))


def test_bad_days_and_other_versions_are_left_out_and_counted(reference: Reference) -> None:
    came = traffic(seed=3, bad_day=(("unrecorded", 60),))
    others = [replace(draft, model_version="full-another") for draft in came.drafts[:10]]
    came = replace(came, drafts=[*came.drafts, *others])
    found = findings.find_drift(came, reference)
    assert [each["kind"] for each in found["disturbances"]] == ["outage"]
    bad = found["disturbances"][0]["day"]
    assert (
        found["drafts"]
        == len(comparable_drafts(came, reference))
        == sum(draft.day != bad for draft in came.drafts[:-10])
    )
    assert found["drafts"] + found["left_out"] == len(came.drafts)


def test_a_quiet_weekend_of_a_small_service_is_no_outage() -> None:
    nothing = (("recorded", 0), ("events", 0), ("without_consent", 0))
    assert find_bad_days(traffic(drafts=3, bad_day=nothing).days) == []


def test_days_before_a_service_began_are_no_outage() -> None:
    days = traffic().days
    nothing = [replace(day, recorded=0, unrecorded=0, without_consent=0, events=0) for day in days[:3]]
    assert find_bad_days([*nothing, *days[3:]]) == []


def test_a_day_of_writers_who_want_no_counts_is_no_outage() -> None:
    assert find_bad_days(traffic(bad_day=(("recorded", 0), ("events", 0))).days) == []


def test_the_same_traffic_gives_the_same_figures(reference: Reference) -> None:
    came = traffic(seed=3)
    assert findings.find_drift(came, reference) == findings.find_drift(came, reference)
