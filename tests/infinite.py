"""A pipeline that infinite seeding keeps topped up, and what its tasks then are."""

from collections.abc import Sequence
from pathlib import Path

from people import AT, PATH, claim, make_tasks
from tasks_lib.operations import queries
from tasks_lib.operations.infinite_seeding import InfiniteSeeding, Wish, enable
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store


def enable_copying(workspace: Workspace, folder: Path, tasks: int, wish: Wish) -> InfiniteSeeding:
    """Seed a group of tasks, claim all of them, and have it copied."""
    make_tasks(workspace, folder, tasks)
    for _ in range(tasks):
        claim(workspace.store)
    copying = Wish(wish.target, wish.keep_available, (1,))
    return enable(workspace.store, PATH, copying, at=AT)


def copies(store: Store) -> list[tuple[int, str]]:
    """Return which task each task that was made copies, and its values, in order."""
    found = queries.list_tasks(store, PATH, limit=100_000)
    return [(t.origin.row, t.fields) for t in found if t.origin.kind == "infinite"]


def statuses(store: Store) -> Sequence[str]:
    """Return the statuses of all tasks, in order."""
    return [task.status for task in queries.list_tasks(store, PATH, limit=100_000)]
