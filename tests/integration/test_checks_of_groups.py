"""PostgreSQL checks that every task has its group, by triggers in the place of a foreign key."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, NotSupportedError

from databases import is_waiting
from raw_rows import ADD_GROUP, ADD_TASKS, run
from servers import wait_until
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.store.bulk import postgres_connection
from tasks_lib.store.engine import Store

ROUNDS = 25
DELETE = "DELETE FROM task_groups WHERE id = {group}"
MISSING = "a task refers to group 1 of pipeline 1, which does not exist"
NOT_EMPTY = "group 1 of pipeline 1 has tasks"


@pytest.fixture
def on_postgresql(postgresql_store_url: str, catalogue_file: Path) -> Iterator[Store]:
    """A store with one empty group."""
    store = Store.open(postgresql_store_url)
    apply_catalogue(store, catalogue_file)
    run(store, ADD_GROUP.format(key="first"))
    yield store
    store.close()


def numbers(store: Store, *tables: str) -> list[int]:
    with store.read() as session:
        return [session.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in tables]


def is_refused(outcome: Future[None], message: str) -> bool:
    """Wait for the statement; tell whether it was refused for this reason."""
    error = outcome.exception(timeout=60)
    assert error is None or (isinstance(error, IntegrityError) and message in str(error))
    return error is not None


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO tasks (pipeline_id, group_id, row, status, predefined)"
        " SELECT 1, n, n + 3, 'pending', '{}' FROM generate_series(1, 3) n",
        "UPDATE tasks SET group_id = 2",
        "UPDATE tasks SET pipeline_id = 2",
        "UPDATE task_groups SET id = DEFAULT",
        "DELETE FROM task_groups",
        "TRUNCATE task_groups CASCADE",
    ],
)
def test_no_statement_separates_tasks_from_their_group(
    on_postgresql: Store, statement: str
) -> None:
    run(on_postgresql, ADD_TASKS.format(group=1))
    with pytest.raises(IntegrityError, match="fk_tasks_group_id_pipeline_id"):
        run(on_postgresql, statement)
    assert numbers(on_postgresql, "task_groups", "tasks") == [1, 3]


def test_a_copy_with_one_wrong_group_is_refused_as_a_whole(on_postgresql: Store) -> None:
    def copy() -> None:
        with on_postgresql.write() as session:
            statement = "COPY tasks (pipeline_id, group_id, row, status, predefined) FROM STDIN"
            with postgres_connection(session).cursor() as cursor, cursor.copy(statement) as rows:
                rows.write("".join(f"1\t1\t{row}\tpending\t{{}}\n" for row in range(1_000)))
                rows.write("1\t2\t1\tpending\t{}\n")

    with pytest.raises(psycopg.errors.ForeignKeyViolation) as caught:
        copy()
    assert caught.value.diag.constraint_name == "fk_tasks_group_id_pipeline_id"
    assert numbers(on_postgresql, "tasks") == [0]


def test_an_empty_group_can_be_deleted(on_postgresql: Store) -> None:
    run(on_postgresql, DELETE.format(group=1))
    assert numbers(on_postgresql, "task_groups") == [0]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [(ADD_TASKS, DELETE, NOT_EMPTY), (DELETE, ADD_TASKS, MISSING)],
    ids=["tasks first", "deletion first"],
)
def test_the_second_waits_for_the_first_and_is_refused(
    on_postgresql: Store, first: str, second: str, message: str
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with on_postgresql.write() as session:
            session.execute(text(first.format(group=1)))
            outcome = pool.submit(run, on_postgresql, second.format(group=1))
            wait_until(lambda: is_waiting(on_postgresql))
        assert is_refused(outcome, message)


def test_a_deletion_is_refused_where_a_snapshot_could_hide_new_tasks(on_postgresql: Store) -> None:
    def delete() -> None:
        with on_postgresql.write() as session:
            session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            session.execute(text(DELETE.format(group=1)))

    with pytest.raises(NotSupportedError, match="delete groups in one that is READ COMMITTED"):
        delete()
    assert numbers(on_postgresql, "task_groups") == [1]


def test_of_new_tasks_and_a_deletion_at_the_same_moment_exactly_one_wins(
    on_postgresql: Store,
) -> None:
    together = Barrier(2)

    def race(statement: str) -> None:
        together.wait()
        run(on_postgresql, statement)

    wins = 0
    with ThreadPoolExecutor(2) as pool:
        for number in range(2, 2 + ROUNDS):
            run(on_postgresql, ADD_GROUP.format(key=number))
            adding = pool.submit(race, ADD_TASKS.format(group=number))
            deleting = pool.submit(race, DELETE.format(group=number))
            is_added = not is_refused(adding, f"group {number} of")
            assert is_added == is_refused(deleting, f"group {number} of")
            wins += is_added
    assert numbers(on_postgresql, "task_groups", "tasks") == [1 + wins, 3 * wins]
    assert numbers(on_postgresql, "tasks t JOIN task_groups g ON g.id = t.group_id") == [3 * wins]
