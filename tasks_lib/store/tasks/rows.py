"""The tasks of a pipeline as rows of a source, with their seeded and filled-in values."""

from collections.abc import Generator
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tasks_lib.domain.lifecycle import show_status, stored_as
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus
from tasks_lib.store import catalogue
from tasks_lib.store.bulk import stream_rows
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.tables.tasks import TaskRow

_CREATED_POSTGRESQL: Final = (
    "to_char(g.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
)
_CREATED_SQLITE: Final = "strftime('%Y-%m-%dT%H:%M:%SZ', g.created_at)"


def count_rows(session: Session, pipeline_id: int, status: TaskStatus | None = None) -> int:
    """Return how many tasks the pipeline has, with this status or with any, without erased ones."""
    count = (
        select(func.count())
        .select_from(TaskRow)
        .where(TaskRow.pipeline_id == pipeline_id, TaskRow.erased_at.is_(None))
    )
    if status is not None:
        stored = stored_as(status, catalogue.get_status(session, pipeline_id))
        count = count.where(TaskRow.status.in_(sorted(stored)))
    return session.scalar(count) or 0


def stream_task_rows(
    session: Session,
    pipeline_id: int,
    *,
    status: TaskStatus | None = None,
    unless_in_stream: int | None = None,
    unless_removed_from: int | None = None,
    waiting_for_chain: int | None = None,
    group_id: int | None = None,
    after: int = 0,
    limit: int = -1,
) -> Generator[list[tuple[int, int, str]]]:
    """Yield the id, again the id, and a JSON text of each task, in order, in batches.

    The text is an array: id, status, time of creation, predefined values, and filled-in values or
    null. Leaves out erased tasks, tasks that the stream has let in, tasks that do not wait for the
    chain or did not fit, tasks of other groups, and tasks with ids up to ``after``.
    """
    home = catalogue.get_status(session, pipeline_id)
    created = _CREATED_POSTGRESQL if is_postgresql(session) else _CREATED_SQLITE
    filled_in = "COALESCE(CAST(t.filled_in AS TEXT), 'null')"
    quoted = f"',\"' || {_shown_status(home)} || '\",\"' || {created} || '\",'"
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
        f" WHERE t.pipeline_id = {pipeline_id:d} AND t.erased_at IS NULL"
    )
    if status is not None:
        names = ", ".join(sorted(f"'{stored}'" for stored in stored_as(status, home)))
        query += f" AND t.status IN ({names or 'NULL'})"
    if unless_in_stream is not None:
        query += (
            " AND NOT EXISTS (SELECT 1 FROM tasks made WHERE made.origin_id = t.id"  # noqa: S608
            f" AND made.stream_id = {unless_in_stream:d})"
        )
    left_out = unless_removed_from if unless_in_stream is None else unless_in_stream
    if left_out is not None:
        query += (
            " AND NOT EXISTS (SELECT 1 FROM removed_rows r WHERE r.origin_id = t.id"  # noqa: S608
            f" AND r.stream_id = {left_out:d})"
        )
    if group_id is not None:
        query += f" AND t.group_id = {group_id:d}"
    if after:
        query += f" AND {number} > {after:d}"
    query += f" ORDER BY {number}"
    return stream_rows(session, query if limit < 0 else f"{query} LIMIT {limit:d}")


def _shown_status(home: PipelineStatus) -> str:
    """Return the expression of the status that readers see of a task ``t`` in this pipeline."""
    pending = show_status(TaskStatus.PENDING, home)
    if pending is TaskStatus.PENDING:
        return "t.status"
    return f"CASE t.status WHEN '{TaskStatus.PENDING}' THEN '{pending}' ELSE t.status END"
