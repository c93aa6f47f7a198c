"""Infinite seedings: their settings and state, and the tasks whose values they copy."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import and_, delete, func, insert, select, update
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import PipelineStatus
from tasks_lib.store.dialect import upsert
from tasks_lib.store.tables.catalogue import PipelineRow
from tasks_lib.store.tables.groups import TaskGroupRow
from tasks_lib.store.tables.infinite import InfiniteSeedingRow, InfiniteSourceRow
from tasks_lib.store.tables.tasks import TaskRow

_ROWS_AT_ONCE: Final = 5_000
_SEEDINGS: Final = InfiniteSeedingRow.metadata.tables[InfiniteSeedingRow.__tablename__]


class StoredSeeding(NamedTuple):
    """The infinite seeding of a pipeline.

    ``copied_groups`` are ``[id, tasks]`` of the groups whose values are copied, ``source_count`` is
    the sum of their tasks, and ``fields_sha256`` identifies the dataset fields that the values are
    for. New tasks go into ``group_id``. With an ``error_code`` no more tasks are created.
    """

    pipeline_id: int
    is_enabled: bool
    keep_available: int
    target: int | None
    group_id: int | None
    copied_groups: list[list[int]]
    source_count: int
    fields_sha256: str
    enabled_at: datetime
    reached_at: datetime | None
    reached_told: bool
    error_code: str | None
    error_message: str | None


class Source(NamedTuple):
    """A task whose values are copied; ``predefined`` is None if its values have changed."""

    task_id: int
    predefined: str | None


class ReachedTarget(NamedTuple):
    """A pipeline that has reached its target, and when."""

    pipeline_id: int
    reached_at: datetime
    target: int


def find_seeding(session: Session, pipeline_id: int) -> StoredSeeding | None:
    """Return the pipeline's infinite seeding, or None."""
    row = session.execute(_SELECT.where(_SEEDINGS.c.pipeline_id == pipeline_id)).one_or_none()
    return StoredSeeding._make(row) if row is not None else None


def lock_seeding(session: Session, pipeline_id: int) -> StoredSeeding | None:
    """Return the pipeline's infinite seeding, locked until the transaction ends, or None."""
    of_pipeline = _SELECT.where(_SEEDINGS.c.pipeline_id == pipeline_id)
    statement = of_pipeline.with_for_update(key_share=True)
    row = session.execute(statement).one_or_none()
    return StoredSeeding._make(row) if row is not None else None


def ensure_seeding(session: Session, pipeline_id: int, *, at: datetime) -> StoredSeeding:
    """Return the pipeline's infinite seeding, locked; a new one is disabled."""
    values: dict[str, Any] = {
        "pipeline_id": pipeline_id, "is_enabled": False, "keep_available": 1, "copied_groups": [],
        "source_count": 0, "fields_sha256": "", "enabled_at": at, "reached_told": False,
    }  # fmt: skip
    session.execute(upsert(session, InfiniteSeedingRow, ["pipeline_id"]).values(values))
    seeding = lock_seeding(session, pipeline_id)
    assert seeding is not None, "a row that is never removed"  # noqa: S101
    return seeding


def save_seeding(session: Session, seeding: StoredSeeding) -> None:
    """Write the values of a seeding that this transaction has locked."""
    values = seeding._asdict()
    del values["pipeline_id"]
    session.execute(
        update(_SEEDINGS).where(_SEEDINGS.c.pipeline_id == seeding.pipeline_id).values(values)
    )


def list_enabled(session: Session) -> list[tuple[StoredSeeding, PipelineStatus]]:
    """Return the seedings that are enabled and not stopped, with the statuses of their pipelines.

    They are ordered by pipeline.
    """
    statement = (
        _SELECT.add_columns(PipelineRow.status)
        .join(PipelineRow, PipelineRow.id == _SEEDINGS.c.pipeline_id)
        .where(_SEEDINGS.c.is_enabled, _SEEDINGS.c.error_code.is_(None))
        .order_by(_SEEDINGS.c.pipeline_id)
    )
    return [
        (StoredSeeding._make(values), PipelineStatus(status))
        for *values, status in session.execute(statement)
    ]


def list_seedings(session: Session) -> list[StoredSeeding]:
    """Return all seedings that were ever enabled, by pipeline."""
    rows = session.execute(_SELECT.order_by(_SEEDINGS.c.pipeline_id))
    return [StoredSeeding._make(row) for row in rows]


