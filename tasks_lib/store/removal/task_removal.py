"""Remove tasks, with their moves, and update all counts, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import Final

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.tasks.counts import add_counts

TASKS_AT_ONCE: Final = 5_000
"""Per transaction: claims skip the tasks that it has locked, and other writers wait for it."""


class Rows(StrEnum):
    """The fate of the rows or tasks from which a stream has made the removed tasks."""

    KEEP_OUT = "keep_out"
    FLOW_AGAIN = "flow_again"
    FORGET = "forget"


class CountedAs(StrEnum):
    """The column of a group that counts the removed tasks."""

    REMOVED = "removed_count"
    EXPIRED = "expired_count"


def remove_tasks(
    session: Session,
    pipeline_id: int,
    chosen: str,
    parameters: Mapping[str, object],
    rows: Rows,
    counted_as: CountedAs = CountedAs.REMOVED,
) -> int:
    """Remove the chosen tasks of a pipeline; return their number.

    ``chosen`` is what follows ``SELECT id FROM tasks WHERE``. No chain may wait for any of them,
    unless ``rows`` is ``FORGET``. The caller has locked the tasks, and their groups before them.
    """
    if is_postgresql(session):
        session.execute(_USE_INDEXES)
        statement = _removal_on_postgresql(chosen, rows)
        removed: Sequence[Row[int, str, int]] = session.execute(statement, parameters).all()
    else:
        count, *removal = _removal_on_sqlite(chosen, rows)
        removed = session.execute(count, parameters).all()
        for statement in removal if removed else ():
            session.execute(statement, parameters)
    return _subtract(session, pipeline_id, removed, counted_as)


_USE_INDEXES: Final = text("SET LOCAL enable_seqscan = off")
"""PostgreSQL keeps the plans that look up the moves of each task, and those of foreign keys. One
that was made while there were few moves would read all of them for each task."""

_KEEP_OUT: Final = """
    INSERT INTO removed_rows (stream_id, origin_id, group_id)
    SELECT stream_id, origin_id, group_id FROM tasks
    WHERE {chosen} AND stream_id IS NOT NULL AND origin_id IS NOT NULL
    ON CONFLICT (stream_id, origin_id) DO NOTHING
    """
_WAIT_AGAIN: Final = """
    INSERT INTO chain_inbox (chain_id, task_id, finished_at)
    SELECT chains.id, source.id, coalesce(source.finished_at, task_groups.created_at)
    FROM tasks JOIN task_groups ON task_groups.id = tasks.group_id
    JOIN chains ON chains.id = task_groups.chain_id
    JOIN tasks source ON source.id = tasks.origin_id AND source.status = 'finished'
    WHERE {chosen}
    ON CONFLICT (chain_id, task_id) DO NOTHING
    """
"""A row of a dataset flows again by itself: nothing holds it back once its task is gone."""

_LEAVE_INBOXES: Final = (
    "DELETE FROM chain_inbox WHERE task_id IN (SELECT tasks.id FROM tasks WHERE {chosen})"
)
_OF_ROWS: Final[Mapping[Rows, str]] = {
    Rows.KEEP_OUT: _KEEP_OUT,
    Rows.FLOW_AGAIN: _WAIT_AGAIN,
    Rows.FORGET: _LEAVE_INBOXES,
}


_OF_GROUP: Final = {
    column: text(
        f"UPDATE task_groups SET task_count = task_count - :number, {column} = {column} + :number"  # noqa: S608
        " WHERE id = :group_id"
    )
    for column in CountedAs
}


@cache
def _removal_on_postgresql(chosen: str, rows: Rows) -> TextClause:
    """Return one statement, in which the choice is made once."""
    gone = "tasks.id = ANY(ARRAY(SELECT id FROM gone))"
    return text(
        f"""
        WITH gone AS MATERIALIZED (SELECT id FROM tasks WHERE {chosen}),
        moves AS (DELETE FROM task_moves WHERE task_id = ANY(ARRAY(SELECT id FROM gone))),
        rows AS ({_OF_ROWS[rows].format(chosen=gone)}),
        removed AS (DELETE FROM tasks WHERE {gone} RETURNING group_id, status)
        SELECT group_id, status, count(*) FROM removed GROUP BY group_id, status
        ORDER BY group_id
        """  # noqa: S608 - our own names
    )


@cache
def _removal_on_sqlite(chosen: str, rows: Rows) -> tuple[TextClause, ...]:
    """Return the count and the removal; the choice stays the same until the last statement."""
    gone = f"tasks.id IN (SELECT id FROM tasks WHERE {chosen})"  # noqa: S608
    statements = (
        f"SELECT group_id, status, count(*) FROM tasks WHERE {gone}"  # noqa: S608
        " GROUP BY group_id, status ORDER BY group_id",
        _OF_ROWS[rows].format(chosen=gone),
        f"DELETE FROM task_moves WHERE task_id IN (SELECT id FROM tasks WHERE {gone})",  # noqa: S608
        f"DELETE FROM tasks WHERE {gone}",  # noqa: S608
    )
    return tuple(map(text, statements))


def _subtract(
    session: Session,
    pipeline_id: int,
    removed: Sequence[Row[int, str, int]],
    counted_as: CountedAs,
) -> int:
    by_group: dict[int, dict[TaskStatus, int]] = {}
    for group_id, status, number in removed:
        by_group.setdefault(group_id, {})[TaskStatus(status)] = -number
    for group_id, changes in by_group.items():
        number = -sum(changes.values())
        session.execute(_OF_GROUP[counted_as], {"group_id": group_id, "number": number})
    for group_id, changes in by_group.items():
        add_counts(session, pipeline_id, changes, group_id=group_id)
    return sum(number for *_, number in removed)
