"""Infinite seeding: as contributors claim tasks, new ones are created, so that some are available.

This module enables, disables and shows it; ``top_up`` creates the tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.infinite import SeedingState, Stock, is_reached
from tasks_lib.domain.names import counted
from tasks_lib.domain.statuses import PipelineStatus, SeedKind, TaskStatus
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.operations.infinite.stock import (
    count_made,
    get_stock,
    hash_fields,
    with_target_reached,
)
from tasks_lib.store import catalogue, infinite_seedings
from tasks_lib.store.engine import Store
from tasks_lib.store.groups import task_groups
from tasks_lib.store.infinite_seedings import StoredSeeding
from tasks_lib.store.tasks.counts import Counts, get_all_counts, get_counts

MAX_KEPT_AVAILABLE: Final = 100_000
MAX_COPIED_GROUPS: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class InfiniteRequest:
    """How many tasks to keep available, and the most tasks that the pipeline may ever hold.

    New tasks copy the values of the groups' tasks, in order, starting over at the end.
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
        if len(self.copy_groups) > MAX_COPIED_GROUPS:
            count, most = len(self.copy_groups), MAX_COPIED_GROUPS
            raise UsageError(f"{count:,} groups to copy are named; at most {most:,} are allowed")
        if len(set(self.copy_groups)) < len(self.copy_groups):
            raise UsageError("a group to copy is named twice")


class InfiniteSeeding(NamedTuple):
    """The state of a pipeline's infinite seeding; ``message`` gives the reason for the state."""

    pipeline_id: int
    pipeline: str
    state: SeedingState
    target: int | None
    keep_available: int
    copy_groups: tuple[int, ...]
    available: int
    total: int
    made: int
    group_id: int | None
    message: str | None
    warnings: tuple[str, ...] = ()


def enable(
    store: Store, reference: str, request: InfiniteRequest, *, at: datetime
) -> InfiniteSeeding:
    """Enable infinite seeding of a pipeline, or change it; the first tasks are created at once.

    With the same groups to copy it continues where it was. Raises NotFoundError and UsageError.
    """
    with store.write() as session:
        pipeline = catalogue.find_pipeline(session, reference)
        if pipeline.key:
            raise UsageError(
                f"pipeline {pipeline.path} has a key ({', '.join(pipeline.key)}), which tells its "
                "tasks apart; blank tasks and copies would have none of their own"
            )
        seeding = infinite_seedings.ensure_seeding(session, pipeline.id, at=at)
        seeding = _with_sources(session, pipeline, seeding, request.copy_groups)._replace(
            is_enabled=True,
            enabled_at=at,
            keep_available=request.keep_available,
            target=request.target,
            error_code=None,
            error_message=None,
        )
        stock = get_stock(seeding, pipeline.status, get_counts(session, pipeline.id))
        infinite_seedings.save_seeding(session, with_target_reached(seeding, stock, at))
    from tasks_lib.operations.infinite.top_up import top_up  # noqa: PLC0415 - loads Arrow

    top_up(store, pipeline.id, at=at)
    warnings = () if request.copy_groups else _warn_of_empty_fields(pipeline)
    return get_status(store, str(pipeline.id))._replace(warnings=warnings)


def disable(store: Store, reference: str) -> InfiniteSeeding:
    """Create no more tasks; existing ones stay. Raises NotFoundError.

    If infinite seeding was never enabled, nothing is changed, and ``warnings`` says so.
    """
    with store.write() as session:
        pipeline = catalogue.find_pipeline(session, reference)
        seeding = infinite_seedings.lock_seeding(session, pipeline.id)
        if seeding is not None:
            infinite_seedings.save_seeding(session, seeding._replace(is_enabled=False))
    never = f"infinite seeding was never enabled for {pipeline.path}; nothing was changed"
    warnings = (never,) if seeding is None else ()
    return get_status(store, str(pipeline.id))._replace(warnings=warnings)


