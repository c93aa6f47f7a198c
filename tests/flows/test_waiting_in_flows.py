"""A flow that waits, run in this process as a worker does: it suspends, repeats, and refuses."""

import asyncio
from typing import Any, Literal, cast

import pytest
from prefect import Flow, flow, task
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow_async, run_flow_sync

from people import PATH, finish
from tasks_lib import seed, wait_for_group
from tasks_lib.deploy.register import create_work_pool
from tasks_lib.operations.groups.read import list_groups
from tasks_lib.operations.groups.undo import undo_group
from tasks_lib.operations.waiting.suspended import resume_due
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.runs import acts
from tasks_lib.steps.waiting.suspended_runs import WaitingRuns

pytestmark = pytest.mark.usefixtures("flow_workspace")


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


@flow
def ask_twice() -> list[bool]:
    """Wait for a task, and then for another one."""
    row = {"review_id": "1", "body": "b", "stars": 5}
    first = wait_for_group(seed([row], PATH, name="first"))
    second = wait_for_group(seed([row | {"review_id": "2"}], PATH, name="second"))
    return [first, second]


def test_a_body_that_runs_three_times_seeds_once_and_keeps_what_was_over(
    server: SyncPrefectClient,
) -> None:
    runs = WaitingRuns()
    flow_run = start(server, ask_twice)
    with open_workspace(read_settings()) as workspace:
        store = workspace.store
        for name in ("first", "second"):
            assert run(server, ask_twice, flow_run).name == "Suspended"
            assert [group.name for group in list_groups(store, PATH)][-1] == name
            finish(store)
            assert runs.resume(str(flow_run.id)).value == "resumed"
            assert runs.resume(str(flow_run.id)).value == "busy", "it is not suspended any more"
        state = run(server, ask_twice, flow_run)
        assert (state.name, state.result()) == ("Completed", [True, True])
        assert [group.tasks for group in list_groups(store, PATH)] == [1, 1]
        assert runs.has_ended(str(flow_run.id))
        assert runs.resume(str(flow_run.id)).value == "ended"


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
        assert resume_due(store, WaitingRuns(), at=store.now()) == 1
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
