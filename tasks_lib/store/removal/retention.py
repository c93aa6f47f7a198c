"""Delete tasks whose retention is over, some at a time, and keep those that are still needed.

A task is needed if another task was made from it, if a chain still has to read it, if infinite
seeding copies its group, or if an export still has to bring it to its destination. Of a deleted
task these stay: its number, which no other task gets; a digest of its key; the row or task that it
came from, as one that its stream has let in; and the numbers that count tasks ever created or
finished. Only a task that was withdrawn because its row was missing is forgotten: if the row
returns, it becomes a task again.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Integer, Text, bindparam, cast, select, text, update
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.lifecycle import Move
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.infinite_seedings import find_seeding
from tasks_lib.store.keys import retired as retired_keys
from tasks_lib.store.removal.task_removal import CountedAs, Rows, remove_tasks
from tasks_lib.store.results.result_exports import find_held
from tasks_lib.store.tables.catalogue import PipelineRow
from tasks_lib.store.tables.groups import TaskGroupRow
from tasks_lib.store.tables.retention import RetentionRow
from tasks_lib.store.tables.streams import StreamRow
from tasks_lib.store.tables.tasks import TaskMoveRow, TaskRow
from tasks_lib.store.tasks.untouched import NEVER_COPIED, has_copies

TASKS_AT_ONCE: Final = 1_000
"""Per transaction: loads into the pipeline and reads of it by streams wait for it."""

_READING: Final = 0x5EEE << 48
"""Above the numbers of pipelines, and different from the other advisory locks."""


class Place(NamedTuple):
    """Where a pass has come to: the status of the tasks that it looks at, and the last of them."""

    status: TaskStatus
    after: int = 0


class _Candidate(NamedTuple):
    """A task, its place in the order in which tasks are looked at, and since when it is done."""

    task_id: int
    group_id: int
    place: int
    since: datetime | None


class _Expired(NamedTuple):
    """A task to delete, its key, and whether it was withdrawn because its row was missing."""

    task_id: int
    key: str | None
    was_missing: bool


def list_pipelines(session: Session, *, in_progress: bool = False) -> list[int]:
    """Return the ids of the pipelines with a retention, those with a pass in progress first."""
    statement = (
        select(PipelineRow.id)
        .join(RetentionRow, RetentionRow.pipeline_id == PipelineRow.id, isouter=True)
        .where(cast(PipelineRow.retention, Text) != "{}")
        .order_by(RetentionRow.status.is_(None), PipelineRow.id)
    )
    if in_progress:
        statement = statement.where(RetentionRow.status.is_not(None))
    return list(session.scalars(statement))


def lock_for_deletion(session: Session, pipeline_id: int) -> bool:
    """Let nobody create tasks in the pipeline or from its tasks until the transaction ends.

    Returns False, without waiting, if others are doing that, or delete its tasks.
    """
    statement = select(PipelineRow.id).where(PipelineRow.id == pipeline_id)
    locked = session.scalar(statement.with_for_update(key_share=True, skip_locked=True))
    if locked is None or not is_postgresql(session):
        return locked is not None
    return bool(session.scalar(_TRY_LOCK, {"lock": _READING + pipeline_id}))


def keep_while_reading(session: Session, pipeline_id: int) -> None:
    """Let no task of the pipeline be deleted until the transaction that reads them ends."""
    if is_postgresql(session):
        session.execute(_LOCK_SHARED, {"lock": _READING + pipeline_id})


def find_place(session: Session, pipeline_id: int) -> Place | None:
    """Return where the pass through the pipeline has come to; None if there is none."""
    row = session.get(RetentionRow, pipeline_id)
    if row is None or row.status is None:
        return None
    return Place(TaskStatus(row.status), row.after)


def save_place(
    session: Session, pipeline_id: int, place: Place | None, deleted: tuple[TaskStatus, int]
) -> None:
    """Record where the pass has come to, and count the tasks that it has deleted."""
    row = session.get(RetentionRow, pipeline_id)
    if row is None:
        row = RetentionRow(
            pipeline_id=pipeline_id,
            finished=0,
            withdrawn=0,
            unrecorded_finished=0,
            unrecorded_withdrawn=0,
        )
        session.add(row)
    row.status, row.after = place if place is not None else (None, 0)
    status, number = deleted
    if status is TaskStatus.FINISHED:
        row.finished += number
        row.unrecorded_finished += number
    else:
        row.withdrawn += number
        row.unrecorded_withdrawn += number
    session.flush()


def take_unrecorded(session: Session, pipeline_id: int) -> dict[str, int]:
    """Return how many tasks were deleted by status since the last call, without zeros."""
    row = session.get_one(RetentionRow, pipeline_id)
    numbers = {"finished": row.unrecorded_finished, "withdrawn": row.unrecorded_withdrawn}
    row.unrecorded_finished = row.unrecorded_withdrawn = 0
    session.flush()
    return {status: number for status, number in numbers.items() if number}


def delete_next(
    session: Session, pipeline: Pipeline, place: Place, *, at: datetime
) -> tuple[int, Place | None]:
    """Delete the expired ones of the tasks that follow the place; the pipeline is locked.

    Returns how many were deleted and the next place; None after the last task with this status.
    """
    status = place.status
    expires = at - timedelta(seconds=pipeline.retention.by_status[status])
    window = {"pipeline_id": pipeline.id, "after": place.after, "limit": TASKS_AT_ONCE}
    is_finished = status is TaskStatus.FINISHED
    statement = _NEXT_FINISHED if is_finished else _NEXT_WITHDRAWN
    tasks = [_Candidate._make(row) for row in session.execute(statement, window)]
    expired = [task for task in tasks if task.since is not None and task.since <= expires]
    due, is_held = expired, False
    if is_finished:
        held = find_held(session, pipeline.id, at=at)
        due = [task for task in expired if not held.holds(task.group_id, task.place)]
        is_held = bool(tasks) and tasks[-1].place > held.after
    deleted = _delete(session, pipeline, status, due) if due else 0
    # Tasks are finished in the order of their numbers, but for the clocks of several machines.
    is_over = len(tasks) < TASKS_AT_ONCE or (is_finished and tasks[-1] not in expired) or is_held
    return deleted, None if is_over else Place(status, tasks[-1].place)


def _delete(
    session: Session, pipeline: Pipeline, status: TaskStatus, due: Sequence[_Candidate]
) -> int:
    """Delete those of the expired tasks that nobody needs; return their number.

    Groups are locked before their tasks, as an undo does; both are left out if others have them.
    """
    seeding = find_seeding(session, pipeline.id)
    copied = {group_id for group_id, _ in seeding.copied_groups} if seeding is not None else set()
    groups = session.scalars(
        select(TaskGroupRow.id)
        .where(TaskGroupRow.id.in_({task.group_id for task in due} - copied))
        .order_by(TaskGroupRow.id)
        .with_for_update(key_share=True, skip_locked=True)
    ).all()
    free = set(groups)
    ids = [task.task_id for task in due if task.group_id in free]
    if is_postgresql(session):
        ids = list(session.scalars(_LOCK_TASKS, {"ids": json.dumps(ids)}))
    expired = _list_unneeded(session, pipeline, status, ids)
    retired_keys.retire(
        session,
        pipeline.id,
        ((task.task_id, task.key) for task in expired if task.key and not task.was_missing),
    )
    if pipeline.file_fields:
        session.execute(
            update(TaskGroupRow).where(TaskGroupRow.id.in_(groups)).values(has_stale_files=True)
        )
    missing = [task.task_id for task in expired if task.was_missing]
    others = [task.task_id for task in expired if not task.was_missing]
    return _remove(session, pipeline.id, missing, Rows.FORGET) + _remove(
        session, pipeline.id, others, Rows.KEEP_OUT
    )


def _remove(session: Session, pipeline_id: int, ids: Sequence[int], rows: Rows) -> int:
    if not ids:
        return 0
    parameters = {"ids": json.dumps(ids)}
    chosen = _CHOSEN_ON_POSTGRESQL if is_postgresql(session) else _CHOSEN_ON_SQLITE
    return remove_tasks(session, pipeline_id, chosen, parameters, rows, CountedAs.EXPIRED)


def _list_unneeded(
    session: Session, pipeline: Pipeline, status: TaskStatus, ids: Sequence[int]
) -> list[_Expired]:
    """Return those of the locked tasks that still have this status and that nobody needs."""
    chosen = _CHOSEN_ON_POSTGRESQL if is_postgresql(session) else _CHOSEN_ON_SQLITE
    conditions = [chosen, f"tasks.status = '{status}'", _NOT_WAITING]
    streams = session.scalars(
        select(StreamRow.id).where(StreamRow.source == f"pipeline:{pipeline.id}")
    )
    conditions += [
        "NOT EXISTS (SELECT 1 FROM tasks made WHERE made.origin_id = tasks.id"  # noqa: S608
        f" AND made.stream_id = {stream_id:d})"
        for stream_id in streams
    ]
    where = " AND ".join(conditions)
    parameters: dict[str, object] = {"ids": json.dumps(ids)}
    if has_copies(session, pipeline.id):
        where += NEVER_COPIED
        parameters["pipeline_id"] = pipeline.id
    missing = f"({_LAST_MOVE}) = '{Move.MISS}'" if status is TaskStatus.WITHDRAWN else "FALSE"
    rows = session.execute(
        text(f"SELECT tasks.id, tasks.key, {missing} FROM tasks WHERE {where}"),  # noqa: S608
        parameters,
    )
    return [_Expired(task_id, key, bool(was_missing)) for task_id, key, was_missing in rows]


class StaleGroup(NamedTuple):
    """A group that may refer to files that none of its tasks has any more."""

    id: int
    pipeline_id: int


def lock_stale_group(session: Session) -> StaleGroup | None:
    """Return a stale group, locked, or None; the caller drops its references to unused files."""
    statement = (
        select(TaskGroupRow.id, TaskGroupRow.pipeline_id)
        .where(TaskGroupRow.has_stale_files)
        .order_by(TaskGroupRow.id)
        .limit(1)
        .with_for_update(key_share=True, skip_locked=True)
    )
    row = session.execute(statement).one_or_none()
    if row is None:
        return None
    session.execute(
        update(TaskGroupRow).where(TaskGroupRow.id == row[0]).values(has_stale_files=False)
    )
    return StaleGroup._make(row)


_TRY_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(:lock)")
_LOCK_SHARED: Final = text("SELECT pg_advisory_xact_lock_shared(:lock)")
_CHOSEN_ON_POSTGRESQL: Final = (
    "tasks.id = ANY(ARRAY(SELECT CAST(value AS bigint)"
    " FROM json_array_elements_text(CAST(:ids AS json)) AS chosen (value)))"
)
_CHOSEN_ON_SQLITE: Final = "tasks.id IN (SELECT value FROM json_each(:ids))"
_LOCK_TASKS: Final = text(
    f"SELECT id FROM tasks WHERE {_CHOSEN_ON_POSTGRESQL} ORDER BY id FOR UPDATE SKIP LOCKED"  # noqa: S608
)
_NOT_WAITING: Final = "NOT EXISTS (SELECT 1 FROM chain_inbox WHERE chain_inbox.task_id = tasks.id)"
_LAST_MOVE: Final = (
    "SELECT move FROM task_moves WHERE task_moves.task_id = tasks.id ORDER BY task_moves.id DESC"
    " LIMIT 1"
)
_WITHDRAWN_AT: Final = (
    select(TaskMoveRow.at)
    .where(TaskMoveRow.task_id == TaskRow.id)
    .order_by(TaskMoveRow.id.desc())
    .limit(1)
    .scalar_subquery()
)
_NEXT_FINISHED: Final = (
    select(TaskRow.id, TaskRow.group_id, TaskRow.finish_number, TaskRow.finished_at)
    .where(TaskRow.pipeline_id == bindparam("pipeline_id"), TaskRow.finish_number.is_not(None))
    .where(TaskRow.finish_number > bindparam("after"))
    .order_by(TaskRow.finish_number)
    .limit(bindparam("limit", type_=Integer))
)
_NEXT_WITHDRAWN: Final = (
    select(TaskRow.id, TaskRow.group_id, TaskRow.id, _WITHDRAWN_AT)
    .where(TaskRow.pipeline_id == bindparam("pipeline_id"))
    .where(TaskRow.status == TaskStatus.WITHDRAWN.value, TaskRow.id > bindparam("after"))
    .order_by(TaskRow.id)
    .limit(bindparam("limit", type_=Integer))
)
