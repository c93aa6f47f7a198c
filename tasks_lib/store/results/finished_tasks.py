"""Read finished tasks in the order in which they were finished."""

from collections.abc import Collection, Generator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Select,
    bindparam,
    select,
    text,
    type_coerce,
)
from sqlalchemy.orm import Session

from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.tables.base import MAX_ID
from tasks_lib.store.tables.groups import TaskGroupRow
from tasks_lib.store.tables.streams import StreamRow
from tasks_lib.store.tables.tasks import TaskRow

_ROWS_AT_ONCE: Final = 5_000


class StoredResult(NamedTuple):
    """A finished task; ``predefined`` and ``filled_in`` are the JSON texts of its values."""

    finish_number: int
    task_id: int
    predefined: str
    filled_in: str | None
    group_id: int
    group_name: str | None
    key: str | None
    contributor: str | None
    created_at: datetime
    claimed_at: datetime | None
    finished_at: datetime
    source_kind: str
    source: str
    source_row: int
    origin_id: int | None
    chain_id: int | None


_TASKS: Final = TaskRow.metadata.tables[TaskRow.__tablename__]
_GROUPS: Final = TaskRow.metadata.tables[TaskGroupRow.__tablename__]
_COLUMNS: Final = (
    _TASKS.c.finish_number,
    _TASKS.c.id,
    _TASKS.c.predefined,
    _TASKS.c.filled_in,
    _TASKS.c.group_id,
    _GROUPS.c.name,
    _TASKS.c.key,
    _TASKS.c.claimed_by,
    _GROUPS.c.created_at,
    _TASKS.c.claimed_at,
    _TASKS.c.finished_at,
    _GROUPS.c.kind,
    _GROUPS.c.source,
    _TASKS.c.row,
    _TASKS.c.origin_id,
    _GROUPS.c.chain_id,
)
"""The columns of ``StoredResult``, in their order."""
_TABLES: Final = _TASKS.join(_GROUPS, _GROUPS.c.id == _TASKS.c.group_id)
_RESULTS: Final = select(*_COLUMNS).select_from(_TABLES)
_RESULTS_OF_POSTGRESQL: Final = select(
    *(
        type_coerce(column, DateTime(timezone=True)) if column.name.endswith("_at") else column
        for column in _COLUMNS
    )
).select_from(_TABLES)
"""Without a conversion of each time in Python: the session's time zone is UTC."""
_IN_UTC: Final = text("SET LOCAL TIME ZONE 'UTC'")
_OF_IDS: Final = _RESULTS.add_columns(_TASKS.c.pipeline_id).where(
    _TASKS.c.id.in_(bindparam("ids", expanding=True))
)
_FROM_PIPELINE: Final = "pipeline:"


class ResultRange(NamedTuple):
    """The finished tasks of a pipeline, or of one of its groups, in a part of their order.

    Their finish numbers are above ``after`` and at most ``up_to``.
    """

    pipeline_id: int
    group_id: int | None = None
    finished_from: datetime | None = None
    after: int = 0
    up_to: int = MAX_ID
    limit: int | None = None

    @property
    def conditions(self) -> Sequence[ColumnElement[bool]]:
        """The conditions that a task has to meet."""
        number = TaskRow.finish_number
        conditions = [
            TaskRow.pipeline_id == self.pipeline_id,
            number.is_not(None),
            number > min(self.after, MAX_ID),
            number <= min(self.up_to, MAX_ID),
        ]
        if self.group_id is not None:
            conditions.append(TaskRow.group_id == self.group_id)
        if self.finished_from is not None:
            conditions.append(TaskRow.finished_at >= self.finished_from)
        return conditions


def stream_results(session: Session, wanted: ResultRange) -> Generator[Sequence[Sequence[Any]]]:
    """Yield batches of finished tasks, each a row with the columns of ``StoredResult``."""
    statement = select_results(session, wanted).execution_options(yield_per=_ROWS_AT_ONCE)
    with session.execute(statement) as rows:
        yield from rows.partitions()


def select_results(session: Session, wanted: ResultRange) -> Select[*tuple[Any, ...]]:
    """Return the query of finished tasks; its columns are those of ``StoredResult``.

    On PostgreSQL sets the transaction's time zone to UTC, in which the query returns times.
    """
    results = _RESULTS
    if is_postgresql(session):
        results = _RESULTS_OF_POSTGRESQL
        session.execute(_IN_UTC)
    return results.where(*wanted.conditions).order_by(TaskRow.finish_number).limit(wanted.limit)


def find_results(
    session: Session, task_ids: Collection[int]
) -> Mapping[int, tuple[Sequence[Any], int]]:
    """Return tasks by their ids, each as a row of ``StoredResult``, and its pipeline."""
    rows = session.execute(_OF_IDS, {"ids": sorted(task_ids)})
    return {row.id: (row[:-1], row[-1]) for row in rows}


def list_source_pipelines(session: Session, pipeline_ids: Collection[int]) -> list[int]:
    """Return the pipelines from whose tasks these pipelines were seeded, by id."""
    statement = (
        select(StreamRow.source)
        .where(StreamRow.pipeline_id.in_(pipeline_ids))
        .where(StreamRow.source.startswith(_FROM_PIPELINE))
        .distinct()
    )
    return sorted(int(source.removeprefix(_FROM_PIPELINE)) for source in session.scalars(statement))


def find_place_of(session: Session, wanted: ResultRange, nth: int) -> int | None:
    """Return the finish number of the nth task of a range; None if there are fewer."""
    number = TaskRow.finish_number
    statement = select(number).where(*wanted.conditions).order_by(number)
    return session.scalar(statement.offset(nth - 1).limit(1))
