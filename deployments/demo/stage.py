"""What the acts of the demo play on, and how they tell what they see."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
import orjson
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from deployments.entry_point import out
from deployments.local_stack import LocalStack
from tasks_lib.domain.report import Report, SourceRejectedError
from tasks_lib.errors import SeedingError
from tasks_lib.operations.queries import Task
from tasks_lib.operations.workspace import Workspace
from tasks_lib.steps.server import run_seeding

_LONGEST_SECONDS: Final = 90
_REPORTED: Final = ("group_id", "pipeline_id", "created", "rejected", "already_seeded", "source")


class DemoFailedError(SeedingError):
    """The demo saw something that must not happen."""

    code = "demo_failed"


@dataclass(frozen=True)
class Stage:
    """The running stack, the workspace that its flow runs work on, and a client with a key."""

    stack: LocalStack
    workspace: Workspace
    api: httpx.Client

    def seed(self, deployment: str, parameters: dict[str, Any]) -> Report:
        """Run a deployment, tell of its run's page and states, and return the report."""
        report = run_seeding(deployment, parameters, self.workspace.store, _clock())
        if report.is_rejection:
            raise SourceRejectedError(report)
        _print_report(report)
        return report

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request to the External API, tell of it, and return the answer."""
        line(f"POST /api/v1{path} {orjson.dumps(body).decode()}")
        answer = self.api.post(path, json=body)
        if not answer.is_success:
            raise DemoFailedError(f"the External API answered {answer.status_code}: {answer.text}")
        return dict(answer.json())

    def is_idle(self) -> bool:
        """Tell whether no run goes on that would be cut off; the sensor may be at any time."""
        with self.stack.client() as client:
            sensor = client.read_deployment_by_name("infinite-seeding/infinite-seeding").id
            runs = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=10)
        busy = {StateType.RUNNING, StateType.PENDING}
        return not any(run.state_type in busy and run.deployment_id != sensor for run in runs)


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


def wait(is_done: Callable[[], bool], otherwise: str) -> float:
    """Wait until something is so, and return the seconds; raise DemoFailedError if it is never."""
    started = time.monotonic()
    while not is_done():
        if time.monotonic() - started > _LONGEST_SECONDS:
            raise DemoFailedError(f"{otherwise} within {_LONGEST_SECONDS} seconds")
        time.sleep(0.1)
    return time.monotonic() - started


def _clock() -> Callable[[str], None]:
    """Return a function that tells each state of a flow run and when it was seen."""
    started = time.monotonic()
    return lambda state: line(f"{time.monotonic() - started:4.1f} s  {state}")


def _print_report(report: Report) -> None:
    out.print()
    line(report.sentence)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name in _REPORTED:
        table.add_row(name, Text(str(getattr(report, name))))
    show(table)
