"""Cost of suspended flow runs, and time until they go on, on a local stack.

A stack of its own is started, as ``make up`` does: server, deployments, a worker, the HTTP API and
upkeep, on SQLite. Its processes, their processor time and the slots in use are counted while
nothing happens, and again while many runs of a flow, which have seeded a task each, are suspended.
Then tasks are submitted one at a time; the flow writes down when its first line runs again. Last,
all other tasks are submitted at once.
"""

import argparse
import platform
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from sqlalchemy import event

from benchmarks.chain_latency import SOURCE, stack_and_workspace
from benchmarks.processes import cpu_seconds, descendants
from benchmarks.waiting_flow import wait_for_a_task
from deployments.local_stack import LocalStack
from deployments.repository import ROOT
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.groups.read import find_group, list_groups
from tasks_lib.operations.tasks.move import claim_task, submit_task
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.groups import group_waits

_LONGEST_SECONDS: Final = 1_800
_LOOKS: Final = 200
_RUNS_AT_ONCE: Final = 200
_STARTED_AT_ONCE: Final = 5
"""More processes that start at once keep each other, and the server, from anything else."""


class Idle(NamedTuple):
    """The processes of the stack and their processor seconds a minute, and a look for waits."""

    processes: int
    server: float
    worker_and_upkeep: float
    http_api: float
    queries: int
    milliseconds: float


def main() -> int:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.group_wait", description=__doc__)
    parser.add_argument("--suspended", type=int, default=100)
    parser.add_argument("--resumed", type=int, default=30, help="of these, one at a time")
    parser.add_argument("--minutes", type=float, default=2, help="how long nothing happens")
    options = parser.parse_args()
    if not 2 <= options.resumed <= options.suspended:
        parser.error("at least two runs are resumed, and no more than are suspended")
    print(f"Python {platform.python_version()}, Prefect {version('prefect')}, SQLite\n")
    with (
        TemporaryDirectory(prefix="group-wait-") as name,
        stack_and_workspace(Path(name)) as (stack, workspace),
        stack.client() as client,
    ):
        folder = Path(name)
        time.sleep(30)  # upkeep begins
        idle = [_measure_idle(stack, workspace, options.minutes)]
        runs = _suspend(client, workspace, folder, options.suspended)
        idle.append(_measure_idle(stack, workspace, options.minutes))
        slots = _count_slots(client, runs)
        for line in _idle_table(idle, options.suspended, slots):
            print(line, flush=True)
        print("\n| resumption | | |\n| --- | ---: | ---: |")
        print(_resume_one_by_one(workspace, folder, options.resumed), flush=True)
        if options.resumed < options.suspended:
            print(_resume_rest(client, workspace, runs, options.suspended - options.resumed))
        groups = list_groups(workspace.store, SOURCE)
        assert [group.tasks for group in groups] == [1] * options.suspended  # noqa: S101
    return 0


def _measure_idle(stack: LocalStack, workspace: Workspace, minutes: float) -> Idle:
    roots = (stack.server.pid, stack.worker.pid, stack.http_api.pid)
    before = [cpu_seconds(root) for root in roots]
    time.sleep(60 * minutes)
    server, worker, api = (
        (cpu_seconds(root) - first) / minutes for root, first in zip(roots, before, strict=True)
    )
    processes = sum(1 + len(descendants(root)) for root in roots)
    return Idle(processes, server, worker, api, *_look(workspace))


def _idle_table(idle: list[Idle], suspended: int, slots: int) -> Iterator[str]:
    yield f"| while nothing happens | without runs | with {suspended} suspended runs |"
    yield "| --- | ---: | ---: |"
    names = ("Prefect's server", "the worker and upkeep", "the HTTP API")
    first, last = idle
    yield f"| processes of the stack | {first.processes} | {last.processes} |"
    yield f"| runs that hold a slot | 0 | {slots} |"
    for name, one, other in zip(names, first[1:4], last[1:4], strict=True):
        yield f"| processor seconds a minute, {name} | {one:.2f} | {other:.2f} |"
    yield f"| queries of a look for waits that are over | {first[4]} | {last[4]} |"
    yield f"| a look, median | {first[5]:.2f} ms | {last[5]:.2f} ms |"


