"""The manifests for Kubernetes: valid, and the programs and settings of the compose file."""

import re
import shlex
from pathlib import Path
from textwrap import dedent
from typing import Any

import kubernetes_validate
import prefect.settings
import pytest
import yaml
from prefect.server.api.root import router as prefect_root
from prefect_redis.client import RedisMessagingSettings

from tasks_lib.api.documents import router as documents
from tasks_lib.api.routes.health import router as health
from tasks_lib.settings import Settings

ROOT = Path(__file__).parents[2]
KUBERNETES = "1.37"
PAGE = (ROOT / "docs" / "how-to" / "scale-out.md").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
SECRETS = list(
    yaml.safe_load_all(
        dedent(re.findall(r"^( *apiVersion.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)[0])
    )
)
MANIFESTS: list[dict[str, Any]] = [
    manifest
    for path in sorted((ROOT / "kubernetes").glob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]
PODS: dict[str, dict[str, Any]] = {
    manifest["metadata"]["name"]: manifest["spec"]["template"]
    for manifest in MANIFESTS
    if manifest["kind"] in {"Deployment", "Job"}
}
CONTAINERS: dict[str, dict[str, Any]] = {
    container["name"]: container
    for pod in PODS.values()
    for container in (*pod["spec"].get("initContainers", []), *pod["spec"]["containers"])
}
MORE_OPTIONS = {"worker": ["--limit", "6", "--with-healthcheck"]}
OF_THE_PODS = {"PREFECT_HOME"}
"""Settings that the compose file does not need, since a container there can write everywhere."""


def named(kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in MANIFESTS if each["kind"] == kind}


def values_of(source: dict[str, Any]) -> dict[str, str]:
    """Return the variables of an entry of ``envFrom``, as the page's Secrets have them."""
    if "configMapRef" in source:
        values: dict[str, str] = named("ConfigMap")[source["configMapRef"]["name"]]["data"]
        return values
    (secret,) = (s for s in SECRETS if s["metadata"]["name"] == source["secretRef"]["name"])
    return dict(secret["stringData"])


def environment(container: str) -> dict[str, str]:
    sources = CONTAINERS[container]["envFrom"]
    return {name: value for source in sources for name, value in values_of(source).items()}


def is_setting(name: str) -> bool:
    program, _, rest = name.partition("_")
    if rest.startswith("REDIS_MESSAGING_"):
        return rest.removeprefix("REDIS_MESSAGING_").lower() in RedisMessagingSettings.model_fields
    if program == "SEEDING":
        return rest.lower() in Settings.model_fields
    return program == "AWS" or hasattr(prefect.settings, name)


@pytest.mark.parametrize(
    "manifest",
    [*MANIFESTS, *SECRETS],
    ids=lambda manifest: f"{manifest['kind']} {manifest['metadata']['name']}",
)
def test_a_manifest_follows_the_schema_of_its_kind(manifest: dict[str, Any]) -> None:
    assert kubernetes_validate.validate(manifest, KUBERNETES, strict=True) == KUBERNETES


def test_a_wrong_member_is_found() -> None:
    manifest = {"apiVersion": "v1", "kind": "Service", "spec": {"port": 80}}
    with pytest.raises(kubernetes_validate.ValidationError, match="'port' was unexpected"):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_the_containers_are_the_services_that_compose_builds_and_run_the_same_commands() -> None:
    built = {
        name: shlex.split(service["command"]) + MORE_OPTIONS.get(name, [])
        for name, service in SERVICES.items()
        if "build" in service
    }
    assert {name: container["command"] for name, container in CONTAINERS.items()} == built
    assert {container["image"] for container in CONTAINERS.values()} == {"task-seeding"}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_has_the_settings_of_its_service(name: str) -> None:
    given, composed = environment(name), SERVICES[name]["environment"]
    others = {setting for setting in given if not setting.startswith("AWS_")} - OF_THE_PODS
    assert others == set(composed)
    assert [setting for setting in given if not is_setting(setting)] == []
    public = {setting for setting in composed if "127.0.0.1" in composed[setting]}
    public |= {"PREFECT_API_URL", "PREFECT_LOGGING_EXTRA_LOGGERS"} & set(composed)
    assert {key: given[key] for key in public} == {key: composed[key] for key in public}


def test_a_pod_can_change_nothing_but_its_temporary_files() -> None:
    (user,) = re.findall(r"useradd --uid (\d+)", DOCKERFILE)
    for pod in PODS.values():
        assert pod["spec"]["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": int(user),
            "runAsGroup": int(user),
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert pod["spec"]["automountServiceAccountToken"] is False
        # A Service named prefect would otherwise set PREFECT_PORT, which Prefect could read.
        assert pod["spec"]["enableServiceLinks"] is False
        assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["tmp"]
    for name, container in CONTAINERS.items():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108
        folders = [value for key, value in environment(name).items() if key.endswith("_HOME")]
        assert [folder for folder in folders if not folder.startswith("/tmp/")] == []  # noqa: S108


def test_probes_ask_for_paths_that_the_programs_answer() -> None:
    ours = {route.path for router in (documents, health) for route in router.routes}  # type: ignore[attr-defined]
    prefects = {f"/api{route.path}" for route in prefect_root.routes} | {"/api/health"}  # type: ignore[attr-defined]
    answered = {"api": (8000, ours), "prefect": (4200, prefects), "worker": (8080, {"/health"})}
    probed = {
        name: [probe["httpGet"] for key, probe in container.items() if key.endswith("Probe")]
        for name, container in CONTAINERS.items()
    }
    assert {name for name, probes in probed.items() if probes} == set(answered)
    for name, (port, paths) in answered.items():
        assert CONTAINERS[name]["ports"] == [{"containerPort": port}]
        assert {probe["port"] for probe in probed[name]} == {port}
        assert {probe["path"] for probe in probed[name]} <= paths
    assert prefect.settings.PREFECT_WORKER_WEBSERVER_PORT.value() == 8080


def test_services_and_budgets_select_pods_and_have_the_ports_of_the_compose_file() -> None:
    services = named("Service")
    assert set(services) == {name for name, service in SERVICES.items() if "ports" in service} - {
        "postgres",
        "redis",
    }
    for name, service in services.items():
        (published,) = SERVICES[name]["ports"]
        (port,) = service["spec"]["ports"]
        assert port["port"] == port["targetPort"] == int(published.split(":")[-1])
        assert service["spec"]["selector"] == PODS[name]["metadata"]["labels"]
    replicated = {
        name for name, each in named("Deployment").items() if each["spec"]["replicas"] > 1
    }
    budgets = named("PodDisruptionBudget")
    assert set(budgets) == replicated
    for name, budget in budgets.items():
        assert budget["spec"]["selector"]["matchLabels"] == PODS[name]["metadata"]["labels"]
