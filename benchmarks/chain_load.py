"""Latency of chains under a steady load, and the flow runs that it takes, on a local stack.

A stack of its own is started, as ``make up`` does: server, deployments, upkeep, a worker, on
SQLite. Many pipelines are each chained to another one; tasks of all of them are finished at a
steady rate, one in a transaction, and each is timed until the task that its chain creates can be
claimed. A relay announces every second, as the HTTP API's does. At the end every finished task has
one successor, and the flow runs are counted by their states.
"""

import argparse
import platform
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Final

from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterStartTime
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import text

from benchmarks.chain_latency import stack_and_workspace
from deployments.local_stack import LocalStack
from tasks_lib.domain.chains import Trigger
from tasks_lib.domain.events import Event
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.chains.manage import ChainRequest, create_chain
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.tasks.move import claim_task, submit_task
from tasks_lib.operations.upkeep.announcing import Relay
from tasks_lib.operations.workspace import Workspace
from tasks_lib.steps.automations import ensure_automation
from tasks_lib.steps.prefect_api import post_events

_PIPELINE: Final = """
          - name: {name}
            status: active
            fields:
              - {{name: review_id, type: text, source: dataset}}
              - {{name: verdict, type: text, source: input, required: false}}
"""
_CATALOGUE: Final = (
    "organizations:\n  - name: acme\n    projects:\n      - name: load\n        pipelines:\n"
)
_LOCKED: Final = "database is locked"
_POLL_SECONDS: Final = 0.02
_LAST_SECONDS: Final = 60


def main() -> int:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chain_load", description=__doc__)
    parser.add_argument("--chains", type=int, default=40)
    parser.add_argument("--rate", type=float, default=5, help="finished tasks a second")
    parser.add_argument("--minutes", type=float, default=5)
    options = parser.parse_args()
    count = round(options.rate * 60 * options.minutes)
    with TemporaryDirectory(prefix="chain-load-") as name, stack_and_workspace(Path(name)) as both:
        stack, workspace = both
        sources = _chain_pipelines(workspace, Path(name), options.chains, count)
        started = datetime.now(UTC)

        def tell(events: Sequence[Event]) -> None:
            with temporary_settings({PREFECT_API_URL: stack.api_url}):  # in the relay's thread
                post_events(events)

        with Relay(workspace.store, tell):
            seconds = _time_tasks(workspace, sources, count, options.rate)
        runs = _count_runs(stack, started)
        locked = (Path(name) / "logs" / "server.log").read_text(encoding="utf-8").count(_LOCKED)
    cold, warm = seconds[0], seconds[1:]
    p95 = quantiles(warm, n=20, method="inclusive")[-1]
    print(f"Python {platform.python_version()}, Prefect {version('prefect')}, SQLite\n")
    print(f"| {options.chains} chains, {options.rate:g} tasks a second | {options.minutes:g} min |")
    print("| --- | ---: |")
    print(f"| first task, after a silence | {cold:.1f} s |")
    print(f"| {len(warm):,} more tasks, median | {median(warm):.2f} s |")
    print(f"| p95 | {p95:.2f} s |")
    print(f"| slowest | {max(warm):.2f} s |")
    print(f"| flow runs of `seed-chain`, by state | {runs or 'none'} |")
    print(f"| `{_LOCKED}` in the server's log | {locked} |")
    return 0


def _chain_pipelines(
    workspace: Workspace, folder: Path, chains: int, tasks: int
) -> list[tuple[int, str]]:
    """Create the pipelines, their tasks and their chains; return the sources' ids and paths."""
    names = [f"{side}-{number}" for number in range(chains) for side in ("source", "target")]
    catalogue = folder / "load.yaml"
    pipelines = "".join(_PIPELINE.format(name=name).lstrip("\n") for name in names)
    catalogue.write_text(_CATALOGUE + pipelines, encoding="utf-8")
    ids = {pipeline.path: pipeline.id for pipeline in apply_catalogue(workspace.store, catalogue)}
    sources = []
    for number in range(chains):
        source, target = f"acme/load/source-{number}", f"acme/load/target-{number}"
        rows = folder / f"{number}.csv"
        lines = "\n".join(f"{number}-{row}" for row in range(-(-tasks // chains)))
        rows.write_text(f"review_id\n{lines}\n", encoding="utf-8")
        request = CsvRequest(pipeline=source, source=str(rows))
        seed_from_csv(workspace, request, run_id=f"load-{number}")
        chain = create_chain(
            workspace,
            ChainRequest(target=target, source=source, trigger=Trigger.TASK_COMPLETION),
            at=datetime.now(UTC),
        )
        ensure_automation(workspace.store, chain)
        sources.append((ids[source], source))
    return sources


def _time_tasks(
    workspace: Workspace, sources: Sequence[tuple[int, str]], count: int, rate: float
) -> list[float]:
    """Finish the tasks at the rate; return the seconds until each had its successor."""
    begun = time.monotonic()
    finished: dict[int, float] = {}
    seconds: dict[int, float] = {}
    last_id = 0
    while len(seconds) < count:
        now = time.monotonic()
        if len(finished) < count and now >= begun + len(finished) / rate:
            pipeline_id, _ = sources[len(finished) % len(sources)]
            task = claim_task(workspace.store, pipeline_id, "ann", at=datetime.now(UTC))
            if task is None:
                sys.exit(f"pipeline {pipeline_id} has no task left")
            submit_task(workspace.store, task.id, "ann", {}, at=datetime.now(UTC))
            finished[task.id] = time.monotonic()
        for task_id, origin in _list_new(workspace, last_id):
            last_id = task_id
            if origin in seconds:
                sys.exit(f"task {origin} has two successors")
            seconds[origin] = time.monotonic() - finished[origin]
        if now > begun + count / rate + _LAST_SECONDS:
            sys.exit(f"{count - len(seconds)} tasks have no successor after {_LAST_SECONDS} s")
        time.sleep(_POLL_SECONDS)
    return [seconds[origin] for origin in finished]


def _list_new(workspace: Workspace, after: int) -> list[tuple[int, int]]:
    query = text("SELECT id, origin_id FROM tasks WHERE id > :after AND origin_id IS NOT NULL")
    with workspace.store.read() as session:
        return [(row.id, row.origin_id) for row in session.execute(query, {"after": after})]


def _count_runs(stack: LocalStack, since: datetime) -> str:
    """Return ``1 Running, 2 Completed``."""
    started = FlowRunFilter(start_time=FlowRunFilterStartTime(after_=since))
    with stack.client() as client:
        runs = client.read_flow_runs(flow_run_filter=started, limit=200)
        names = {flow.id: flow.name for flow in client.read_flows(limit=200)}
    states = Counter(run.state_name for run in runs if names[run.flow_id] == "seed-chain")
    return ", ".join(f"{number} {name}" for name, number in sorted(states.items(), key=str))


if __name__ == "__main__":
    sys.exit(main())
