"""How soon a finished task is its target's task, and how a burst goes through, on a local stack.

A stack of its own is started: server, deployments, a worker. First tasks are finished one at a
time, with a pause so that no run is there yet; then many at once. What the target has is counted.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Final

from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import text

from deployments.local_stack import LocalStack, local_stack
from deployments.manifest import ROOT
from tasks_lib.domain.chains import Trigger
from tasks_lib.operations import lifecycle, queries
from tasks_lib.operations.announcing import announce_due
from tasks_lib.operations.apply_catalogue import apply_catalogue
from tasks_lib.operations.chains import ChainRequest, create_chain
from tasks_lib.operations.file_sources import CsvRequest
from tasks_lib.operations.seed_from_csv import seed_from_csv
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.automations import ensure_automation
from tasks_lib.steps.server import post_events

SOURCE: Final = "acme/reviews/label-reviews"
TARGET: Final = "acme/qa/check-labels"
_LONGEST_SECONDS: Final = 180
_QUIET_SECONDS: Final = 12


def main() -> int:
    """Measure and print two lines of Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--singles", type=int, default=30)
    parser.add_argument("--burst", type=int, default=10_000)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="chain-latency-") as folder, _stack(Path(folder)) as running:
        stack, workspace = running
        _make_tasks(workspace, Path(folder), options.singles + options.burst)
        request = ChainRequest(TARGET, SOURCE, Trigger.TASK_COMPLETION)
        chain = create_chain(workspace, request, at=datetime.now(UTC))
        ensure_automation(workspace.store, chain)
        seconds = [_single(workspace, number) for number in range(1, options.singles + 1)]
        p95 = quantiles(seconds, n=20)[-1]
        print(f"| one task | median {median(seconds):.1f} s | p95 {p95:.1f} s |")
        before = _runs(stack)
        taken = _burst(workspace, options.burst, options.singles + options.burst)
        runs = _runs(stack) - before
        print(f"| {options.burst:,} tasks | {taken:.1f} s | {runs} flow runs |")
    return 0


@contextmanager
def _stack(folder: Path) -> Iterator[tuple[LocalStack, Workspace]]:
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
    seed_from_csv(workspace, CsvRequest(SOURCE, str(path)), run_id="benchmark")


def _finish(workspace: Workspace) -> None:
    now = datetime.now(UTC)
    pipeline = queries.find_pipeline(workspace.store, SOURCE)
    task = lifecycle.claim_task(workspace.store, pipeline, "ann", at=now)
    assert task is not None  # noqa: S101
    lifecycle.submit_task(workspace.store, task.id, "ann", {"sentiment": "good"}, at=now)


def _single(workspace: Workspace, expected: int) -> float:
    time.sleep(_QUIET_SECONDS)
    _finish(workspace)
    started = time.monotonic()
    announce_due(workspace.store, post_events, at=datetime.now(UTC))
    _wait(lambda: _made(workspace) == expected)
    return time.monotonic() - started


def _burst(workspace: Workspace, count: int, expected: int) -> float:
    """Finish many tasks, telling Prefect every second as the API does; count from the first."""
    started = told = time.monotonic()
    for _ in range(count):
        _finish(workspace)
        if time.monotonic() - told >= 1:
            announce_due(workspace.store, post_events, at=datetime.now(UTC))
            told = time.monotonic()
    print(f"| finishing them took | {time.monotonic() - started:.1f} s | |")
    announce_due(workspace.store, post_events, at=datetime.now(UTC))
    _wait(lambda: _made(workspace) == expected)
    return time.monotonic() - started


def _made(workspace: Workspace) -> int:
    pipeline = queries.find_pipeline(workspace.store, TARGET)
    with workspace.store.read() as session:
        query = text("SELECT count(DISTINCT origin_id) FROM tasks WHERE pipeline_id = :id")
        return session.scalar(query, {"id": pipeline.id}) or 0


def _runs(stack: LocalStack) -> int:
    chosen = DeploymentFilter(name=DeploymentFilterName(any_=["seed-chain"]))
    with stack.client() as client:
        return len(client.read_flow_runs(deployment_filter=chosen, limit=200))


def _wait(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            sys.exit(f"not there after {_LONGEST_SECONDS} s")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