def _suspend(
    client: SyncPrefectClient, workspace: Workspace, folder: Path, count: int
) -> list[UUID]:
    """Start the runs, and wait until all of them are suspended."""
    deployment_id = client.create_deployment(
        flow_id=client.create_flow(wait_for_a_task),
        name="wait-for-a-task",
        work_pool_name="seeding",
        entrypoint="benchmarks/waiting_flow.py:wait_for_a_task",
        pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}],
    )
    runs: list[UUID] = []
    for first in range(0, count, _STARTED_AT_ONCE):
        for number in range(first, min(first + _STARTED_AT_ONCE, count)):
            parameters = {"mark": f"run-{number}", "folder": str(folder)}
            run = client.create_flow_run_from_deployment(deployment_id, parameters=parameters)
            runs.append(run.id)
        _wait_until(partial(_are_suspended, client, runs), pause=1)
    with workspace.store.read() as session:
        assert len(group_waits.list_flow_runs(session)) == count  # noqa: S101
    return runs


def _are_suspended(client: SyncPrefectClient, runs: list[UUID]) -> bool:
    states = [run.state for run in _read(client, runs)]
    return all(state is not None and state.is_paused() for state in states)


def _read(client: SyncPrefectClient, runs: list[UUID]) -> list[FlowRun]:
    these = FlowRunFilter(id=FlowRunFilterId(any_=runs))
    return client.read_flow_runs(flow_run_filter=these, limit=_RUNS_AT_ONCE)


def _count_slots(client: SyncPrefectClient, runs: list[UUID]) -> int:
    """Return how many of the runs are Pending or Running, as those are that hold a slot."""
    states = [run.state for run in _read(client, runs)]
    return sum(state is not None and (state.is_pending() or state.is_running()) for state in states)


def _look(workspace: Workspace) -> tuple[int, float]:
    """Return the queries of a look for waits that are over, and its median milliseconds."""
    statements: list[str] = []
    engine = workspace.store.engine

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    seconds = []
    for _ in range(_LOOKS):
        started = time.perf_counter()
        with workspace.store.read() as session:
            group_waits.list_due(session, at=datetime.now(UTC))
        seconds.append(time.perf_counter() - started)
    event.listen(engine, "before_cursor_execute", note)
    with workspace.store.read() as session:
        group_waits.list_due(session, at=datetime.now(UTC))
    event.remove(engine, "before_cursor_execute", note)
    queries = sum(statement.lstrip().startswith("SELECT") for statement in statements)
    return queries, 1_000 * median(seconds)


def _resume_one_by_one(workspace: Workspace, folder: Path, count: int) -> str:
    """Submit one task after the other, and return a line of the table."""
    seconds = []
    for number in range(count):
        mark = _submit(workspace)
        submitted = time.time()
        _wait_until(partial(_is_resumed, folder, mark), pause=0.05)
        seconds.append(_times(folder, mark)[-1] - submitted)
        print(f"run {number + 1}: {seconds[-1]:.1f} s", file=sys.stderr)
    p95 = quantiles(seconds, n=20, method="inclusive")[-1]
    what = f"from the submission to the first line, {count} runs"
    return f"| {what} | median {median(seconds):.1f} s | p95 {p95:.1f} s |"


def _resume_rest(
    client: SyncPrefectClient, workspace: Workspace, runs: list[UUID], count: int
) -> str:
    """Submit all other tasks at once, and return a line of the table."""
    for _ in range(count):
        _submit(workspace)
    submitted = time.monotonic()

    def are_completed() -> bool:
        states = [run.state for run in _read(client, runs)]
        return all(state is not None and state.is_completed() for state in states)

    _wait_until(are_completed, pause=1)
    seconds = time.monotonic() - submitted
    what = f"from the last of {count} submissions to the end of all of their runs"
    return f"| {what} | {seconds:.0f} s | {seconds / count:.1f} s a run |"


def _submit(workspace: Workspace) -> str:
    """Submit a task, and return the mark of the run that waits for it."""
    store = workspace.store
    task = claim_task(store, find_pipeline(store, SOURCE).id, "ann", at=store.now())
    assert task is not None  # noqa: S101
    submit_task(store, task.id, "ann", {"sentiment": "good"}, at=store.now())
    return find_group(store, task.group_id).group.name or ""


def _is_resumed(folder: Path, mark: str) -> bool:
    return len(_times(folder, mark)) > 1


def _times(folder: Path, mark: str) -> list[float]:
    return [float(line) for line in (folder / mark).read_text(encoding="utf-8").split()]


def _wait_until(condition: Callable[[], bool], *, pause: float) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"not there after {_LONGEST_SECONDS} s")
        time.sleep(pause)


if __name__ == "__main__":
    sys.exit(main())
