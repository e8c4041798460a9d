"""The life of an alert, evaluation by evaluation."""

from datetime import UTC, datetime, timedelta

from backend.alerts.states import Alert, Evaluation, advance_alert

START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
PENDING, CALM = timedelta(minutes=5), timedelta(minutes=10)


def play(*evaluations: bool | None, pending: timedelta = PENDING, calm: timedelta = CALM) -> list[str | None]:
    """Return the states after evaluations a minute apart: True broken, False not, None nothing to judge by."""
    alert: Alert | None = None
    states: list[str | None] = []
    for minute, breached in enumerate(evaluations):
        now = START + timedelta(minutes=minute)
        alert = advance_alert(alert, Evaluation(breached, f"minute {minute}"), now, pending=pending, calm=calm)
        states.append(alert.state if alert else None)
        if alert and alert.state == "resolved":
            alert = None
    return states


def test_a_rule_must_be_broken_for_a_while_before_its_alert_fires() -> None:
    assert play(*[True] * 7) == ["pending"] * 5 + ["firing"] * 2
    assert play(True, True, False, True) == ["pending", "pending", None, "pending"]


def test_without_a_while_it_fires_at_once() -> None:
    assert play(False, True, pending=timedelta(0)) == [None, "firing"]


def test_it_is_resolved_only_after_calm_and_calm_begins_anew_when_it_is_broken_again() -> None:
    once = [True, *[False] * 11]
    assert play(*once, pending=timedelta(0)) == ["firing"] * 11 + ["resolved"]
    again = [True, *[False] * 9, True, *[False] * 11]
    assert play(*again, pending=timedelta(0)) == ["firing"] * 21 + ["resolved"]


def test_with_nothing_to_judge_by_it_stays_as_it_was() -> None:
    assert play(None, True, None, None) == [None, "pending", "pending", "pending"]
    assert play(True, None, pending=timedelta(0)) == ["firing", "firing"]


def test_it_keeps_when_it_began_and_the_latest_figures() -> None:
    alert = None
    for minute in range(7):
        alert = advance_alert(
            alert, Evaluation(True, f"minute {minute}"), START + timedelta(minutes=minute), pending=PENDING, calm=CALM
        )
    assert alert is not None
    assert (alert.since, alert.fired_at, alert.words) == (START, START + PENDING, "minute 6")
