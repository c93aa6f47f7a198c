"""Infinite seeding: as contributors claim tasks, new ones are made, so that some are available.

What is wished for and how it stands; ``topping_up`` makes the tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.names import counted
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.operations.topping_up import fields_sha256, note_target, stock_of, tasks_made, top_up
from tasks_lib.policy.infinite import Stock, is_reached
from tasks_lib.store import catalogue, infinite_seedings
from tasks_lib.store.counts import Counts, counts_of, counts_of_all
from tasks_lib.store.engine import Store
from tasks_lib.store.tables import InfiniteSeedingRow
from tasks_lib.store.tasks import INFINITE

MAX_KEPT_AVAILABLE: Final = 100_000


@dataclass(frozen=True)
class Wish:
    """What a pipeline is to be kept at: ``target`` is the most tasks that it shall ever hold.

    New tasks take the values of the groups' tasks, in order, round and round.
    """

    target: int | None = None
    keep_available: int = 1
    copy_groups: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.keep_available <= MAX_KEPT_AVAILABLE:
            raise UsageError(
                f"{self.keep_available:,} tasks cannot be kept available; "
                f"it must be from 1 to {MAX_KEPT_AVAILABLE:,}"
            )
        if self.target is not None and not 1 <= self.target < 2**62:
            raise UsageError(f"the target is {self.target:,}; it must be 1 or more")
        if len(set(self.copy_groups)) < len(self.copy_groups):
            raise UsageError("a group to copy is named twice")


class InfiniteSeeding(NamedTuple):
    """How a pipeline's infinite seeding stands.

    ``state`` is ``disabled``, ``running``, ``at_target``, ``left_alone`` (the pipeline is not
    active) or ``stopped``; ``message`` says why.
    """

    pipeline_id: int
    pipeline: str
    state: str
    target: int | None
    keep_available: int
    copy_groups: tuple[int, ...]
    available: int
    total: int
    made: int
    group_id: int | None
    message: str | None
    warnings: tuple[str, ...] = ()


def enable(store: Store, reference: str, wish: Wish, *, at: datetime) -> InfiniteSeeding:
    """Begin to keep a pipeline topped up, or change how; the first tasks are made at once.

    With the same groups to copy it goes on where it was. Raises NotFoundError and UsageError.
    """
    with store.write() as session:
        pipeline = catalogue.find_pipeline(session, reference)
        row = infinite_seedings.ensure_seeding(session, pipeline.id, at=at)
        groups = _groups(session, pipeline, wish.copy_groups)
        fields = fields_sha256(pipeline)
        if row.group_id is None or (row.copied_groups, row.fields_sha256) != (groups, fields):
            row.source_count = infinite_seedings.copy_sources(
                session, pipeline.id, wish.copy_groups
            )
            row.copied_groups, row.fields_sha256, row.group_id = groups, fields, None
        row.is_enabled, row.enabled_at = True, at
        row.keep_available, row.target = wish.keep_available, wish.target
        row.error_code = row.error_message = None
        note_target(row, stock_of(row, pipeline.status, counts_of(session, pipeline.id)), at)
    top_up(store, pipeline.id, at=at)
    warnings = () if wish.copy_groups else _empty(pipeline)
    return status(store, str(pipeline.id))._replace(warnings=warnings)


def disable(store: Store, reference: str) -> InfiniteSeeding:
    """Make no more tasks; those that are there stay. Raises NotFoundError."""
    with store.write() as session:
        pipeline = catalogue.find_pipeline(session, reference)
        row = infinite_seedings.lock_seeding(session, pipeline.id)
        if row is not None:
            row.is_enabled = False
    return status(store, str(pipeline.id))


def status(store: Store, reference: str) -> InfiniteSeeding:
    """Return how a pipeline's infinite seeding stands; raise NotFoundError for the pipeline."""
    with store.read() as session:
        pipeline = catalogue.find_pipeline(session, reference)
        row = infinite_seedings.find_seeding(session, pipeline.id)
        return _described(session, pipeline, row, counts_of(session, pipeline.id))


def list_seedings(store: Store) -> list[InfiniteSeeding]:
    """Return how every infinite seeding stands that has ever been enabled, by pipeline."""
    with store.read() as session:
        counts = counts_of_all(session)
        found = []
        for row in infinite_seedings.all_seedings(session):
            pipeline = catalogue.find_pipeline(session, str(row.pipeline_id))
            of_pipeline = counts.get(pipeline.id) or counts_of(session, pipeline.id)
            found.append(_described(session, pipeline, row, of_pipeline))
        return found


def _groups(session: Session, pipeline: Pipeline, group_ids: Sequence[int]) -> list[list[int]]:
    """Return the groups with the number of their tasks; raise for those that cannot be copied."""
    found = infinite_seedings.task_counts(session, pipeline.id, group_ids)
    for group_id in group_ids:
        if group_id not in found:
            raise NotFoundError(f"pipeline {pipeline.path} has no group {group_id}")
        if not found[group_id]:
            raise UsageError(f"group {group_id} has no tasks whose values could be copied")
        if infinite_seedings.is_kind(session, group_id, INFINITE):
            raise UsageError(f"group {group_id} holds copies and grows; name what it was copied of")
    return [[group_id, found[group_id]] for group_id in group_ids]


def _empty(pipeline: Pipeline) -> tuple[str, ...]:
    if not pipeline.dataset_fields:
        return ()
    names = ", ".join(field.name for field in pipeline.dataset_fields)
    return (f"new tasks have nothing in {names}; to copy values, name groups with --copy-group",)


def _described(
    session: Session, pipeline: Pipeline, row: InfiniteSeedingRow | None, counts: Counts
) -> InfiniteSeeding:
    available, total = counts.by_status[TaskStatus.PENDING], counts.total
    if row is None:
        return InfiniteSeeding(
            pipeline.id, pipeline.path, "disabled", None, 1, (), available, total, 0, None, None
        )
    state, message = _state(row, stock_of(row, pipeline.status, counts))
    return InfiniteSeeding(
        pipeline_id=pipeline.id,
        pipeline=pipeline.path,
        state=state,
        target=row.target,
        keep_available=row.keep_available,
        copy_groups=tuple(group_id for group_id, _ in row.copied_groups),
        available=available,
        total=total,
        made=tasks_made(session, row),
        group_id=row.group_id,
        message=message,
    )


def _state(row: InfiniteSeedingRow, stock: Stock) -> tuple[str, str | None]:
    if not row.is_enabled:
        return "disabled", None
    if row.error_code is not None:
        return "stopped", row.error_message
    if stock.status is not PipelineStatus.ACTIVE:
        return "left_alone", f"the pipeline is {stock.status.value}"
    if is_reached(stock):
        held = counted(stock.total, "task")
        return "at_target", f"the pipeline holds {held}, {stock.target:,} were wished for"
    return "running", None
