"""The numbers of tasks by status of pipelines and groups, updated with every change."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

from sqlalchemy import func, select, text, union_all
from sqlalchemy.orm import Session

from tasks_lib.domain.lifecycle import DONE, show_status
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.tables.catalogue import PipelineRow
from tasks_lib.store.tables.counts import GroupCountRow, TaskCountRow
from tasks_lib.store.tables.retention import RetentionRow

STATUS_COLUMNS: Final = tuple(status.value for status in TaskStatus)
COUNTED: Final = (*STATUS_COLUMNS, "claims")

SUMS: Final = ", ".join(f"{name} = task_counts.{name} + excluded.{name}" for name in COUNTED)
"""The assignments of an insert of changes, for a row that exists already."""

_ROWS_OF_OTHERS: Final = 22
"""Bits for the number of a server process: Linux has no larger ones."""


def build_postgres_slot(pipeline_id: str) -> str:
    """Return the expression of the slot that this connection writes; the argument is SQL.

    A new generation begins new rows: while an old transaction is open, the dead versions of a row
    that was updated very often would have to be walked through for each further update.
    """
    generation = f"(SELECT generation FROM task_queues WHERE pipeline_id = {pipeline_id})"  # noqa: S608
    return f"(coalesce({generation}, 0) << {_ROWS_OF_OTHERS}) | pg_backend_pid()"


class Counts(NamedTuple):
    """A pipeline's tasks by status, and the number of claims ever.

    ``expired`` tasks were deleted because their retention was over.
    """

    by_status: Mapping[TaskStatus, int]
    claims: int
    expired: int = 0

    @property
    def total(self) -> int:
        """The number of tasks."""
        return sum(self.by_status.values())

    @property
    def left(self) -> int:
        """The number of tasks that are neither finished nor withdrawn."""
        return sum(number for status, number in self.by_status.items() if status not in DONE)


def add_counts(
    session: Session,
    pipeline_id: int,
    changes: Mapping[TaskStatus, int],
    *,
    group_id: int,
    is_new_group: bool = False,
    claims: int = 0,
) -> None:
    """Change the counts of the pipeline and of one of its groups by stored status.

    This belongs into the transaction that changes the group's tasks. ``is_new_group``: the
    transaction has created the group, so that no other one can change its counts.
    """
    on_postgresql = is_postgresql(session)
    has_own_row = is_new_group or not on_postgresql
    values = dict.fromkeys(COUNTED, 0) | {"claims": claims, "pipeline_id": pipeline_id}
    values |= {status.value: change for status, change in changes.items()}
    values |= {"group_id": group_id, "uncounted_id": 0 if has_own_row else group_id}
    if on_postgresql:
        session.execute(text(_additions(on_postgresql=True, has_own_row=has_own_row)[0]), values)
        return
    connection = session.connection()
    for statement in _additions(on_postgresql=False, has_own_row=True):
        # Each claim does this: SQLAlchemy would take longer over it than SQLite.
        connection.exec_driver_sql(statement, values)


@cache
def _additions(*, on_postgresql: bool, has_own_row: bool) -> list[str]:
    """Return the statements that add to the counts; texts, see ``dialect.upsert``.

    On PostgreSQL it is always one statement.
    """
    slot = build_postgres_slot(":pipeline_id") if on_postgresql else "0"
    to_pipeline = f"""
        INSERT INTO task_counts (pipeline_id, slot, group_id, {", ".join(COUNTED)})
        VALUES (:pipeline_id, {slot}, :uncounted_id, {", ".join(f":{name}" for name in COUNTED)})
        ON CONFLICT (pipeline_id, slot, group_id) DO UPDATE SET {SUMS}
        """  # noqa: S608 - our own names
    sums = ", ".join(f"{name} = group_counts.{name} + excluded.{name}" for name in STATUS_COLUMNS)
    to_group = f"""
        INSERT INTO group_counts (group_id, {", ".join(STATUS_COLUMNS)})
        VALUES (:group_id, {", ".join(f":{name}" for name in STATUS_COLUMNS)})
        ON CONFLICT (group_id) DO UPDATE SET {sums}
        """  # noqa: S608 - our own names
    if not has_own_row:
        return [to_pipeline]
    if on_postgresql:
        return [f"WITH of_group AS ({to_group}) {to_pipeline}"]
    return [to_group, to_pipeline]


def get_group_counts(
    session: Session, pipeline_id: int, group_ids: Sequence[int]
) -> dict[int, Mapping[TaskStatus, int]]:
    """Return the number of tasks by status of each of these groups of the pipeline, by id.

    Groups that never had a task are left out.
    """
    of_groups, of_tasks = GroupCountRow.__table__.c, TaskCountRow.__table__.c
    both = union_all(
        select(of_groups.group_id, *(of_groups[name] for name in STATUS_COLUMNS)).where(
            of_groups.group_id.in_(group_ids)
        ),
        select(of_tasks.group_id, *(of_tasks[name] for name in STATUS_COLUMNS)).where(
            of_tasks.pipeline_id == pipeline_id, of_tasks.group_id.in_(group_ids)
        ),
    ).subquery()
    home = select(PipelineRow.status).where(PipelineRow.id == pipeline_id).scalar_subquery()
    statement = select(
        both.c.group_id, home, *(func.sum(both.c[name]) for name in STATUS_COLUMNS)
    ).group_by(both.c.group_id)
    return {
        group_id: _by_status(sums, PipelineStatus(status))
        for group_id, status, *sums in session.execute(statement)
    }


def get_counts(session: Session, pipeline_id: int) -> Counts:
    """Return the pipeline's counts as this transaction sees them."""
    return get_all_counts(session, pipeline_id).get(pipeline_id, NO_TASKS)


def get_all_counts(session: Session, *pipeline_ids: int) -> dict[int, Counts]:
    """Return the counts of these pipelines, or of all, by id.

    Pipelines that never had a task are left out.
    """
    columns = TaskCountRow.__table__.c
    statement = (
        select(
            TaskCountRow.pipeline_id,
            PipelineRow.status,
            func.max(_EXPIRED),
            *(func.sum(columns[name]).label(name) for name in COUNTED),
        )
        .join(PipelineRow, PipelineRow.id == TaskCountRow.pipeline_id)
        .join(RetentionRow, RetentionRow.pipeline_id == TaskCountRow.pipeline_id, isouter=True)
        .group_by(TaskCountRow.pipeline_id, PipelineRow.status)
    )
    if pipeline_ids:
        statement = statement.where(TaskCountRow.pipeline_id.in_(pipeline_ids))
    return {
        pipeline_id: Counts(_by_status(sums, PipelineStatus(status)), int(claims), int(expired))
        for pipeline_id, status, expired, *sums, claims in session.execute(statement)
    }


def _by_status(stored: Iterable[int], pipeline: PipelineStatus) -> dict[TaskStatus, int]:
    """Return the numbers by the statuses that readers see, from those of the stored statuses."""
    numbers = dict.fromkeys(TaskStatus, 0)
    for status, number in zip(TaskStatus, stored, strict=True):
        numbers[show_status(status, pipeline)] += int(number)
    return numbers


_EXPIRED: Final = func.coalesce(RetentionRow.finished + RetentionRow.withdrawn, 0)
NO_TASKS: Final = Counts(dict.fromkeys(TaskStatus, 0), 0)