def get_status(store: Store, reference: str) -> InfiniteSeeding:
    """Return the state of a pipeline's infinite seeding; raise NotFoundError for the pipeline."""
    with store.read() as session:
        pipeline = catalogue.find_pipeline(session, reference)
        seeding = infinite_seedings.find_seeding(session, pipeline.id)
        return _describe(session, pipeline, seeding, get_counts(session, pipeline.id))


def list_seedings(store: Store) -> list[InfiniteSeeding]:
    """Return the state of every infinite seeding that was ever enabled, by pipeline."""
    with store.read() as session:
        counts = get_all_counts(session)
        seedings = []
        for seeding in infinite_seedings.list_seedings(session):
            pipeline = catalogue.get_pipeline(session, seeding.pipeline_id)
            of_pipeline = counts.get(pipeline.id) or get_counts(session, pipeline.id)
            seedings.append(_describe(session, pipeline, seeding, of_pipeline))
        return seedings


def _with_sources(
    session: Session, pipeline: Pipeline, seeding: StoredSeeding, group_ids: Sequence[int]
) -> StoredSeeding:
    """Return the seeding with these groups to copy; it starts over if anything has changed."""
    groups, fields = _count_groups(session, pipeline, group_ids), hash_fields(pipeline)
    is_same = (seeding.copied_groups, seeding.fields_sha256) == (groups, fields)
    if seeding.group_id is not None and is_same:
        return seeding
    return seeding._replace(
        source_count=infinite_seedings.replace_sources(session, pipeline.id, group_ids),
        copied_groups=groups,
        fields_sha256=fields,
        group_id=None,
    )


def _count_groups(
    session: Session, pipeline: Pipeline, group_ids: Sequence[int]
) -> list[list[int]]:
    """Return the groups with the number of their tasks; raise if one cannot be copied."""
    counts = infinite_seedings.count_by_group(session, pipeline.id, group_ids)
    for group_id in group_ids:
        if group_id not in counts:
            raise NotFoundError(f"pipeline {pipeline.path} has no group {group_id}")
        if not counts[group_id]:
            raise UsageError(f"group {group_id} has no tasks whose values could be copied")
        if task_groups.get_group(session, group_id).kind is SeedKind.INFINITE:
            raise UsageError(
                f"group {group_id} holds copies and grows; name the group that was copied"
            )
    return [[group_id, counts[group_id]] for group_id in group_ids]


def _warn_of_empty_fields(pipeline: Pipeline) -> tuple[str, ...]:
    if not pipeline.dataset_fields:
        return ()
    names = ", ".join(field.name for field in pipeline.dataset_fields)
    return (f"new tasks have no values for {names}; to copy values, name the groups to copy",)


def _describe(
    session: Session, pipeline: Pipeline, seeding: StoredSeeding | None, counts: Counts
) -> InfiniteSeeding:
    available, total = counts.by_status[TaskStatus.PENDING], counts.total
    if seeding is None:
        state = SeedingState.DISABLED
        return InfiniteSeeding(
            pipeline.id, pipeline.path, state, None, 1, (), available, total, 0, None, None
        )
    state, message = _state(seeding, get_stock(seeding, pipeline.status, counts))
    return InfiniteSeeding(
        pipeline_id=pipeline.id,
        pipeline=pipeline.path,
        state=state,
        target=seeding.target,
        keep_available=seeding.keep_available,
        copy_groups=tuple(group_id for group_id, _ in seeding.copied_groups),
        available=available,
        total=total,
        made=count_made(session, seeding),
        group_id=seeding.group_id,
        message=message,
    )


def _state(seeding: StoredSeeding, stock: Stock) -> tuple[SeedingState, str | None]:
    if not seeding.is_enabled:
        return SeedingState.DISABLED, None
    if seeding.error_code is not None:
        return SeedingState.STOPPED, seeding.error_message
    if stock.status is not PipelineStatus.ACTIVE:
        return SeedingState.INACTIVE, f"the pipeline is {stock.status.value}"
    if is_reached(stock):
        total = counted(stock.total, "task")
        return SeedingState.AT_TARGET, f"the pipeline holds {total}; its target is {stock.target:,}"
    return SeedingState.RUNNING, None
