"""Tasks: write them in bulk, and read them."""

from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa
from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.store.bulk import insert_rows
from tasks_lib.store.tables import MAX_ID, TaskGroupRow, TaskRow


class NewTasks(NamedTuple):
    """Tasks to be made: each one's row in the source (int64) and its JSON object (string).

    ``origins`` are the ids of the dataset rows or source tasks, where tasks flow in by a stream.
    """

    rows: pa.Array
    predefined: pa.Array
    origins: pa.Array | None = None


def insert_tasks(
    session: Session,
    batches: Iterable[NewTasks],
    *,
    pipeline_id: int,
    group_id: int,
    status: TaskStatus,
    stream_id: int | None = None,
) -> int:
    """Write the batches as tasks of the group, in the caller's transaction; return their number.

    With ``stream_id`` each batch has ``origins``. ``batches`` may raise: what was written until
    then is the caller's to roll back.
    """
    constants: dict[str, int | str] = {
        "pipeline_id": pipeline_id,
        "group_id": group_id,
        "status": status.value,
    }
    if stream_id is None:
        pairs = ((batch.rows, batch.predefined) for batch in batches)
        return insert_rows(session, "tasks", constants, ("row", "predefined"), pairs)
    constants["stream_id"] = stream_id
    columns = ("row", "predefined", "origin_id")
    return insert_rows(session, "tasks", constants, columns, batches)


def list_tasks(
    session: Session,
    pipeline_id: int,
    *,
    group_id: int | None = None,
    status: TaskStatus | None = None,
    limit: int,
) -> list[Row[tuple[TaskRow, TaskGroupRow]]]:
    """Return the pipeline's oldest tasks with their groups, at most ``limit``."""
    statement = _tasks().where(TaskRow.pipeline_id == pipeline_id)
    if group_id is not None:
        statement = statement.where(TaskRow.group_id == _bounded(group_id))
    if status is not None:
        statement = statement.where(TaskRow.status == status.value)
    return list(session.execute(statement.order_by(TaskRow.id).limit(_bounded(limit))))


def find_task(session: Session, task_id: int) -> Row[tuple[TaskRow, TaskGroupRow]] | None:
    """Return the task with its group, or None."""
    return session.execute(_tasks().where(TaskRow.id == _bounded(task_id))).one_or_none()


def _bounded(number: int) -> int:
    return max(-MAX_ID, min(number, MAX_ID))


def _tasks() -> Select[tuple[TaskRow, TaskGroupRow]]:
    return select(TaskRow, TaskGroupRow).join(TaskGroupRow, TaskGroupRow.id == TaskRow.group_id)
