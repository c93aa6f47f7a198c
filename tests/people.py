"""Tasks for contributors to work on, and their state in the store."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tasks_lib.domain.lifecycle import show_status
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.tasks.move import claim_task, submit_task
from tasks_lib.operations.tasks.read import Task
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store
from tasks_lib.store.groups import task_groups
from tasks_lib.store.tables.tasks import TaskRow
from tasks_lib.store.tasks.counts import Counts, add_counts, get_counts, get_group_counts

PATH = "acme/reviews/label-reviews"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NO_TASKS = dict.fromkeys(TaskStatus, 0)


def make_tasks(workspace: Workspace, folder: Path, count: int, name: str = "people.csv") -> None:
    """Seed ``count`` tasks; calls with different names seed different content."""
    path = folder / name
    rows = "".join(f"{name}-{number},body,5\n" for number in range(count))
    path.write_text(f"review_id,body,stars\n{rows}", encoding="utf-8")
    request = CsvRequest(pipeline=PATH, source=str(path))
    assert seed_from_csv(workspace, request, run_id=name).report.created == count


def claim(store: Store, contributor: str = "ann", at: datetime = AT, path: str = PATH) -> Task:
    """Claim the oldest task; there must be one."""
    claimed = claim_task(store, find_pipeline(store, path).id, contributor, at=at)
    assert claimed is not None
    return claimed


def finish(store: Store, contributor: str = "ann", values: Mapping[str, Any] | None = None) -> Task:
    """Claim the oldest task and submit it."""
    values = {"sentiment": "good"} if values is None else values
    return submit_task(store, claim(store, contributor).id, contributor, values, at=AT)


def counts(store: Store, path: str = PATH) -> Counts:
    """Return the counts that the store maintains."""
    pipeline = find_pipeline(store, path)
    with store.read() as session:
        return get_counts(session, pipeline.id)


def recount(store: Store, path: str = PATH) -> Counts:
    """Count all tasks and claims from their rows."""
    pipeline = find_pipeline(store, path)
    with store.read() as session:
        stored = session.execute(
            text("SELECT status, count(*) FROM tasks WHERE pipeline_id = :id GROUP BY status"),
            {"id": pipeline.id},
        ).all()
        claims = session.scalar(
            text(
                "SELECT count(*) FROM task_moves m JOIN tasks t ON t.id = m.task_id"
                " WHERE m.move = 'claim' AND t.pipeline_id = :id"
            ),
            {"id": pipeline.id},
        )
    statuses: Counter[TaskStatus] = Counter()
    for status, number in stored:
        statuses[show_status(TaskStatus(status), pipeline.status)] += number
    return Counts(NO_TASKS | statuses, claims or 0)


def group_counts(store: Store, path: str = PATH) -> dict[int, Mapping[TaskStatus, int]]:
    """Return the counts of each group that the store maintains."""
    pipeline = find_pipeline(store, path)
    with store.read() as session:
        groups = [group.id for group in task_groups.list_groups(session, pipeline.id)]
        return get_group_counts(session, pipeline.id, groups)


def recount_groups(store: Store, path: str = PATH) -> dict[int, Mapping[TaskStatus, int]]:
    """Count the tasks of each group from their rows."""
    counted: dict[int, Mapping[TaskStatus, int]] = {}
    pipeline = find_pipeline(store, path)
    with store.read() as session:
        stored = session.execute(
            text(
                "SELECT group_id, status, count(*) FROM tasks WHERE pipeline_id = :id"
                " GROUP BY group_id, status"
            ),
            {"id": pipeline.id},
        ).all()
    for group_id, status, number in stored:
        shown = show_status(TaskStatus(status), pipeline.status)
        of_group = Counter(counted.get(group_id, NO_TASKS))
        counted[group_id] = NO_TASKS | (of_group + Counter({shown: number}))
    return counted


def set_status(store: Store, task_id: int, status: str) -> None:
    """Set a task's status and the counts without checking any rule, to prepare a test."""
    with store.write() as session:
        task = session.get_one(TaskRow, task_id)
        changes = Counter({TaskStatus(status): 1})
        changes.subtract({TaskStatus(task.status): 1})
        task.status = status
        task.claimed_by = "ann" if status == "in_progress" else None
        add_counts(session, task.pipeline_id, changes, group_id=task.group_id)


def set_pipeline_status(store: Store, status: str, path: str = PATH) -> None:
    """Set a pipeline's status without the usual effects on its tasks."""
    pipeline = find_pipeline(store, path)
    with store.write() as session:
        session.execute(
            text("UPDATE pipelines SET status = :status WHERE id = :id"),
            {"status": status, "id": pipeline.id},
        )
