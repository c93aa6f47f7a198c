"""Top up what infinite seeding keeps: look at all pipelines, and make the tasks that one lacks.

Whoever tops a pipeline up holds the seeding's row meanwhile, looks at the counts and makes what is
missing, in one transaction: so many may try at the same moment, and none makes too many.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import uuid4

import numpy as np
import orjson
import pyarrow as pa
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus
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

_TASKS_AT_ONCE: Final = 5_000


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
            row.pipeline_id: stock_of(row, PipelineStatus(found), counts.get(row.pipeline_id))
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
    stock = stock_of(row, pipeline.status, counts)
    count = min(missing(stock), _TASKS_AT_ONCE)
    if count:
        _make(session, pipeline, row, count, at)
        note_target(row, stock._replace(total=stock.total + count), at)
    else:
        note_target(row, stock, at)
    return count


def _make(
    session: Session, pipeline: Pipeline, row: InfiniteSeedingRow, count: int, at: datetime
) -> None:
    """Make the next tasks of the round."""
    made = tasks_made(session, row)
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
    if row.fields_sha256 != fields_sha256(pipeline):
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


def note_target(row: InfiniteSeedingRow, stock: Stock, at: datetime) -> None:
    """Remember when the target was reached, so that Prefect is told, and forget it if it is not."""
    if not is_reached(stock):
        row.reached_at, row.reached_told = None, False
    elif row.reached_at is None:
        row.reached_at, row.reached_told = at, False


def tasks_made(session: Session, row: InfiniteSeedingRow) -> int:
    """Return how many tasks a seeding has made since its round began."""
    if row.group_id is None:
        return 0
    return infinite_seedings.task_counts(session, row.pipeline_id, [row.group_id])[row.group_id]


def stock_of(row: InfiniteSeedingRow, found: PipelineStatus, counts: Counts | None) -> Stock:
    """Return the snapshot that is decided of; without counts there never was a task."""
    available = counts.by_status[TaskStatus.PENDING] if counts is not None else 0
    total = counts.total if counts is not None else 0
    return Stock(found, available, total, row.keep_available, row.target)


def fields_sha256(pipeline: Pipeline) -> str:
    """Return what changes when the pipeline is given other dataset fields."""
    fields = [field.model_dump(mode="json") for field in pipeline.dataset_fields]
    return sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()
