"""A flow that waits, run in this process as a worker does: it suspends, repeats, and refuses."""

import asyncio
import json
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, cast
from uuid import uuid4

import httpx
import pytest
from prefect import Flow, flow, task
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow_async, run_flow_sync
from prefect.states import Pending, Running

from flow_runs import artifacts_of
from people import PATH, finish
from servers import wait_until
from tasks_lib import seed, wait_for_group
from tasks_lib.deploy.register import create_work_pool
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations.groups.read import list_groups
from tasks_lib.operations.groups.undo import undo_group
from tasks_lib.operations.tasks.move import set_status
from tasks_lib.operations.waiting.suspended import list_resuming, resume_due
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.runs import acts
from tasks_lib.steps.upkeep.dead_waiting_runs import crash_dead_waiting_runs, has_beaten
from tasks_lib.steps.waiting.suspended_runs import WaitingRuns
from tasks_lib.store.engine import Store

pytestmark = pytest.mark.usefixtures("flow_workspace")

NONE: Final = timedelta(0)


def start(server: SyncPrefectClient, waiting: Flow[..., Any], **parameters: Any) -> FlowRun:
    """Create a run of a deployment of the flow."""
    create_work_pool(server)
    deployment_id = server.create_deployment(
        flow_id=server.create_flow(waiting), name=waiting.name, work_pool_name="seeding"
    )
    return server.create_flow_run_from_deployment(deployment_id, parameters=parameters)


def run(server: SyncPrefectClient, waiting: Flow[..., Any], flow_run: FlowRun) -> State[Any]:
    """Run the flow run in this process, as its worker would."""
    acts._calls.clear()
    current: Any = server.read_flow_run(flow_run.id)
    try:
        state: Any = run_flow_sync(
            waiting, flow_run=current, parameters=current.parameters, return_type="state"
        )
    except Pause as pause:
        state = pause.state
    assert state is not None
    return cast("State[Any]", state)


def resume(store: Store, at: datetime) -> None:
    """Resume the run that is due, a second later if the server's SQLite is locked."""
    for second in range(20):
        with suppress(PrefectUnavailableError):
            if resume_due(store, WaitingRuns(), at=at + timedelta(seconds=second)) == 1:
                return
        time.sleep(1)
    pytest.fail("no run was resumed")


@flow
def ask_once() -> bool:
    """Wait for a task."""
    return wait_for_group(seed([{"review_id": "1", "body": "b", "stars": 5}], PATH))


@flow
def ask_twice() -> list[bool]:
    """Wait for a task, and then for another one."""
    row = {"review_id": "1", "body": "b", "stars": 5}
    first = wait_for_group(seed([row], PATH, name="first"))
    second = wait_for_group(seed([row | {"review_id": "2"}], PATH, name="second"))
    return [first, second]


def test_a_body_that_runs_three_times_seeds_once_and_keeps_what_was_over(
    server: SyncPrefectClient, prefect: httpx.Client
) -> None:
    runs = WaitingRuns()
    flow_run = start(server, ask_twice)
    with open_workspace(read_settings()) as workspace:
        store = workspace.store
        for name in ("first", "second"):
            assert run(server, ask_twice, flow_run).name == "Suspended"
            assert [group.name for group in list_groups(store, PATH)][-1] == name
            assert server.read_flow_run(flow_run.id).labels["seeding.heartbeat-seconds"] == 180
            finish(store)
            resume(store, store.now())
            assert runs.resume(str(flow_run.id)).value == "busy", "it is not suspended any more"
        state = run(server, ask_twice, flow_run)
        assert (state.name, state.result()) == ("Completed", [True, True])
        assert [group.tasks for group in list_groups(store, PATH)] == [1, 1]
        assert runs.has_ended(str(flow_run.id))
        wait_until(lambda: runs.resume(str(flow_run.id)).value == "ended")
    artifacts = artifacts_of(prefect, {"id": str(flow_run.id)})
    assert [json.loads(data)[0] for kind, data in artifacts if kind == "table"] == [
        {"group": number, "name": name, "source": "rows", status: 1}
        for number, name in ((1, "first"), (2, "second"))
        for status in ("pending", "finished")
    ]


def test_a_run_whose_group_is_reopened_before_it_goes_on_waits_again(
    server: SyncPrefectClient,
) -> None:
    flow_run = start(server, ask_once)
    with open_workspace(read_settings()) as workspace:
        store = workspace.store
        assert run(server, ask_once, flow_run).name == "Suspended"
        set_status(store, 1, TaskStatus.WITHDRAWN, at=store.now())
        resume(store, store.now())
        set_status(store, 1, TaskStatus.PENDING, at=store.now())
        assert run(server, ask_once, flow_run).name == "Suspended"
        finish(store)
        resume(store, store.now())
        assert run(server, ask_once, flow_run).result() is True
        assert [group.tasks for group in list_groups(store, PATH)] == [1]


