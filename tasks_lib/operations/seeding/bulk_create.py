"""Create blank tasks in bulk for pipelines without dataset fields: all of them at once, once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import uuid4

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.intake_rules import why_no_blank_tasks
from tasks_lib.domain.names import counted, is_storable
from tasks_lib.domain.naming import UNNAMED, NamedRequest, Naming
from tasks_lib.domain.report import Report
from tasks_lib.domain.statuses import SeedKind, TaskStatus
from tasks_lib.errors import ConflictError, SourceProblemError, UsageError
from tasks_lib.operations.idempotency import Answer, IdempotencyKey, answer_once
from tasks_lib.operations.seeding.counting import count_created
from tasks_lib.operations.seeding.reports import Seeded, report_again, save_report, seed
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue
from tasks_lib.store.groups import task_groups
from tasks_lib.store.groups.task_groups import EnsuredGroup
from tasks_lib.store.tasks.insert import insert_blank_tasks

MAX_KEY_LENGTH: Final = 255


@dataclass(frozen=True, kw_only=True)
class BulkRequest(NamedRequest):
    """How many blank tasks to create in a pipeline; with ``key``: only once per key."""

    pipeline: str
    count: int
    key: str = ""
    dry_run: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.key) > MAX_KEY_LENGTH or not is_storable(self.key):
            raise UsageError(f"the key must have at most {MAX_KEY_LENGTH} characters, no NUL")

    @property
    def source(self) -> str:
        """The group's source."""
        return f"bulk {self.key}" if self.key else "bulk"

    def seed_key(self, run_id: str) -> str:
        """Return the identity of the group: the key, or the run, which can be retried."""
        return f"{SeedKind.BULK}:key:{self.key}" if self.key else f"{SeedKind.BULK}:run:{run_id}"


class Blank(NamedTuple):
    """Blank tasks that were created."""

    created: int
    group_id: int


def bulk_create(workspace: Workspace, request: BulkRequest, *, run_id: str) -> Seeded:
    """Create the blank tasks in one statement, or return the report of the rejection.

    Idempotent for a ``run_id`` and for a key. Raises UsageError for a count that is not from 1 to
    the limit, NotFoundError, ConflictError for a key that was used with another count, and
    UnavailableError.
    """
    check_count(workspace, request.count)

    def load(pipeline: Pipeline) -> Seeded:
        return load_blank_tasks(workspace, pipeline, request, run_id=run_id)

    return seed(workspace, request, load, run_id=run_id)


def load_blank_tasks(
    workspace: Workspace, pipeline: Pipeline, request: BulkRequest, *, run_id: str
) -> Seeded:
    """Create the blank tasks; raise SourceProblemError for a pipeline that takes none.

    See ``bulk_create`` for its other errors.
    """
    check_count(workspace, request.count)
    act = _rehearse if request.dry_run else _write
    return Seeded(pipeline, act(workspace, request, pipeline, run_id), rows_read=request.count)


def create_blank_tasks(
    workspace: Workspace,
    pipeline_id: int,
    count: int,
    *,
    source: str,
    idempotency_key: IdempotencyKey | None,
    answer: Callable[[Blank], Answer],
    at: datetime,
    naming: Naming = UNNAMED,
) -> Answer:
    """Create the blank tasks of a request to the HTTP API, once per idempotency key.

    Raises UsageError for the count and for a pipeline with dataset fields, and ConflictError.
    """
    check_count(workspace, count)
    create = partial(
        _create, pipeline_id=pipeline_id, count=count, source=source, at=at, naming=naming
    )
    return answer_once(
        workspace.store, idempotency_key, lambda session: answer(create(session)), at=at
    )


def check_count(workspace: Workspace, count: int) -> None:
    """Raise UsageError unless this many tasks may be created at once."""
    limit = workspace.limits.max_bulk_count
    if not 1 <= count <= limit:
        raise UsageError(
            f"the count is {count:,}; it must be from 1 to {limit:,} (SEEDING_MAX_BULK_COUNT)",
            code="count_out_of_range",
        )


