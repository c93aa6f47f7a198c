"""``make demo``: files and a finished task become tasks through real deployments, all once."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import fsspec
import orjson
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    temporary_settings,
)
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from deployments.entry_point import exit_status, out
from deployments.local_stack import LocalStack, local_stack
from deployments.manifest import ROOT
from tasks_lib.console import print_task
from tasks_lib.domain.chains import Trigger
from tasks_lib.domain.report import Report, SourceRejectedError
from tasks_lib.errors import SeedingError
from tasks_lib.operations import lifecycle, queries
from tasks_lib.operations.announcing import announce_due
from tasks_lib.operations.apply_catalogue import apply_catalogue
from tasks_lib.operations.chains import ChainRequest, create_chain
from tasks_lib.operations.queries import Task
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.automations import ensure_automation
from tasks_lib.steps.server import post_events, run_seeding

CHECKS: Final = "acme/qa/check-labels"
_LONGEST_SECONDS: Final = 90
CATALOGUE: Final = Path("examples/catalogue.yaml")


class Example(NamedTuple):
    """A file of the examples, the deployment that takes it, and the pipeline that it is for."""

    file: Path
    deployment: str
    pipeline: str


REVIEWS: Final = Example(
    Path("examples/reviews.csv"), "seed-from-csv", "acme/reviews/label-reviews"
)
PHOTOS: Final = Example(Path("examples/photos.zip"), "seed-from-zip", "acme/photos/describe-photos")


class DemoFailedError(SeedingError):
    """The demo saw something that must not happen."""

    code = "demo_failed"


def main() -> int:
    """Run the demo in a folder that is thrown away; return the exit status."""
    with TemporaryDirectory(prefix="seeding-demo-", ignore_cleanup_errors=True) as folder:
        return exit_status(lambda: demo(Path(folder)), interrupted=130)


def demo(folder: Path) -> None:
    """Show on the embedded defaults what happens to a file, and tell of each act."""
    started = time.monotonic()
    _forget_settings()
    os.environ["SEEDING_HOME"] = str(folder / "seeding")
    os.environ["TMPDIR"] = str(folder)  # Prefect leaves things behind in its temporary folder
    _heading("1. Start Prefect")
    with (
        open_workspace(read_settings()) as workspace,
        local_stack(folder, os.environ, tell=_line) as stack,
        _selected(stack),
    ):
        _heading(f"2. Apply {CATALOGUE}: the pipelines and their fields")
        for pipeline in apply_catalogue(workspace.store, ROOT / CATALOGUE):
            _line(f"{pipeline.outcome} {pipeline.path}")
        _heading(f"3. Seed {REVIEWS.file} through the deployment {REVIEWS.deployment}")
        first = _seed(stack, workspace, REVIEWS)
        _heading("4. The tasks, ready for contributors; every value is as it was written")
        _print_tasks(queries.list_tasks(workspace.store, REVIEWS.pipeline, limit=10))
        _heading("5. Seed the same file again: nothing doubles")
        _check(first, _seed(stack, workspace, REVIEWS))
        _heading(f"6. Seed {PHOTOS.file}: a CSV and the images that its rows name")
        _seed(stack, workspace, PHOTOS)
        _heading("7. One of its tasks, whose image opens")
        _open_file(workspace, queries.list_tasks(workspace.store, PHOTOS.pipeline)[-1])
        _heading(f"8. Chain {CHECKS} to {REVIEWS.pipeline}, and finish a task")
        _show_chain(stack, workspace)
        _heading("9. Stop everything")
    _line(f"done in {time.monotonic() - started:.0f} s, and nothing is left behind")
    _line("next: `make up` starts the same stack and stays, with your own data")


def _forget_settings() -> None:
    """Take the caller's settings of Prefect and of ours out of this process's environment."""
    for name in list(os.environ):
        if name.startswith(("PREFECT_", "SEEDING_")):
            del os.environ[name]


@contextmanager
def _selected(stack: LocalStack) -> Iterator[None]:
    """Lead Prefect's client in this process to the stack, not where the caller's profile points."""
    settings = {PREFECT_API_URL: stack.api_url}
    with temporary_settings(settings, restore_defaults={PREFECT_API_KEY, PREFECT_API_AUTH_STRING}):
        yield


def _seed(stack: LocalStack, workspace: Workspace, example: Example) -> Report:
    """Run the deployment, tell of its states, and return the report that the run has left."""
    parameters = {"pipeline": example.pipeline, "source": str(ROOT / example.file)}
    run_id, report = run_seeding(example.deployment, parameters, workspace.store, _clock())
    if report.is_rejection:
        raise SourceRejectedError(report)
    _print_report(report)
    _line(f"its page in Prefect's UI, while the demo runs: {stack.flow_run_url(run_id)}")
    return report


def _check(first: Report, again: Report) -> None:
    if not first.created or again.created or again.already_seeded != first.created:
        raise DemoFailedError(
            f"{REVIEWS.file} was seeded twice: {first.created} tasks, then {again.created} more"
        )


def _open_file(workspace: Workspace, task: Task) -> None:
    """Print a task, and open its file by the link that ``seeding tasks show`` gives."""
    links = queries.links_to_files(workspace, task)
    print_task(task, links)
    photo = orjson.loads(task.fields)["photo"]
    with fsspec.open(links["photo"]) as file:
        found = sha256(file.read()).hexdigest()
    if found != photo["sha256"]:
        raise DemoFailedError(f"{links['photo']} is not the file that was stored")
    _line(f"opened: {photo['size']:,} bytes of {photo['content_type']}, as they were in the ZIP")


def _show_chain(stack: LocalStack, workspace: Workspace) -> None:
    """Finish a task, and wait for the one that the chain's automation makes of it."""
    store, now = workspace.store, datetime.now(UTC)
    request = ChainRequest(CHECKS, REVIEWS.pipeline, Trigger.TASK_COMPLETION)
    chain = create_chain(workspace, request, at=now)
    ensure_automation(store, chain)
    _line(f"Prefect has the automation: {chain.name}")
    pipeline = queries.find_pipeline(store, REVIEWS.pipeline)
    task = lifecycle.claim_task(store, pipeline, "ann@example.org", at=now)
    if task is None:
        raise DemoFailedError(f"no task of {REVIEWS.pipeline} is available")
    lifecycle.submit_task(store, task.id, "ann@example.org", {"sentiment": "good"}, at=now)
    announce_due(store, post_events, at=now)
    started = time.monotonic()
    _wait(lambda: bool(queries.list_tasks(store, CHECKS)), f"task {task.id} was not chained")
    _line(f"{time.monotonic() - started:4.1f} s after task {task.id} was finished there is:")
    print_task(queries.list_tasks(store, CHECKS)[0], {})
    _wait(lambda: _is_idle(stack), "the run of seed-chain has not ended")


