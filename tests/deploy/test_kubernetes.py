"""The manifests for Kubernetes are valid, and every name in them exists in the project or in another one of them."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families as parse

from backend.cli import main
from backend.commands.check import MUST, check_access, check_proxy
from backend.settings import Settings
from tests.backend.service import ADMIN, Service
from tests.end_to_end.process import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
PATHS = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
MANIFESTS: Mapping[str, Any] = {path.name: yaml.safe_load(path.read_text()) for path in PATHS}
KUSTOMIZATION: Mapping[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()

# The lowest that knows `sleep` in preStop without a feature gate, and the newest that the validator brings.
VERSIONS = ("1.30", kubernetes_validate.latest_version().rpartition(".")[0])

DEPLOYMENT = MANIFESTS["deployment.yaml"]
AUTOSCALER = MANIFESTS["autoscaler.yaml"]
SETTINGS: Mapping[str, str] = MANIFESTS["configmap.yaml"]["data"]
SECRETS: Mapping[str, str] = MANIFESTS["secret.example.yaml"]["stringData"]
PODS = {name: MANIFESTS[name]["spec"]["template"] for name in ("deployment.yaml", "migrate.yaml")}
POD_IP = "10.244.1.7"


def container(name: str) -> Any:
    (only,) = PODS[name]["spec"]["containers"]
    return only


def environment(name: str) -> dict[str, str]:
    """A container's variables as Kubernetes sets them, over those of the image."""
    values = dict(re.findall(r"\b(TAGALONG_[A-Z_]+)=(\S+)", DOCKERFILE))
    for source in container(name)["envFrom"]:
        ((kind, reference),) = source.items()
        values |= {"configMapRef": SETTINGS, "secretRef": SECRETS}[kind]
        assert reference == {"name": "tagalong"}
    for variable in container(name).get("env", []):
        match variable.get("valueFrom"):
            case {"configMapKeyRef": {"name": "tagalong", "key": key}}:
                value = SETTINGS[key]
            case {"fieldRef": {"fieldPath": "status.podIP"}}:
                value = POD_IP
            case None:
                value = re.sub(r"\$\((\w+)\)", lambda match: values[match[1]], variable["value"])
            case source:
                pytest.fail(f"{variable['name']} comes from {source}")
        values[variable["name"]] = value
    return values


