"""Chains end to end: automations on a server, a worker, and the runs that they start."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chain_setup import ON_PIPELINE, ON_TASKS, chain as chain_pipelines
from installation import Installation
from people import claim, finish, make_tasks
from servers import wait_until
from tasks_lib.deploy.register import Outcome, register_deployments
from tasks_lib.domain.events import Event
from tasks_lib.domain.limits import Limits
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.chains.manage import (
    Chain,
    delete_chain,
    edit_chain,
    find_chain,
    list_chains,
)
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.tasks.move import submit_task
from tasks_lib.operations.workspace import Workspace
from tasks_lib.steps import automations
from tasks_lib.steps.prefect_api import post_events
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store
from vault import apply_vault


@pytest.fixture
def without_upkeep(
    stack_settings: None, catalogue_file: Path, tmp_path: Path
) -> Iterator[Workspace]:
    """A workspace of which the stack's upkeep knows nothing, with the pipelines of ``vault``."""
    with closing(Store.open(f"sqlite:///{tmp_path / 'own.db'}")) as store:
        own = Workspace(store, Storage((tmp_path / "files").as_uri()), Limits())
        apply_catalogue(own.store, catalogue_file)
        apply_vault(own, tmp_path)
        yield own


def automation(installation: Installation, chain_id: int) -> dict[str, Any]:
    return automation_of(installation, find_chain(installation.workspace.store, chain_id))


def automation_of(installation: Installation, chain: Chain) -> dict[str, Any]:
    answer = installation.request("GET", f"/automations/{chain.automation_id}")
    return dict(answer.json())


def five_times(events: Sequence[Event]) -> None:
    """Deliver each event five times, twice of them under another id."""
    for _ in range(3):
        post_events(events)
    for _ in range(2):
        post_events([event._replace(id=uuid4()) for event in events])


@pytest.mark.parametrize("chain", [ON_TASKS, ON_PIPELINE], indirect=True, ids=str)
def test_a_finished_task_reaches_the_target_once_despite_five_events(
    installation: Installation, chain: Chain, tmp_path: Path
) -> None:
    make_tasks(installation.workspace, tmp_path, 2, f"{chain.trigger}.csv")
    done = set(installation.finish_all(five_times))
    wait_until(lambda: done <= set(installation.origins()))

    def is_quiet() -> bool:
        states = [run.state for run in installation.runs("seed-chain")]
        return all(state is not None and state.is_final() for state in states)

    wait_until(is_quiet)  # the run of another chain may have fired this one, too
    assert len(installation.origins()) == len(set(installation.origins()))


def test_the_automation_has_a_readable_name_and_tags(
    installation: Installation, chain: Chain
) -> None:
    settings = automation(installation, chain.id)
    assert settings["name"] == "chain: reviews/label-reviews -> qa/check-labels on task completion"
    assert settings["enabled"] is True
    assert settings["tags"] == ["seeding", "seeding-chain", f"seeding-chain-{chain.id}"]
    assert settings["trigger"]["expect"] == ["seeding.chain.due"]
    assert settings["trigger"]["match_related"] == {
        "prefect.resource.id": f"seeding.chain.{chain.id}"
    }
    assert settings["trigger"]["match"] == {
        "prefect.resource.id": f"seeding.pipeline.{chain.source_pipeline_id}"
    }
    assert settings["actions"][0]["parameters"] == {"chain_id": chain.id}


def test_an_edited_chain_keeps_and_updates_its_automation(
    installation: Installation, chain: Chain
) -> None:
    store = installation.workspace.store
    edited = edit_chain(store, chain.id, trigger=ON_PIPELINE)
    automations.ensure_automation(store, edited)
    settings = automation(installation, chain.id)
    assert settings["id"] == chain.automation_id
    assert settings["name"].endswith("on pipeline completion")