def _wait(is_done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise DemoFailedError(f"{otherwise} within {_LONGEST_SECONDS} seconds")
        time.sleep(0.2)


def _is_idle(stack: LocalStack) -> bool:
    """Tell whether no run goes on, which would be cut off when everything is stopped."""
    with stack.client() as client:
        runs = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=10)
    busy = {StateType.RUNNING, StateType.PENDING}
    return not any(run.state_type in busy for run in runs)


def _clock() -> Callable[[str], None]:
    """Return a function that tells each state of a flow run and when it was seen."""
    started = time.monotonic()
    return lambda state: _line(f"{time.monotonic() - started:4.1f} s  {state}")


def _print_report(report: Report) -> None:
    out.print()
    _line(report.sentence)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name in ("group_id", "pipeline_id", "created", "rejected", "already_seeded", "source"):
        table.add_row(name, Text(str(getattr(report, name))))
    out.print(Padding(table, (0, 0, 0, 2), expand=False))


def _print_tasks(tasks: Sequence[Task]) -> None:
    """Print the tasks with their values as JSON, which shows padding and line breaks."""
    values = [orjson.loads(task.fields) for task in tasks]
    table = Table("task", "status", "row", *values[0], box=None, padding=(0, 2, 0, 0))
    for task, fields in zip(tasks, values, strict=True):
        cells = [Text(orjson.dumps(value).decode()) for value in fields.values()]
        table.add_row(str(task.id), task.status, str(task.origin.row), *cells)
    out.print(Padding(table, (0, 0, 0, 2), expand=False))


def _heading(text: str) -> None:
    out.print()
    out.print(Text(text, style="bold"))


def _line(text: str) -> None:
    out.print(Text(f"  {text}"))


if __name__ == "__main__":
    sys.exit(main())
