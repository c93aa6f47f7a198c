"""Runs that stay: heartbeats, a run on standby, dead runs and old ones, on a real server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State, StateType
from prefect.events.worker import EventsWorker
from prefect.states import Cancelling, Completed, Running

from deployments.repository import ROOT
from flow_runs import run_of, wait_for_recorder
from flows.bulk_create import bulk_create
from flows.reconcile import reconcile
from prefect_server import prefect_server
from servers import free_port, wait_until
from tasks_lib.deploy.register import create_work_pool, register_deployments
from tasks_lib.errors import PrefectNotReadyError, PrefectUnavailableError
from tasks_lib.operations.leases import Lease
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.upkeep.dead_runs import crash_dead_runs
from tasks_lib.steps.upkeep.old_runs import delete_old_runs
from tasks_lib.steps.upkeep.standby import Standby
from tasks_lib.store.leases import LeaseName

pytestmark = pytest.mark.usefixtures("flow_workspace")

NAME = "reconcile"
HEARTBEAT = "prefect.flow-run.heartbeat"
NOT_ENDED = [kind for kind in StateType if kind not in TERMINAL_STATES]
NONE = timedelta(0)
WIDE = timedelta(minutes=5)


@pytest.fixture
def deployed(server: SyncPrefectClient, prefect: httpx.Client) -> SyncPrefectClient:
    """The server with our deployments, of which no schedule is active, and no run of others."""
    wait_for_recorder(prefect)
    create_work_pool(server)
    for deployment in list(register_deployments(server)):
        for schedule in server.read_deployment_schedules(UUID(deployment.id)):
            server.delete_deployment_schedule(UUID(deployment.id), schedule.id)
    begun = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=NOT_ENDED)))
    for run in server.read_flow_runs(flow_run_filter=begun):
        server.delete_flow_run(run.id)
    return server


def waiting(client: SyncPrefectClient) -> list[FlowRun]:
    """Return the runs that wait for their time, the next one first."""
    named = DeploymentFilter(name=DeploymentFilterName(any_=[NAME]))
    runs = client.read_flow_runs(deployment_filter=named)
    return sorted((run for run in runs if run.state and run.state.is_scheduled()), key=starts_at)


def starts_at(run: FlowRun) -> datetime:
    assert run.next_scheduled_start_time is not None
    return run.next_scheduled_start_time


def heartbeats(prefect: httpx.Client, run_id: str) -> list[dict[str, Any]]:
    EventsWorker.instance().wait_until_empty()
    resource = {"id": [f"prefect.flow-run.{run_id}"]}
    query = {"filter": {"event": {"name": [HEARTBEAT]}, "resource": resource}, "limit": 50}
    events: list[dict[str, Any]] = prefect.post("/events/filter", json=query).json()["events"]
    return events


def test_a_run_sends_our_heartbeat_in_place_of_prefects(prefect: httpx.Client) -> None:
    @flow
    def others() -> None:
        """A flow that is not ours."""

    ours = run_of(prefect, bulk_create("nowhere", 1, return_state=True))
    run = run_of(prefect, others(return_state=True))
    wait_until(lambda: heartbeats(prefect, run["id"]) != [])
    (beat,) = heartbeats(prefect, ours["id"])
    assert beat["resource"] == {
        "prefect.resource.id": f"prefect.flow-run.{ours['id']}",
        "prefect.resource.name": ours["name"],
        "seeding.heartbeat": "yes",
    }
    (beat,) = heartbeats(prefect, run["id"])
    assert "seeding.heartbeat" not in beat["resource"]


def test_runs_on_standby_are_put_off_and_the_first_is_started(
    deployed: SyncPrefectClient,
) -> None:
    standby = Standby(NAME, {"minutes": 60, "takes_over": "first"})
    standby.put_off()
    before = waiting(deployed)
    assert [(run.name, run.parameters) for run in before] == [
        ("reconcile, on standby", {"minutes": 60, "takes_over": "first"})
    ] * 2
    standby.put_off()
    after = waiting(deployed)
    assert [run.id for run in after] == [run.id for run in before]
    assert all(starts_at(new) > starts_at(old) for old, new in zip(before, after, strict=True))
    soon, later = (datetime.now(UTC) + timedelta(seconds=seconds) for seconds in (45, 135))
    assert (starts_at(after[0]) > soon, starts_at(after[1]) > later) == (True, True)
    standby.start()
    first, second = waiting(deployed)
    assert (first.id, second.id) == (after[0].id, after[1].id)
    assert starts_at(first) <= datetime.now(UTC) < soon < starts_at(second)


def test_a_standby_run_that_has_started_or_is_deleted_gets_a_successor(
    deployed: SyncPrefectClient,
) -> None:
    standby = Standby(NAME, {"minutes": 60})
    standby.put_off()
    first, second = waiting(deployed)
    deployed.set_flow_run_state(first.id, Running(), force=True)
    deployed.delete_flow_run(second.id)
    standby.put_off()
    ids = [run.id for run in waiting(deployed)]
    assert len(ids) == 2
    assert not {first.id, second.id} & set(ids)
    deployed.delete_flow_run(first.id)


@pytest.mark.parametrize("is_paused", [False, True])
def test_a_standby_run_is_found_again_if_the_answer_to_its_creation_was_lost(
    deployed: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch, is_paused: bool
) -> None:
    create = SyncPrefectClient.create_flow_run_from_deployment

    def lose_answer(client: SyncPrefectClient, *args: Any, **options: Any) -> None:
        create(client, *args, **options)
        raise httpx.ReadError("the server has stopped")

    standby = Standby(NAME, {"minutes": 60})
    with monkeypatch.context() as patch:
        patch.setattr(SyncPrefectClient, "create_flow_run_from_deployment", lose_answer)
        with pytest.raises(PrefectUnavailableError):
            standby.put_off()
    (first,) = waiting(deployed)
    if is_paused:
        deployed.pause_deployment(deployed.read_deployment_by_name(f"{NAME}/{NAME}").id)
    standby.put_off()
    after = [run.id for run in waiting(deployed)]
    assert (len(after), after[:1]) == ((0, []) if is_paused else (2, [first.id]))
    standby.cancel()
    assert waiting(deployed) == []


def test_a_paused_deployment_has_no_standby_run(deployed: SyncPrefectClient) -> None:
    standby = Standby(NAME, {"minutes": 60})
    standby.put_off()
    deployment = deployed.read_deployment_by_name(f"{NAME}/{NAME}")
    deployed.pause_deployment(deployment.id)
    standby.put_off()
    assert (standby.is_paused, waiting(deployed)) == (True, [])
    deployed.resume_deployment(deployment.id)
    standby.put_off()
    assert (standby.is_paused, len(waiting(deployed))) == (False, 2)
    standby.cancel()
    assert waiting(deployed) == []


def test_without_the_deployment_there_is_no_standby_run(server: SyncPrefectClient) -> None:
    create_work_pool(server)
    with pytest.raises(PrefectNotReadyError, match="has no deployment reconcile/reconcile"):
        Standby(NAME, {}).put_off()


@pytest.fixture
def witness(prefect: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> str:
    """The finished run that looks for dead ones; its heartbeat has arrived."""
    run = run_of(prefect, reconcile(clean_up=False, return_state=True))
    wait_until(lambda: heartbeats(prefect, run["id"]) != [])
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", run["id"])
    return str(run["id"])


def has_beaten(prefect: httpx.Client, run_id: UUID) -> bool:
    return heartbeats(prefect, str(run_id)) != []


@pytest.fixture
def dead(deployed: SyncPrefectClient, prefect: httpx.Client) -> Iterator[list[UUID]]:
    """A run that is Running and one that is Cancelling, each after one heartbeat."""
    runs = []
    states: tuple[State[Any], ...] = (Running(), Cancelling())
    for state in states:
        run = UUID(run_of(prefect, bulk_create("nowhere", 1, return_state=True))["id"])
        wait_until(partial(has_beaten, prefect, run))
        deployed.set_flow_run_state(run, state, force=True)
        runs.append(run)
    yield runs
    for run in runs:
        deployed.delete_flow_run(run)


def test_runs_without_a_heartbeat_are_crashed_and_others_are_not(
    deployed: SyncPrefectClient, dead: list[UUID], witness: str
) -> None:
    others = deployed.create_flow_run(flow(name="others")(lambda: None))
    deployed.set_flow_run_state(others.id, Running(), force=True)
    assert crash_dead_runs() == []
    assert sorted(crash_dead_runs(silence=-timedelta(seconds=1), witness_silence=WIDE)) == (
        sorted(dead)
    )
    states = [deployed.read_flow_run(run).state for run in dead]
    assert [state.name for state in states if state] == ["Crashed", "Cancelled"]
    assert states[0] is not None
    assert states[0].message is not None
    assert states[0].message.startswith("The run has sent no heartbeat since 20")
    left = deployed.read_flow_run(others.id).state
    assert left is not None
    assert left.is_running()
    deployed.delete_flow_run(others.id)


def test_nothing_is_crashed_while_no_heartbeat_arrives(
    deployed: SyncPrefectClient, dead: list[UUID], witness: str
) -> None:
    assert crash_dead_runs(silence=-timedelta(seconds=1), witness_silence=NONE) == []


def test_old_runs_of_upkeep_are_deleted_and_those_of_seedings_stay(
    deployed: SyncPrefectClient,
) -> None:
    kept: list[UUID] = []
    ended: list[UUID] = []
    for name, runs in (("reconcile", ended), ("infinite-seeding", ended), ("seed-chain", kept)):
        deployment = deployed.read_deployment_by_name(f"{name}/{name}")
        run = deployed.create_flow_run_from_deployment(deployment.id, parameters={})
        deployed.set_flow_run_state(run.id, Completed(), force=True)
        runs.append(run.id)
    assert delete_old_runs(timedelta(days=1)) == 0
    assert delete_old_runs(NONE) == 2
    these = FlowRunFilter(id=FlowRunFilterId(any_=kept + ended))
    assert [run.id for run in deployed.read_flow_runs(flow_run_filter=these)] == kept


def test_a_run_that_stays_does_the_chores_and_ends_when_its_deployment_is_paused(
    deployed: SyncPrefectClient, prefect: httpx.Client
) -> None:
    deployment = deployed.read_deployment_by_name(f"{NAME}/{NAME}")
    deployed.pause_deployment(deployment.id)
    run = run_of(prefect, reconcile(minutes=1, return_state=True))
    assert run["state"]["message"] == "Ended: the deployment is paused."
    assert run["name"].startswith("upkeep ")


def test_a_second_run_that_would_stay_ends_at_once(
    deployed: SyncPrefectClient, prefect: httpx.Client
) -> None:
    with open_workspace(read_settings()) as workspace:
        assert Lease(workspace.store, LeaseName.UPKEEP, "first").acquire()
    run = run_of(prefect, reconcile(minutes=1, return_state=True))
    assert run["state"]["message"] == "Ended: another run does the upkeep."
    assert waiting(deployed) == []


STAY = """
from datetime import timedelta

from flows.reconcile import reconcile
from tasks_lib.steps.upkeep import standby

standby.EVERY = timedelta(seconds=1)
reconcile(minutes=60)
"""
"""A run that stays, and looks every second whether its deployment is paused."""


def test_a_run_that_stays_survives_a_restart_of_the_server(tmp_path: Path) -> None:
    home, port = tmp_path / "prefect", free_port()
    with prefect_server(home, port) as url, SyncPrefectClient(url) as client:
        create_work_pool(client)
        list(register_deployments(client))
        stay = subprocess.Popen(
            [sys.executable, "-c", STAY], cwd=ROOT, env=os.environ | {"PREFECT_API_URL": url}
        )
        wait_until(lambda: any("on standby" in run.name for run in client.read_flow_runs()))
    assert stay.poll() is None
    with prefect_server(home, port) as url, SyncPrefectClient(url) as client:
        client.pause_deployment(client.read_deployment_by_name(f"{NAME}/{NAME}").id)
        assert stay.wait(300) == 0
        (run,) = [run for run in client.read_flow_runs() if run.name.startswith("upkeep ")]
        assert run.state is not None
        assert run.state.message == "Ended: the deployment is paused."
        assert [one.name for one in client.read_flow_runs() if "on standby" in one.name] == []
