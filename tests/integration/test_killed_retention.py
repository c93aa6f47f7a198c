"""A deletion of expired tasks that is killed at any moment is continued, and counts exactly."""

from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from keyed import declare
from sqlalchemy import text

from children import Victims
from people import AT, counts, group_counts, make_tasks, recount, recount_groups
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.operations.audit.read import list_entries
from tasks_lib.operations.groups.read import find_group
from tasks_lib.operations.retention.expire import delete_expired
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store
from tasks_lib.store.keys import retired
from tasks_lib.store.removal import retention
from tasks_lib.store.tasks.counts import add_counts

TASKS = 200
KILLS = 20
LATER = AT + timedelta(days=91)


def delete(url: str, ready: Connection) -> None:
    """Delete expired tasks in a child process, signalling the beginning and the end."""
    retention.TASKS_AT_ONCE = 10  # type: ignore[misc]
    store = Store.open(url)
    ready.send("begins")
    delete_expired(store, at=LATER)
    ready.send("through")


def add_finished(store: Store, number: int) -> None:
    """Add tasks to the group that were finished long ago."""
    with store.write() as session:
        session.execute(
            text(
                'INSERT INTO tasks (pipeline_id, group_id, "row", status, predefined, key,'
                " finished_at, finish_number) SELECT 1, 1, :first + n, 'finished', '{}',"
                " '[' || (:first + n) || ']', claimed_at, :first + n FROM numbers, old"
            ),
            {"first": number * TASKS},
        )
        session.execute(
            text("UPDATE task_groups SET task_count = task_count + :tasks WHERE id = 1"),
            {"tasks": TASKS},
        )
        add_counts(session, 1, {TaskStatus.FINISHED: TASKS}, group_id=1)


def test_expired_tasks_are_deleted_once_despite_twenty_random_kills(
    workspace: Workspace, catalogue_file: Path, tmp_path: Path
) -> None:
    store = workspace.store
    declare(workspace, catalogue_file, "key: [review_id]\n            retention: {finished: 90d}")
    make_tasks(workspace, tmp_path, TASKS)
    with store.write() as session:
        session.execute(text("CREATE TABLE numbers AS SELECT row AS n FROM tasks"))
        session.execute(text("UPDATE tasks SET claimed_at = :at WHERE id = 1").bindparams(at=AT))
        session.execute(text("CREATE TABLE old AS SELECT claimed_at FROM tasks WHERE id = 1"))
        session.execute(text("UPDATE tasks SET claimed_at = NULL"))
    url = store.engine.url.render_as_string(hide_password=False)
    victims = Victims(delete, seed=1912)
    add_finished(store, 1)
    victims.spare(url)
    for number in range(2, KILLS + 2):
        add_finished(store, number)
        victims.kill(url)
        group = find_group(store, 1).group
        assert group.tasks + group.expired == TASKS * (number + 1)
        assert counts(store).by_status == recount(store).by_status
        assert group_counts(store) == recount_groups(store)
        with store.read() as session:
            assert retired.count(session, 1) == group.expired
        victims.note(in_time=group.tasks > TASKS)
        delete_expired(store, at=LATER)
        assert find_group(store, 1).group.tasks == TASKS
    victims.check()
    entries = [entry for entry in list_entries(store).entries if entry.action == "tasks.expired"]
    assert sum(entry.details["finished"] for entry in entries) == TASKS * (KILLS + 1)
