"""Look at what there is: pipelines, their groups, their tasks, the reports of runs."""

from datetime import datetime
from typing import NamedTuple

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.report import Report
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.store import catalogue, seeding_runs, task_groups, tasks
from tasks_lib.store.engine import Store
from tasks_lib.store.tables import TaskGroupRow, TaskRow


class Group(NamedTuple):
    """A task group, with what went into it."""

    id: int
    pipeline_id: int
    kind: str
    source: str
    created_at: datetime
    tasks: int
    rejected: int


class Origin(NamedTuple):
    """Where a task came from: the kind of seeding, its source, and the 1-based row in it."""

    kind: str
    source: str
    row: int


class Task(NamedTuple):
    """A task. ``fields`` is the JSON text of its predefined values, to the letter."""

    id: int
    pipeline_id: int
    group_id: int
    status: str
    fields: str
    created_at: datetime
    origin: Origin


def find_pipeline(store: Store, reference: str) -> Pipeline:
    """Return the pipeline that a number or path names; raise NotFoundError."""
    with store.read() as session:
        return catalogue.find_pipeline(session, reference)


def list_groups(store: Store, reference: str) -> list[Group]:
    """Return the pipeline's groups, oldest first."""
    with store.read() as session:
        pipeline = catalogue.find_pipeline(session, reference)
        return [_group(row) for row in task_groups.list_groups(session, pipeline.id)]


def list_tasks(
    store: Store,
    reference: str,
    *,
    group_id: int | None = None,
    status: TaskStatus | None = None,
    limit: int = 100,
) -> list[Task]:
    """Return the pipeline's oldest tasks, at most ``limit``."""
    if limit < 1:
        raise UsageError(f"the limit is {limit}; it must be at least 1")
    with store.read() as session:
        pipeline = catalogue.find_pipeline(session, reference)
        found = tasks.list_tasks(
            session, pipeline.id, group_id=group_id, status=status, limit=limit
        )
        return [_task(task, group) for task, group in found]


def find_task(store: Store, task_id: int) -> Task:
    """Return one task; raise NotFoundError."""
    with store.read() as session:
        found = tasks.find_task(session, task_id)
        if found is None:
            raise NotFoundError(f"there is no task {task_id}")
        task, group = found
        return _task(task, group)


def find_report(store: Store, run_id: str) -> Report | None:
    """Return the report that a run left in the store, or None."""
    with store.read() as session:
        return seeding_runs.find_report(session, run_id)


def _group(row: TaskGroupRow) -> Group:
    return Group(
        id=row.id,
        pipeline_id=row.pipeline_id,
        kind=row.kind,
        source=row.source,
        created_at=row.created_at,
        tasks=row.task_count,
        rejected=row.rejected_count,
    )


def _task(task: TaskRow, group: TaskGroupRow) -> Task:
    return Task(
        id=task.id,
        pipeline_id=task.pipeline_id,
        group_id=task.group_id,
        status=task.status,
        fields=task.predefined,
        created_at=group.created_at,
        origin=Origin(group.kind, group.source, task.row),
    )