def _rehearse(
    workspace: Workspace, request: BulkRequest, pipeline: Pipeline, run_id: str
) -> Report:
    _check_takes_blank_tasks(pipeline)
    with workspace.store.read() as session:
        group = task_groups.find_group(session, pipeline.id, request.seed_key(run_id))
    if group is None:
        return _report(request, pipeline, created=request.count)
    return _report_known(request, pipeline, group.id, group.created_count)


def _write(workspace: Workspace, request: BulkRequest, pipeline: Pipeline, run_id: str) -> Report:
    at = workspace.store.now()
    with workspace.store.write() as session:
        locked = catalogue.lock_pipeline(session, pipeline.id)
        key, naming = request.seed_key(run_id), request.naming
        group = _ensure_group(session, locked, key, request.source, at, naming)
        if not group.is_new:
            known = _report_known(request, pipeline, group.group_id, group.task_count)
            return report_again(session, workspace, known, run_id, naming)
        _check_takes_blank_tasks(locked)
        _fill(session, locked, group, request.count, announce_at=None)
        report = _report(request, pipeline, group_id=group.group_id, created=request.count)
        save_report(session, workspace, run_id, report, naming)
        return report


def _create(
    session: Session,
    *,
    pipeline_id: int,
    count: int,
    source: str,
    at: datetime,
    naming: Naming,
) -> Blank:
    pipeline = catalogue.lock_pipeline(session, pipeline_id)
    refusal = why_no_blank_tasks(pipeline)
    if refusal is not None:
        kind = UsageError if pipeline.dataset_fields else ConflictError
        raise kind(refusal.message, code=refusal.code)
    key = f"{SeedKind.BULK}:api:{uuid4()}"
    group = _ensure_group(session, pipeline, key, source, at, naming)
    _fill(session, pipeline, group, count, announce_at=at)
    return Blank(count, group.group_id)


def _ensure_group(
    session: Session,
    pipeline: Pipeline,
    seed_key: str,
    source: str,
    at: datetime,
    naming: Naming,
) -> EnsuredGroup:
    return task_groups.ensure_group(
        session,
        pipeline_id=pipeline.id,
        kind=SeedKind.BULK,
        seed_key=seed_key,
        source=source,
        at=at,
        naming=naming,
    )


def _fill(
    session: Session,
    pipeline: Pipeline,
    group: EnsuredGroup,
    count: int,
    *,
    announce_at: datetime | None,
) -> None:
    """Insert and count the tasks of a new group, and complete it; see ``complete_group``."""
    insert_blank_tasks(
        session,
        pipeline_id=pipeline.id,
        group_id=group.group_id,
        status=TaskStatus.PENDING,
        count=count,
    )
    count_created(session, pipeline, group, count)
    task_groups.complete_group(
        session, group.group_id, task_count=count, rejected=0, announce_at=announce_at
    )


def _check_takes_blank_tasks(pipeline: Pipeline) -> None:
    refusal = why_no_blank_tasks(pipeline)
    if refusal is not None:
        raise SourceProblemError(refusal)


def _report_known(request: BulkRequest, pipeline: Pipeline, group_id: int, created: int) -> Report:
    """Report the group of the key; raise ConflictError if it holds another number of tasks."""
    if created != request.count:
        raise ConflictError(
            f"the key {request.key!r} came with another count before: group {group_id} holds its "
            f"{counted(created, 'task')}; take a new key for new tasks",
            code="key_reused",
        )
    return _report(request, pipeline, group_id=group_id, already_seeded=created)


def _report(
    request: BulkRequest,
    pipeline: Pipeline,
    *,
    group_id: int | None = None,
    created: int = 0,
    already_seeded: int = 0,
) -> Report:
    return Report(
        group_id=group_id,
        pipeline_id=pipeline.id,
        created=created,
        already_seeded=already_seeded,
        dry_run=request.dry_run,
        source=request.source,
    )
