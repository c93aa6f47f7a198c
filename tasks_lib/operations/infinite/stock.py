"""How many tasks a pipeline with infinite seeding has and needs; ``top_up`` creates them."""

from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

import orjson
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.infinite import Stock, count_missing, is_reached
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus
from tasks_lib.store import infinite_seedings
from tasks_lib.store.engine import Store
from tasks_lib.store.groups import task_groups
from tasks_lib.store.infinite_seedings import StoredSeeding
from tasks_lib.store.tasks.counts import Counts, get_all_counts


class Snapshot(NamedTuple):
    """The pipelines with infinite seeding at one moment.

    ``enabled`` and ``at_target`` count pipelines, ``short`` are the ids of those that are missing
    tasks. By pipeline, ``claims`` are all claims ever, and ``made`` all tasks that infinite seeding
    has created.
    """

    enabled: int
    short: tuple[int, ...]
    claims: dict[int, int]
    made: dict[int, int]
    at_target: int


EMPTY: Final = Snapshot(0, (), {}, {}, 0)


def take_snapshot(store: Store) -> Snapshot:
    """Return the current state of all pipelines whose infinite seeding is enabled, by counts."""
    with store.query() as session:
        seedings = infinite_seedings.list_enabled(session)
        if not seedings:
            return EMPTY
        counts = get_all_counts(session, *(seeding.pipeline_id for seeding, _ in seedings))
        made = infinite_seedings.count_made(session)
        stocks = {
            seeding.pipeline_id: get_stock(seeding, status, counts.get(seeding.pipeline_id))
            for seeding, status in seedings
        }
    return Snapshot(
        len(seedings),
        tuple(pipeline_id for pipeline_id, stock in stocks.items() if count_missing(stock)),
        {pipeline_id: of_pipeline.claims for pipeline_id, of_pipeline in counts.items()},
        made,
        sum(is_reached(stock) for stock in stocks.values()),
    )


def with_target_reached(seeding: StoredSeeding, stock: Stock, at: datetime) -> StoredSeeding:
    """Return the seeding with the time at which it reached its target, to be announced."""
    if not is_reached(stock):
        return seeding._replace(reached_at=None, reached_told=False)
    if seeding.reached_at is None:
        return seeding._replace(reached_at=at, reached_told=False)
    return seeding


def count_made(session: Session, seeding: StoredSeeding) -> int:
    """Return how many tasks a seeding has created in its current group."""
    if seeding.group_id is None:
        return 0
    return task_groups.get_group(session, seeding.group_id).created_count


def get_stock(seeding: StoredSeeding, status: PipelineStatus, counts: Counts | None) -> Stock:
    """Return the stock of a pipeline; without counts it has never had a task."""
    available = counts.by_status[TaskStatus.PENDING] if counts is not None else 0
    total = counts.total + counts.expired if counts is not None else 0
    return Stock(status, available, total, seeding.keep_available, seeding.target)


def hash_fields(pipeline: Pipeline) -> str:
    """Return a hash of the pipeline's dataset fields."""
    fields = [field.model_dump(mode="json") for field in pipeline.dataset_fields]
    return sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()
