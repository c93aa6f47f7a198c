"""Pages of tasks and claims are read by the index, however many tasks come before them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from people import AT, PATH, claim, make_tasks
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.operations.tasks.move import claim_task
from tasks_lib.operations.tasks.read import list_tasks_after
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store

TASKS = 3_000


class Reads(NamedTuple):
    """Scans of the table of tasks, and entries of the index that claims use."""

    scans: int
    entries: int


@contextmanager
def statements_of(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements that are executed in a block, with their parameters."""
    executed: list[tuple[str, Any]] = []

    def collect(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        executed.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", collect)
    yield executed
    event.remove(store.engine, "before_cursor_execute", collect)


@pytest.mark.parametrize("group_id", [None, 1])
@pytest.mark.parametrize("status", [None, TaskStatus.PENDING])
def test_a_deep_page_is_read_by_the_index(
    workspace: Workspace, tmp_path: Path, group_id: int | None, status: TaskStatus | None
) -> None:
    store = workspace.store
    make_tasks(workspace, tmp_path, TASKS)
    if store.is_postgresql:  # which does this by itself after a while, unlike SQLite
        with store.write() as session:
            session.execute(text("ANALYZE"))
    with statements_of(store) as executed:
        page = list_tasks_after(store, PATH, TASKS - 10, group_id=group_id, status=status, limit=5)
    assert [task.id for task in page.items] == list(range(TASKS - 9, TASKS - 4))
    (statement,) = [one for one in executed if "JOIN task_groups" in one[0]]
    assert reads_by_index(store, statement)


def reads_by_index(store: Store, statement: tuple[str, Any]) -> bool:
    """Tell whether the plan finds the page's tasks by pipeline, status and id at once."""
    index = "ix_tasks_pipeline_id_status_id"
    with store.engine.connect() as connection:
        if store.is_postgresql:
            plan = connection.exec_driver_sql(f"EXPLAIN {statement[0]}", statement[1])
            lines = [line for (line,) in plan]
            return any(f"using {index}" in line for line in lines) and not any(
                "Seq Scan on tasks" in line for line in lines
            )
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement[0]}", statement[1])
        found = f"INDEX {index} (pipeline_id=? AND status=? AND id>? AND id<?)"
        return any(found in line for *_, line in plan)


def test_a_claim_finds_its_task_by_the_index_behind_many_that_are_finished(
    workspace: Workspace, tmp_path: Path
) -> None:
    store = workspace.store
    if not store.is_postgresql:
        return
    make_tasks(workspace, tmp_path, TASKS)
    with store.write() as session:
        session.execute(text("UPDATE tasks SET status = 'finished' WHERE id < 2000"))
    with store.postgresql() as connection:
        connection.execute("VACUUM ANALYZE tasks")
    with store.write() as session:
        before = count_reads(session)
        assert claim(store.within(session)).id == 2_000
        assert count_reads(session) == (before.scans, before.entries + 1)


def test_a_claim_planned_for_an_empty_table_finds_its_task_by_the_index_later(
    workspace: Workspace, tmp_path: Path
) -> None:
    store = workspace.store
    if not store.is_postgresql:
        return
    with store.engine.connect() as connection:
        session = Session(connection)
        session.execute(text("ANALYZE"))
        assert claim_task(store.within(session), 1, "ann", at=AT) is None
        session.commit()
        make_tasks(workspace, tmp_path, TASKS)
        before = count_reads(session)
        assert claim(store.within(session)).id == 1
        assert count_reads(session) == (before.scans, before.entries + 1)


def count_reads(session: Session) -> Reads:
    """Return how often this connection has read the whole table, and entries of the index."""
    return Reads(
        *(
            session.execute(text(f"SELECT pg_stat_get_xact_{name}'::regclass)")).scalar_one()
            for name in (
                "numscans('tasks",
                "tuples_returned('ix_tasks_pipeline_id_status_id",
            )
        )
    )