def is_below_target(session: Session, pipeline_id: int) -> bool | None:
    """Tell whether an active pipeline is below the target to which it is topped up.

    Returns None if nothing tops it up.
    """
    statement = (
        select(InfiniteSeedingRow.reached_at.is_(None))
        .join(PipelineRow, PipelineRow.id == InfiniteSeedingRow.pipeline_id)
        .where(
            InfiniteSeedingRow.pipeline_id == pipeline_id,
            InfiniteSeedingRow.is_enabled,
            InfiniteSeedingRow.error_code.is_(None),
            PipelineRow.status == PipelineStatus.ACTIVE.value,
        )
    )
    return session.scalar(statement)


def count_made(session: Session) -> dict[int, int]:
    """Return how many tasks were created in the group of each enabled seeding, by pipeline."""
    statement = (
        select(
            InfiniteSeedingRow.pipeline_id,
            func.coalesce(TaskGroupRow.task_count + TaskGroupRow.expired_count, 0).label("tasks"),
        )
        .join(TaskGroupRow, TaskGroupRow.id == InfiniteSeedingRow.group_id, isouter=True)
        .where(InfiniteSeedingRow.is_enabled)
    )
    return {row.pipeline_id: row.tasks for row in session.execute(statement)}


def count_by_group(session: Session, pipeline_id: int, group_ids: Sequence[int]) -> dict[int, int]:
    """Return how many tasks each of these groups has; without groups of other pipelines."""
    statement = select(TaskGroupRow.id, TaskGroupRow.task_count).where(
        TaskGroupRow.pipeline_id == pipeline_id, TaskGroupRow.id.in_(group_ids)
    )
    return {row.id: row.task_count for row in session.execute(statement)}


def replace_sources(session: Session, pipeline_id: int, group_ids: Iterable[int]) -> int:
    """Record the tasks of the groups, in order, as those to copy; return their number."""
    session.execute(delete(InfiniteSourceRow).where(InfiniteSourceRow.pipeline_id == pipeline_id))
    position = 0
    for group_id in group_ids:
        statement = (
            select(TaskRow.id, TaskRow.predefined)
            .where(TaskRow.group_id == group_id, TaskRow.pipeline_id == pipeline_id)
            .order_by(TaskRow.row)
        )
        for part in session.execute(statement).partitions(_ROWS_AT_ONCE):
            rows = [
                {
                    "pipeline_id": pipeline_id,
                    "position": position + place,
                    "task_id": task_id,
                    "sha256": _hash(predefined),
                }
                for place, (task_id, predefined) in enumerate(part)
            ]
            session.execute(insert(InfiniteSourceRow), rows)
            position += len(rows)
    return position


def list_sources(session: Session, pipeline_id: int, first: int, after: int) -> list[Source]:
    """Return the tasks to copy from position ``first`` up to, and without, ``after``, in order."""
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
        Source(task_id, predefined if _is_same(predefined, sha256) else None)
        for task_id, sha256, predefined in session.execute(statement)
    ]


def list_unannounced(session: Session) -> list[ReachedTarget]:
    """Return the pipelines that have reached their targets, unless this was announced already."""
    statement = select(
        InfiniteSeedingRow.pipeline_id, InfiniteSeedingRow.reached_at, InfiniteSeedingRow.target
    ).where(InfiniteSeedingRow.reached_at.is_not(None), InfiniteSeedingRow.reached_told.is_(False))
    return [
        ReachedTarget(pipeline_id, reached_at, target or 0)
        for pipeline_id, reached_at, target in session.execute(statement)
        if reached_at is not None
    ]


def mark_announced(session: Session, reached: ReachedTarget) -> None:
    """Record that a reached target has been announced to Prefect."""
    session.execute(
        update(InfiniteSeedingRow)
        .where(
            InfiniteSeedingRow.pipeline_id == reached.pipeline_id,
            InfiniteSeedingRow.reached_at == reached.reached_at,
        )
        .values(reached_told=True)
    )


def _hash(predefined: str) -> str:
    return hashlib.sha256(predefined.encode()).hexdigest()


def _is_same(predefined: str | None, sha256: str) -> bool:
    return predefined is not None and _hash(predefined) == sha256


_SELECT: Final = select(*(_SEEDINGS.c[name] for name in StoredSeeding._fields))
