"""Infinite seeding end to end: the sensor as a flow run, and the run that follows."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import text

from installation import Installation
from people import claim
from servers import wait_until
from tasks_lib.operations.infinite.manage import InfiniteRequest, disable, enable
from tasks_lib.operations.infinite.sensor import is_sensor_running
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.steps.infinite import ensure_sensor
from tasks_lib.store.engine import Store

STORIES = "acme/ideas/tell-stories"
NAME = "infinite-seeding/infinite-seeding"


@pytest.fixture(autouse=True)
def _enabled(installation: Installation) -> Iterator[None]:
    """Connect this process to the stack, and enable infinite seeding of a pipeline."""
    store = installation.workspace.store
    with temporary_settings({PREFECT_API_URL: installation.stack.api_url}):
        enable(store, STORIES, InfiniteRequest(), at=datetime.now(UTC))
        yield
        disable(store, STORIES)


def runs(installation: Installation) -> list[FlowRun]:
    """Return the sensor's runs, newest first."""
    deployment = installation.client.read_deployment_by_name(NAME).id
    all_runs = installation.client.read_flow_runs(limit=200)
    return [run for run in all_runs if run.deployment_id == deployment]


def has_ended(installation: Installation, run_id: UUID) -> bool:
    state = installation.client.read_flow_run(run_id).state
    return state is not None and state.is_final()


def has_more(store: Store, tasks: int) -> bool:
    return len(list_tasks(store, STORIES)) > tasks


def test_a_sensor_is_started_answers_claims_and_gives_way_to_the_next(
    installation: Installation,
) -> None:
    store = installation.workspace.store
    ensure_sensor(store)  # as upkeep does
    wait_until(lambda: is_sensor_running(store, at=datetime.now(UTC)))
    first = next(run for run in runs(installation) if run.state and run.state.is_running())
    for _ in range(3):
        before = len(list_tasks(store, STORIES))
        claim(store, path=STORIES, at=datetime.now(UTC))
        wait_until(partial(has_more, store, before))
    wait_until(lambda: count_made(store) == 3)
    deployment = installation.client.read_deployment_by_name(NAME)
    following = installation.client.create_flow_run_from_deployment(
        deployment.id, parameters={"takes_over": str(first.id), "minutes": 1}
    )
    wait_until(lambda: has_ended(installation, first.id))
    state = installation.client.read_flow_run(first.id).state
    assert state is not None
    assert state.message is not None
    assert state.message.endswith("; the next sensor is running.")  # upkeep may create tasks, too
    assert is_sensor_running(store, at=datetime.now(UTC))
    wait_until(lambda: "tasks made | 3 |" in artifact_text(installation, following))
    installation.client.delete_flow_run(following.id)


def count_made(store: Store) -> int:
    """Return how many tasks the sensor has recorded for the next one."""
    with store.read() as session:
        history = session.scalar(text("SELECT history FROM sensors WHERE name = 'infinite'"))
    return sum(made for _, _, made in json.loads(history))


def artifact_text(installation: Installation, run: FlowRun) -> str:
    """Return what the run's artifact says, "" while it has none."""
    return installation.artifacts(run).get("markdown", "")
