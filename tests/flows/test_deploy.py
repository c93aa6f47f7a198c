"""``seeding deploy`` does the same as ``prefect deploy --all`` and keeps manual changes."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.schedules import IntervalSchedule

from chain_setup import ON_TASKS
from command_line import Seeding
from deployments.repository import ROOT
from tasks_lib.operations.chains.manage import ChainRequest, create_chain
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.automations import remove_automation

RECONCILE = "reconcile/reconcile"
OUTCOMES = {
    "seed-from-csv": ["nightly-example: 0 3 * * * (off)"],
    "seed-from-zip": [],
    "seed-from-dataset": [],
    "seed-from-pipeline": [],
    "import-dataset": ["nightly-example: 0 2 * * * (off)"],
    "bulk-create": [],
    "export-results": ["nightly: 30 2 * * *"],
    "infinite-seeding": [],
    "seed-chain": [],
    "reconcile": ["half-hourly: 7,37 * * * *"],
}
"""The schedules of each deployment."""


@pytest.fixture
def seeding(capsys: pytest.CaptureFixture[str]) -> Seeding:
    return Seeding(capsys)


def deployments_of(client: SyncPrefectClient) -> dict[str, dict[str, Any]]:
    """Return the deployments without ids, timestamps and Prefect's own bookkeeping."""
    deployments = client.request("POST", "/deployments/filter", json={}).json()
    for deployment in deployments:
        for schedule in deployment["schedules"]:
            for name in ("id", "created", "updated", "deployment_id"):
                del schedule[name]
        deployment["schedules"].sort(key=lambda schedule: str(schedule["slug"]))
        limit = deployment.pop("global_concurrency_limit")
        deployment["limit"] = limit and limit["limit"]
        for name in ("id", "created", "updated", "version", "version_id", "version_info"):
            deployment.pop(name, None)
        for name in ("labels", "created_by", "updated_by", "status", "last_polled"):
            deployment.pop(name, None)
    return {deployment["name"]: deployment for deployment in deployments}


def outcomes_of(document: dict[str, Any]) -> dict[str, str]:
    return {entry["deployment"]: entry["outcome"] for entry in document["deployments"]}


