"""Read task groups, and the reports of the runs that create them."""

from datetime import datetime
from typing import NamedTuple

from tasks_lib.domain.report import Report
from tasks_lib.domain.statuses import SeedKind
from tasks_lib.store import catalogue, task_groups
from tasks_lib.store.engine import Store
from tasks_lib.store.task_groups import StoredGroup


class Group(NamedTuple):
    """A task group: how many tasks it has, and how many rows were rejected."""

    id: int
    pipeline_id: int
    kind: SeedKind
    source: str
    created_at: datetime
    tasks: int
    rejected: int


def list_groups(store: Store, reference: str) -> list[Group]:
    """Return the pipeline's groups, oldest first."""
    with store.read() as session:
        pipeline = catalogue.find_pipeline(session, reference)
        return [_group(row) for row in task_groups.list_groups(session, pipeline.id)]


def find_report(store: Store, run_id: str) -> Report | None:
    """Return the report of a run, or None."""
    with store.read() as session:
        return task_groups.find_report(session, run_id)


def _group(group: StoredGroup) -> Group:
    return Group(
        id=group.id,
        pipeline_id=group.pipeline_id,
        kind=group.kind,
        source=group.source,
        created_at=group.created_at,
        tasks=group.task_count,
        rejected=group.rejected_count,
    )
