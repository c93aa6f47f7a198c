"""The number of a pipeline's tasks by status, updated with every change; nothing is scanned."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final, NamedTuple

from sqlalchemy import TextClause, func, select, text
from sqlalchemy.orm import Session

from tasks_lib.domain.lifecycle import DONE, show_status
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.tables import PipelineRow, TaskCountRow

SLOTS: Final = 16
"""Rows per pipeline over which PostgreSQL spreads the updates; SQLite has only one writer."""

POSTGRES_SLOT: Final = f"mod(pg_backend_pid(), {SLOTS})"
STATUS_COLUMNS: Final = tuple(status.value for status in TaskStatus)
COUNTED: Final = (*STATUS_COLUMNS, "claims")

SUMS: Final = ", ".join(f"{name} = task_counts.{name} + excluded.{name}" for name in COUNTED)
"""The assignments of an insert of changes, for a row that exists already."""


class Counts(NamedTuple):
    """A pipeline's tasks by status, and the number of claims ever."""

    by_status: Mapping[TaskStatus, int]
    claims: int

    @property
    def total(self) -> int:
        """The number of tasks."""
        return sum(self.by_status.values())

    @property
    def left(self) -> int:
        """The number of tasks that are neither finished nor withdrawn."""
        return sum(number for status, number in self.by_status.items() if status not in DONE)


def add_counts(
    session: Session, pipeline_id: int, changes: Mapping[TaskStatus, int], *, claims: int = 0
) -> None:
    """Change the pipeline's counts, in the transaction that changes its tasks."""
    statement = _addition(on_postgresql=is_postgresql(session))
    values = dict.fromkeys(COUNTED, 0) | {"claims": claims, "pipeline_id": pipeline_id}
    session.execute(
        statement, values | {status.value: change for status, change in changes.items()}
    )


@cache
def _addition(*, on_postgresql: bool) -> TextClause:
    """Return the statement that adds to a pipeline's counts; a text, see ``dialect.upsert``."""
    slot = POSTGRES_SLOT if on_postgresql else "0"
    values = ", ".join(f":{name}" for name in COUNTED)
    return text(
        f"""
        INSERT INTO task_counts (pipeline_id, slot, {", ".join(COUNTED)})
        VALUES (:pipeline_id, {slot}, {values})
        ON CONFLICT (pipeline_id, slot) DO UPDATE SET {SUMS}
        """  # noqa: S608 - our own names
    )


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
            *(func.sum(columns[name]).label(name) for name in COUNTED),
        )
        .join(PipelineRow, PipelineRow.id == TaskCountRow.pipeline_id)
        .group_by(TaskCountRow.pipeline_id, PipelineRow.status)
    )
    if pipeline_ids:
        statement = statement.where(TaskCountRow.pipeline_id.in_(pipeline_ids))
    return {
        pipeline_id: Counts(_by_status(sums, PipelineStatus(status)), int(claims))
        for pipeline_id, status, *sums, claims in session.execute(statement)
    }


def _by_status(stored: Iterable[int], pipeline: PipelineStatus) -> dict[TaskStatus, int]:
    """Return the numbers by the statuses that readers see, from those of the stored statuses."""
    numbers = dict.fromkeys(TaskStatus, 0)
    for status, number in zip(TaskStatus, stored, strict=True):
        numbers[show_status(status, pipeline)] += int(number)
    return numbers


NO_TASKS: Final = Counts(dict.fromkeys(TaskStatus, 0), 0)
