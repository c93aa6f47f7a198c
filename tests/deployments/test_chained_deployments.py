"""Chains through the real thing: automations on a server, a worker, and runs that they start."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chained import ON_PIPELINE, ON_TASKS, chain as chained
from installation import Installation
from people import claim, make_tasks
from servers import wait_until
from tasks_lib.domain.events import Event
from tasks_lib.operations import chains
from tasks_lib.operations.chains import Chain, find_chain
from tasks_lib.operations.file_sources import CsvRequest
from tasks_lib.operations.lifecycle import submit_task
from tasks_lib.operations.seed_from_csv import seed_from_csv
from tasks_lib.steps import automations
from tasks_lib.steps.server import post_events
from vault import apply_vault


def automation(installation: Installation, chain_id: int) -> dict[str, Any]:
    found = find_chain(installation.workspace.store, chain_id)
    answer = installation.client.request("GET", f"/automations/{found.automation_id}")
    return dict(answer.json())


def five_times(events: Sequence[Event]) -> None:
    """Deliver each event again and again, also as if it were another one."""
    for _ in range(3):
        post_events(events)
    for _ in range(2):
        post_events([event._replace(id=uuid4()) for event in events])


@pytest.mark.parametrize("chain", [ON_TASKS, ON_PIPELINE], indirect=True, ids=str)
def test_what_is_finished_appears_in_the_target_by_itself_and_once_though_told_five_times(
    installation: Installation, chain: Chain, tmp_path: Path
) -> None:
    make_tasks(installation.workspace, tmp_path, 2, f"{chain.trigger}.csv")
    done = set(installation.finish_all(five_times))
    wait_until(lambda: done <= set(installation.origins()))

    def own_runs() -> list[bool]:
        found = [run for run in installation.runs("seed-chain") if run.name == f"chain {chain.id}"]
        return [run.state is not None and run.state.is_final() for run in found]

    wait_until(lambda: own_runs() != [] and all(own_runs()))
    assert len(installation.origins()) == len(set(installation.origins()))


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


WAY = """
organizations:
  - name: acme
    projects:
      - name: way
        pipelines:
{}
"""
STATION = """
          - name: station-{}
            status: active
            fields:
              - {{name: review_id, type: text, source: dataset}}
              - {{name: sentiment, type: text, source: input}}
"""


@pytest.fixture
def way(installation: Installation, selected: None, tmp_path: Path) -> Iterator[list[str]]:
    """Five pipelines, each chained to the one before it."""
    workspace = installation.workspace
    names = [f"station-{number}" for number in range(1, 6)]
    apply_vault(workspace, tmp_path, WAY.format("".join(map(STATION.format, range(1, 6)))))
    paths = [f"acme/way/{name}" for name in names]
    try:
        for source, target in pairwise(paths):
            made = chained(workspace, target, source, skip=("sentiment",))
            automations.ensure_automation(workspace.store, made)
        yield paths
    finally:
        for made in chains.list_chains(workspace.store, "acme"):
            automations.remove_automation(chains.delete_chain(workspace.store, made.id))


def test_five_pipelines_pass_a_task_through_by_themselves(
    installation: Installation, way: list[str], tmp_path: Path
) -> None:
    workspace, paths = installation.workspace, way
    source = tmp_path / "way.csv"
    source.write_text("review_id\n7\n", encoding="utf-8")
    seed_from_csv(workspace, CsvRequest(paths[0], str(source)), run_id="way")
    for path in paths:
        wait_until(lambda path=path: installation.origins(path) != [])  # type: ignore[misc]
        task = claim(workspace.store, at=datetime.now(UTC), path=path)
        assert task.fields == '{"review_id":"7"}'
        submit_task(workspace.store, task.id, "ann", {"sentiment": "good"}, at=datetime.now(UTC))
        installation.announce()
    assert [len(installation.origins(path)) for path in paths] == [1] * 5
