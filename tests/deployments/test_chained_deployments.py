"""Chains through the real thing: automations on a server, a worker, and runs that they start."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from installation import PATH, Installation
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.settings import PREFECT_API_URL, temporary_settings

from chained import ON_PIPELINE, ON_TASKS
from people import finish, make_tasks
from servers import wait_until
from tasks_lib.domain.chains import Trigger
from tasks_lib.operations import chains, queries
from tasks_lib.operations.announcing import announce_due
from tasks_lib.operations.chains import Chain, ChainRequest, create_chain, find_chain
from tasks_lib.operations.draining import Fired, drain_due
from tasks_lib.steps import automations
from tasks_lib.steps.server import post_events

QA = "acme/qa/check-labels"


@pytest.fixture(autouse=True)
def _selected(installation: Installation) -> Iterator[None]:
    """Lead this process to the stack."""
    with temporary_settings({PREFECT_API_URL: installation.stack.api_url}):
        yield


@pytest.fixture
def chain(installation: Installation, request: pytest.FixtureRequest) -> Iterator[Chain]:
    """A chain with its automation; both are gone afterwards."""
    trigger: Trigger = getattr(request, "param", ON_TASKS)
    store = installation.workspace.store
    made = create_chain(
        installation.workspace, ChainRequest(QA, PATH, trigger), at=datetime.now(UTC)
    )
    automations.ensure_automation(store, made)
    yield find_chain(store, made.id)
    automations.remove_automation(chains.delete_chain(store, made.id))


def automation(installation: Installation, chain_id: int) -> dict[str, Any]:
    found = find_chain(installation.workspace.store, chain_id)
    answer = installation.client.request("GET", f"/automations/{found.automation_id}")
    return dict(answer.json())


def finish_all(installation: Installation) -> list[int]:
    """Finish every task that can be claimed, tell Prefect, and return their numbers."""
    store = installation.workspace.store
    pending = [t for t in queries.list_tasks(store, PATH, limit=1_000) if t.status == "pending"]
    finished = [finish(store).id for _ in pending]
    announce_due(store, post_events, at=datetime.now(UTC))
    return finished


def run_names(installation: Installation) -> set[str]:
    """Return the names of the runs that automations have started."""
    runs = installation.client.read_flow_runs(
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=["seed-chain"]))
    )
    return {run.name for run in runs}


def origins(installation: Installation) -> list[int]:
    found = queries.list_tasks(installation.workspace.store, QA, limit=10_000)
    return [task.origin.row for task in found]


@pytest.mark.parametrize("chain", [ON_TASKS, ON_PIPELINE], indirect=True, ids=str)
def test_what_is_finished_appears_in_the_target_by_itself(
    installation: Installation, chain: Chain, tmp_path: Path
) -> None:
    make_tasks(installation.workspace, tmp_path, 2, f"{chain.trigger}.csv")
    done = set(finish_all(installation))
    wait_until(lambda: done <= set(origins(installation)), seconds=90)
    assert len(origins(installation)) == len(set(origins(installation)))
    wait_until(lambda: f"chain {chain.id}" in run_names(installation), seconds=60)


def test_the_automation_is_one_that_a_person_knows(
    installation: Installation, chain: Chain
) -> None:
    found = automation(installation, chain.id)
    assert found["name"] == "chain: reviews/label-reviews -> qa/check-labels on task completion"
    assert found["enabled"] is True
    assert found["tags"] == ["seeding", "seeding-chain", f"seeding-chain-{chain.id}"]
    assert found["trigger"]["expect"] == ["seeding.tasks.finished"]
    assert found["trigger"]["match"] == {
        "prefect.resource.id": f"seeding.pipeline.{chain.source_pipeline_id}"
    }
    assert found["actions"][0]["parameters"] == {"chain_id": chain.id}


def test_an_edited_chain_keeps_its_automation_which_follows(
    installation: Installation, chain: Chain
) -> None:
    store = installation.workspace.store
    edited = chains.edit_chain(store, chain.id, trigger=ON_PIPELINE)
    automations.ensure_automation(store, edited)
    found = automation(installation, chain.id)
    assert (found["id"], found["trigger"]["expect"]) == (
        chain.automation_id, ["seeding.pipeline.finished"],
    )  # fmt: skip
    assert found["name"].endswith("on pipeline completion")


def test_switched_off_in_the_ui_it_is_paused_for_the_sweep_and_switched_on_it_catches_up(
    installation: Installation, chain: Chain, tmp_path: Path
) -> None:
    workspace = installation.workspace
    assert chain.automation_id is not None
    installation.client.pause_automation(UUID(chain.automation_id))
    assert automations.mirror_switches(workspace.store) == [chain.id]
    make_tasks(workspace, tmp_path, 2, "paused.csv")
    done = finish_all(installation)
    assert drain_due(workspace, at=datetime.now(UTC)) == Fired()
    installation.client.resume_automation(UUID(chain.automation_id))
    assert automations.mirror_switches(workspace.store) == [chain.id]
    drain_due(workspace, at=datetime.now(UTC))
    assert set(done) <= set(origins(installation))


def test_the_doctor_repairs_what_is_ours_and_leaves_what_is_not(
    installation: Installation, chain: Chain
) -> None:
    store = installation.workspace.store
    client = installation.client
    ours = automation(installation, chain.id)
    kept = ("name", "description", "enabled", "trigger", "actions")
    copy = {name: ours[name] for name in kept}
    others = client.request("POST", "/automations/", json=copy | {"tags": ["mine"]}).json()["id"]
    client.request("POST", "/automations/", json=copy | {"tags": ours["tags"]})
    changed = copy | {"tags": ours["tags"], "description": "changed", "enabled": False}
    client.request("PUT", f"/automations/{ours['id']}", json=changed)

    def findings(*, repairs: bool = False) -> list[str]:
        found = chains.list_chains(store, "acme")
        (checkup,) = automations.examine(store, found, repairs=repairs)
        return [finding.split(":")[0] for finding in checkup.findings]

    assert findings() == ["changed", "disabled", "doubled"]
    assert findings(repairs=True) == ["changed", "disabled", "doubled"]
    assert findings() == []
    assert automation(installation, chain.id)["id"] == ours["id"]
    client.request("DELETE", f"/automations/{ours['id']}")
    assert findings(repairs=True) == ["missing"]
    assert findings() == []
    assert client.request("GET", f"/automations/{others}").json()["tags"] == ["mine"]
    client.request("DELETE", f"/automations/{others}")
