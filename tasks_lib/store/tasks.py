"""Tasks: write them in bulk by the database's fastest way, and read them."""

from collections.abc import Iterable
from itertools import chain
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import Connection as PostgresConnection
from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.store.tables import MAX_ID, TaskGroupRow, TaskRow

_SQLITE_ROWS: Final = 500
"""Rows to one INSERT: 1,000 parameters, which every SQLite allows; more is no faster."""

_COPY: Final = (
    "COPY tasks (pipeline_id, group_id, row, status, predefined) FROM STDIN"
    " (FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01')"
)
"""JSON text holds no control characters, so with these two nothing needs another escape."""


class NewTasks(NamedTuple):
    """Tasks to be made: each one's row in the source (int64) and its JSON object (string)."""

    rows: pa.Array
    predefined: pa.Array


def insert_tasks(
    session: Session,
    batches: Iterable[NewTasks],
    *,
    pipeline_id: int,
    group_id: int,
    status: TaskStatus,
) -> int:
    """Write the batches as tasks of the group, in the caller's transaction; return their number.

    PostgreSQL takes one COPY, SQLite INSERTs of many rows each. ``batches`` may raise: what was
    written until then is the caller's to roll back.
    """
    before = f"{pipeline_id}\x02{group_id}\x02"
    if session.get_bind().dialect.name == "postgresql":
        return _copy(session, batches, before, f"\x02{status.value}\x02")
    return _insert(session, batches, f"({pipeline_id},{group_id},?,'{status.value}',?)")


def _copy(session: Session, batches: Iterable[NewTasks], before: str, between: str) -> int:
    connection = session.connection().connection.driver_connection
    assert isinstance(connection, PostgresConnection)  # noqa: S101
    count = 0
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for rows, predefined in batches:
            lines = pc.binary_join_element_wise(
                before, pc.cast(rows, pa.string()), between, predefined, "\n", ""
            )
            if len(lines):
                copy.write(memoryview(lines.buffers()[2]))
            count += len(lines)
    return count


def _insert(session: Session, batches: Iterable[NewTasks], values: str) -> int:
    connection = session.connection().connection.driver_connection
    assert connection is not None  # noqa: S101
    start = "INSERT INTO tasks (pipeline_id, group_id, row, status, predefined) VALUES "
    count = 0
    for rows, predefined in batches:
        pairs = list(zip(rows.to_pylist(), predefined.to_pylist(), strict=True))
        for first in range(0, len(pairs), _SQLITE_ROWS):
            some = pairs[first : first + _SQLITE_ROWS]
            statement = start + ",".join([values] * len(some))
            connection.execute(statement, tuple(chain.from_iterable(some)))
        count += len(pairs)
    return count


def list_tasks(
    session: Session,
    pipeline_id: int,
    *,
    group_id: int | None = None,
    status: TaskStatus | None = None,
    limit: int,
) -> list[Row[TaskRow, TaskGroupRow]]:
    """Return the pipeline's oldest tasks with their groups, at most ``limit``."""
    statement = _tasks().where(TaskRow.pipeline_id == pipeline_id)
    if group_id is not None:
        statement = statement.where(TaskRow.group_id == _bounded(group_id))
    if status is not None:
        statement = statement.where(TaskRow.status == status.value)
    return list(session.execute(statement.order_by(TaskRow.id).limit(_bounded(limit))))


def find_task(session: Session, task_id: int) -> Row[TaskRow, TaskGroupRow] | None:
    """Return the task with its group, or None."""
    return session.execute(_tasks().where(TaskRow.id == _bounded(task_id))).one_or_none()


def _bounded(number: int) -> int:
    return max(-MAX_ID, min(number, MAX_ID))


def _tasks() -> Select[TaskRow, TaskGroupRow]:
    return select(TaskRow, TaskGroupRow).join(TaskGroupRow, TaskGroupRow.id == TaskRow.group_id)
