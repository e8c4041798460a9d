"""The file of rules: the shipped one is sound, and a wrong one says where."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.alerts.rules import RulesError, read_rules
from backend.cli import main

RULE = """
[a_rule]
title = "Something fell"
kind = "drop"
figure = "acceptance"
days = 7
reference = 28
by = 0.03
least = 200
advice = "Look at it."
"""


def test_the_shipped_rules_watch_what_must_be_watched() -> None:
    rules = read_rules()
    assert {(rule.kind, getattr(rule, "figure", None)) for rule in rules.values()} == {
        ("drop", "acceptance"),
        ("drop", "jaccard"),
        ("above", "missed"),
        ("below", "coverage"),
        ("disk", None),
        ("memory", None),
        ("burst", None),
        ("zero", None),
        ("failing", None),
        ("slow", None),
        ("lost", None),
        ("silent", None),
        ("drift", None),
    }
    assert all(rule.advice for rule in rules.values())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('kind = "drop"', 'kind = "fall"'), "a_rule"),
        (("by = 0.03\n", ""), "a_rule.drop.by: Field required"),
        (("by = 0.03", "by = 3"), "a_rule.drop.by"),
        (('figure = "acceptance"', 'figure = "aceptance"'), "there are acceptance, kept"),
        (("days = 7", "days = 7\nminutes = 5"), "a_rule.drop.minutes: Extra inputs"),
        (("days = 7", "days = "), "not valid TOML"),
        (("least = 200", "least = 0"), "a_rule.drop.least"),
    ],
)
def test_a_wrong_rule_is_named(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(RULE)
    assert list(read_rules(file)) == ["a_rule"]
    file.write_text(RULE.replace(*change))
    with pytest.raises(RulesError, match="alert rules") as error:
        read_rules(file)
    assert words in str(error.value)


def test_a_service_with_wrong_rules_says_so_and_does_not_start(tmp_path: Path) -> None:
    environment = {
        "TAGALONG_ALERT_RULES": str(tmp_path / "none.toml"),
        "TAGALONG_DATA_DIR": str(tmp_path),
        "TAGALONG_PORT": "0",
        "TAGALONG_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }
    result = CliRunner().invoke(main, ["serve"], env=environment)
    assert result.exit_code == 1
    assert "can't be read" in result.output
