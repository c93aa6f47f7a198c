"""Top up pipelines with infinite seeding: find those that are short of tasks, and create them.

A top-up locks the seeding's row, reads the counts and creates the missing tasks in one transaction:
many can run at the same moment, and together they never create too many.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from uuid import uuid4

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.infinite import BLANK, count_missing
from tasks_lib.domain.statuses import SeedKind, TaskStatus
from tasks_lib.operations.infinite.stock import (
    count_made,
    get_stock,
    hash_fields,
    take_snapshot,
    with_target_reached,
)
from tasks_lib.operations.seeding.counting import count_created
from tasks_lib.store import catalogue, infinite_seedings
from tasks_lib.store.engine import Store
from tasks_lib.store.groups import task_groups
from tasks_lib.store.groups.task_groups import EnsuredGroup
from tasks_lib.store.infinite_seedings import Source, StoredSeeding
from tasks_lib.store.tasks.counts import get_counts
from tasks_lib.store.tasks.insert import NewTasks, insert_tasks

_TASKS_AT_ONCE: Final = 5_000


class _StopError(Exception):
    """The values cannot be copied any more; ends the transaction."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def top_up(store: Store, pipeline_id: int, *, at: datetime) -> int:
    """Create the tasks that a pipeline is missing; return their number.

    Several callers can do this at once. If values cannot be copied any more, the seeding is stopped
    and the reason saved with it.
    """
    total = 0
    while True:
        try:
            with store.write() as session:
                created = _top_up(session, pipeline_id, at)
        except _StopError as stop:
            _stop(store, pipeline_id, stop)
            return total
        total += created
        if created < _TASKS_AT_ONCE:
            return total


def top_up_all(store: Store, *, at: datetime) -> int:
    """Create the tasks that any pipeline is missing; return their number."""
    return sum(top_up(store, pipeline_id, at=at) for pipeline_id in take_snapshot(store).short)


def _top_up(session: Session, pipeline_id: int, at: datetime) -> int:
    seeding = infinite_seedings.lock_seeding(session, pipeline_id)
    if seeding is None or not seeding.is_enabled or seeding.error_code is not None:
        return 0
    pipeline = catalogue.lock_pipeline(session, pipeline_id)
    stock = get_stock(seeding, pipeline.status, get_counts(session, pipeline_id))
    count = min(count_missing(stock), _TASKS_AT_ONCE)
    group_id = _create(session, pipeline, seeding, count, at) if count else seeding.group_id
    topped_up = with_target_reached(
        seeding._replace(group_id=group_id), stock._replace(total=stock.total + count), at
    )
    if topped_up != seeding:
        infinite_seedings.save_seeding(session, topped_up)
    return count


def _create(
    session: Session, pipeline: Pipeline, seeding: StoredSeeding, count: int, at: datetime
) -> int:
    """Create the next ``count`` tasks; return the id of their group."""
    if pipeline.key:
        raise _StopError("fields_changed", "the pipeline was given a key, which no copy can have")
    import numpy as np  # noqa: PLC0415 - an idle sensor needs no Arrow, which takes 55 MB
    import pyarrow as pa  # noqa: PLC0415

    made = count_made(session, seeding)
    copied = list(_next_sources(session, pipeline, seeding, made, count))
    group_id = seeding.group_id
    if group_id is None:
        group_id = _create_group(session, seeding, at)
    rows = pa.array(np.arange(made + 1, made + count + 1))
    if copied:
        ids, values = zip(*copied, strict=True)
        batch = NewTasks(rows, pa.array(values, pa.string()), pa.array(ids, pa.int64()))
    else:
        batch = NewTasks(rows, pa.array(["{}"] * count, pa.string()))
    insert_tasks(
        session,
        [batch],
        pipeline_id=pipeline.id,
        group_id=group_id,
        status=TaskStatus.PENDING,
        have_origins=bool(copied),
    )
    group = EnsuredGroup(group_id, is_new=seeding.group_id is None, task_count=made)
    count_created(session, pipeline, group, count)
    if seeding.group_id is None:
        task_groups.complete_group(session, group_id, task_count=count, rejected=0, announce_at=at)
    else:
        task_groups.grow_group(session, group_id, count)
    return group_id


def _create_group(session: Session, seeding: StoredSeeding, at: datetime) -> int:
    groups = ", ".join(str(group_id) for group_id, _ in seeding.copied_groups)
    return task_groups.ensure_group(
        session,
        pipeline_id=seeding.pipeline_id,
        kind=SeedKind.INFINITE,
        seed_key=f"{SeedKind.INFINITE}:{uuid4()}",
        source=f"copies of {groups}" if groups else BLANK,
        at=at,
    ).group_id


def _next_sources(
    session: Session, pipeline: Pipeline, seeding: StoredSeeding, made: int, count: int
) -> Iterator[tuple[int, str]]:
    """Yield the ids and values of the tasks to copy next; raise _StopError if they have changed."""
    if not seeding.source_count:
        return
    if seeding.fields_sha256 != hash_fields(pipeline):
        message = "the pipeline was given other dataset fields than those of the copied values"
        raise _StopError("fields_changed", message)
    expected = {group[0]: group[1] for group in seeding.copied_groups}
    current = infinite_seedings.count_by_group(session, pipeline.id, list(expected))
    for group_id, tasks in expected.items():
        if current.get(group_id) != tasks:
            raise _group_error(group_id, exists=group_id in current)
    position, left = made % seeding.source_count, count
    while left:
        after = min(position + left, seeding.source_count)
        sources = infinite_seedings.list_sources(session, pipeline.id, position, after)
        yield from _check_unchanged(sources)
        left -= after - position
        position = 0


def _check_unchanged(sources: Sequence[Source]) -> Iterator[tuple[int, str]]:
    for task_id, predefined in sources:
        if predefined is None:
            message = f"task {task_id}, whose values are copied, has changed"
            raise _StopError("source_changed", message)
        yield task_id, predefined


def _group_error(group_id: int, *, exists: bool) -> _StopError:
    if exists:
        return _StopError(
            "source_changed", f"group {group_id}, whose values are copied, has changed"
        )
    return _StopError("source_deleted", f"group {group_id}, whose values are copied, was deleted")


def _stop(store: Store, pipeline_id: int, stop: _StopError) -> None:
    with store.write() as session:
        seeding = infinite_seedings.lock_seeding(session, pipeline_id)
        if seeding is not None:
            message = f"{stop}; enable infinite seeding again with groups that exist"
            stopped = seeding._replace(error_code=stop.code, error_message=message)
            infinite_seedings.save_seeding(session, stopped)
