"""Tools for the acts of the demo: run deployments, send requests, wait, and print progress."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import httpx
import orjson
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from rich.padding import Padding
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from deployments.entry_point import out
from deployments.local_stack import LocalStack
from deployments.repository import ROOT
from tasks_lib.domain.report import Report, SourceRejectedError
from tasks_lib.errors import SeedingError
from tasks_lib.operations.groups.read import find_report
from tasks_lib.operations.tasks.read import Task
from tasks_lib.operations.workspace import Workspace
from tasks_lib.steps.prefect_api import start_deployment

if TYPE_CHECKING:
    import pandas as pd

_POLL_SECONDS: Final = 0.1
_RUN_POLL_SECONDS: Final = 0.5
_STAYING: Final = ("infinite-seeding", "reconcile", "seed-chain")


class DemoFailedError(SeedingError):
    """An act of the demo was too slow, or had an unexpected result."""

    code = "demo_failed"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The running stack, the workspace of its flow runs, and a client with a key.

    ``folder`` is for files, ``patience_seconds`` the longest that an act waits for something.
    """

    stack: LocalStack
    workspace: Workspace
    api: httpx.Client
    folder: Path
    patience_seconds: float

    def seed(self, deployment: str, parameters: dict[str, Any]) -> Report:
        """Run a deployment, print one line for its run, and return the report."""
        run_id = start_deployment(deployment, parameters, idempotency_key=str(uuid4()))
        page = f"{self.stack.ui_url}/runs/flow-run/{run_id}"
        with self.stack.client() as client, _updating_line(page) as update:
            state = self._wait_for_run(client, run_id, update)
        report = find_report(self.workspace.store, str(run_id))
        if report is None:
            raise DemoFailedError(f"the flow run {run_id} left no report: {state.message}")
        if report.is_rejection:
            raise SourceRejectedError(report)
        line(report.sentence)
        return report

    def deploy(self, entrypoint: str, name: str) -> None:
        """Deploy a flow of a file by Prefect's own command; raise DemoFailedError."""
        command = ["deploy", entrypoint, "--name", name, "--pool", "seeding"]
        line(f"$ prefect {' '.join(command)}")
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "prefect", "--no-prompt", *command],
            cwd=ROOT,
            env=os.environ | {"PREFECT_API_URL": self.stack.api_url},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DemoFailedError(f"prefect deploy failed: {done.stdout}{done.stderr}")

    def wait_for_state(self, run_id: UUID, name: str) -> float:
        """Wait until a flow run has a state, print one line for it, and return the seconds."""
        page = f"{self.stack.ui_url}/runs/flow-run/{run_id}"
        with self.stack.client() as client, _updating_line(page) as update:

            def has_state() -> bool:
                state = client.read_flow_run(run_id).state
                update(state.name or state.type.value if state is not None else "Scheduled")
                if state is not None and state.is_final() and state.name != name:
                    raise DemoFailedError(
                        f"the flow run has ended as {state.name}: {state.message}"
                    )
                return state is not None and state.name == name

            return self.wait(has_state, f"the flow run is not {name}")

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request to the HTTP API, print it, and return the answer.

        Raises DemoFailedError for an error, and for a claim that finds no task.
        """
        line(f"POST /api/v1{path} {orjson.dumps(body).decode()}")
        answer = self.api.post(path, json=body)
        if not answer.is_success:
            raise DemoFailedError(f"the HTTP API answered {answer.status_code}: {answer.text}")
        if answer.status_code == httpx.codes.NO_CONTENT:
            raise DemoFailedError("the HTTP API answered 204: no task is available")
        return dict(answer.json())

    def wait(
        self, is_done: Callable[[], bool], otherwise: str, *, poll_seconds: float = _POLL_SECONDS
    ) -> float:
        """Wait until a condition holds and return the seconds.

        Raises DemoFailedError after ``patience_seconds``, and PrefectUnavailableError at once when
        a process of the stack has ended.
        """
        started = time.monotonic()
        while not is_done():
            self.stack.check()
            if time.monotonic() - started > self.patience_seconds:
                raise DemoFailedError(f"{otherwise} within {self.patience_seconds:g} seconds")
            time.sleep(poll_seconds)
        return time.monotonic() - started

    def is_idle(self) -> bool:
        """Return whether no flow run is busy, except for those that stay on purpose."""
        with self.stack.client() as client:
            staying = {client.read_deployment_by_name(f"{name}/{name}").id for name in _STAYING}
            runs = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=10)
        busy = {StateType.RUNNING, StateType.PENDING}
        return not any(run.state_type in busy and run.deployment_id not in staying for run in runs)

    def _wait_for_run(
        self, client: SyncPrefectClient, run_id: UUID, update: Callable[[str], None]
    ) -> State[Any]:
        states: list[State[Any]] = []

        def has_ended() -> bool:
            state = client.read_flow_run(run_id).state
            if state is None:
                return False
            update(state.name or state.type.value)
            states.append(state)
            return state.is_final()

        self.wait(has_ended, "the flow run has not ended", poll_seconds=_RUN_POLL_SECONDS)
        return states[-1]


def heading(text: str) -> None:
    """Print the title of an act."""
    out.print()
    out.print(Text(text, style="bold"))


def line(text: str) -> None:
    """Print a line of an act."""
    out.print(Text(f"  {text}"))


def show(table: Table) -> None:
    """Print a table of an act."""
    out.print(Padding(table, (0, 0, 0, 2), expand=False))


def print_tasks(tasks: Sequence[Task]) -> None:
    """Print a pipeline's tasks with values as JSON, which shows padding and line breaks."""
    values = [orjson.loads(task.fields) for task in tasks]
    table = Table("task", "status", "row", *values[0], box=None, padding=(0, 2, 0, 0))
    for task, fields in zip(tasks, values, strict=True):
        cells = [Text(orjson.dumps(value).decode()) for value in fields.values()]
        table.add_row(str(task.id), task.status, str(task.origin.row), *cells)
    show(table)


def show_frame(frame: "pd.DataFrame") -> None:
    """Print a DataFrame as pandas does."""
    for row in frame.to_string(index=False).splitlines():
        line(row)


@contextmanager
def _updating_line(page: str) -> Iterator[Callable[[str], None]]:
    """Show a flow run's state and page in one line, updated in place on a terminal.

    At the end of the block the last state stays as a plain line, on a terminal and elsewhere.
    """
    started = time.monotonic()
    columns = (TextColumn("  {task.description}"), SpinnerColumn(), TimeElapsedColumn())
    last = "Scheduled"
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
        shown = progress.add_task(f"{page}  {last}", total=None)

        def update(state: str) -> None:
            nonlocal last
            last = state
            progress.update(shown, description=f"{page}  {state}")

        try:
            yield update
        finally:
            progress.stop()
            line(f"{time.monotonic() - started:4.1f} s  {page}  {last}")
