"""Look at what there is: pipelines, their groups, their tasks, the reports of runs."""

import json
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.report import Report
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue, moves, seeding_runs, task_groups, tasks
from tasks_lib.store.engine import Store
from tasks_lib.store.tables import TaskGroupRow
from tasks_lib.store.tasks import INFINITE, StoredTask


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
    """Where a task came from: the kind of seeding, its source, and the 1-based row in it.

    Of another pipeline's task, and of a task that was copied, ``row`` is the task's id; of a
    dataset's row, ``version`` is the import that brought it. ``chain_id`` is the chain that made
    it, if one did.
    """

    kind: str
    source: str
    row: int
    version: int | None = None
    chain_id: int | None = None


class TaskMove(NamedTuple):
    """A move that a task has made: which, from and to which status, by whom, why and when."""

    move: str
    from_status: str
    to_status: str
    by: str | None
    reason: str | None
    at: datetime


class Task(NamedTuple):
    """A task. ``fields`` is the JSON text of its values, to the letter: seeded and filled in.

    ``claimed_by`` stays when it is finished. ``moves`` are told by ``find_task`` alone.
    """

    id: int
    pipeline_id: int
    group_id: int
    status: str
    fields: str
    created_at: datetime
    claimed_by: str | None
    claimed_at: datetime | None
    claim_expires_at: datetime | None
    finished_at: datetime | None
    origin: Origin
    moves: tuple[TaskMove, ...] = ()


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
        return [as_task(task) for task in found]


def find_task(store: Store, task_id: int) -> Task:
    """Return one task; raise NotFoundError."""
    with store.read() as session:
        task = find_task_in(session, task_id)
        made = tuple(
            TaskMove(row.move, row.from_status, row.to_status, row.by, row.reason, row.at)
            for row in moves.moves_of(session, task_id)
        )
        return task._replace(moves=made)


def find_task_in(session: Session, task_id: int) -> Task:
    """Return one task, without its moves, as the transaction sees it; raise NotFoundError."""
    found = tasks.find_task(session, task_id)
    if found is None:
        raise NotFoundError(f"there is no task {task_id}")
    return as_task(found)


def links_to_files(workspace: Workspace, task: Task) -> dict[str, str]:
    """Return for each of the task's files, by its field, a URL that opens it.

    On S3 it is presigned and lasts as long as the settings say; in a folder it is the file's own.
    Raises StorageUnavailableError where no URL can be signed.
    """
    with workspace.store.read() as session:
        fields = catalogue.find_pipeline(session, str(task.pipeline_id)).file_fields
    values = json.loads(task.fields)
    return {
        field.name: workspace.storage.link(
            value["uri"],
            name=value["name"],
            content_type=value["content_type"],
            seconds=workspace.link_seconds,
        )
        for field in fields
        if (value := values.get(field.name)) is not None
    }


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


def as_task(task: StoredTask) -> Task:
    """Return a stored task as people and programs see it, without its moves."""
    return Task(
        id=task.id,
        pipeline_id=task.pipeline_id,
        group_id=task.group_id,
        status=task.status,
        fields=_joined(task.predefined, task.filled_in),
        created_at=task.created_at,
        claimed_by=task.claimed_by,
        claimed_at=task.claimed_at,
        claim_expires_at=task.claim_expires_at,
        finished_at=task.finished_at,
        origin=Origin(task.kind, task.source, _place(task), task.version, task.chain_id),
    )


def _place(task: StoredTask) -> int:
    is_copy = task.kind == INFINITE and task.origin_id is not None
    return task.origin_id if is_copy and task.origin_id is not None else task.row


def _joined(predefined: str, filled_in: str | None) -> str:
    """Put two JSON objects that share no member together, to the letter."""
    if filled_in is None or filled_in == "{}":
        return predefined
    return filled_in if predefined == "{}" else f"{predefined[:-1]},{filled_in[1:]}"
