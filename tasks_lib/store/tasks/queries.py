"""Read tasks: one, a page of them, and the feed of finished ones."""

from collections.abc import Generator, Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Integer,
    and_,
    bindparam,
    case,
    literal_column,
    select,
    text,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session

from tasks_lib.domain.lifecycle import stored_as
from tasks_lib.domain.statuses import PipelineStatus, SeedKind, TaskStatus
from tasks_lib.store import catalogue
from tasks_lib.store.chains.chain_inbox import lock_chains
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.tables.base import MAX_ID
from tasks_lib.store.tables.catalogue import PipelineRow
from tasks_lib.store.tables.datasets import DatasetItemRow
from tasks_lib.store.tables.groups import TaskGroupRow
from tasks_lib.store.tables.tasks import TaskRow
from tasks_lib.store.tasks.counts import get_group_counts
from tasks_lib.store.tasks.moves import LAST_FINISH_NUMBER

_ROWS_AT_ONCE: Final = 100


class StoredTask(NamedTuple):
    """A task with the kind, source and time of its group.

    ``version`` is the import that brought the values of its dataset row, ``chain_id`` the chain
    that created it.
    """

    id: int
    pipeline_id: int
    group_id: int
    row: int
    status: TaskStatus
    predefined: str
    filled_in: str | None
    origin_id: int | None
    claimed_by: str | None
    claimed_at: datetime | None
    claim_expires_at: datetime | None
    finished_at: datetime | None
    kind: SeedKind
    source: str
    created_at: datetime
    version: int | None
    chain_id: int | None


_STATUS: Final = StoredTask._fields.index("status")
_KIND: Final = StoredTask._fields.index("kind")


def to_stored_task(row: Iterable[Any]) -> StoredTask:
    """Return the task of a row that has the columns of ``StoredTask``, in their order."""
    values = list(row)
    values[_STATUS] = TaskStatus(values[_STATUS])
    values[_KIND] = SeedKind(values[_KIND])
    return StoredTask._make(values)


def find_row_version(session: Session, task_id: int) -> int | None:
    """Return the version of the dataset row whose values a task of a dataset has."""
    version: int | None = session.scalar(_VERSION, {"id": task_id})
    return version


def list_ids_as_json(session: Session, group_id: int) -> str:
    """Return the ids of a group's tasks in the order of their rows, as a JSON array."""
    parameters = {"group_id": group_id}
    if not is_postgresql(session):
        return f"[{','.join(map(str, session.scalars(_IDS, parameters)))}]"
    return f"[{session.scalar(_JOINED_IDS, parameters) or ''}]"


def list_page(
    session: Session,
    pipeline_id: int,
    *,
    group_id: int | None,
    status: TaskStatus | None,
    after: int = 0,
    offset: int = 0,
    limit: int,
) -> Generator[StoredTask]:
    """Yield at most ``limit`` of the pipeline's tasks, oldest first.

    They begin after the task with the id ``after``, and leave out ``offset`` more.
    """
    first, last, limit = _clamp(after) + 1, MAX_ID, _clamp(limit)
    is_wanted: ColumnElement[bool] = true()
    if group_id is not None:
        first_of_group, last_of_group = _find_ends(session, group_id)
        first, last = max(first, first_of_group), last_of_group
        is_wanted = TaskRow.group_id == _clamp(group_id)
    statuses = _stored_as(session, pipeline_id, status)
    if not statuses or first > last:
        return
    # The index orders tasks by pipeline, status and id: read the first ones of each status.
    firsts = [
        select(TaskRow.id)
        .where(_is_between(session, (pipeline_id, wanted.value), first, last), is_wanted)
        .order_by(TaskRow.pipeline_id, TaskRow.status, TaskRow.id)
        .limit(offset + limit)
        .subquery()
        for wanted in statuses
    ]
    merged = union_all(*(select(one.c.id) for one in firsts))
    ids = merged.order_by(merged.selected_columns.id).offset(offset).limit(limit).subquery()
    statement = _TASKS.join(ids, ids.c.id == TaskRow.id).order_by(TaskRow.id)
    with session.execute(statement.execution_options(yield_per=_ROWS_AT_ONCE)) as rows:
        yield from map(to_stored_task, rows)


class FinishedTask(NamedTuple):
    """A finished task, and its place in the order of finishing."""

    finish_number: int
    task: StoredTask


def stream_finished(
    session: Session, pipeline_id: int, *, after: int, up_to: int, limit: int
) -> Generator[FinishedTask]:
    """Yield at most ``limit`` tasks with finish numbers after ``after`` up to ``up_to``."""
    number = TaskRow.finish_number
    statement = (
        _TASKS.add_columns(number)
        .where(TaskRow.pipeline_id == pipeline_id, number.is_not(None))
        .where(number > _clamp(after), number <= _clamp(up_to))
        .order_by(number)
        .limit(limit)
        .execution_options(yield_per=_ROWS_AT_ONCE)
    )
    with session.execute(statement) as rows:
        for *values, finish_number in rows:
            yield FinishedTask(finish_number, to_stored_task(values))


def last_finish_number(session: Session, pipeline_id: int) -> int:
    """Return the number of the task that was finished last; 0 if there is none.

    Waits, on PostgreSQL, for transactions that are finishing tasks of the pipeline: afterwards no
    smaller number can appear. The transaction must end soon, because it lets none begin.
    """
    lock_chains(session, pipeline_id)
    return session.scalar(LAST_FINISH_NUMBER, {"pipeline_id": pipeline_id}) or 0


