"""The commands ``tasks ...``: list and show tasks, and work on them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from tasks_lib.cli.optional_prefect import announce
from tasks_lib.cli.options.arguments import WORK, Json, PipelineArgument, WholeNumber
from tasks_lib.cli.options.consent import system_user
from tasks_lib.cli.options.paging import Page
from tasks_lib.cli.output import console, documents
from tasks_lib.cli.workspace import configured_workspace
from tasks_lib.domain.names import counted
from tasks_lib.domain.rows.json_rows import parse_row
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import UsageError

if TYPE_CHECKING:
    from tasks_lib.operations.tasks.read import Task

tasks = App(name="tasks", help="List and show tasks, and work on them.", group=WORK)

Contributor = Annotated[
    str,
    Parameter(
        name=["--contributor", "--as"],
        help="The contributor who acts: a name, such as an email address.",
    ),
]
Status = Annotated[TaskStatus, Parameter(name_transform=str.lower)]
"""Spelled as everywhere else: ``in_progress``, where Cyclopts would make it ``in-progress``."""
TaskArgument = Annotated[WholeNumber, Parameter(help="The task's number.")]
SettableStatus = Literal["failed", "escalated", "quarantined", "withdrawn", "pending"]
"""The keys of ``lifecycle.BY_STATUS``."""

Values = Annotated[
    tuple[str, ...],
    Parameter(
        name="--field", negative=(), help="name=value of an input field; repeat for several."
    ),
]


@tasks.command(name="list")
def list_tasks(
    pipeline: PipelineArgument,
    /,
    *,
    group: WholeNumber | None = None,
    status: Status | None = None,
    limit: WholeNumber = 20,
    after: WholeNumber = 0,
    json: Json = False,
) -> None:
    """List a pipeline's tasks, oldest first.

    Parameters
    ----------
    group
        List only the tasks of this group.
    status
        List only the tasks with this status.
    limit
        The number of tasks to list at most.
    after
        Continue after this task: the number that the page before has printed.
    """
    from tasks_lib.operations.tasks import read

    with configured_workspace() as workspace:
        page = read.list_tasks_after(
            workspace.store, pipeline, after, group_id=group, status=status, limit=limit
        )
    if json:
        console.print_json([documents.task_document(task) for task in page.items])
    else:
        console.print_tasks(page.items)
    Page(*page).print_rest()


@tasks.command(name="show")
def show_task(task: TaskArgument, /, *, json: Json = False) -> None:
    """Show a task: its values, links to its files, its origin and its history."""
    from tasks_lib.operations.tasks import read

    with configured_workspace() as workspace:
        shown = read.find_task(workspace.store, task)
        links = read.link_files(workspace, shown)
    if json:
        console.print_json(documents.whole_task_document(shown, links))
    else:
        console.print_task(shown, links)


@tasks.command
def claim(pipeline: PipelineArgument, /, *, contributor: Contributor, json: Json = False) -> None:
    """Claim the oldest available task of a pipeline."""
    from tasks_lib.operations.catalogue.read import find_pipeline
    from tasks_lib.operations.tasks import move

    with configured_workspace() as workspace:
        target = find_pipeline(workspace.store, pipeline)
        claimed = move.claim_task(workspace.store, target.id, contributor, at=workspace.store.now())
        if claimed is not None:
            _print(claimed, as_json=json)
            announce(workspace)
        elif json:
            console.print_json(None)
        else:
            console.out.print(f"No task of {target.path} is available.", markup=False)


@tasks.command
def submit(
    task: TaskArgument,
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
    document
        All values as one JSON object, instead of --field.
    """
    from tasks_lib.domain.report import ReportError
    from tasks_lib.operations.tasks import move

    given = _values(values, document)
    with configured_workspace() as workspace:
        try:
            at = workspace.store.now()
            finished = move.submit_task(workspace.store, task, contributor, given, at=at)
        except move.SubmissionRejectedError as error:
            if not json:
                console.print_problems([ReportError.of(problem) for problem in error.problems])
            raise
        _print(finished, as_json=json)
        announce(workspace)


@tasks.command
def release(
    task: TaskArgument, /, *, contributor: Contributor | None = None, json: Json = False
) -> None:
    """Release a claimed task, so that it can be claimed again."""
    from tasks_lib.operations.tasks import move

    with configured_workspace() as workspace:
        released = move.release_task(
            workspace.store, task, contributor=contributor, at=workspace.store.now()
        )
    _print(released, as_json=json)


@tasks.command(name="set-status")
def set_status(
    task: TaskArgument,
    status: SettableStatus,
    /,
    *,
    reason: str | None = None,
    contributor: Contributor | None = None,
    json: Json = False,
) -> None:
    """Mark a task as failed, escalated, quarantined or withdrawn, or make it available again.

    Parameters
    ----------
    status
        failed, escalated, quarantined, withdrawn, or pending to make the task available again.
    reason
        A reason, shown in the task's history.
    """
    from tasks_lib.operations.tasks import move

    with configured_workspace() as workspace:
        moved = move.set_status(
            workspace.store,
            task,
            TaskStatus(status),
            by=contributor,
            reason=reason,
            at=workspace.store.now(),
        )
    _print(moved, as_json=json)


@tasks.command
def withdraw(
    numbers: Annotated[tuple[WholeNumber, ...], Parameter(name="TASK", help="Their numbers.")],
    /,
    *,
    reason: str | None = None,
    json: Json = False,
) -> None:
    """Take tasks back, so that nobody works on them; they stay as a record.

    Each task is named, so claimed ones are withdrawn, too. If one is finished, none is withdrawn.

    Parameters
    ----------
    reason
        A reason, shown in the tasks' histories.
    """
    from tasks_lib.operations.tasks.move import withdraw_tasks

    with configured_workspace() as workspace:
        withdrawn = withdraw_tasks(
            workspace.store, numbers, by=system_user(), reason=reason, at=workspace.store.now()
        )
        announce(workspace)
    if json:
        console.print_json([documents.task_document(task) for task in withdrawn])
    else:
        console.out.print(f"{counted(len(withdrawn), 'task')} withdrawn.")


def _print(task: "Task", *, as_json: bool) -> None:
    if as_json:
        console.print_json(documents.task_document(task))
    else:
        console.print_task(task, {})


def _values(pairs: Sequence[str], document: str) -> dict[str, Any]:
    """Return the values from ``name=value`` pairs or from one JSON object; raise UsageError."""
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
