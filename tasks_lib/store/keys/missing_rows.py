"""Withdraw the untouched tasks of a full source that lacks their rows, and return them later."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from sqlalchemy import bindparam, exists, select, text
from sqlalchemy.orm import Session

from tasks_lib.domain.lifecycle import DONE, MOVES, Move, show_status
from tasks_lib.domain.sources import identity_of
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus
from tasks_lib.store.bulk import insert_rows
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.tables.base import UtcDateTime
from tasks_lib.store.tables.groups import TaskGroupRow
from tasks_lib.store.tasks import queues
from tasks_lib.store.tasks.counts import add_counts
from tasks_lib.store.tasks.moves import Note
from tasks_lib.store.tasks.untouched import has_copies, untouched_condition

if TYPE_CHECKING:
    Numbers = np.ndarray[Any, np.dtype[np.int64]]

_IDS_AT_ONCE: Final = 50_000


class Missing(NamedTuple):
    """How many open tasks a source has, and how many of them its rows no longer name.

    ``is_new_source``: tasks were seeded into the pipeline earlier, but never from this source.
    """

    open: int
    missing: int
    is_new_source: bool


def find_missing(
    session: Session,
    pipeline_id: int,
    group_id: int,
    are_seen: Callable[["Numbers"], "np.ndarray[Any, Any]"],
) -> Missing:
    """Collect the open tasks, seeded earlier from the group's source, that were not seen.

    The groups of one source have its kind, and its identity or the name of this group.
    ``are_seen`` tells which ids belong to rows of the source as it is now.
    """
    session.execute(_CREATE)
    is_new_source = _collect_groups(session, pipeline_id, group_id)
    total = missing = 0
    for status in sorted(frozenset(TaskStatus) - DONE):
        for ids in _pages(session, pipeline_id, status):
            gone = ids[~are_seen(ids)]
            insert_rows(session, "chosen_tasks", {}, ("task_id",), [(pa.array(gone),)])
            total, missing = total + len(ids), missing + len(gone)
    session.execute(_DROP_GROUPS)
    return Missing(total, missing, is_new_source)


def _collect_groups(session: Session, pipeline_id: int, group_id: int) -> bool:
    """Collect the ids of the earlier groups from the source of this one.

    Returns True if the pipeline has groups with tasks, but none from this source.
    """
    session.execute(_CREATE_GROUPS)
    group = session.get_one(TaskGroupRow, group_id)
    groups = session.execute(
        select(TaskGroupRow.id, TaskGroupRow.source, TaskGroupRow.name).where(
            TaskGroupRow.pipeline_id == pipeline_id,
            TaskGroupRow.kind == group.kind,
            TaskGroupRow.id != group_id,
        )
    )
    identity = identity_of(group.source)
    ids = [
        earlier
        for earlier, source, name in groups
        if identity_of(source) == identity or (name is not None and name == group.name)
    ]
    insert_rows(session, "source_groups", {}, ("id",), [(pa.array(ids, pa.int64()),)])
    of_others = exists().where(
        TaskGroupRow.pipeline_id == pipeline_id,
        TaskGroupRow.id != group_id,
        TaskGroupRow.task_count > 0,
    )
    return not ids and bool(session.scalar(select(of_others)))


def _pages(session: Session, pipeline_id: int, status: TaskStatus) -> Iterator["Numbers"]:
    parameters = {"pipeline_id": pipeline_id, "status": status.value}
    after = 0
    while True:
        ids = session.scalars(_OF_SOURCE, {**parameters, "after": after}).all()
        if not ids:
            return
        yield np.array(ids, np.int64)
        after = ids[-1]


def withdraw_missing(
    session: Session, pipeline_id: int, status: PipelineStatus, *, reason: str, at: datetime
) -> int:
    """Withdraw those of the collected tasks that nobody has touched; return their number.

    ``status`` is that of the locked pipeline.
    """
    copied = has_copies(session, pipeline_id)
    starts = ", ".join(sorted(f"'{start}'" for start in MOVES[Move.MISS].starts))
    condition = f"tasks.status IN ({starts}) AND {untouched_condition(has_copies=copied)}"
    if copied:
        condition = condition.replace(":pipeline_id", str(int(pipeline_id)))
    note = Note(None, at, reason)
    return _move_chosen(session, pipeline_id, status, Move.MISS, condition, note)


def return_missing(
    session: Session,
    pipeline_id: int,
    task_ids: "Numbers",
    status: PipelineStatus,
    *,
    at: datetime,
) -> int:
    """Give tasks back that were withdrawn because their rows were missing; return their number.

    Tasks that a person has withdrawn stay so. ``status`` is that of the locked pipeline.
    """
    session.execute(_CREATE)
    insert_rows(session, "chosen_tasks", {}, ("task_id",), [(pa.array(task_ids),)])
    note = Note(None, at, "its row has returned")
    moved = _move_chosen(session, pipeline_id, status, Move.RETURN, _WAS_MISSING, note)
    if moved:
        queues.reopen(session, pipeline_id, int(task_ids.min()))
    return moved


def _move_chosen(
    session: Session,
    pipeline_id: int,
    home: PipelineStatus,
    move: Move,
    condition: str,
    note: Note,
) -> int:
    """Move the chosen tasks for which the condition holds; return their number.

    On PostgreSQL the tasks are locked first: the next statement sees what the lock has waited for.
    """
    end = MOVES[move].end
    if is_postgresql(session):
        session.execute(_LOCK)
    session.execute(
        text(
            "UPDATE chosen_tasks SET status = tasks.status, group_id = tasks.group_id FROM tasks"  # noqa: S608
            f" WHERE tasks.id = chosen_tasks.task_id AND {condition}"
        )
    )
    session.execute(
        _RECORD,
        {
            "move": move.value,
            "pending": show_status(TaskStatus.PENDING, home).value,
            "end": show_status(end, home).value,
            "reason": note.reason,
            "at": note.at,
        },
    )
    session.execute(_MOVE, {"end": end.value})
    moved = 0
    by_group: dict[int, dict[TaskStatus, int]] = {}
    for group_id, status, count in session.execute(_COUNTS):
        by_group.setdefault(group_id, {})[TaskStatus(status)] = -int(count)
        moved += int(count)
    for group_id, changes in sorted(by_group.items()):
        changes[end] = changes.get(end, 0) - sum(changes.values())
        add_counts(session, pipeline_id, changes, group_id=group_id)
    session.execute(_DROP)
    return moved


_CREATE: Final = text(
    "CREATE TEMPORARY TABLE chosen_tasks (task_id BIGINT PRIMARY KEY, status TEXT, group_id BIGINT)"
)
_CREATE_GROUPS: Final = text("CREATE TEMPORARY TABLE source_groups (id BIGINT PRIMARY KEY)")
_DROP_GROUPS: Final = text("DROP TABLE source_groups")
_OF_SOURCE: Final = text(
    f"""
    SELECT tasks.id FROM tasks
    WHERE tasks.pipeline_id = :pipeline_id AND tasks.status = :status AND tasks.id > :after
        AND tasks.group_id IN (SELECT id FROM source_groups)
    ORDER BY tasks.id LIMIT {_IDS_AT_ONCE}
    """  # noqa: S608 - our own names
)
_WAS_MISSING: Final = f"""
    tasks.erased_at IS NULL AND tasks.status = '{TaskStatus.WITHDRAWN}' AND '{Move.MISS}' = (
        SELECT move FROM task_moves WHERE task_moves.task_id = tasks.id
        ORDER BY task_moves.id DESC LIMIT 1
    )
    """  # noqa: S608
_LOCK: Final = text(
    "SELECT tasks.id FROM tasks JOIN chosen_tasks ON chosen_tasks.task_id = tasks.id"
    " ORDER BY tasks.id FOR UPDATE OF tasks"
)
_RECORD: Final = text(
    'INSERT INTO task_moves (task_id, move, from_status, to_status, "by", reason, at)'
    " SELECT task_id, :move, CASE status WHEN 'pending' THEN :pending ELSE status END, :end,"
    " NULL, :reason, :at FROM chosen_tasks"
    " WHERE status IS NOT NULL ORDER BY task_id"
).bindparams(bindparam("at", type_=UtcDateTime))
_MOVE: Final = text(
    "UPDATE tasks SET status = :end FROM chosen_tasks"
    " WHERE tasks.id = chosen_tasks.task_id AND chosen_tasks.status IS NOT NULL"
)
_COUNTS: Final = text(
    "SELECT group_id, status, count(*) FROM chosen_tasks WHERE status IS NOT NULL"
    " GROUP BY group_id, status"
)
_DROP: Final = text("DROP TABLE chosen_tasks")
