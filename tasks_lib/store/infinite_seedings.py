"""Infinite seedings: what is kept of them, and the values that their tasks copy."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from sqlalchemy import and_, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import PipelineStatus
from tasks_lib.store.tables import (
    InfiniteSeedingRow,
    InfiniteSourceRow,
    PipelineRow,
    TaskGroupRow,
    TaskRow,
)

_ROWS_AT_ONCE: Final = 5_000


class Source(NamedTuple):
    """A task whose values are copied; ``predefined`` is None if they are not what they were."""

    task_id: int
    predefined: str | None


def find_seeding(session: Session, pipeline_id: int) -> InfiniteSeedingRow | None:
    """Return what is kept of a pipeline's infinite seeding, or None."""
    return session.get(InfiniteSeedingRow, pipeline_id)


def lock_seeding(session: Session, pipeline_id: int) -> InfiniteSeedingRow | None:
    """Return the same and keep all others from it until the transaction ends."""
    return session.scalar(
        select(InfiniteSeedingRow)
        .where(InfiniteSeedingRow.pipeline_id == pipeline_id)
        .with_for_update()
    )


def ensure_seeding(session: Session, pipeline_id: int, *, at: datetime) -> InfiniteSeedingRow:
    """Return the same; make it if it is not there, not enabled."""
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    statement = (postgresql.insert if is_postgresql else sqlite.insert)(InfiniteSeedingRow)
    empty: dict[str, Any] = {
        "pipeline_id": pipeline_id, "is_enabled": False, "keep_available": 1, "copied_groups": [],
        "source_count": 0, "fields_sha256": "", "enabled_at": at, "reached_told": False,
    }  # fmt: skip
    session.execute(statement.values(empty).on_conflict_do_nothing(index_elements=["pipeline_id"]))
    row = lock_seeding(session, pipeline_id)
    assert row is not None, "a row that is never removed"  # noqa: S101
    return row


def watched(session: Session) -> list[tuple[InfiniteSeedingRow, str]]:
    """Return the seedings that are enabled and not stopped, with their pipelines' statuses."""
    statement = (
        select(InfiniteSeedingRow, PipelineRow.status)
        .join(PipelineRow, PipelineRow.id == InfiniteSeedingRow.pipeline_id)
        .where(InfiniteSeedingRow.is_enabled, InfiniteSeedingRow.error_code.is_(None))
        .order_by(InfiniteSeedingRow.pipeline_id)
    )
    return [(row, status) for row, status in session.execute(statement)]


def is_running(session: Session, pipeline_id: int) -> bool:
    """Tell whether the pipeline is one for which tasks are made, and not yet at its target."""
    statement = (
        select(InfiniteSeedingRow.pipeline_id)
        .join(PipelineRow, PipelineRow.id == InfiniteSeedingRow.pipeline_id)
        .where(
            InfiniteSeedingRow.pipeline_id == pipeline_id,
            InfiniteSeedingRow.is_enabled,
            InfiniteSeedingRow.error_code.is_(None),
            InfiniteSeedingRow.reached_at.is_(None),
            PipelineRow.status == PipelineStatus.ACTIVE.value,
        )
    )
    return session.scalar(statement) is not None


def made(session: Session) -> dict[int, int]:
    """Return how many tasks the group of each enabled seeding has, by pipeline."""
    statement = (
        select(
            InfiniteSeedingRow.pipeline_id,
            func.coalesce(TaskGroupRow.task_count, 0).label("tasks"),
        )
        .join(TaskGroupRow, TaskGroupRow.id == InfiniteSeedingRow.group_id, isouter=True)
        .where(InfiniteSeedingRow.is_enabled)
    )
    return {row.pipeline_id: row.tasks for row in session.execute(statement)}


def all_seedings(session: Session) -> list[InfiniteSeedingRow]:
    """Return all that have ever been enabled, by pipeline."""
    return list(
        session.scalars(select(InfiniteSeedingRow).order_by(InfiniteSeedingRow.pipeline_id))
    )


def is_kind(session: Session, group_id: int, kind: str) -> bool:
    """Tell whether a group that is there is of that kind."""
    return session.get_one(TaskGroupRow, group_id).kind == kind


def task_counts(session: Session, pipeline_id: int, group_ids: Sequence[int]) -> dict[int, int]:
    """Return how many tasks each of these groups of the pipeline has, of those that are there."""
    statement = select(TaskGroupRow.id, TaskGroupRow.task_count).where(
        TaskGroupRow.pipeline_id == pipeline_id, TaskGroupRow.id.in_(group_ids)
    )
    return {row.id: row.task_count for row in session.execute(statement)}


def copy_sources(session: Session, pipeline_id: int, group_ids: Iterable[int]) -> int:
    """Note the tasks of the groups, in order, as those to copy; return how many they are."""
    session.execute(delete(InfiniteSourceRow).where(InfiniteSourceRow.pipeline_id == pipeline_id))
    position = 0
    for group_id in group_ids:
        statement = (
            select(TaskRow.id, TaskRow.predefined)
            .where(TaskRow.group_id == group_id, TaskRow.pipeline_id == pipeline_id)
            .order_by(TaskRow.row)
        )
        for found in session.execute(statement).partitions(_ROWS_AT_ONCE):
            rows = [
                {
                    "pipeline_id": pipeline_id,
                    "position": position + place,
                    "task_id": task_id,
                    "sha256": _hash_of(predefined),
                }
                for place, (task_id, predefined) in enumerate(found)
            ]
            session.execute(insert(InfiniteSourceRow), rows)
            position += len(rows)
    return position


def sources(session: Session, pipeline_id: int, first: int, after: int) -> list[Source]:
    """Return the tasks to copy from the place ``first`` up to ``after``, in order."""
    statement = (
        select(InfiniteSourceRow.task_id, InfiniteSourceRow.sha256, TaskRow.predefined)
        .join(
            TaskRow,
            and_(TaskRow.id == InfiniteSourceRow.task_id, TaskRow.pipeline_id == pipeline_id),
            isouter=True,
        )
        .where(
            InfiniteSourceRow.pipeline_id == pipeline_id,
            InfiniteSourceRow.position >= first,
            InfiniteSourceRow.position < after,
        )
        .order_by(InfiniteSourceRow.position)
    )
    return [
        Source(task_id, predefined if _is_same(predefined, known) else None)
        for task_id, known, predefined in session.execute(statement)
    ]


def reached_untold(session: Session) -> list[tuple[int, datetime, int]]:
    """Return the pipelines that have reached their targets, since when, and the targets.

    Only those of which Prefect has not been told.
    """
    statement = select(
        InfiniteSeedingRow.pipeline_id, InfiniteSeedingRow.reached_at, InfiniteSeedingRow.target
    ).where(InfiniteSeedingRow.reached_at.is_not(None), InfiniteSeedingRow.reached_told.is_(False))
    return [
        (pipeline_id, reached_at, target or 0)
        for pipeline_id, reached_at, target in session.execute(statement)
        if reached_at is not None
    ]


def mark_reached(session: Session, pipeline_id: int, reached_at: datetime) -> None:
    """Note that Prefect has been told that the target was reached then."""
    session.execute(
        update(InfiniteSeedingRow)
        .where(
            InfiniteSeedingRow.pipeline_id == pipeline_id,
            InfiniteSeedingRow.reached_at == reached_at,
        )
        .values(reached_told=True)
    )


def _hash_of(predefined: str) -> str:
    return sha256(predefined.encode()).hexdigest()


def _is_same(predefined: str | None, known: str) -> bool:
    return predefined is not None and _hash_of(predefined) == known
