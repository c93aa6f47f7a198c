"""Tasks for contributors to work on, and what the store then says of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.operations import queries
from tasks_lib.operations.file_sources import CsvRequest
from tasks_lib.operations.lifecycle import claim_task, submit_task
from tasks_lib.operations.queries import Task
from tasks_lib.operations.seed_from_csv import seed_from_csv
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.counts import Counts, counts_of
from tasks_lib.store.engine import Store

PATH = "acme/reviews/label-reviews"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOBODY = dict.fromkeys(TaskStatus, 0)


def make_tasks(workspace: Workspace, folder: Path, count: int, name: str = "people.csv") -> None:
    """Seed ``count`` tasks whose content is that of no other call with another name."""
    path = folder / name
    rows = "".join(f"{name}-{number},body,5\n" for number in range(count))
    path.write_text(f"review_id,body,stars\n{rows}", encoding="utf-8")
    request = CsvRequest(PATH, str(path))
    assert seed_from_csv(workspace, request, run_id=name).report.created == count


def claim(store: Store, contributor: str = "ann", at: datetime = AT, path: str = PATH) -> Task:
    """Claim the oldest task, which is there."""
    claimed = claim_task(store, queries.find_pipeline(store, path), contributor, at=at)
    assert claimed is not None
    return claimed


def finish(store: Store, contributor: str = "ann", values: Mapping[str, Any] | None = None) -> Task:
    """Claim the oldest task and submit it."""
    given = {"sentiment": "good"} if values is None else values
    return submit_task(store, claim(store, contributor).id, contributor, given, at=AT)


def counts(store: Store, path: str = PATH) -> Counts:
    """Return the counts that are kept."""
    pipeline = queries.find_pipeline(store, path)
    with store.read() as session:
        return counts_of(session, pipeline.id)


def recounted(store: Store, path: str = PATH) -> Counts:
    """Count anew, by looking at every task and every move."""
    pipeline = queries.find_pipeline(store, path)
    with store.read() as session:
        statuses = session.execute(
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
    return Counts(NOBODY | {TaskStatus(status): count for status, count in statuses}, claims or 0)


def set_status(store: Store, task_id: int, status: str) -> None:
    """Put a task into a status past all rules, with the counts in step, as a start for a test."""
    with store.write() as session:
        session.execute(
            text("UPDATE tasks SET status = :status, claimed_by = :by WHERE id = :id"),
            {"status": status, "id": task_id, "by": "ann" if status == "in_progress" else None},
        )
        for change in ("pending = pending - 1", f"{status} = {status} + 1"):
            session.execute(text(f"UPDATE task_counts SET {change}"))


def set_pipeline_status(store: Store, status: str, path: str = PATH) -> None:
    """Put a pipeline into a status, without what follows from it."""
    pipeline = queries.find_pipeline(store, path)
    with store.write() as session:
        session.execute(
            text("UPDATE pipelines SET status = :status WHERE id = :id"),
            {"status": status, "id": pipeline.id},
        )
