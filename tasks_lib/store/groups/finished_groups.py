"""Which groups have finished, or were reopened, since somebody last looked.

``group_counts.completed`` is the number of a group's finished tasks when it was found finished, and
None while it is open. Groups for which that is out of date are in a partial index, so that a look
costs the same however many groups there are. On PostgreSQL those with changes that are not added up
yet are looked at, too.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, func, or_, select, text, update
from sqlalchemy.orm import Session

from tasks_lib.domain.lifecycle import DONE
from tasks_lib.domain.statuses import GroupState, TaskStatus
from tasks_lib.store.groups.task_groups import StoredGroup, list_by_ids
from tasks_lib.store.tables.counts import UNSETTLED_GROUP, GroupCountRow
from tasks_lib.store.tables.groups import TaskGroupRow
from tasks_lib.store.tasks.counts import STATUS_COLUMNS

_LEFT: Final = " + ".join(f"sum(n.{status})" for status in TaskStatus if status not in DONE)
_NAMES: Final = ", ".join(STATUS_COLUMNS)
_LIST: Final = text(
    f"""
    WITH looked_at AS (
        SELECT group_id FROM group_counts WHERE {UNSETTLED_GROUP}
        UNION SELECT group_id FROM task_counts WHERE group_id > 0
    ), numbers AS (
        SELECT group_id, {_NAMES} FROM group_counts
        WHERE group_id IN (SELECT group_id FROM looked_at)
        UNION ALL SELECT group_id, {_NAMES} FROM task_counts WHERE group_id > 0
    )
    SELECT g.id, g.pipeline_id, c.completed, {_LEFT}, sum(n.finished), sum(n.withdrawn)
    FROM numbers AS n JOIN task_groups AS g ON g.id = n.group_id
    JOIN group_counts AS c ON c.group_id = n.group_id
    WHERE g.state <> '{GroupState.UNDOING}'
    GROUP BY g.id, g.pipeline_id, c.completed
    HAVING ({_LEFT} = 0 AND sum(n.finished) + sum(n.withdrawn) > 0 AND c.completed IS NULL)
        OR (c.completed IS NOT NULL AND ({_LEFT} > 0 OR sum(n.finished) <> c.completed))
    ORDER BY g.id
    """  # noqa: S608 - our own names
)


class Unsettled(NamedTuple):
    """A group that has finished or was reopened, and its numbers of tasks.

    ``completed`` is the number of finished tasks when it was last found finished, if it was.
    """

    group_id: int
    pipeline_id: int
    completed: int | None
    left: int
    finished: int
    withdrawn: int

    @property
    def has_finished(self) -> bool:
        """Whether the group has finished: for the first time, again, or with more tasks."""
        return self.left == 0 and (self.completed is None or self.finished > self.completed)


def list_unsettled(session: Session) -> list[Unsettled]:
    """Return the groups that have finished or were reopened since they were settled, by id."""
    return [Unsettled(*row[:2], *_numbers(row[2:])) for row in session.execute(_LIST)]


def _numbers(values: Sequence[int | None]) -> list[int | None]:
    return [int(value) if value is not None else None for value in values]


def settle(session: Session, entry: Unsettled, *, at: datetime) -> bool:
    """Record the state of a group; return False if somebody else has done so.

    A group that has finished must be announced; one that was reopened no longer.
    """
    counts = GroupCountRow.__table__.c
    known = counts.completed.is_not_distinct_from(entry.completed)
    completed = entry.finished if entry.left == 0 else None
    statement = update(GroupCountRow).where(counts.group_id == entry.group_id, known)
    settled = session.execute(
        statement.values(completed=completed).returning(counts.group_id),
        execution_options={"synchronize_session": False},
    ).one_or_none()
    if settled is None:
        return False
    if entry.has_finished or completed is None:
        finished_at = at if entry.has_finished else None
        session.execute(
            update(TaskGroupRow)
            .where(TaskGroupRow.id == entry.group_id)
            .values(finished_at=finished_at, announce_finish_at=finished_at),
            execution_options={"synchronize_session": False},
        )
    return True


def has_unannounced(session: Session, *, at: datetime) -> bool:
    """Return True if a finish must be announced to Prefect that nobody else is announcing."""
    return session.scalar(select(TaskGroupRow.id).where(_is_due(at)).limit(1)) is not None


def acquire_unannounced(
    session: Session, *, at: datetime, lasts: timedelta, limit: int
) -> list[StoredGroup]:
    """Acquire the right to announce finished groups for a while, and return them."""
    due = select(TaskGroupRow.id).where(_is_due(at)).order_by(TaskGroupRow.id).limit(limit)
    acquired = session.scalars(
        update(TaskGroupRow)
        .where(TaskGroupRow.id.in_(list(session.scalars(due))), _is_due(at))
        .values(announce_finish_at=at + lasts)
        .returning(TaskGroupRow.id),
        execution_options={"synchronize_session": False},
    )
    return list_by_ids(session, list(acquired))


def _is_due(at: datetime) -> ColumnElement[bool]:
    """Tell whether a finish was never tried to be announced, or whether a lease is over."""
    announce_at = TaskGroupRow.announce_finish_at
    return or_(announce_at == TaskGroupRow.finished_at, announce_at <= at)


def count_unannounced(session: Session) -> int:
    """Return how many groups have finished without being announced to Prefect."""
    statement = select(func.count()).where(TaskGroupRow.announce_finish_at.is_not(None))
    return session.scalar(statement) or 0


def end_announcing(session: Session, group: StoredGroup, *, is_announced: bool) -> None:
    """Record whether this finish of the group was announced; a later one still must be."""
    session.execute(
        update(TaskGroupRow)
        .where(TaskGroupRow.id == group.id, TaskGroupRow.finished_at == group.finished_at)
        .values(announce_finish_at=None if is_announced else group.finished_at),
        execution_options={"synchronize_session": False},
    )
