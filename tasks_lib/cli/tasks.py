"""Commands that look at task groups and tasks, and that move tasks as contributors do."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import App, Parameter

from tasks_lib import console
from tasks_lib.cli.arguments import Json, PipelineArgument, WholeNumber
from tasks_lib.cli.prefect_server import announce
from tasks_lib.domain.json_rows import parse_row
from tasks_lib.domain.report import ReportError
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import UsageError
from tasks_lib.operations import lifecycle, queries
from tasks_lib.operations.lifecycle import SubmissionRejectedError
from tasks_lib.operations.queries import Task
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings

tasks = App(name="tasks", help="Look at tasks, and move them as contributors do.")

Contributor = Annotated[
    str, Parameter(name="--as", help="Who does it: a contributor's name, such as an address.")
]
Values = Annotated[
    tuple[str, ...],
    Parameter(name="--field", negative=(), help="name=value of an input field; repeat."),
]


def groups(pipeline: PipelineArgument, /, *, json: Json = False) -> None:
    """List a pipeline's task groups, oldest first."""
    with open_workspace(read_settings()) as workspace:
        found = queries.list_groups(workspace.store, pipeline)
    if json:
        console.print_json([group._asdict() for group in found])
    else:
        console.print_groups(found)


@tasks.command(name="list")
def list_tasks(
    pipeline: PipelineArgument,
    /,
    *,
    group: WholeNumber | None = None,
    status: TaskStatus | None = None,
    limit: WholeNumber = 20,
    json: Json = False,
) -> None:
    """List a pipeline's tasks, oldest first.

    Parameters
    ----------
    group
        Only the tasks of this group.
    status
        Only the tasks of this status.
    limit
        At most this many.
    """
    with open_workspace(read_settings()) as workspace:
        found = queries.list_tasks(
            workspace.store, pipeline, group_id=group, status=status, limit=limit
        )
    if json:
        console.print_json([console.task_document(task) for task in found])
    else:
        console.print_tasks(found)


@tasks.command(name="show")
def show_task(task: WholeNumber, /, *, json: Json = False) -> None:
    """Show one task with all its values, links that open its files, and where it came from.

    Parameters
    ----------
    task
        The task's number.
    """
    with open_workspace(read_settings()) as workspace:
        found = queries.find_task(workspace.store, task)
        links = queries.links_to_files(workspace, found)
    if json:
        console.print_json(console.whole_task_document(found, links))
    else:
        console.print_task(found, links)


@tasks.command
def claim(pipeline: PipelineArgument, /, *, contributor: Contributor, json: Json = False) -> None:
    """Claim the oldest available task of a pipeline."""
    with open_workspace(read_settings()) as workspace:
        found = queries.find_pipeline(workspace.store, pipeline)
        claimed = lifecycle.claim_task(workspace.store, found, contributor, at=datetime.now(UTC))
        if claimed is not None:
            _print(claimed, as_json=json)
            announce(workspace.store)
        elif json:
            console.print_json(None)
        else:
            console.out.print(f"No task of {found.path} is available.", markup=False)


@tasks.command
def submit(
    task: WholeNumber,
    /,
    *,
    contributor: Contributor,
    values: Values = (),
    document: Annotated[str, Parameter(name="--fields")] = "",
    json: Json = False,
) -> None:
    """Finish a claimed task with the values of its input fields.

    Parameters
    ----------
    task
        The task's number.
    document
        A JSON object with the values, in the place of --field.
    """
    given = _values(values, document)
    with open_workspace(read_settings()) as workspace:
        try:
            finished = lifecycle.submit_task(
                workspace.store, task, contributor, given, at=datetime.now(UTC)
            )
        except SubmissionRejectedError as error:
            if not json:
                console.print_problems([ReportError.of(problem) for problem in error.problems])
            raise
        _print(finished, as_json=json)
        announce(workspace.store)


@tasks.command
def release(
    task: WholeNumber, /, *, contributor: Contributor | None = None, json: Json = False
) -> None:
    """Put a claimed task back.

    Parameters
    ----------
    task
        The task's number.
    """
    with open_workspace(read_settings()) as workspace:
        released = lifecycle.release_task(
            workspace.store, task, contributor=contributor, at=datetime.now(UTC)
        )
    _print(released, as_json=json)


@tasks.command(name="set-status")
def set_status(
    task: WholeNumber,
    status: TaskStatus,
    /,
    *,
    reason: str | None = None,
    contributor: Contributor | None = None,
    json: Json = False,
) -> None:
    """Fail, escalate or quarantine a task, or put it back.

    Parameters
    ----------
    task
        The task's number.
    status
        failed, escalated, quarantined, or pending, which puts it back.
    reason
        Why, for whoever looks at the task later.
    """
    with open_workspace(read_settings()) as workspace:
        moved = lifecycle.set_status(
            workspace.store, task, status, by=contributor, reason=reason, at=datetime.now(UTC)
        )
    _print(moved, as_json=json)


def _print(task: Task, *, as_json: bool) -> None:
    if as_json:
        console.print_json(console.task_document(task))
    else:
        console.print_task(task, {})


def _values(pairs: Sequence[str], document: str) -> dict[str, Any]:
    """Return the values that were given, either as ``name=value`` or as one JSON object."""
    if document:
        if pairs:
            raise UsageError("--field and --fields exclude each other")
        return _object(document)
    values = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or name in values:
            expected = "is given twice" if separator else "must be name=value"
            raise UsageError(f"--field {pair!r}: {expected}")
        values[name] = value
    return values


def _object(document: str) -> dict[str, Any]:
    try:
        return parse_row(document)
    except ValueError as error:
        raise UsageError(f"--fields {document!r} is not a JSON object: {error}") from None
