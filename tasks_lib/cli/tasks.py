"""Commands that look at task groups and tasks."""

from cyclopts import App

from tasks_lib import console
from tasks_lib.cli.arguments import Json, PipelineArgument
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.operations import queries
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings

tasks = App(name="tasks", help="Look at tasks.")


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
    group: int | None = None,
    status: TaskStatus | None = None,
    limit: int = 20,
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
def show_task(task: int, /, *, json: Json = False) -> None:
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
        console.print_json(console.task_document(found) | {"links": links})
    else:
        console.print_task(found, links)