def walk(value: object) -> Iterator[tuple[str, object]]:
    """All keys and their values in a manifest, at any depth."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield str(key), inner
        yield from walk(inner)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_manifest_is_valid(path: Path, version: str) -> None:
    manifest = MANIFESTS[path.name]
    assert kubernetes_validate.validate(manifest, version, strict=True) == version
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest | {"specs": {}}, version, strict=True)


def test_the_kustomization_lists_every_manifest_but_the_example() -> None:
    assert KUSTOMIZATION["resources"] == sorted(MANIFESTS.keys() - {"secret.example.yaml"})


def test_the_manifests_fit_any_namespace() -> None:
    for name, manifest in {**MANIFESTS, "kustomization.yaml": KUSTOMIZATION}.items():
        assert "namespace" not in {key for key, _ in walk(manifest)}, name


def test_every_variable_is_a_setting() -> None:
    variables = {*SETTINGS, *SECRETS} | {entry["name"] for name in PODS for entry in container(name).get("env", [])}
    ours = {name for name in variables if name.startswith("TAGALONG_")}
    assert len(ours) > 5
    assert {name.removeprefix("TAGALONG_").lower() for name in ours} <= set(Settings.model_fields)
    assert variables - ours == {"SITE", "POD_IP", "PYTHON_CPU_COUNT"}


def test_what_a_replica_starts_with_is_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment("deployment.yaml").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TAGALONG_ADMIN_PASSWORD", "b5d4045c3f466fa91fe2cc6abe79232a")
    settings = Settings()
    assert settings.database_url.startswith("postgresql+asyncpg://tagalong:REPLACE-")
    assert [finding for finding in (*check_access(settings), *check_proxy(settings)) if finding.severity == MUST] == []
    # The ingress's requests, and those of probes and Prometheus by the pod's address.
    assert {SETTINGS["SITE"], POD_IP} <= set(settings.allowed_hosts)


def test_no_service_overrides_a_setting() -> None:
    # Kubernetes sets NAME_PORT for each Service unless told not to, and TAGALONG_PORT is a setting.
    assert "port" in Settings.model_fields
    for name, pod in PODS.items():
        assert pod["spec"]["enableServiceLinks"] is False, name


def test_the_example_holds_no_secret() -> None:
    for name in ("TAGALONG_DATABASE_PASSWORD", "TAGALONG_ADMIN_PASSWORD"):
        assert SECRETS[name].startswith("REPLACE-WITH-")
    assert SECRETS["TAGALONG_API_KEY"] == ""
    assert not set(SECRETS) & set(SETTINGS)


def test_every_command_is_one_of_the_servers() -> None:
    for name, subcommand in {"deployment.yaml": "serve", "migrate.yaml": "migrate"}.items():
        assert container(name)["args"] == ["tagalong-server", subcommand]
        assert subcommand in main.commands


@pytest.mark.anyio
async def test_every_probe_asks_a_route_that_answers(service: Service) -> None:
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        request = container("deployment.yaml")[probe]["httpGet"]
        assert (await service.client.get(request["path"])).status_code == 200
        assert request["port"] == "http"


def test_ports_and_user_are_those_of_the_image() -> None:
    port = Settings.model_fields["port"].default
    assert f"TAGALONG_PORT={port}" in DOCKERFILE
    assert container("deployment.yaml")["ports"] == [{"name": "http", "containerPort": port}]
    for name, pod in PODS.items():
        assert f"useradd --uid {pod['spec']['securityContext']['runAsUser']} " in DOCKERFILE, name
        mounts = {mount["mountPath"] for mount in container(name)["volumeMounts"]}
        assert mounts == {re.findall(r"TAGALONG_DATA_DIR=(\S+)", DOCKERFILE)[0], "/tmp"}
        assert {mount["name"] for mount in container(name)["volumeMounts"]} == {
            v["name"] for v in pod["spec"]["volumes"]
        }


def test_the_image_is_the_one_that_compose_builds() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    (image,) = KUSTOMIZATION["images"]
    assert {container(name)["image"] for name in PODS} == {image["name"]}
    assert f"{image['newName']}:{image['newTag']}" == compose["x-service"]["image"]


def test_containers_are_confined() -> None:
    for name, pod in PODS.items():
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True, name
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        confined = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container(name)["securityContext"] == confined, name
        assert container(name)["resources"]["limits"].keys() == {"cpu", "memory"}, name


def test_a_replica_has_time_to_drain_before_it_is_killed() -> None:
    sleep = container("deployment.yaml")["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = float(SETTINGS["TAGALONG_DRAIN_SECONDS"])
    assert (
        sleep + drain + 10 < PODS["deployment.yaml"]["spec"]["terminationGracePeriodSeconds"]
    )  # uvicorn waits 10 s more
    # Longer than it takes readiness to be noticed.
    readiness = container("deployment.yaml")["readinessProbe"]
    assert drain > readiness["periodSeconds"] * readiness["failureThreshold"]


def test_selectors_find_the_replicas_and_nothing_else() -> None:
    labels = PODS["deployment.yaml"]["metadata"]["labels"]
    spread = PODS["deployment.yaml"]["spec"]["topologySpreadConstraints"][0]["labelSelector"]
    for selector in (DEPLOYMENT["spec"]["selector"], MANIFESTS["disruption-budget.yaml"]["spec"]["selector"], spread):
        assert selector == {"matchLabels": labels}
    assert MANIFESTS["service.yaml"]["spec"]["selector"] == labels
    assert PODS["migrate.yaml"]["metadata"]["labels"].items() != labels.items()


def test_settings_and_migration_can_be_applied_before_the_service() -> None:
    before = "-l app.kubernetes.io/component!=service"
    assert before in (ROOT / "docs" / "deploying.md").read_text()
    components = {
        name: manifest["metadata"]["labels"].get("app.kubernetes.io/component") for name, manifest in MANIFESTS.items()
    }
    first = {name for name, component in components.items() if component != "service"}
    assert first == {"configmap.yaml", "migrate.yaml", "secret.example.yaml"}


def test_the_ingress_leads_to_the_service_under_the_host_that_is_served() -> None:
    ingress, service = MANIFESTS["ingress.yaml"]["spec"], MANIFESTS["service.yaml"]
    (rule,), (tls,), (port,) = ingress["rules"], ingress["tls"], service["spec"]["ports"]
    assert [rule["host"]] == tls["hosts"] == [SETTINGS["SITE"]]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"] == {"name": service["metadata"]["name"], "port": {"name": port["name"]}}
    assert port["targetPort"] == "http"


def test_the_autoscaler_scales_the_replicas_and_the_budget_lets_nodes_drain() -> None:
    reference = AUTOSCALER["spec"]["scaleTargetRef"]
    assert reference == {key: DEPLOYMENT[key] for key in ("apiVersion", "kind")} | {
        "name": DEPLOYMENT["metadata"]["name"]
    }
    # Else each `kubectl apply` would set the number back.
    assert "replicas" not in DEPLOYMENT["spec"]
    assert MANIFESTS["disruption-budget.yaml"]["spec"]["maxUnavailable"] < AUTOSCALER["spec"]["minReplicas"]


@pytest.mark.anyio
async def test_the_autoscaler_reads_the_queue_time_that_the_service_exposes(service: Service) -> None:
    (rule,) = yaml.safe_load((FOLDER / "metrics" / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    (metric,) = AUTOSCALER["spec"]["metrics"]
    assert metric["pods"]["metric"] == {"name": rule["name"]["as"]}
    series, labels = re.fullmatch(r"(\w+)\{(.*)\}", rule["seriesQuery"]).groups()  # type: ignore[union-attr]
    await service.suggest()
    exposition = (await service.client.get("/metrics", auth=ADMIN)).text
    (sample,) = [sample for family in parse(exposition) for sample in family.samples if sample.name == series]
    assert sample.value > 0
    (job,) = yaml.safe_load((FOLDER / "metrics" / "prometheus.yml").read_text())["scrape_configs"]
    added = {relabeling["target_label"] for relabeling in job["relabel_configs"] if "target_label" in relabeling}
    assert set(re.findall(r"(\w+)!=", labels)) == set(rule["resources"]["overrides"]) == added


def test_prometheus_keeps_the_replicas_only(tmp_path: Path) -> None:
    (job,) = yaml.safe_load((FOLDER / "metrics" / "prometheus.yml").read_text())["scrape_configs"]
    (keep,) = [relabeling for relabeling in job["relabel_configs"] if relabeling.get("action") == "keep"]
    labels = {
        f"__meta_kubernetes_pod_label_{re.sub(r'[./]', '_', key)}": value
        for key, value in PODS["deployment.yaml"]["metadata"]["labels"].items()
    }
    values = labels | {"__meta_kubernetes_pod_container_port_name": "http"}
    assert ";".join(values[label] for label in keep["source_labels"]) == keep["regex"]
    # Debian's Prometheus is built without the discovery of pods, so the rest is checked with a fixed target.
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    config = tmp_path / "prometheus.yml"
    config.write_text(yaml.safe_dump({"scrape_configs": [job | {"static_configs": [{"targets": ["a:1"]}]}]}))
    command = ["promtool", "check", "config", "--syntax-only", str(config)]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_autoscaler_sees_the_drafts_that_are_in_the_queue_at_a_time(tmp_path: Path) -> None:
    (rule,) = yaml.safe_load((FOLDER / "metrics" / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    series = rule["seriesQuery"].split("{")[0]
    query = rule["metricsQuery"].replace("<<.GroupBy>>", "pod").replace("<<.Series>>", series)
    test = {
        "interval": "15s",
        # In 15 s, drafts spend 30 s in the queue and on cores of one replica, and 6 s on those of the other.
        "input_series": [
            {"series": f'{series}{{namespace="ours", pod="a"}}', "values": "0+30x20"},
            {"series": f'{series}{{namespace="ours", pod="b"}}', "values": "0+6x20"},
            {"series": f'{series}{{namespace="theirs", pod="c"}}', "values": "0+90x20"},
        ],
        "promql_expr_test": [
            {
                "expr": query.replace("<<.LabelMatchers>>", 'namespace="ours",pod=~"a|b"'),
                "eval_time": "4m",
                "exp_samples": [{"labels": '{pod="a"}', "value": 2}, {"labels": '{pod="b"}', "value": 0.4}],
            }
        ],
    }
    path = tmp_path / "rules.test.yml"
    path.write_text(yaml.safe_dump({"tests": [test]}))
    tested = subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True)
    assert tested.returncode == 0, tested.stdout + tested.stderr