def count_in_group(
    session: Session, pipeline_id: int, group_id: int, status: TaskStatus | None
) -> int:
    """Return how many tasks of the pipeline are in the group, with this status or with any."""
    if status is None:
        count = select(TaskGroupRow.task_count).where(
            TaskGroupRow.pipeline_id == pipeline_id, TaskGroupRow.id == _clamp(group_id)
        )
        return session.scalar(count) or 0
    group = select(TaskGroupRow.id).where(
        TaskGroupRow.pipeline_id == pipeline_id, TaskGroupRow.id == _clamp(group_id)
    )
    if session.scalar(group) is None:
        return 0
    counts = get_group_counts(session, pipeline_id, [group_id])
    return counts[group_id][status] if group_id in counts else 0


def find_task(session: Session, task_id: int) -> StoredTask | None:
    """Return the task, or None."""
    row = session.execute(_TASK, {"id": _clamp(task_id)}).one_or_none()
    return to_stored_task(row) if row is not None else None


def find_pipeline_id(session: Session, task_id: int) -> int | None:
    """Return the id of the task's pipeline; None if there is no such task."""
    return session.scalar(select(TaskRow.pipeline_id).where(TaskRow.id == _clamp(task_id)))


def _is_between(
    session: Session, place: tuple[int, str], first: int, last: int
) -> ColumnElement[bool]:
    """Return the condition that a task has this pipeline and status, and an id from first to last.

    Comparing whole rows keeps PostgreSQL from walking through tasks with other statuses in the
    order of their ids. SQLite does not use its index for the id in such a comparison.
    """
    if is_postgresql(session):
        row = tuple_(TaskRow.pipeline_id, TaskRow.status, TaskRow.id)
        return and_(row >= (*place, first), row <= (*place, last))
    pipeline_id, status = place
    is_placed = and_(TaskRow.pipeline_id == pipeline_id, TaskRow.status == status)
    return and_(is_placed, TaskRow.id.between(first, last))


def _find_ends(session: Session, group_id: int) -> tuple[int, int]:
    """Return the ids of the first and the last task of a group, which grow with its rows."""
    of_group = select(TaskRow.id).where(TaskRow.group_id == _clamp(group_id)).limit(1)
    first = session.scalar(of_group.order_by(TaskRow.row))
    last = session.scalar(of_group.order_by(TaskRow.row.desc()))
    return (first, last) if first is not None and last is not None else (1, 0)


def _stored_as(session: Session, pipeline_id: int, status: TaskStatus | None) -> list[TaskStatus]:
    """Return the stored statuses of the tasks that readers see with this status, or of all."""
    if status is None:
        return list(TaskStatus)
    return sorted(stored_as(status, catalogue.get_status(session, pipeline_id)))


def _clamp(number: int) -> int:
    return max(-MAX_ID, min(number, MAX_ID))


_IDS: Final = (
    select(TaskRow.id).where(TaskRow.group_id == bindparam("group_id")).order_by(TaskRow.row)
)
_JOINED_IDS: Final = text(
    "SELECT string_agg(CAST(id AS text), ',' ORDER BY row) FROM tasks WHERE group_id = :group_id"
)
"""Joined by PostgreSQL: fetching thousands of rows takes the client longer."""

_SHOWN: Final = case(
    (
        and_(
            TaskRow.status == TaskStatus.PENDING.value,
            PipelineRow.status == PipelineStatus.PAUSED.value,
        ),
        TaskStatus.PAUSED.value,
    ),
    else_=TaskRow.status,
)
"""The status that readers see, as ``lifecycle.show_status`` says."""

_SEEDED_VERSION: Final = """coalesce((
    SELECT max(ug.source_version) FROM task_updates u JOIN task_groups ug ON ug.id = u.group_id
    WHERE u.task_id = tasks.id
), task_groups.source_version)"""
_ROW_VERSION: Final[ColumnElement[int]] = literal_column(
    "CASE WHEN dataset_rows.version <= task_groups.source_version THEN dataset_rows.version"  # noqa: S608
    " ELSE coalesce(("
    " SELECT v.version FROM dataset_row_versions v"
    " WHERE v.dataset_id = dataset_rows.dataset_id AND v.row_id = dataset_rows.id"
    f" AND v.version <= {_SEEDED_VERSION} AND v.until_version > {_SEEDED_VERSION}"
    "), dataset_rows.version) END",
    Integer,
)
"""The version of a dataset's row whose values a task has."""

_TASKS: Final = (
    select(
        *(
            _SHOWN.label(name) if name == "status" else getattr(TaskRow, name)
            for name in StoredTask._fields[:12]
        ),
        TaskGroupRow.kind,
        TaskGroupRow.source,
        TaskGroupRow.created_at,
        _ROW_VERSION.label("version"),
        TaskGroupRow.chain_id,
    )
    .join(TaskGroupRow, TaskGroupRow.id == TaskRow.group_id)
    .join(PipelineRow, PipelineRow.id == TaskRow.pipeline_id)
    .outerjoin(
        DatasetItemRow,
        and_(TaskGroupRow.kind == SeedKind.DATASET.value, DatasetItemRow.id == TaskRow.origin_id),
    )
)
_TASK: Final = _TASKS.where(TaskRow.id == bindparam("id"))
_VERSION: Final = (
    select(_ROW_VERSION)
    .select_from(TaskRow)
    .join(TaskGroupRow, TaskGroupRow.id == TaskRow.group_id)
    .join(DatasetItemRow, DatasetItemRow.id == TaskRow.origin_id)
    .where(TaskRow.id == bindparam("id"))
)
