"""Undo groups: remove their untouched tasks, some thousands in each transaction.

A claim and an undo of the same task both lock its row, so exactly one of them wins.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import GroupState, TaskStatus
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.removal import task_removal
from tasks_lib.store.removal.task_removal import Rows, remove_tasks
from tasks_lib.store.tables.files import GroupFileRow
from tasks_lib.store.tables.groups import TaskGroupRow
from tasks_lib.store.tables.infinite import InfiniteSeedingRow
from tasks_lib.store.tasks.untouched import has_copies, untouched_condition

_URIS_AT_ONCE: Final = 500

AFTER_ALL_ROWS: Final = (1 << 63) - 1
"""A row number that no task has."""


class Undo(NamedTuple):
    """An undo: of which group, by whom, and whether the rows of its tasks may flow again."""

    group_id: int
    pipeline_id: int
    state: GroupState
    by: str | None
    flows_again: bool


class KeptTask(NamedTuple):
    """A task that an undo keeps, and its status."""

    task_id: int
    status: TaskStatus


def lock_group(session: Session, group_id: int) -> Undo | None:
    """Return the undo of a group, locked against other undos; None if there is no such group."""
    statement = (
        select(
            TaskGroupRow.id,
            TaskGroupRow.pipeline_id,
            TaskGroupRow.state,
            TaskGroupRow.undone_by,
            TaskGroupRow.flows_again,
        )
        .where(TaskGroupRow.id == group_id)
        .with_for_update(key_share=True)
    )
    row = session.execute(statement).one_or_none()
    if row is None:
        return None
    return Undo(row[0], row[1], GroupState(row[2]), row[3], bool(row[4]))


def begin(session: Session, undo: Undo, *, by: str, flows_again: bool) -> None:
    """Record that the group is being undone, and by whom; infinite seeding leaves it alone."""
    session.execute(
        update(TaskGroupRow)
        .where(TaskGroupRow.id == undo.group_id)
        .values(state=GroupState.UNDOING, undone_by=by, flows_again=flows_again)
    )
    session.execute(
        update(InfiniteSeedingRow)
        .where(InfiniteSeedingRow.group_id == undo.group_id)
        .values(group_id=None)
    )


def is_topped_up(session: Session, group_id: int) -> bool:
    """Return True if infinite seeding is enabled and creates tasks in the group."""
    statement = select(InfiniteSeedingRow.pipeline_id).where(
        InfiniteSeedingRow.group_id == group_id, InfiniteSeedingRow.is_enabled
    )
    return session.scalar(statement) is not None


def list_unfinished(session: Session) -> list[int]:
    """Return the ids of the groups that are being undone."""
    statement = select(TaskGroupRow.id).where(TaskGroupRow.state == GroupState.UNDOING.value)
    return list(session.scalars(statement.order_by(TaskGroupRow.id)))


def remove_last(session: Session, undo: Undo, *, before: int) -> int | None:
    """Remove the untouched ones of the group's last tasks before a row, and update all counts.

    Claims take the oldest task, so they seldom have to skip locked ones at this end. Returns the
    first row that was looked at; None if there is none.
    """
    window = {"group_id": undo.group_id, "before": before, "limit": task_removal.TASKS_AT_ONCE}
    first = session.scalar(_FIRST_ROW, window)
    if first is None:
        return None
    window |= {"first": first, "pipeline_id": undo.pipeline_id}
    if is_postgresql(session):
        session.execute(_LOCK, window)
    condition = untouched_condition(has_copies=has_copies(session, undo.pipeline_id))
    rows = Rows.FLOW_AGAIN if undo.flows_again else Rows.KEEP_OUT
    remove_tasks(session, undo.pipeline_id, f"{_WINDOW} AND {condition}", window, rows)
    return int(first)


def finish(session: Session, undo: Undo, *, at: datetime) -> None:
    """Record that the group is undone, and let its content be seeded again."""
    session.execute(_FREE_KEY, {"group_id": undo.group_id})
    session.execute(
        update(TaskGroupRow)
        .where(TaskGroupRow.id == undo.group_id)
        .values(state=GroupState.UNDONE, undone_at=at, announce_at=at)
    )


def drop_file_references(session: Session, group_id: int, file_fields: Sequence[str]) -> None:
    """Drop the group's references to files that none of its tasks has any more."""
    statement = _USED_ON_POSTGRESQL if is_postgresql(session) else _USED_ON_SQLITE
    used: set[str] = set()
    for field in file_fields:
        used.update(session.scalars(statement, {"group_id": group_id, "field": field}))
    uris = session.scalars(select(GroupFileRow.uri).where(GroupFileRow.group_id == group_id))
    unused = [uri for uri in uris if uri not in used]
    for first in range(0, len(unused), _URIS_AT_ONCE):
        some = unused[first : first + _URIS_AT_ONCE]
        session.execute(
            delete(GroupFileRow).where(
                GroupFileRow.group_id == group_id, GroupFileRow.uri.in_(some)
            )
        )


def count_untouched(session: Session, undo: Undo) -> int:
    """Return how many tasks the undo would remove now."""
    condition = untouched_condition(has_copies=has_copies(session, undo.pipeline_id))
    statement = text(f"SELECT count(*) FROM tasks WHERE {_OF_GROUP} AND {condition}")  # noqa: S608
    parameters = {"group_id": undo.group_id, "pipeline_id": undo.pipeline_id}
    return int(session.scalar(statement, parameters) or 0)


def list_touched(session: Session, undo: Undo, *, limit: int) -> list[KeptTask]:
    """Return the first tasks that the undo keeps, in the order of their rows."""
    condition = untouched_condition(has_copies=has_copies(session, undo.pipeline_id))
    statement = text(
        f"SELECT id, status FROM tasks WHERE {_OF_GROUP} AND NOT {condition}"  # noqa: S608
        ' ORDER BY "row" LIMIT :limit'
    )
    parameters = {"group_id": undo.group_id, "pipeline_id": undo.pipeline_id, "limit": limit}
    rows = session.execute(statement, parameters)
    return [KeptTask(task_id, TaskStatus(status)) for task_id, status in rows]


_OF_GROUP: Final = "tasks.group_id = :group_id"
_WINDOW: Final = f'{_OF_GROUP} AND tasks."row" >= :first AND tasks."row" < :before'
_FIRST_ROW: Final = text(
    f"""
    SELECT min("row") FROM (
        SELECT "row" FROM tasks WHERE {_OF_GROUP} AND "row" < :before
        ORDER BY "row" DESC LIMIT :limit
    ) AS last
    """  # noqa: S608
)
_LOCK: Final = text(
    f"SELECT count(*) FROM (SELECT id FROM tasks WHERE {_WINDOW} ORDER BY id FOR UPDATE) AS locked"  # noqa: S608
)
_FREE_KEY: Final = text(
    "UPDATE task_groups SET seed_key = 'undone:' || id || ':' || seed_key WHERE id = :group_id"
)
_USED_ON_POSTGRESQL: Final = text(
    "SELECT predefined -> CAST(:field AS text) ->> 'uri' FROM tasks"
    " WHERE group_id = :group_id AND predefined -> CAST(:field AS text) ->> 'uri' IS NOT NULL"
)
_USED_ON_SQLITE: Final = text(
    "SELECT json_extract(entry.value, '$.uri') FROM tasks, json_each(tasks.predefined) AS entry"
    " WHERE tasks.group_id = :group_id AND entry.key = :field AND entry.type = 'object'"
)
