"""PostgreSQL checks the task and group of each recorded update, by triggers in place of keys."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, NotSupportedError

from databases import is_waiting
from raw_rows import ADD_GROUP, ADD_TASKS, run
from servers import wait_until
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.store.engine import Store

ROUNDS = 25
_UPDATES = (
    "INSERT INTO task_updates (task_id, group_id, predefined, at)"
    " SELECT id, {group}, '{{}}', now() FROM tasks WHERE {condition}"
)
RECORD = _UPDATES.format(group=2, condition="true")
DELETE_TASKS = "DELETE FROM tasks"
DELETE_GROUP = "DELETE FROM task_groups WHERE id = {group}"
NO_GROUP = "an update of a task refers to group 2, which does not exist"
HAS_UPDATES = "group 2 has updated tasks"


@pytest.fixture
def on_postgresql(postgresql_store_url: str, catalogue_file: Path) -> Iterator[Store]:
    """A store with three tasks in the first of two groups."""
    store = Store.open(postgresql_store_url)
    apply_catalogue(store, catalogue_file)
    run(
        store,
        ADD_GROUP.format(key="first"),
        ADD_GROUP.format(key="second"),
        ADD_TASKS.format(group=1),
    )
    yield store
    store.close()


def count(store: Store, table: str) -> int:
    with store.read() as session:
        return session.scalar(text(f"SELECT count(*) FROM {table}")) or 0


def is_refused(outcome: Future[None], message: str) -> bool:
    """Wait for the statement; tell whether it was refused for this reason."""
    error = outcome.exception(timeout=60)
    assert error is None or (isinstance(error, IntegrityError) and message in str(error))
    return error is not None


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "INSERT INTO task_updates (task_id, group_id, predefined, at)"
            " SELECT n, 2, '{}', now() FROM generate_series(2, 4) n",
            "fk_task_updates_task_id",
        ),
        (
            "INSERT INTO task_updates (task_id, group_id, predefined, at)"
            " SELECT 1, n, '{}', now() FROM generate_series(1, 3) n",
            "fk_task_updates_group_id",
        ),
        ("UPDATE task_updates SET task_id = 3 WHERE task_id = 2", "keeps its task and its group"),
        ("UPDATE task_updates SET group_id = 1", "keeps its task and its group"),
        (DELETE_GROUP.format(group=2), "fk_task_updates_group_id"),
    ],
)
def test_no_statement_separates_updates_from_their_tasks_and_groups(
    on_postgresql: Store, statement: str, message: str
) -> None:
    run(on_postgresql, RECORD)
    with pytest.raises(DBAPIError, match=message):
        run(on_postgresql, statement)
    assert count(on_postgresql, "task_updates WHERE group_id = 2") == 3


def test_the_updates_of_a_task_are_deleted_with_it(on_postgresql: Store) -> None:
    run(on_postgresql, RECORD, "DELETE FROM tasks WHERE id IN (1, 3)")
    assert count(on_postgresql, "task_updates WHERE task_id <> 2") == 0
    assert count(on_postgresql, "task_updates") == 1


def test_truncated_tasks_leave_no_updates(on_postgresql: Store) -> None:
    run(on_postgresql, RECORD, "TRUNCATE tasks CASCADE")
    assert count(on_postgresql, "task_updates") == 0


def test_a_deletion_is_refused_where_a_snapshot_could_hide_new_updates(
    on_postgresql: Store,
) -> None:
    with pytest.raises(NotSupportedError, match="delete tasks in one that is READ COMMITTED"):
        run(on_postgresql, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", DELETE_TASKS)
    assert count(on_postgresql, "tasks") == 3


def test_a_deletion_of_the_tasks_waits_for_the_update_and_deletes_its_record(
    on_postgresql: Store,
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with on_postgresql.write() as session:
            session.execute(text(RECORD))
            outcome = pool.submit(run, on_postgresql, DELETE_TASKS)
            wait_until(lambda: is_waiting(on_postgresql))
        outcome.result(timeout=60)
    assert [count(on_postgresql, table) for table in ("tasks", "task_updates")] == [0, 0]


def test_an_update_waits_for_the_deletion_of_its_task_and_is_refused(on_postgresql: Store) -> None:
    record = (
        "INSERT INTO task_updates (task_id, group_id, predefined, at) VALUES (1, 2, '{}', now())"
    )
    with ThreadPoolExecutor(1) as pool:
        with on_postgresql.write() as session:
            session.execute(text(DELETE_TASKS))
            outcome = pool.submit(run, on_postgresql, record)
            wait_until(lambda: is_waiting(on_postgresql))
        assert is_refused(outcome, "fk_task_updates_task_id")


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (RECORD, DELETE_GROUP.format(group=2), HAS_UPDATES),
        (DELETE_GROUP.format(group=2), RECORD, NO_GROUP),
    ],
    ids=["updates first", "deletion first"],
)
def test_of_an_update_and_the_deletion_of_its_group_the_second_is_refused(
    on_postgresql: Store, first: str, second: str, message: str
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with on_postgresql.write() as session:
            session.execute(text(first))
            outcome = pool.submit(run, on_postgresql, second)
            wait_until(lambda: is_waiting(on_postgresql))
        assert is_refused(outcome, message)


def test_updates_and_deletions_at_the_same_moment_leave_no_update_without_its_task(
    on_postgresql: Store,
) -> None:
    together = Barrier(2)

    def race(statement: str) -> None:
        together.wait()
        run(on_postgresql, statement)

    with ThreadPoolExecutor(2) as pool:
        for row in range(4, 4 + ROUNDS):
            run(
                on_postgresql,
                "INSERT INTO tasks (pipeline_id, group_id, row, status, predefined)"
                f" VALUES (1, 1, {row}, 'pending', '{{}}')",
            )
            of_row = f"id = (SELECT id FROM tasks WHERE row = {row})"
            update = _UPDATES.format(group=2, condition=f"row = {row}")
            updating = pool.submit(race, update)
            deleting = pool.submit(race, f"DELETE FROM tasks WHERE {of_row}")
            deleting.result(timeout=60)
            is_refused(updating, "fk_task_updates_task_id")
            assert count(on_postgresql, "task_updates") == 0
    assert count(on_postgresql, "tasks") == 3
