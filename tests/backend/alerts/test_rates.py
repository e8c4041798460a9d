"""How often the rules fire without a cause, and how soon with one, in simulated months."""

from dataclasses import replace

import numpy as np
import pytest

from backend.alerts.judgements import judge_lost_events, sum_capped
from backend.alerts.rules import LostEventsRule, read_rules
from tools.alert_rates import SEED, WORLDS, judged_rules, measure

QUICK = [world for world in WORLDS if world.drafts == 100]


@pytest.mark.parametrize("world", QUICK, ids=lambda world: world.name)
def test_in_a_few_months_no_rule_fires_without_cause_and_faults_are_found(world) -> None:  # type: ignore[no-untyped-def]
    measured = measure(world, judged_rules(), months=4, seed=SEED + 1)
    assert {name: alarms for name, (alarms, _) in measured.items() if alarms} == {}
    for name in ("acceptance_zero", "views_zero", "page_fails", "no_drafts"):
        assert measured[name][1] <= 24, f"{name} was broken for {measured[name][1]:.1f} hours before it fired"
    if not world.power_users:
        assert measured["acceptance_fell"][1] <= 4 * 24


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_a_month_without_a_change_raises_at_most_one_alert_in_a_hundred(world, record_property) -> None:  # type: ignore[no-untyped-def]
    months = 40 if world.drafts > 1000 else 200
    measured = measure(world, judged_rules(), months, SEED)
    record_property("alerts", str(measured))
    print(measured)
    # Of a rate of one in a hundred, chance makes more than these in less than one of two hundred worlds.
    most = 3 if months < 100 else 7
    assert {name: alarms for name, (alarms, _) in measured.items() if alarms > most} == {}
    if world.drafts == 100 and world.rho == 0.05:
        assert measured["acceptance_fell"][1] <= 4 * 24


def test_one_writer_weighs_no_more_than_ten_chips() -> None:
    few = sum_capped(np.full(50, 4), np.full(50, 2))
    with_a_power_user = sum_capped(np.append(np.full(50, 4), 5000), np.append(np.full(50, 2), 0))
    assert few.rate == 0.5
    assert with_a_power_user.n == 5200
    assert with_a_power_user.rate == pytest.approx(100 / 210)


@pytest.mark.parametrize(
    ("lost", "received", "breached"), [(12, 56, True), (1, 67, False), (3, 10, None), (22, 1100, True)]
)
def test_loss_is_seen_in_few_events_too(lost: int, received: int, breached: bool | None) -> None:
    rule = read_rules()["events_lost"]
    assert isinstance(rule, LostEventsRule)
    assert judge_lost_events(rule, lost, received).breached is breached


def test_a_world_is_the_same_with_the_same_seed() -> None:
    world = replace(QUICK[0], drafts=100)
    assert measure(world, ["no_drafts"], 1, 3) == measure(world, ["no_drafts"], 1, 3)
