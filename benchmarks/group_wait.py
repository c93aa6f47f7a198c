"""Time from the last submission of a group to the first line of the resumed flow, on a local stack.

A stack of its own is started, as ``make up`` does: server, deployments, a worker, the HTTP API and
upkeep, on SQLite. Many runs of a flow seed a task each and are suspended. Then tasks are submitted
one at a time; the flow writes down when its first line runs again. Meanwhile the cost of a look for
waits that are over is measured, with all runs suspended.
"""

import argparse
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Final
from uuid import UUID

from benchmarks.chain_latency import SOURCE, stack_and_workspace
from benchmarks.waiting_flow import wait_for_a_task
from deployments.local_stack import LocalStack
from deployments.repository import ROOT
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.groups.read import find_group
from tasks_lib.operations.tasks.move import claim_task, submit_task
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.groups import group_waits

_LONGEST_SECONDS: Final = 1_800
_LOOKS: Final = 200


def main() -> int:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.group_wait", description=__doc__)
    parser.add_argument("--suspended", type=int, default=100)
    parser.add_argument("--resumed", type=int, default=30)
    options = parser.parse_args()
    if not 2 <= options.resumed <= options.suspended:
        parser.error("at least two runs are resumed, and no more than are suspended")
    print(f"Python {platform.python_version()}, Prefect {version('prefect')}, SQLite\n")
    print("| with suspended runs | | |\n| --- | ---: | ---: |", flush=True)
    with (
        TemporaryDirectory(prefix="group-wait-") as name,
        stack_and_workspace(Path(name)) as (stack, workspace),
    ):
        folder = Path(name)
        _suspend(stack, workspace, folder, options.suspended)
        print(_look(workspace, options.suspended), flush=True)
        print(_resume(workspace, folder, options.resumed), flush=True)
    return 0


def _suspend(stack: LocalStack, workspace: Workspace, folder: Path, count: int) -> None:
    """Start the runs, and wait until all of them are suspended."""
    with stack.client() as client:
        deployment_id = client.create_deployment(
            flow_id=client.create_flow(wait_for_a_task),
            name="wait-for-a-task",
            work_pool_name="seeding",
            entrypoint="benchmarks/waiting_flow.py:wait_for_a_task",
            pull_steps=[
                {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
            ],
        )
        runs: list[UUID] = []
        for number in range(count):
            parameters = {"mark": f"run-{number}", "folder": str(folder)}
            run = client.create_flow_run_from_deployment(deployment_id, parameters=parameters)
            runs.append(run.id)

        def are_suspended() -> bool:
            states = [client.read_flow_run(run_id).state for run_id in runs]
            return all(state is not None and state.is_paused() for state in states)

        _wait_until(are_suspended, pause=2)
    with workspace.store.read() as session:
        assert len(group_waits.list_flow_runs(session)) == count  # noqa: S101


def _look(workspace: Workspace, count: int) -> str:
    """Measure a look for waits that are over, and return a line of the table."""
    seconds = []
    for _ in range(_LOOKS):
        started = time.perf_counter()
        with workspace.store.read() as session:
            group_waits.list_due(session, at=datetime.now(UTC))
        seconds.append(time.perf_counter() - started)
    milliseconds = 1_000 * median(seconds)
    return f"| a look for waits that are over, of {count} | median {milliseconds:.1f} ms | |"


def _resume(workspace: Workspace, folder: Path, count: int) -> str:
    """Submit one task after the other, and return a line of the table."""
    store = workspace.store
    pipeline = find_pipeline(store, SOURCE)
    seconds = []
    for number in range(count):
        task = claim_task(store, pipeline.id, "ann", at=store.now())
        assert task is not None  # noqa: S101
        mark = find_group(store, task.group_id).group.name or ""
        submit_task(store, task.id, "ann", {"sentiment": "good"}, at=store.now())
        submitted = time.time()
        _wait_until(partial(_is_resumed, folder, mark), pause=0.05)
        seconds.append(_times(folder, mark)[-1] - submitted)
        print(f"run {number + 1}: {seconds[-1]:.1f} s", file=sys.stderr)
    p95 = quantiles(seconds, n=20, method="inclusive")[-1]
    what = f"from the submission to the first line, {count} runs"
    return f"| {what} | median {median(seconds):.1f} s | p95 {p95:.1f} s |"


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
