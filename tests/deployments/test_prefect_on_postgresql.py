"""Chains and upkeep with Prefect on PostgreSQL, as with its SQLite in the other modules."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest
from prefect.states import Scheduled

from chain_setup import chain as chain_pipelines
from databases import postgresql_for_prefect
from deployments.child_process import child_process
from deployments.repository import ROOT
from installation import (
    PATH,
    QA,
    Installation,
    clean_environment,
    own_installation,
    second_worker,
)
from people import claim, finish, make_tasks
from servers import answers, wait_until
from tasks_lib.deploy.register import register_deployments
from tasks_lib.operations.chains.manage import edit_chain, find_chain
from tasks_lib.operations.tasks.read import find_task
from tasks_lib.steps import automations


@pytest.fixture
def socket_folder(tmp_path: Path) -> Iterator[str]:
    """The folder of the socket of a PostgreSQL for Prefect."""
    with postgresql_for_prefect(tmp_path) as folder:
        yield folder


@contextmanager
def another_server(
    plant: Installation, environment: Mapping[str, str], folder: Path
) -> Iterator[None]:
    """Run another server on the port and the database of the stack's, which is dead."""
    server = plant.stack.server
    with child_process(
        "another-server", list(map(str, server.process.args)),  # type: ignore[arg-type]
        environment=environment, log_folder=folder, cwd=ROOT,
    ) as another:  # fmt: skip
        another.wait_until(partial(answers, f"{plant.stack.api_url}/health"), "ready", 120)
        yield


def test_chains_and_upkeep_go_on_through_changes_a_restart_and_the_death_of_the_worker(
    socket_folder: str, tmp_path: Path
) -> None:
    url = f"postgresql+asyncpg://seeding:seeding@/prefect?host={socket_folder}"
    on_postgresql = {"PREFECT_API_DATABASE_CONNECTION_URL": url}
    environment = clean_environment(tmp_path / "seeding")
    with own_installation(tmp_path, environment, on_postgresql) as plant:
        store = plant.workspace.store

        def finish_next(number: int) -> None:
            finish(store)
            wait_until(lambda: len(plant.origins()) == number)

        def switch(state: bool) -> None:
            plant.request("PATCH", f"/automations/{automation_id}", json={"enabled": state})
            wait_until(partial(follows, state))

        def follows(state: bool) -> bool:
            automations.mirror_switches(store)
            return find_chain(store, chain.id).is_paused is not state

        make_tasks(plant.workspace, tmp_path, 5)
        chain = chain_pipelines(plant.workspace, QA, PATH)
        automations.ensure_automation(store, chain)
        automation_id = find_chain(store, chain.id).automation_id
        wait_until(lambda: len(plant.upkeep()) == 1)
        finish_next(1)
        switch(state=False)
        switch(state=True)
        automations.ensure_automation(store, edit_chain(store, chain.id, mapping={"body": "body"}))
        list(register_deployments(plant.client))
        finish_next(2)
        plant.request("DELETE", f"/automations/{automation_id}")
        finish_next(3)

        (upkeep,) = plant.upkeep()
        wait_until(lambda: plant.standbys(upkeep) != [])
        os.killpg(plant.stack.server.pid, signal.SIGKILL)
        finish_next(4)
        settings = {
            "PREFECT_HOME": str(tmp_path / "prefect"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }
        restart = environment | on_postgresql | settings
        with another_server(plant, restart, tmp_path):
            assert [run.id for run in plant.upkeep()] == [upkeep.id]
            os.killpg(plant.stack.worker.pid, signal.SIGKILL)
            expired = claim(store, "ben", datetime.now(UTC) - timedelta(hours=1))
            for run in plant.standbys(upkeep):  # their time has come, 90 and 180 seconds later
                plant.client.set_flow_run_state(run.id, Scheduled(), force=True)
            with second_worker(plant, environment):
                wait_until(lambda: find_task(store, expired.id).status == "pending")
                wait_until(lambda: [run for run in plant.upkeep() if run.id != upkeep.id] != [])
                finish_next(5)
    with psycopg.connect(
        f"postgresql://seeding:seeding@/prefect?host={socket_folder}"
    ) as connection:
        names = connection.execute("SELECT DISTINCT name FROM flow").fetchall()
    assert {"seed-chain", "reconcile"} <= {name for (name,) in names}
