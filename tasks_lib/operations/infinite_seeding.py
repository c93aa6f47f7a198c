"""Infinite seeding: as contributors claim tasks, new ones are made, so that some are available.

Whoever tops a pipeline up holds the seeding's row meanwhile, looks at the counts and makes what is
missing, in one transaction: so many may try at the same moment, and none makes too many.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import uuid4

import numpy as np
import orjson
import pyarrow as pa
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.names import counted
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.operations.loading import count_created
from tasks_lib.policy.infinite import Stock, is_reached, missing
from tasks_lib.policy.intake_rules import initial_status
from tasks_lib.store import catalogue, infinite_seedings, task_groups
from tasks_lib.store.counts import Counts, counts_of, counts_of_all
from tasks_lib.store.engine import Store
from tasks_lib.store.infinite_seedings import Source
from tasks_lib.store.tables import InfiniteSeedingRow
from tasks_lib.store.tasks import INFINITE, NewTasks, insert_tasks

BLANK: Final = "blank"
"""The source of tasks that copy nothing."""

MAX_KEPT_AVAILABLE: Final = 100_000
_TASKS_AT_ONCE: Final = 5_000


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


class Shortage(NamedTuple):
    """What was seen of all pipelines that are watched, at one moment.

    ``short`` are those that lack tasks. By pipeline, ``claims`` are all claims that there have ever
    been, and ``made`` all tasks that were made. ``at_target`` pipelines have reached their target.
    """

    watched: int
    short: tuple[int, ...]
    claims: dict[int, int]
    made: dict[int, int]
    at_target: int


NOTHING_SEEN: Final = Shortage(0, (), {}, {}, 0)


class _StopError(Exception):
    """The values cannot be copied any more; ends the transaction."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def enable(store: Store, reference: str, wish: Wish, *, at: datetime) -> InfiniteSeeding:
    """Begin to keep a pipeline topped up, or change how; the first tasks are made at once.

    With the same groups to copy it goes on where it was. Raises NotFoundError and UsageError.
    """
    with store.write() as session:
        pipeline = catalogue.find_pipeline(session, reference)
        row = infinite_seedings.ensure_seeding(session, pipeline.id, at=at)
        groups = _groups(session, pipeline, wish.copy_groups)
        fields = _fields_sha256(pipeline)
        if row.group_id is None or (row.copied_groups, row.fields_sha256) != (groups, fields):
            row.source_count = infinite_seedings.copy_sources(
                session, pipeline.id, wish.copy_groups
            )
            row.copied_groups, row.fields_sha256, row.group_id = groups, fields, None
        row.is_enabled, row.enabled_at = True, at
        row.keep_available, row.target = wish.keep_available, wish.target
        row.error_code = row.error_message = None
        _note_target(row, _stock(row, pipeline.status, counts_of(session, pipeline.id)), at)
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


def top_up(store: Store, pipeline_id: int, *, at: datetime) -> int:
    """Make the tasks that a pipeline lacks, whoever else does; return how many that were.

    Where values cannot be copied any more the seeding is stopped, and says why.
    """
    made = 0
    while True:
        try:
            with store.write() as session:
                some = _top_up(session, pipeline_id, at)
        except _StopError as stop:
            _stop(store, pipeline_id, stop)
            return made
        made += some
        if some < _TASKS_AT_ONCE:
            return made


def make_up(store: Store, pipeline_id: int, *, at: datetime) -> bool:
    """Top up a pipeline in which nothing could be claimed, without waiting for who watches it.

    Return whether tasks are made there at all as it runs out of them.
    """
    with store.query() as session:
        if not infinite_seedings.is_running(session, pipeline_id):
            return False
    top_up(store, pipeline_id, at=at)
    return True


def look(store: Store) -> Shortage:
    """Look at all pipelines that are watched, by their counts."""
    with store.query() as session:
        rows = infinite_seedings.watched(session)
        if not rows:
            return NOTHING_SEEN
        counts = counts_of_all(session, *(row.pipeline_id for row, _ in rows))
        made = infinite_seedings.made(session)
        stocks = {
            row.pipeline_id: _stock(row, PipelineStatus(found), counts.get(row.pipeline_id))
            for row, found in rows
        }
    return Shortage(
        len(rows),
        tuple(pipeline_id for pipeline_id, stock in stocks.items() if missing(stock)),
        {pipeline_id: found.claims for pipeline_id, found in counts.items()},
        made,
        sum(is_reached(stock) for stock in stocks.values()),
    )


def top_up_all(store: Store, *, at: datetime) -> int:
    """Make the tasks that any pipeline lacks; return how many that were."""
    return sum(top_up(store, pipeline_id, at=at) for pipeline_id in look(store).short)


