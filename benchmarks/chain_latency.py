"""Latency from a finished task to the task of its chain, alone and in a burst, on a local stack.

A stack of its own is started, as ``make up`` does: server, deployments, a worker, on SQLite. First
tasks are finished one at a time, each when no run is there; a run stays for two seconds here. Then
many are finished in a burst, a hundred in a transaction, by the statement that every submission
takes. A relay tells Prefect every second, as the HTTP API's does. The tasks of the target
are counted, and no two may have the same source task.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import text

from deployments.local_stack import LocalStack, local_stack
from deployments.repository import ROOT
from tasks_lib.domain.chains import Trigger
from tasks_lib.domain.events import Event
from tasks_lib.domain.lifecycle import Move
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.chains.manage import ChainRequest, create_chain
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.tasks.move import claim_task
from tasks_lib.operations.upkeep.announcing import Relay
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.automations import ensure_automation
from tasks_lib.steps.prefect_api import post_events
from tasks_lib.store.tasks.moves import Note, Picks, move_tasks

SOURCE: Final = "acme/reviews/label-reviews"
TARGET: Final = "acme/qa/check-labels"
_LONGEST_SECONDS: Final = 180
_QUIET_SECONDS: Final = 2
_IDLE_SECONDS: Final = 2
_CONTRIBUTOR: Final = "ann"
_AT_ONCE: Final = 100
_BEGUN: Final = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]


class Made(NamedTuple):
    """The number of tasks in the target, and of distinct source tasks."""

    tasks: int
    origins: int


def main() -> int:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chain_latency", description=__doc__)
    parser.add_argument("--singles", type=int, default=30)
    parser.add_argument("--burst", type=int, default=10_000)
    options = parser.parse_args()
    if options.singles < 2 or options.burst < 1:
        parser.error("there must be two single tasks and one task in the burst at least")
    os.environ["SEEDING_CHAIN_IDLE_SECONDS"] = str(_IDLE_SECONDS)
    print(f"Python {platform.python_version()}, Prefect {version('prefect')}, SQLite\n")
    print("| through the automation | | |\n| --- | ---: | ---: |", flush=True)
    with (
        TemporaryDirectory(prefix="chain-latency-") as folder,
        stack_and_workspace(Path(folder)) as running,
    ):
        stack, workspace = running
        _make_tasks(workspace, Path(folder), options.singles + options.burst)
        request = ChainRequest(target=TARGET, source=SOURCE, trigger=Trigger.TASK_COMPLETION)
        chain = create_chain(workspace, request, at=datetime.now(UTC))
        ensure_automation(workspace.store, chain)

        def tell(events: Sequence[Event]) -> None:
            with temporary_settings({PREFECT_API_URL: stack.api_url}):  # in the relay's thread
                post_events(events)

        with Relay(workspace.store, tell):
            print(_singles(stack, workspace, options.singles), flush=True)
            print(_burst(stack, workspace, options.burst), flush=True)
    return 0


@contextmanager
def stack_and_workspace(folder: Path) -> Iterator[tuple[LocalStack, Workspace]]:
    """Run a stack with the example catalogue, on an embedded store in ``folder``."""
    os.environ["SEEDING_HOME"] = str(folder / "seeding")
    with (
        open_workspace(read_settings()) as workspace,
        local_stack(folder, os.environ) as stack,
        temporary_settings({PREFECT_API_URL: stack.api_url}),
    ):
        apply_catalogue(workspace.store, ROOT / "examples" / "catalogue.yaml")
        yield stack, workspace


def _make_tasks(workspace: Workspace, folder: Path, count: int) -> None:
    path = folder / "tasks.csv"
    rows = "".join(f"{number},body,5\n" for number in range(count))
    path.write_text(f"review_id,body,stars\n{rows}", encoding="utf-8")
    seed_from_csv(workspace, CsvRequest(pipeline=SOURCE, source=str(path)), run_id="benchmark")


def _finish(workspace: Workspace, count: int) -> None:
    """Claim and submit ``count`` tasks in one transaction."""
    pipeline = find_pipeline(workspace.store, SOURCE)
    note = Note(_CONTRIBUTOR, datetime.now(UTC))
    with workspace.store.write() as session:
        for _ in range(count):
            claim_task(workspace.store.within(session), pipeline.id, _CONTRIBUTOR, at=note.at)
        mine = Picks(claimed_by=_CONTRIBUTOR)
        filled_in = '{"sentiment":"good"}'
        move_tasks(session, pipeline.id, Move.SUBMIT, mine, note, filled_in=filled_in)


def _singles(stack: LocalStack, workspace: Workspace, count: int) -> str:
    """Finish one after the other, each when all is quiet, and return a line of the table."""
    seconds: list[float] = []
    before = _runs(stack)
    for number in range(1, count + 1):
        _wait_for_quiet(stack)
        started = time.monotonic()
        _finish(workspace, 1)
        _wait_for(workspace, Made(number, number))
        seconds.append(time.monotonic() - started)
        print(f"task {number}: {seconds[-1]:.1f} s", file=sys.stderr)
    p95 = quantiles(seconds, n=20, method="inclusive")[-1]
    taken = f"median {median(seconds):.1f} s, p95 {p95:.1f} s"
    _wait_for_quiet(stack)
    return f"| {count} tasks, one by one | {taken} | {_runs(stack) - before} flow runs |"


def _burst(stack: LocalStack, workspace: Workspace, count: int) -> str:
    """Finish many, and return a line of the table: seconds from the first one's submission."""
    before, made = _runs(stack), _made(workspace)
    started = time.monotonic()
    for first in range(0, count, _AT_ONCE):
        _finish(workspace, min(_AT_ONCE, count - first))
    finished = time.monotonic() - started
    _wait_for(workspace, Made(made.tasks + count, made.origins + count))
    taken = time.monotonic() - started
    _wait_for_quiet(stack)  # events of the burst's end start runs, too
    runs = _runs(stack) - before
    return f"| {count:,} tasks, finished in {finished:.1f} s | {taken:.1f} s | {runs} flow runs |"


def _wait_for_quiet(stack: LocalStack) -> None:
    """Return when for a while there has been no run that could make tasks."""
    chosen = DeploymentFilter(name=DeploymentFilterName(any_=["seed-chain"]))
    begun = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_BEGUN)))
    quiet_since = time.monotonic()
    with stack.client() as client:
        while time.monotonic() < quiet_since + _QUIET_SECONDS:
            time.sleep(0.5)
            if client.read_flow_runs(deployment_filter=chosen, flow_run_filter=begun, limit=1):
                quiet_since = time.monotonic()


def _made(workspace: Workspace) -> Made:
    query = text(
        "SELECT count(*), count(DISTINCT t.origin_id) FROM tasks t"
        " JOIN pipelines p ON p.id = t.pipeline_id WHERE p.name = 'check-labels'"
    )
    with workspace.store.read() as session:
        return Made(*session.execute(query).one())


def _runs(stack: LocalStack) -> int:
    chosen = DeploymentFilter(name=DeploymentFilterName(any_=["seed-chain"]))
    with stack.client() as client:
        return len(client.read_flow_runs(deployment_filter=chosen, limit=200))


def _wait_for(workspace: Workspace, expected: Made) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while (made := _made(workspace)) != expected:
        if made.tasks > expected.tasks:
            sys.exit(f"there are more tasks than expected: {made} instead of {expected}")
        if time.monotonic() > deadline:
            sys.exit(f"not there after {_LONGEST_SECONDS} s: {made} instead of {expected}")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
