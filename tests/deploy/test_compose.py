"""The Compose file, the Dockerfile and the example settings agree with each other and with the project."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder

from backend.cli import main
from backend.commands.check import MUST, check_access, check_proxy
from backend.postgres.embedded.programs import VERSION
from backend.settings import Settings
from tests.end_to_end.process import ROOT

COMPOSE: Mapping[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: Mapping[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
# Each stage's name and what it starts from, in the file's order.
STAGES = {name: base for base, name in re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)}
CADDYFILE = (ROOT / "deploy" / "Caddyfile").read_text()
DEPLOYING = (ROOT / "docs" / "deploying.md").read_text()
EXAMPLES = sorted((ROOT / "deploy").glob("*.env"))

# What whoever deploys makes on the machine; docs/deploying.md says how.
MADE_BY_HAND = {".env", "deploy/secrets/database-password", "deploy/secrets/admin-password", "deploy/secrets/api-key"}


def example(path: Path, *, commented: bool = False) -> dict[str, str]:
    """The variables that an example sets, and if asked those that it shows commented out."""
    pattern = r"^(?:# )?([A-Z_]+)=(.*)$" if commented else r"^([A-Z_]+)=(.*)$"
    return dict(re.findall(pattern, path.read_text(), re.MULTILINE))


def replicas() -> dict[str, Any]:
    serve = ["tagalong-server", "serve"]
    return {name: service for name, service in SERVICES.items() if service.get("command") == serve}


def commands() -> Iterator[list[str]]:
    yield from (service["command"] for service in SERVICES.values() if "tagalong-server" in service.get("command", []))
    entry = re.search(r'CMD \["tagalong-server", "([a-z]+)"\]', DOCKERFILE)
    assert entry is not None
    yield ["tagalong-server", *entry.groups()]


def variables() -> set[str]:
    named = {name for service in SERVICES.values() for name in service.get("environment", {})}
    named |= set(re.findall(r"\b(TAGALONG_[A-Z_]+)=", DOCKERFILE))
    return named | {name for path in EXAMPLES for name in example(path, commented=True)}


def test_every_command_is_one_of_the_servers() -> None:
    found = list(commands())
    assert len(found) == 4
    for _, name, *options in found:
        assert name in main.commands
        assert options == []


def test_every_variable_is_a_setting() -> None:
    ours = {name for name in variables() if name.startswith("TAGALONG_")}
    assert len(ours) > 10
    for name in ours:
        assert name.removeprefix("TAGALONG_").removesuffix("_FILE").lower() in Settings.model_fields, name


def test_every_variable_of_the_caddyfile_is_given_or_has_a_default() -> None:
    named = dict(re.findall(r"\{\$([A-Z_]+):?([^}]*)\}", CADDYFILE))
    given = SERVICES["proxy"]["environment"]
    assert set(given) <= set(named)
    assert all(default for name, default in named.items() if name not in given)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_of_settings_can_be_read(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in example(path, commented=True).items():
        monkeypatch.setenv(name, value)
    Settings()
    assert {path.stem for path in EXAMPLES} == {"development", "staging", "production"}


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path.stem != "development"], ids=lambda path: path.stem)
def test_what_compose_starts_is_safe(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = example(path)
    dockers = dict(re.findall(r"\b(TAGALONG_[A-Z_]+)=(\S+)", DOCKERFILE))
    ours = given | dockers | {name: str(value) for name, value in COMPOSE["x-service"]["environment"].items()}
    for name, value in ours.items():
        value = re.sub(r"\$\{SITE[^}]*\}", given["SITE"], value)
        if name.endswith("_FILE"):
            secret = tmp_path / Path(value).name
            secret.write_text("b5d4045c3f466fa91fe2cc6abe79232a\n")
            value = str(secret)
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.database_url.startswith("postgresql+asyncpg://tagalong:b5d4045c3f466fa91fe2cc6abe79232a@database:")
    assert settings.api_key
    assert [finding for finding in (*check_access(settings), *check_proxy(settings)) if finding.severity == MUST] == []
    # Its own health check, Caddy's and Prometheus's requests must pass the gate.
    assert {"127.0.0.1", "localhost", given["SITE"], *replicas()} <= set(settings.allowed_hosts)


def test_every_file_exists_or_is_made_by_hand() -> None:
    sources = {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])}
    files = {source for source in sources if source.startswith(".")}
    files |= {secret["file"] for secret in COMPOSE["secrets"].values()} | {COMPOSE["x-service"]["env_file"]}
    for file in (name.removeprefix("./") for name in files):
        # The registry is a folder that Docker makes where it is missing.
        assert (ROOT / file).exists() or file in {*MADE_BY_HAND, ".tagalong/models"}, file
    for file in MADE_BY_HAND:
        assert file in DEPLOYING
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {".env", "/deploy/secrets/"} <= set(ignored)


def test_secrets_volumes_and_services_that_are_used_are_declared() -> None:
    for name, service in SERVICES.items():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"]), name
        assert set(service.get("depends_on", {})) <= set(SERVICES), name
        for value in service.get("environment", {}).values():
            if secret := re.fullmatch(r"/run/secrets/(.+)", str(value)):
                assert secret[1] in service["secrets"], name
        for mount in service.get("volumes", []):
            assert mount.startswith(".") or mount.split(":")[0] in COMPOSE["volumes"], name


def test_ports_agree_everywhere() -> None:
    port = Settings.model_fields["port"].default
    assert f"TAGALONG_PORT={port}" in DOCKERFILE
    assert f"EXPOSE {port}" in DOCKERFILE
    assert f"http://127.0.0.1:{port}/health/ready" in DOCKERFILE
    upstreams = SERVICES["proxy"]["environment"]["UPSTREAMS"].split()
    assert upstreams == [f"{name}:{port}" for name in replicas()]
    assert f"{{$UPSTREAMS:{' '.join(upstreams)}}}" in CADDYFILE
    assert len(upstreams) >= 2


def test_images_are_pinned_to_a_release() -> None:
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) - set(STAGES)
    for image in [*(service["image"] for service in SERVICES.values()), *bases]:
        assert re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z]+)?$", image), image
    assert len(bases) == 1
    assert SERVICES["database"]["image"].startswith(f"postgres:{VERSION}.")


def test_every_service_has_limits_and_restarts() -> None:
    for name, service in SERVICES.items():
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped"), name
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"proxy", "prometheus"}


def test_no_log_fills_the_disk() -> None:
    for name, service in SERVICES.items():
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name


def test_a_replica_has_time_to_drain_before_it_is_killed() -> None:
    drain = float(COMPOSE["x-service"]["environment"]["TAGALONG_DRAIN_SECONDS"])
    grace = float(COMPOSE["x-service"]["stop_grace_period"].removesuffix("s"))
    assert drain + 10 < grace  # uvicorn waits 10 s more for the last answers
    assert re.search(r"health_interval 1s", CADDYFILE)
    assert drain >= 3


def test_the_image_is_built_from_locks_and_runs_unprivileged() -> None:
    assert set(re.findall(r"^RUN .*pip install (.+)$", DOCKERFILE, re.MULTILINE)) == {
        *(f"--require-hashes -r requirements/{lock}.txt" for lock in ("serve", "traces", "train")),
        "--no-deps --no-build-isolation .",
    }
    assert re.search(r"^USER (?!root)", DOCKERFILE, re.MULTILINE)
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        word for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]
    }
    assert copied == allowed
    for name in copied:
        assert (ROOT / name).exists(), name


def ancestors(stage: str) -> list[str]:
    """Return the stages that a stage starts from, itself first and the image from elsewhere last."""
    return [stage, *ancestors(STAGES[stage])] if stage in STAGES else [stage]


def test_the_image_serves_unless_another_target_is_named() -> None:
    assert list(STAGES)[-1] == "serving"
    assert {"service", "base"} <= set(ancestors("serving")) & set(ancestors("traces"))
    assert "base" in ancestors("training")
    assert "service" not in ancestors("training")
    builders = {name for name in STAGES if name.startswith("build")}
    assert all("build" in ancestors(name) for name in builders)
    assert not any("build" in ancestors(name) for name in STAGES.keys() - builders)


def pins(lock: str) -> dict[str, str]:
    """Return each package of a lock with its version and the systems that need it."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+(?:\[[a-z,-]+\])?)==(.+?) *\\?$", text, re.MULTILINE))


def needed(*extras: str) -> set[str]:
    """Return the names of the packages that the project asks for with extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    requirements = [*project["dependencies"], *(line for extra in extras for line in optional[extra])]
    return {re.split(r"[^a-z0-9._-]", line.lower())[0] for line in requirements}


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("traces", ["traces"]), ("train", ["train", "import", "compare", "tracking", "drift"])],
)
def test_an_image_installs_the_versions_that_were_tested(lock: str, extras: list[str]) -> None:
    versions = {name: line.split(";")[0].strip() for name, line in pins(lock).items()}
    tested = {name: line.split(";")[0].strip() for name, line in pins("test").items()}
    assert versions.items() <= tested.items()
    assert needed(*extras) <= {name.split("[")[0] for name in versions}


def test_the_image_installs_everything() -> None:
    packed = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    for room in ("backend", "model", "migrations"):
        for path in (ROOT / room).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert str(path.relative_to(ROOT)) in packed, path