def _top_up(session: Session, pipeline_id: int, at: datetime) -> int:
    row = infinite_seedings.lock_seeding(session, pipeline_id)
    if row is None or not row.is_enabled or row.error_code is not None:
        return 0
    pipeline = catalogue.lock_pipeline(session, pipeline_id)
    counts = counts_of(session, pipeline_id)
    stock = _stock(row, pipeline.status, counts)
    count = min(missing(stock), _TASKS_AT_ONCE)
    if count:
        _make(session, pipeline, row, count, at)
        _note_target(row, stock._replace(total=stock.total + count), at)
    else:
        _note_target(row, stock, at)
    return count


def _make(
    session: Session, pipeline: Pipeline, row: InfiniteSeedingRow, count: int, at: datetime
) -> None:
    """Make the next tasks of the round."""
    made = _made(session, row)
    copied = list(_next_sources(session, pipeline, row, made, count))
    is_first = row.group_id is None
    if row.group_id is None:
        groups = ", ".join(str(group_id) for group_id, _ in row.copied_groups)
        row.group_id = task_groups.claim_group(
            session,
            pipeline_id=pipeline.id,
            kind=INFINITE,
            seed_key=f"{INFINITE}:{uuid4()}",
            source=f"copies of {groups}" if groups else BLANK,
            at=at,
        ).group_id
    numbers = pa.array(np.arange(made + 1, made + count + 1))
    if copied:
        ids, values = zip(*copied, strict=True)
        batch = NewTasks(numbers, pa.array(values, pa.string()), pa.array(ids, pa.int64()))
    else:
        batch = NewTasks(numbers, pa.array(["{}"] * count, pa.string()))
    insert_tasks(
        session,
        [batch],
        pipeline_id=pipeline.id,
        group_id=row.group_id,
        status=initial_status(pipeline),
        have_origins=bool(copied),
    )
    count_created(session, pipeline, count)
    if is_first:
        task_groups.complete_group(
            session, row.group_id, task_count=count, rejected=0, announce_at=at
        )
    else:
        task_groups.grow_group(session, row.group_id, count)


def _next_sources(
    session: Session, pipeline: Pipeline, row: InfiniteSeedingRow, made: int, count: int
) -> Iterator[tuple[int, str]]:
    """Yield the ids and values of the tasks to copy next; raise _StopError if they have changed."""
    if not row.source_count:
        return
    if row.fields_sha256 != _fields_sha256(pipeline):
        message = "the pipeline was given other dataset fields than those of the copied values"
        raise _StopError("fields_changed", message)
    expected = {group[0]: group[1] for group in row.copied_groups}
    found = infinite_seedings.task_counts(session, pipeline.id, list(expected))
    for group_id, tasks in expected.items():
        if found.get(group_id) != tasks:
            raise _StopError(*_group_gone(group_id, is_there=group_id in found))
    position, left = made % row.source_count, count
    while left:
        after = min(position + left, row.source_count)
        sources = infinite_seedings.sources(session, pipeline.id, position, after)
        yield from _unchanged(sources)
        left -= after - position
        position = 0


def _unchanged(sources: Sequence[Source]) -> Iterator[tuple[int, str]]:
    for task_id, predefined in sources:
        if predefined is None:
            message = f"task {task_id}, whose values are copied, is not what it was"
            raise _StopError("source_changed", message)
        yield task_id, predefined


def _group_gone(group_id: int, *, is_there: bool) -> tuple[str, str]:
    if is_there:
        return "source_changed", f"group {group_id}, whose values are copied, is not what it was"
    return "source_deleted", f"group {group_id}, whose values are copied, was deleted"


def _stop(store: Store, pipeline_id: int, stop: _StopError) -> None:
    with store.write() as session:
        row = infinite_seedings.lock_seeding(session, pipeline_id)
        if row is not None:
            row.error_code = stop.code
            row.error_message = f"{stop}; enable it anew with groups that are there"


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


def _note_target(row: InfiniteSeedingRow, stock: Stock, at: datetime) -> None:
    """Remember when the target was reached, so that Prefect is told, and forget it if it is not."""
    if not is_reached(stock):
        row.reached_at, row.reached_told = None, False
    elif row.reached_at is None:
        row.reached_at, row.reached_told = at, False


def _made(session: Session, row: InfiniteSeedingRow) -> int:
    if row.group_id is None:
        return 0
    return infinite_seedings.task_counts(session, row.pipeline_id, [row.group_id])[row.group_id]


def _stock(row: InfiniteSeedingRow, found: PipelineStatus, counts: Counts | None) -> Stock:
    available = counts.by_status[TaskStatus.PENDING] if counts is not None else 0
    total = counts.total if counts is not None else 0
    return Stock(found, available, total, row.keep_available, row.target)


def _fields_sha256(pipeline: Pipeline) -> str:
    fields = [field.model_dump(mode="json") for field in pipeline.dataset_fields]
    return sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()


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
    state, message = _state(row, _stock(row, pipeline.status, counts))
    return InfiniteSeeding(
        pipeline_id=pipeline.id,
        pipeline=pipeline.path,
        state=state,
        target=row.target,
        keep_available=row.keep_available,
        copy_groups=tuple(group_id for group_id, _ in row.copied_groups),
        available=available,
        total=total,
        made=_made(session, row),
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