def test_deploy_registers_the_same_as_prefect_deploy_and_only_once(
    server: SyncPrefectClient, seeding: Seeding, prefect_api: str, tmp_path: Path
) -> None:
    status, first = seeding.json("deploy")
    assert (status, first["work_pool"], first["automations"]) == (
        0,
        {"name": "seeding", "created": True},
        [],
    )
    assert outcomes_of(first) == dict.fromkeys(OUTCOMES, "created")
    assert {entry["deployment"]: entry["schedules"] for entry in first["deployments"]} == OUTCOMES
    ours = deployments_of(server)
    deploy = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=ROOT,
        env=os.environ | {"PREFECT_API_URL": prefect_api, "PREFECT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert deploy.returncode == 0, deploy.stdout + deploy.stderr
    assert deployments_of(server) == ours
    status, again = seeding.json("deploy")
    assert (status, again["work_pool"]) == (0, {"name": "seeding", "created": False})
    assert outcomes_of(again) == dict.fromkeys(OUTCOMES, "unchanged")
    assert [entry["id"] for entry in again["deployments"]] == [
        entry["id"] for entry in first["deployments"]
    ]


def test_deploy_keeps_pauses_and_schedules_and_restores_the_rest(
    server: SyncPrefectClient, seeding: Seeding
) -> None:
    seeding.json("deploy")
    reconcile = server.read_deployment_by_name(RECONCILE)
    (half_hourly,) = reconcile.schedules
    server.pause_deployment(reconcile.id)
    server.delete_deployment_schedule(reconcile.id, half_hourly.id)
    nightly = server.read_deployment_by_name("seed-from-csv/seed-from-csv")
    server.update_deployment_schedule(nightly.id, nightly.schedules[0].id, active=True)
    hourly = IntervalSchedule(interval=timedelta(hours=1))
    own = DeploymentScheduleCreate(schedule=hourly, active=True)
    server.create_deployment_schedules(reconcile.id, [own])
    changed = DeploymentUpdate(description="mine", concurrency_limit=2)
    server.update_deployment(reconcile.id, changed)

    status, document = seeding.json("deploy")
    assert status == 0
    assert outcomes_of(document) == dict.fromkeys(OUTCOMES, "unchanged") | {"reconcile": "updated"}
    current = server.read_deployment_by_name(RECONCILE)
    assert (current.paused, current.description == reconcile.description) == (True, True)
    assert current.global_concurrency_limit is None
    assert [document["deployments"][place]["schedules"] for place in (0, -1)] == [
        ["nightly-example: 0 3 * * *"],
        ["half-hourly: 7,37 * * * *", "without a slug: every 3600 s"],
    ]


def test_deploy_deletes_the_schedules_of_earlier_releases(
    server: SyncPrefectClient, seeding: Seeding
) -> None:
    seeding.json("deploy")
    reconcile = server.read_deployment_by_name(RECONCILE)
    minutely = IntervalSchedule(interval=timedelta(minutes=1))
    retired = [
        DeploymentScheduleCreate(schedule=minutely, active=True, slug=slug)
        for slug in ("every-minute", "hourly")
    ]
    server.create_deployment_schedules(reconcile.id, retired)
    _, document = seeding.json("deploy")
    assert outcomes_of(document)["reconcile"] == "updated"
    assert document["deployments"][-1]["schedules"] == ["half-hourly: 7,37 * * * *"]


def test_deploy_starts_upkeep_once(server: SyncPrefectClient, seeding: Seeding) -> None:
    for _ in range(2):
        seeding.json("deploy")
    reconcile = server.read_deployment_by_name(RECONCILE)
    of_reconcile = DeploymentFilter(id=DeploymentFilterId(any_=[reconcile.id]))
    started = server.read_flow_runs(deployment_filter=of_reconcile)
    runs = [run for run in started if not run.auto_scheduled]
    assert [run.parameters for run in runs] == [{"minutes": 60}] * 2
    first, second = sorted(
        run.next_scheduled_start_time for run in runs if run.next_scheduled_start_time
    )
    assert timedelta(seconds=60) < second - first < timedelta(seconds=120)


def test_deploy_restores_the_automations_of_chains(
    server: SyncPrefectClient, seeding: Seeding, tmp_path: Path
) -> None:
    seeding("apply", str(ROOT / "examples" / "catalogue.yaml"))
    with open_workspace(read_settings()) as workspace:
        request = ChainRequest(
            target="acme/qa/check-labels", source="acme/reviews/label-reviews", trigger=ON_TASKS
        )
        chain = create_chain(workspace, request, at=datetime.now(UTC))
        status, document = seeding.json("deploy")
        automation = {"chain_id": chain.id, "name": chain.name}
        assert (status, document["automations"]) == (0, [automation | {"outcome": "updated"}])
        status, document = seeding.json("deploy")
        assert (status, document["automations"]) == (0, [automation | {"outcome": "unchanged"}])
        remove_automation(chain)


def test_the_doctor_exits_with_1_until_the_automations_are_right(
    server: SyncPrefectClient, seeding: Seeding
) -> None:
    seeding("apply", str(ROOT / "examples" / "catalogue.yaml"))
    seeding("deploy")
    with open_workspace(read_settings()) as workspace:
        request = ChainRequest(
            target="acme/qa/check-labels", source="acme/reviews/label-reviews", trigger=ON_TASKS
        )
        chain = create_chain(workspace, request, at=datetime.now(UTC))
        missing = "missing: no automation wakes it, so only the sweep fires it"
        status, (checkup,) = seeding.json("chain", "doctor")
        assert (status, checkup["findings"], checkup["is_repaired"]) == (1, [missing], False)
        status, out, err = seeding("chain", "doctor")
        assert (status, missing in out) == (1, True)
        assert err == "hint: to repair automations, run: seeding chain doctor --repair\n"
        status, (checkup,) = seeding.json("chain", "doctor", "--repair")
        assert (status, checkup["findings"], checkup["is_repaired"]) == (0, [missing], True)
        status, (checkup,) = seeding.json("chain", "doctor")
        assert (status, checkup["findings"]) == (0, [])
        remove_automation(chain)


def test_deploy_prints_a_table(server: SyncPrefectClient, seeding: Seeding) -> None:
    status, out, err = seeding("deploy")
    assert (status, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines() if " created " in line] == [
        [name, "created"] for name in OUTCOMES
    ]
    assert out.splitlines()[-1] == (
        "Work pool seeding: created. Start a worker with: prefect worker start --pool seeding"
    )


def test_deploy_without_a_server_says_so(seeding: Seeding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    status, out, err = seeding("deploy")
    assert (status, out) == (3, "")
    assert err.startswith("error: ")
