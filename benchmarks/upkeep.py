"""Upkeep on a local stack: its cost while nothing happens, and its recovery when the worker dies.

A stack of its own is started, as ``make up`` does: server, deployments, upkeep, a worker, on
SQLite. First nothing happens for some minutes; the rows that Prefect's database has more by then
are printed as they are a day. Then the worker and its runs are killed at random moments, and a
claim expires meanwhile. Another worker starts at once, and each recovery is timed from the kill
until another run of upkeep has released the claim.
"""

import argparse
import os
import platform
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from uuid import UUID

from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import FlowRun

from benchmarks.chain_latency import SOURCE, stack_and_workspace
from deployments.child_process import ChildProcess, child_process
from deployments.local_stack import LocalStack
from deployments.repository import ROOT
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.tasks.move import claim_task
from tasks_lib.operations.tasks.read import find_task
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store

_DAY_SECONDS: Final = 24 * 3600
_LONGEST_SECONDS: Final = 300
_CYCLE_SECONDS: Final = 40
"""The runs on standby are put off this often, so a kill comes at any moment between two times."""


class Rows(NamedTuple):
    """The number of rows in Prefect's database, and its size in bytes."""

    flow_runs: int
    logs: int
    events: int
    size: int


def main() -> int:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upkeep", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15, help="how long nothing happens")
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, Prefect {version('prefect')}, SQLite\n")
    with TemporaryDirectory(prefix="upkeep-") as name, stack_and_workspace(Path(name)) as both:
        stack, workspace = both
        _make_tasks(workspace, Path(name), options.kills)
        _wait_for(lambda: _has_standby(stack))
        if options.minutes:
            _print_idle(Path(name), options.minutes)
        if options.kills:
            seconds = list(_time_recoveries(stack, workspace, Path(name), options.kills))
            print(f"| recovery after a kill | median | slowest of {options.kills} |")
            print("| --- | ---: | ---: |")
            print(f"| until upkeep goes on | {median(seconds):.0f} s | {max(seconds):.0f} s |")
    return 0


def _make_tasks(workspace: Workspace, folder: Path, count: int) -> None:
    path = folder / "tasks.csv"
    rows = "".join(f"{number},body,5\n" for number in range(count + 1))
    path.write_text(f"review_id,body,stars\n{rows}", encoding="utf-8")
    seed_from_csv(workspace, CsvRequest(pipeline=SOURCE, source=str(path)), run_id="benchmark")


def _print_idle(folder: Path, minutes: float) -> None:
    database = folder / "prefect" / "prefect.db"
    before = _count_rows(database)
    time.sleep(60 * minutes)
    after = _count_rows(database)
    days = 60 * minutes / _DAY_SECONDS
    print(f"| idle | in {minutes:g} min | a day |")
    print("| --- | ---: | ---: |")
    names = ("flow runs, with those on standby", "log records", "events", "bytes of the database")
    for name, first, last in zip(names, before, after, strict=True):
        print(f"| {name} | {last - first:,} | {(last - first) / days:,.0f} |")
    print(flush=True)


def _count_rows(database: Path) -> Rows:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("flow_run", "log", "events")
        ]
    wal = database.with_name(f"{database.name}-wal")
    size = database.stat().st_size + (wal.stat().st_size if wal.exists() else 0)
    flow_runs, logs, events = counts
    return Rows(flow_runs, logs, events, size)


def _time_recoveries(
    stack: LocalStack, workspace: Workspace, folder: Path, kills: int
) -> Iterator[float]:
    pipeline_id = find_pipeline(workspace.store, SOURCE).id
    worker, store = stack.worker, workspace.store
    with ExitStack() as running:
        for number in range(1, kills + 1):
            _wait_for(lambda: _has_standby(stack))
            time.sleep(random.uniform(0, _CYCLE_SECONDS))
            known = {run.id for run in _find_working(stack)}
            os.killpg(worker.pid, signal.SIGKILL)
            killed = time.monotonic()
            an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
            claimed = claim_task(store, pipeline_id, "ben", at=an_hour_ago)
            if claimed is None:
                sys.exit("there is no task left to claim")
            worker = running.enter_context(_another_worker(stack, folder, number))
            _wait_for(partial(_goes_on, stack, store, known, claimed.id))
            seconds = time.monotonic() - killed
            print(f"kill {number}: {seconds:.0f} s", file=sys.stderr)
            yield seconds


def _goes_on(stack: LocalStack, store: Store, known: set[UUID], task_id: int) -> bool:
    """Return True if another run of upkeep works, and the claim was released."""
    is_released = find_task(store, task_id).status == "pending"
    return is_released and any(run.id not in known for run in _find_working(stack))


@contextmanager
def _another_worker(stack: LocalStack, folder: Path, number: int) -> Iterator[ChildProcess]:
    """Run a worker like the stack's for the duration of a block."""
    settings = {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "PREFECT_API_URL": stack.api_url,
        "PREFECT_HOME": str(folder / f"prefect-{number}"),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
    }
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "seeding"]
    with child_process(
        f"worker-{number}",
        command,
        environment=os.environ | settings,
        log_folder=folder / "logs",
        cwd=ROOT,
        grace_seconds=0,
    ) as worker:
        yield worker


def _has_standby(stack: LocalStack) -> bool:
    """Return True if one run of upkeep works, and another is on standby for it."""
    working = _find_working(stack)
    if not working:
        return False
    last = str(working[-1].id)
    return any(run.parameters.get("takes_over") == last for run in _list_runs(stack))


def _find_working(stack: LocalStack) -> list[FlowRun]:
    """Return the runs of upkeep that are running or died running, oldest first."""
    runs = [run for run in _list_runs(stack) if run.state is not None and run.state.is_running()]
    return sorted(runs, key=lambda run: run.start_time or datetime.now(UTC))


def _list_runs(stack: LocalStack) -> list[FlowRun]:
    chosen = DeploymentFilter(name=DeploymentFilterName(any_=["reconcile"]))
    with stack.client() as client:
        return client.read_flow_runs(deployment_filter=chosen, limit=200)


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"upkeep has not gone on within {_LONGEST_SECONDS} s")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
