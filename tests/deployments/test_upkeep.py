"""Upkeep and warm chains on a stack of their own, whose worker and runs are killed."""

import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chain_setup import chain as chain_pipelines
from installation import (
    PATH,
    QA,
    Installation,
    clean_environment,
    own_installation,
    second_worker,
)
from people import claim, finish, make_tasks
from servers import wait_until
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.tasks.move import claim_task, submit_task
from tasks_lib.operations.tasks.read import find_task, list_tasks
from tasks_lib.steps import automations
from vault import apply_vault

CHAINS = 40
TASKS = 80
PIPELINE = """
          - name: {}
            status: active
            fields:
              - {{name: review_id, type: text, source: dataset}}
              - {{name: verdict, type: text, source: input, required: false}}
"""
CATALOGUE = """
organizations:
  - name: acme
    projects:
      - name: load
        pipelines:
{}
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return clean_environment(tmp_path / "seeding")


@pytest.fixture
def plant(environment: dict[str, str], tmp_path: Path) -> Iterator[Installation]:
    """A running installation that nobody else uses, with this process connected to it."""
    with own_installation(tmp_path, environment) as plant:
        yield plant


def test_upkeep_takes_one_run_and_forty_busy_chains_take_few(
    plant: Installation, tmp_path: Path
) -> None:
    wait_until(lambda: len(plant.upkeep()) == 1)
    workspace = plant.workspace
    names = [f"{side}-{number}" for number in range(CHAINS) for side in ("from", "to")]
    apply_vault(workspace, tmp_path, CATALOGUE.format("".join(map(PIPELINE.format, names))))
    ids = []
    for number in range(CHAINS):
        source, target = f"acme/load/from-{number}", f"acme/load/to-{number}"
        new_chain = chain_pipelines(workspace, target, source)
        automations.ensure_automation(workspace.store, new_chain)
        ids.append(new_chain.source_pipeline_id)
        rows = tmp_path / f"{number}.csv"
        rows.write_text(f"review_id\n{number}-1\n{number}-2\n", encoding="utf-8")
        seed(plant, source, rows)
    quiet_log = len(plant.stack.server.log.read_text(encoding="utf-8", errors="replace"))
    for number in range(TASKS):
        at = datetime.now(UTC)
        task = claim_task(workspace.store, ids[number % CHAINS], "ann", at=at)
        assert task is not None
        submit_task(workspace.store, task.id, "ann", {}, at=at)
        time.sleep(0.2)

    def successors() -> list[str]:
        targets = [f"acme/load/to-{number}" for number in range(CHAINS)]
        tasks = [task for path in targets for task in list_tasks(workspace.store, path)]
        return sorted(task.fields for task in tasks)

    wait_until(lambda: len(successors()) == TASKS)
    assert len(set(successors())) == TASKS
    states = [str(run.state_name) for run in plant.runs("seed-chain")]
    assert len(states) <= 3, "a second one is woken if the first one takes 20 seconds to start"
    assert not {"Cancelled", "Crashed", "Failed"} & set(states)
    (upkeep,) = plant.upkeep()
    assert (upkeep.name[:7], upkeep.tags) == ("upkeep ", ["upkeep"])
    others = {run.name for run in plant.runs("reconcile") if run.id != upkeep.id}
    assert {name for name in others if name.startswith("reconcile")} == {"reconcile, on standby"}
    log = plant.stack.server.log.read_text(encoding="utf-8", errors="replace")
    assert [one for one in records(log[quiet_log:]) if "database is locked" in one] == []


def records(log: str) -> list[str]:
    """Return the records of a server's log, without those of heartbeats that were not kept.

    Prefect reads and then writes them in one deferred transaction of SQLite, which fails at once if
    another has written in between, however short; the worker sends the next one all the same.
    """
    every = re.split(r"(?m)^(?=\d\d:\d\d:\d\d\.\d{3} \| )", log)
    return [one for one in every if "Worker channel heartbeat persistence failed" not in one]


def seed(plant: Installation, pipeline: str, rows: Path) -> None:
    request = CsvRequest(pipeline=pipeline, source=str(rows))
    seed_from_csv(plant.workspace, request, run_id=pipeline)


def test_after_the_death_of_the_worker_and_its_runs_upkeep_goes_on_by_itself(
    plant: Installation, environment: dict[str, str], tmp_path: Path
) -> None:
    store = plant.workspace.store
    make_tasks(plant.workspace, tmp_path, 2)
    wait_until(lambda: len(plant.upkeep()) == 1)
    (dead,) = plant.upkeep()
    wait_until(lambda: plant.standbys(dead) != [])  # as during all of its hour
    os.killpg(plant.stack.worker.pid, signal.SIGKILL)
    task = claim(store, "ben", datetime.now(UTC) - timedelta(hours=1))
    with second_worker(plant, environment):
        wait_until(lambda: find_task(store, task.id).status == "pending", seconds=300)
        wait_until(lambda: [run for run in plant.upkeep() if run.id != dead.id] != [])
        chain_pipelines(plant.workspace, QA, PATH)
        finish(store)
        wait_until(lambda: len(plant.origins()) == 1)