def test_the_doctor_repairs_our_automations_and_leaves_others_alone(
    installation: Installation, without_upkeep: Workspace
) -> None:
    store = without_upkeep.store  # upkeep would pause the chain as soon as it is switched off
    chain = chain_pipelines(without_upkeep)
    automations.ensure_automation(store, chain)
    ours = automation_of(installation, find_chain(store, chain.id))
    kept = ("name", "description", "enabled", "trigger", "actions")
    copy = {name: ours[name] for name in kept}
    others = installation.request("POST", "/automations/", json=copy | {"tags": ["mine"]}).json()[
        "id"
    ]
    installation.request("POST", "/automations/", json=copy | {"tags": ours["tags"]})
    changed = copy | {"tags": ours["tags"], "description": "changed", "enabled": False}
    installation.request("PUT", f"/automations/{ours['id']}", json=changed)

    def findings(*, repairs: bool = False) -> list[str]:
        (checkup,) = automations.examine(store, list_chains(store, "acme"), repairs=repairs)
        return [finding.split(":")[0] for finding in checkup.findings]

    try:
        assert findings() == ["changed", "disabled", "doubled"]
        assert findings(repairs=True) == ["changed", "disabled", "doubled"]
        assert findings() == []
        assert automation_of(installation, find_chain(store, chain.id))["id"] == ours["id"]
        installation.request("DELETE", f"/automations/{ours['id']}")
        assert findings(repairs=True) == ["missing"]
        assert findings() == []
        assert installation.request("GET", f"/automations/{others}").json()["tags"] == ["mine"]
    finally:
        installation.request("DELETE", f"/automations/{others}")
        automations.remove_automation(find_chain(store, chain.id))


def test_a_warm_chain_goes_on_through_a_redeployment_and_without_its_automation(
    installation: Installation, chain: Chain, tmp_path: Path
) -> None:
    store = installation.workspace.store
    make_tasks(installation.workspace, tmp_path, 4, "warm.csv")
    before = len(installation.origins())

    def finish_next(number: int) -> None:
        finish(store)
        installation.announce()
        wait_until(lambda: len(installation.origins()) == before + number)

    finish_next(1)
    (outcome,) = redeploy(installation, "seed-chain")
    assert outcome is Outcome.UPDATED
    finish_next(2)
    automations.ensure_automation(store, edit_chain(store, chain.id, mapping={"body": "body"}))
    finish_next(3)
    installation.request("DELETE", f"/automations/{chain.automation_id}")
    finish_next(4)
    assert len(set(installation.origins())) == before + 4
    (checkup,) = automations.examine(store, [find_chain(store, chain.id)], repairs=False)
    assert [finding.split(":")[0] for finding in checkup.findings] == ["missing"]


def redeploy(installation: Installation, name: str) -> list[Outcome]:
    """Register all deployments, of which one differs from prefect.yaml; return its outcome."""
    existing = installation.client.read_deployment_by_name(f"{name}/{name}")
    older = {"description": "as it was in an earlier release"}
    installation.request("PATCH", f"/deployments/{existing.id}", json=older)
    registered = list(register_deployments(installation.client))
    return [deployment.outcome for deployment in registered if deployment.deployment == name]


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
def stations(
    installation: Installation, stack_settings: None, tmp_path: Path
) -> Iterator[list[str]]:
    """Five pipelines, each chained to the one before it."""
    workspace = installation.workspace
    names = [f"station-{number}" for number in range(1, 6)]
    apply_vault(workspace, tmp_path, WAY.format("".join(map(STATION.format, range(1, 6)))))
    paths = [f"acme/way/{name}" for name in names]
    try:
        for source, target in pairwise(paths):
            new_chain = chain_pipelines(workspace, target, source, skip=("sentiment",))
            automations.ensure_automation(workspace.store, new_chain)
        yield paths
    finally:
        for new_chain in list_chains(workspace.store, "acme"):
            automations.remove_automation(delete_chain(workspace.store, new_chain.id))


def has_origins(installation: Installation, path: str) -> bool:
    return installation.origins(path) != []


def test_five_pipelines_pass_a_task_through_by_themselves(
    installation: Installation, stations: list[str], tmp_path: Path
) -> None:
    workspace, paths = installation.workspace, stations
    source = tmp_path / "way.csv"
    source.write_text("review_id\n7\n", encoding="utf-8")
    seed_from_csv(workspace, CsvRequest(pipeline=paths[0], source=str(source)), run_id="way")
    for path in paths:
        wait_until(partial(has_origins, installation, path))
        task = claim(workspace.store, at=datetime.now(UTC), path=path)
        assert task.fields == '{"review_id":"7"}'
        submit_task(workspace.store, task.id, "ann", {"sentiment": "good"}, at=datetime.now(UTC))
        installation.announce()
    assert [len(installation.origins(path)) for path in paths] == [1] * 5
