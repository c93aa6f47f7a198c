"""An undo that is killed at any moment is continued, and keeps the tasks that are claimed."""

from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from sqlalchemy import text

from children import Victims
from people import claim, counts, group_counts, make_tasks, recount, recount_groups
from tasks_lib.domain.statuses import GroupState
from tasks_lib.operations.groups.read import find_group
from tasks_lib.operations.groups.undo import continue_undos, undo_group
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store
from tasks_lib.store.removal import task_removal

TASKS = 400
KILLS = 20


def undo(url: str, ready: Connection) -> None:
    """Undo the first group in a child process, signalling the beginning and the end."""
    task_removal.TASKS_AT_ONCE = 20  # type: ignore[misc]
    store = Store.open(url)
    ready.send("begins")
    undo_group(store, 1, by="ann", at=datetime.now(UTC))
    ready.send("through")


def reset(store: Store) -> None:
    """Bring the group back as it was: all tasks pending, the first one claimed."""
    with store.write() as session:
        for statement in (
            "DELETE FROM task_moves",
            "DELETE FROM tasks",
            "DELETE FROM task_counts",
            "DELETE FROM group_counts",
            "DELETE FROM task_queues",
            "UPDATE task_groups SET state = 'created', removed_count = 0, task_count = 400",
            'INSERT INTO tasks (pipeline_id, group_id, "row", status, predefined)'
            " SELECT 1, 1, n, 'pending', '{}' FROM numbers",
            "INSERT INTO task_counts (pipeline_id, slot, pending) VALUES (1, 0, 400)",
            "INSERT INTO group_counts (group_id, pending) VALUES (1, 400)",
        ):
            session.execute(text(statement))
    claim(store)


def test_an_undo_is_finished_despite_twenty_random_kills(
    workspace: Workspace, tmp_path: Path
) -> None:
    store = workspace.store
    make_tasks(workspace, tmp_path, TASKS)
    with store.write() as session:
        session.execute(text("CREATE TABLE numbers AS SELECT row AS n FROM tasks"))
    reset(store)
    url = store.engine.url.render_as_string(hide_password=False)
    victims = Victims(undo, seed=19)
    victims.spare(url)
    for _ in range(KILLS):
        reset(store)
        victims.kill(url)
        group = find_group(store, 1).group
        assert group.tasks + group.removed == TASKS
        assert counts(store) == recount(store)
        assert group_counts(store) == recount_groups(store)
        if group.state is GroupState.UNDONE:
            assert group.tasks == 1
        victims.note(in_time=group.state is not GroupState.UNDONE)
        continued = continue_undos(store, at=datetime.now(UTC))
        assert continued == (group.state is GroupState.UNDOING)
        report = undo_group(store, 1, by="ben", at=datetime.now(UTC))
        assert (report.state, report.removed, report.kept) == (GroupState.UNDONE, TASKS - 1, 1)
        assert counts(store) == recount(store)
    victims.check()
