"""The example for Prometheus: its rules fire when they should, over metrics that exist."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.backend.service import ADMIN, Service

FOLDER = Path(__file__).parent.parent.parent / "deploy" / "prometheus"


def promtool(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    assert shutil.which("promtool"), "promtool is missing: `make programs`, or Debian's package prometheus, brings it"
    return subprocess.run(["promtool", *arguments], cwd=FOLDER, input=given, capture_output=True, text=True)


@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "rules.yml"), ("check", "config", "--syntax-only", "prometheus.yml")],
    ids=lambda arguments: arguments[1],
)
def test_promtool_accepts_the_files(arguments: tuple[str, ...]) -> None:
    checked = promtool(*arguments)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    files = sorted(path.name for path in FOLDER.glob("*.test.yml"))
    tested = promtool("test", "rules", *files)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    alerts = set(re.findall(r"alert: (\w+)", (FOLDER / "rules.yml").read_text()))
    assert alerts == set(re.findall(r"alertname: (\w+)", "".join((FOLDER / file).read_text() for file in files)))


@pytest.mark.anyio
async def test_promtool_accepts_the_exposition(service: Service) -> None:
    await service.suggest()
    exposition = (await service.client.get("/metrics", auth=ADMIN)).text
    checked = promtool("check", "metrics", given=exposition)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.anyio
async def test_the_rules_use_metrics_that_exist(service: Service) -> None:
    await service.suggest()
    text = (await service.client.get("/metrics", auth=ADMIN)).text
    families = list(parse(text))
    there = {sample.name for family in families for sample in family.samples} | {
        family.name + ("_total" if family.type == "counter" else "") for family in families
    }
    asked = set(re.findall(r"\b(tagalong_[a-z_]+)", re.sub(r"name: .*|#.*", "", (FOLDER / "rules.yml").read_text())))
    assert asked
    assert asked <= there
    routes = set(re.findall(r'route="([^"]+)"', (FOLDER / "rules.yml").read_text()))
    assert all(f'route="{route}"' in text for route in routes)
