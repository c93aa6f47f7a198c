"""The tasks of a pipeline as rows of a source, with their seeded and filled-in values."""

from collections.abc import Generator
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.store.bulk import stream_rows
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.tables import TaskRow

_CREATED_POSTGRESQL: Final = (
    "to_char(g.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
)
_CREATED_SQLITE: Final = "strftime('%Y-%m-%dT%H:%M:%SZ', g.created_at)"


def count_rows(session: Session, pipeline_id: int, status: TaskStatus | None = None) -> int:
    """Return how many tasks the pipeline has, with this status or with any."""
    count = select(func.count()).select_from(TaskRow).where(TaskRow.pipeline_id == pipeline_id)
    if status is not None:
        count = count.where(TaskRow.status == status.value)
    return session.scalar(count) or 0


def stream_task_rows(
    session: Session,
    pipeline_id: int,
    *,
    status: TaskStatus | None = None,
    unless_in_stream: int | None = None,
    waiting_for_chain: int | None = None,
    after: int = 0,
    limit: int = -1,
) -> Generator[list[tuple[int, int, str]]]:
    """Yield the id, again the id, and a JSON text of each task, in order, in batches.

    The text is an array: id, status, time of creation, predefined values, and filled-in values or
    null. Leaves out tasks that the stream has let in, tasks that do not wait for the chain or did
    not fit, and tasks with ids up to ``after``.
    """
    created = _CREATED_POSTGRESQL if is_postgresql(session) else _CREATED_SQLITE
    filled_in = "COALESCE(CAST(t.filled_in AS TEXT), 'null')"
    quoted = f"',\"' || t.status || '\",\"' || {created} || '\",'"
    text = f"'[' || t.id || {quoted} || t.predefined || ',' || {filled_in} || ']'"
    inbox, number = "", "t.id"
    if waiting_for_chain is not None:
        number = "i.task_id"  # few tasks wait, and the inbox has them in order
        inbox = (
            f" JOIN chain_inbox i ON i.task_id = t.id AND i.chain_id = {waiting_for_chain:d}"
            " AND i.error_code IS NULL"
        )
    query = (
        f"SELECT t.id, t.id, {text} FROM tasks t JOIN task_groups g ON g.id = t.group_id{inbox}"  # noqa: S608
        f" WHERE t.pipeline_id = {pipeline_id:d}"
    )
    if status is not None:
        query += f" AND t.status = '{status.value}'"
    if unless_in_stream is not None:
        query += (
            " AND NOT EXISTS (SELECT 1 FROM tasks made WHERE made.origin_id = t.id"  # noqa: S608
            f" AND made.stream_id = {unless_in_stream:d})"
        )
    if after:
        query += f" AND {number} > {after:d}"
    query += f" ORDER BY {number}"
    return stream_rows(session, query if limit < 0 else f"{query} LIMIT {limit:d}")
