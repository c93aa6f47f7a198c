"""How many tasks of a pipeline have each status, kept with every change and never by a scan."""

from collections.abc import Mapping
from functools import cache
from typing import Final, NamedTuple

from sqlalchemy import TextClause, func, select, text
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.store.tables import TaskCountRow

SLOTS: Final = 16
"""Rows among which PostgreSQL's connections share a pipeline's counts; SQLite has one writer."""

POSTGRES_SLOT: Final = f"mod(pg_backend_pid(), {SLOTS})"
STATUS_COLUMNS: Final = tuple(status.value for status in TaskStatus)
COUNTED: Final = (*STATUS_COLUMNS, "claims")

SUMS: Final = ", ".join(f"{name} = task_counts.{name} + excluded.{name}" for name in COUNTED)
"""What an insert of changes sets where there are counts already."""


class Counts(NamedTuple):
    """A pipeline's tasks by status, and how many claims there have ever been."""

    by_status: Mapping[TaskStatus, int]
    claims: int

    @property
    def total(self) -> int:
        """How many tasks there are."""
        return sum(self.by_status.values())


def add_counts(
    session: Session, pipeline_id: int, changes: Mapping[TaskStatus, int], *, claims: int = 0
) -> None:
    """Change the pipeline's counts, in the transaction that changes its tasks."""
    statement = _addition(is_postgresql=session.get_bind().dialect.name == "postgresql")
    values = dict.fromkeys(COUNTED, 0) | {"claims": claims, "pipeline_id": pipeline_id}
    session.execute(
        statement, values | {status.value: change for status, change in changes.items()}
    )


@cache
def _addition(*, is_postgresql: bool) -> TextClause:
    """Return the statement that adds to a pipeline's counts.

    A text, since an insert with a conflict clause is compiled anew each time that it is executed.
    """
    slot = POSTGRES_SLOT if is_postgresql else "0"
    values = ", ".join(f":{name}" for name in COUNTED)
    return text(
        f"""
        INSERT INTO task_counts (pipeline_id, slot, {", ".join(COUNTED)})
        VALUES (:pipeline_id, {slot}, {values})
        ON CONFLICT (pipeline_id, slot) DO UPDATE SET {SUMS}
        """  # noqa: S608 - names of ours
    )


def counts_of(session: Session, pipeline_id: int) -> Counts:
    """Return the pipeline's counts as they are in this transaction."""
    return counts_of_all(session, pipeline_id).get(pipeline_id, _NONE)


def counts_of_all(session: Session, *pipeline_ids: int) -> dict[int, Counts]:
    """Return the counts of the pipelines named, or of all; without those that never had a task."""
    columns = TaskCountRow.__table__.c
    statement = select(
        TaskCountRow.pipeline_id, *(func.sum(columns[name]).label(name) for name in COUNTED)
    ).group_by(TaskCountRow.pipeline_id)
    if pipeline_ids:
        statement = statement.where(TaskCountRow.pipeline_id.in_(pipeline_ids))
    return {
        pipeline_id: Counts(
            {
                TaskStatus(name): int(number)
                for name, number in zip(STATUS_COLUMNS, sums, strict=True)
            },
            int(claims),
        )
        for pipeline_id, *sums, claims in session.execute(statement)
    }


_NONE: Final = Counts(dict.fromkeys(TaskStatus, 0), 0)
