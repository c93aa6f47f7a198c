"""Flows that wait for people: suspended without a process, and resumed when the tasks are done."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Crashed
from waiting_flows import ask_people

from installation import Installation, clean_environment, own_installation, second_worker
from pages import ROOT
from people import PATH
from servers import answers, wait_until
from tasks_lib.operations.groups.read import Group, list_groups
from tasks_lib.operations.tasks.move import claim_task, submit_task

Start = Callable[..., FlowRun]
ENTRYPOINT = "tests/waiting_flows.py"


def deploy(installation: Installation, flow: Flow[..., Any]) -> UUID:
    """Register a flow of the tests as a deployment of the stack's work pool."""
    client = installation.client
    return client.create_deployment(
        flow_id=client.create_flow(flow),
        name=flow.name,
        work_pool_name="seeding",
        entrypoint=f"{ENTRYPOINT}:{flow.fn.__name__}",
        pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}],
        parameter_openapi_schema=flow.parameters.model_dump_for_openapi(),
    )


@pytest.fixture
def start(installation: Installation, stack_settings: None, tmp_path: Path) -> Start:
    """A function that starts a run of the flow, with a mark of its own."""
    deployment_id = deploy(installation, ask_people)

    def start(**parameters: Any) -> FlowRun:
        given = {"mark": uuid4().hex, "folder": str(tmp_path)} | parameters
        return installation.client.create_flow_run_from_deployment(deployment_id, parameters=given)

    return start


def lines(run: FlowRun) -> list[str]:
    file = Path(run.parameters["folder"], f"{run.parameters['mark']}.txt")
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def group_of(installation: Installation, run: FlowRun) -> Group:
    """Return the only group that a run has seeded."""
    groups = list_groups(installation.workspace.store, PATH)
    (group,) = (group for group in groups if group.name == run.parameters["mark"])
    return group


def wait_for_state(installation: Installation, run: FlowRun, name: str) -> None:
    def has_state() -> bool:
        installation.stack.check()
        state = installation.client.read_flow_run(run.id).state
        return state is not None and state.name == name

    wait_until(has_state)


def finish_group(installation: Installation, group: Group) -> None:
    """Finish the tasks of the group, and those that are before them in the queue."""
    store = installation.workspace.store
    while not list_groups(store, PATH) or not is_finished(installation, group):
        task = claim_task(store, group.pipeline_id, "ann", at=store.now())
        assert task is not None
        submit_task(store, task.id, "ann", {"sentiment": "good"}, at=store.now())


def is_finished(installation: Installation, group: Group) -> bool:
    groups = list_groups(installation.workspace.store, PATH)
    return any(one.id == group.id and one.finished_at is not None for one in groups)


def test_a_run_is_suspended_and_goes_on_when_its_tasks_are_finished(
    installation: Installation, start: Start
) -> None:
    run = start(rows=2)
    wait_for_state(installation, run, "Suspended")
    group = group_of(installation, run)
    assert lines(run) == ["begins", f"seeded {group.id}"]
    finish_group(installation, group)
    wait_for_state(installation, run, "Completed")
    assert lines(run) == ["begins", f"seeded {group.id}"] * 2 + ["goes on True"]
    assert group_of(installation, run).tasks == 2


def test_a_person_who_resumes_a_run_too_early_changes_nothing(
    installation: Installation, start: Start
) -> None:
    run = start(rows=1)
    wait_for_state(installation, run, "Suspended")
    installation.client.resume_flow_run(run.id)
    wait_until(lambda: lines(run).count("begins") == 2)
    wait_for_state(installation, run, "Suspended")
    finish_group(installation, group_of(installation, run))
    wait_for_state(installation, run, "Completed")
    assert lines(run) == lines(run)[:2] * 3 + ["goes on True"]
    assert group_of(installation, run).tasks == 1


def test_two_runs_wait_for_one_group_and_go_on_without_the_disk_of_their_first_process(
    installation: Installation, start: Start, tmp_path: Path
) -> None:
    first = start(rows=1)
    wait_for_state(installation, first, "Suspended")
    group = group_of(installation, first)
    second = start(rows=1, also=(group.id,))
    wait_for_state(installation, second, "Suspended")
    home = {"env": {"PREFECT_HOME": str(tmp_path / "another home")}}
    path = f"/deployments/{first.deployment_id}"
    installation.request("PATCH", path, json={"job_variables": home})
    finish_group(installation, group)
    finish_group(installation, group_of(installation, second))
    for run in (first, second):
        wait_for_state(installation, run, "Completed")
        assert lines(run) == lines(run)[:2] * 2 + ["goes on True"]
        assert group_of(installation, run).tasks == 1
    installation.request("PATCH", path, json={"job_variables": {}})


WITHOUT_EVENTS = {
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
}
"""Prefect takes events, keeps none, and no automation hears of one."""


def test_a_run_survives_the_death_of_everything_around_it(tmp_path: Path) -> None:
    """The event bus is dead all the time.

    A worker is killed while the run is suspended, and the server before the group is finished;
    another worker dies while the run resumes.
    """
    environment = clean_environment(tmp_path / "seeding")
    hold = tmp_path / "hold"
    with own_installation(tmp_path, environment, WITHOUT_EVENTS) as plant:
        given = {"mark": uuid4().hex, "folder": str(tmp_path), "rows": 1}
        run = plant.client.create_flow_run_from_deployment(
            deploy(plant, ask_people), parameters=given
        )
        wait_for_state(plant, run, "Suspended")
        group = group_of(plant, run)
        os.killpg(plant.stack.worker.pid, signal.SIGKILL)
        hold.touch()
        with restarted_server(
            plant, environment, tmp_path, while_away=lambda: finish_group(plant, group)
        ):
            with second_worker(plant, environment):  # the HTTP API resumes the run
                wait_until(lambda: lines(run).count("begins") == 2)
            died: State[None] = Crashed(message="as upkeep does after a while")
            plant.client.set_flow_run_state(run.id, died, force=True)
            hold.unlink()
            with second_worker(plant, environment):
                wait_until(lambda: lines(run)[-1] == "goes on True")
        assert lines(run).count("begins") == 3
        assert group_of(plant, run).tasks == 1


@contextmanager
def restarted_server(
    plant: Installation,
    environment: dict[str, str],
    folder: Path,
    *,
    while_away: Callable[[], None],
) -> Iterator[None]:
    """Kill Prefect's server, call a function, and run the server again for the block."""
    os.killpg(plant.stack.server.pid, signal.SIGKILL)
    plant.stack.server.process.wait()
    while_away()
    settings = {
        "PREFECT_HOME": str(folder / "stack" / "prefect"),
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        **WITHOUT_EVENTS,
    }
    server = subprocess.Popen(
        plant.stack.server.process.args,
        env=environment | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: answers(f"{plant.stack.api_url}/health"))
        yield
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