def test_a_run_that_dies_while_it_resumes_is_started_again(
    server: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, minute = WaitingRuns(), timedelta(minutes=1)
    flow_run = start(server, ask_twice)
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(uuid4()))  # that of upkeep
    with open_workspace(read_settings()) as workspace:
        store = workspace.store
        assert run(server, ask_twice, flow_run).name == "Suspended"
        assert list_resuming(store) == set()
        finish(store)
        assert crash_dead_waiting_runs(list_resuming(store), missed=0) == [], "it is suspended"
        later = store.now()
        resume(store, later)
        for died_as, silence in ((Pending(), {"pending": NONE}), (Running(), {"missed": 0})):
            later += 2 * minute
            server.set_flow_run_state(flow_run.id, died_as, force=True)
            assert resume_due(store, runs, at=later) == 0, "it seems to be at work"
            assert crash_dead_waiting_runs(list_resuming(store)) == [], "it may be slow"
            assert crash_dead_waiting_runs(list_resuming(store), **silence) == [flow_run.id]
            resume(store, later + minute)
            restarted = server.read_flow_run(flow_run.id).state
            assert restarted is not None
            assert restarted.name == "AwaitingRetry"
        assert run(server, ask_twice, flow_run).name == "Suspended"
        assert [group.name for group in list_groups(store, PATH)] == ["first", "second"]


def test_a_run_is_alive_while_the_heartbeats_of_upkeep_are_lost_too() -> None:
    now = datetime(2024, 1, 1, tzinfo=UTC)
    since = now - timedelta(minutes=12)
    beats = [now - timedelta(minutes=minutes) for minutes in range(20)]
    assert has_beaten(beats, since, now)
    assert has_beaten(beats[2:], since, now)
    assert not has_beaten(beats[3:], since, now), "the server was away"
    assert not has_beaten(beats[:9], since, now), "upkeep has just begun"


@flow
def ask_in_time(on_timeout: Literal["raise", "partial"] = "raise") -> bool:
    """Wait no time at all."""
    row = {"review_id": "1", "body": "b", "stars": 5}
    return wait_for_group(seed([row], PATH), timeout=0, on_timeout=on_timeout)


def test_a_run_hears_that_the_time_is_over(server: SyncPrefectClient) -> None:
    state = run(server, ask_in_time, start(server, ask_in_time))
    assert (state.message or "").endswith(
        "GroupTimedOutError: not finished in 0 seconds: group 1: 0 of 1 task done"
    )


def test_a_run_can_go_on_with_what_is_there(server: SyncPrefectClient) -> None:
    flow_run = start(server, ask_in_time, on_timeout="partial")
    assert run(server, ask_in_time, flow_run).result() is False


def test_a_run_hears_that_its_group_was_undone(server: SyncPrefectClient) -> None:
    flow_run = start(server, ask_twice)
    assert run(server, ask_twice, flow_run).name == "Suspended"
    with open_workspace(read_settings()) as workspace:
        store = workspace.store
        undo_group(store, 1, by="ann", at=store.now())
        resume(store, store.now())
    message = run(server, ask_twice, flow_run).message or ""
    assert "GroupUndoneError: group 1 was undone by ann while it was awaited" in message


@task
def wait_in_a_task() -> bool:
    """Wait where Prefect cannot suspend."""
    return wait_for_group(1)


@flow
def with_a_task() -> bool:
    """Wait in a task."""
    return wait_in_a_task()


@flow(name="inner")
def inner() -> bool:
    """Wait in a subflow."""
    return wait_for_group(1)


@flow
def with_a_subflow() -> bool:
    """Call a flow that waits."""
    return inner()


@flow(name="retried", retries=2)
def retried() -> bool:
    """Wait in a flow with retries."""
    return wait_for_group(1)


@flow(name="asynchronous")
async def asynchronous() -> bool:
    """Wait in an asynchronous flow."""
    return wait_for_group(1)


@pytest.mark.parametrize(
    ("waiting", "message"),
    [
        (with_a_task, "wait_for_group was called in a task; call it in the body of the flow"),
        (with_a_subflow, "wait_for_group was called in the subflow inner; call it in the flow"),
        (retried, "the flow retried has retries=2, and Prefect does not resume a run that it has"),
    ],
    ids=["task", "subflow", "retries"],
)
def test_a_wait_that_cannot_be_suspended_is_refused(
    server: SyncPrefectClient, waiting: Flow[..., Any], message: str
) -> None:
    state = run(server, waiting, start(server, waiting))
    assert state.is_failed() or state.is_scheduled()
    assert message in (state.message or "")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Prefect's sockets
def test_a_wait_in_an_asynchronous_flow_is_refused(server: SyncPrefectClient) -> None:
    flow_run = start(server, asynchronous)
    running = run_flow_async(asynchronous, flow_run=flow_run, return_type="state")
    state: Any = asyncio.run(running)
    assert "which is defined with async def; define it with def" in state.message
