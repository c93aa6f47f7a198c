"""A pipeline that infinite seeding tops up, and queries for its tasks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from people import AT, PATH, claim, make_tasks
from tasks_lib.operations.infinite.manage import InfiniteRequest, InfiniteSeeding, enable
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store


def enable_copying(
    workspace: Workspace, folder: Path, tasks: int, request: InfiniteRequest
) -> InfiniteSeeding:
    """Seed a group of tasks, claim all of them, and enable copying of the group."""
    make_tasks(workspace, folder, tasks)
    for _ in range(tasks):
        claim(workspace.store)
    copying = replace(request, copy_groups=(1,))
    return enable(workspace.store, PATH, copying, at=AT)


def copies(store: Store) -> list[tuple[int, str]]:
    """Return the copied task and the values of each task that infinite seeding made, in order."""
    tasks = list_tasks(store, PATH, limit=100_000)
    return [(t.origin.row, t.fields) for t in tasks if t.origin.kind == "infinite"]


def statuses(store: Store) -> Sequence[str]:
    """Return the statuses of all tasks, in order."""
    return [task.status for task in list_tasks(store, PATH, limit=100_000)]
