"""The bulk flow: its run's name and state, and a key that holds across runs."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.flow_engine import run_flow_sync
from prefect.states import Scheduled

from flow_runs import events_of, run_of
from flows.bulk_create import bulk_create
from tasks_lib.domain.report import SourceRejectedError
from tasks_lib.errors import UsageError
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.groups.read import list_groups
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings

PATH = "acme/ideas/collect-ideas"
EXAMPLE = Path(__file__).parents[2] / "examples" / "catalogue.yaml"


@pytest.fixture(autouse=True)
def _ideas(flow_workspace: None) -> None:
    """Apply the example's catalogue, which has a pipeline without dataset fields."""
    with open_workspace(read_settings()) as workspace:
        apply_catalogue(workspace.store, EXAMPLE)


def run_flow(*arguments: Any, **options: Any) -> Any:
    """Run the flow and return its end state."""
    return bulk_create(*arguments, **options, return_state=True)


def test_a_runs_name_state_and_event_describe_the_created_tasks(prefect: httpx.Client) -> None:
    state = run_flow(PATH, 3)
    assert (state.name, state.message) == ("Completed", "'bulk' created 3 tasks in group 1.")
    run = run_of(prefect, state)
    assert run["name"] == f"bulk 3 -> {PATH}"
    (event,) = events_of(prefect, "seeding.group.created", run)
    assert event["payload"]["created"] == 3


def test_a_key_holds_across_runs(prefect: httpx.Client) -> None:
    states = [run_flow(PATH, 3, key="december") for _ in range(2)]
    assert [state.message for state in states] == [
        "'bulk december' created 3 tasks in group 1.",
        "'bulk december' was seeded before: group 1 holds its 3 tasks, so nothing was created.",
    ]


def test_a_pipeline_with_dataset_fields_fails_in_one_sentence(prefect: httpx.Client) -> None:
    state = run_flow("acme/reviews/label-reviews", 3)
    assert state.name == "Failed"
    assert "has dataset fields (review_id, body, stars)" in state.message
    with pytest.raises(SourceRejectedError):
        state.result()


def test_a_count_out_of_bounds_fails_in_one_sentence(prefect: httpx.Client) -> None:
    state = run_flow(PATH, 0)
    assert (
        state.message == "the count is 0; it must be from 1 to 1,000,000 (SEEDING_MAX_BULK_COUNT)"
    )
    with pytest.raises(UsageError):
        state.result()


HOUR = timedelta(hours=1)


@pytest.fixture
def nightly(server: SyncPrefectClient) -> UUID:
    """A deployment of the flow whose schedule has missed three runs."""
    server.create_work_pool(WorkPoolCreate(name="seeding", type="process"))
    return server.create_deployment(
        server.create_flow_from_name("bulk-create"),
        name="nightly",
        parameters={"pipeline": PATH, "count": 3},
        work_pool_name="seeding",
    )


def due(run: FlowRun) -> datetime:
    """Return the time for which a run is scheduled."""
    assert run.expected_start_time is not None
    return run.expected_start_time


def schedule_missed_runs(server: SyncPrefectClient, deployment_id: UUID) -> list[FlowRun]:
    """Give the deployment a new schedule; return the runs for the past three hours, by time.

    This is what happens when a deployment is registered again, and its schedule with it.
    """
    for schedule in server.read_deployment_schedules(deployment_id):
        server.delete_deployment_schedule(deployment_id, schedule.id)
    hourly = IntervalSchedule(interval=HOUR, anchor_date=datetime(2026, 1, 1, tzinfo=UTC))
    server.create_deployment_schedules(deployment_id, [DeploymentScheduleCreate(schedule=hourly)])
    now = datetime.now(UTC)
    past = {"start_time": (now - 3 * HOUR).isoformat(), "end_time": now.isoformat()}
    server.request(
        "POST", "/deployments/{id}/schedule", path_params={"id": deployment_id}, json=past
    )
    runs = server.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id]))
    )
    missed = [run for run in runs if run.state_type == StateType.SCHEDULED]
    missed = [run for run in missed if due(run) < now]
    return sorted(missed, key=due)


def start(run: FlowRun) -> str:
    """Run a flow run in this process, as a worker does in another, and return its last message."""
    state: Any = run_flow_sync(
        bulk_create, flow_run=run, parameters=run.parameters, return_type="state"
    )
    return str(state.message)


def test_missed_runs_create_their_tasks_once_for_each_scheduled_time(
    server: SyncPrefectClient, nightly: UUID
) -> None:
    missed = schedule_missed_runs(server, nightly)
    sources = [f"bulk scheduled {due(run).isoformat()} {nightly}" for run in missed]
    assert len(set(sources)) == 3
    assert all(re.search(r"created 3 tasks in group \d\.$", start(run)) for run in missed)
    again = schedule_missed_runs(server, nightly)
    assert [run.expected_start_time for run in again] == [run.expected_start_time for run in missed]
    assert {run.id for run in again}.isdisjoint(run.id for run in missed)
    assert [start(run).endswith("so nothing was created.") for run in again] == [True] * 3
    with open_workspace(read_settings()) as workspace:
        groups = list_groups(workspace.store, PATH)
    assert [(group.source, group.tasks) for group in groups] == [(s, 3) for s in sources]


def test_a_scheduled_run_that_is_started_twice_creates_its_tasks_once(
    server: SyncPrefectClient, nightly: UUID
) -> None:
    run = schedule_missed_runs(server, nightly)[0]
    contexts = [copy_context(), copy_context()]  # with the settings of this test
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda context: context.run(start, run), contexts))
    with open_workspace(read_settings()) as workspace:
        assert [group.tasks for group in list_groups(workspace.store, PATH)] == [3]


def test_manual_runs_create_their_tasks_each_and_a_retry_creates_none(
    server: SyncPrefectClient, nightly: UUID
) -> None:
    first, second = (server.create_flow_run_from_deployment(nightly) for _ in range(2))
    assert [start(first), start(second)] == [
        "'bulk' created 3 tasks in group 1.", "'bulk' created 3 tasks in group 2.",
    ]  # fmt: skip
    server.set_flow_run_state(first.id, Scheduled(), force=True)
    assert start(server.read_flow_run(first.id)) == "'bulk' created 3 tasks in group 1."
    with open_workspace(read_settings()) as workspace:
        assert [group.tasks for group in list_groups(workspace.store, PATH)] == [3, 3]
