"""Create blank tasks in bulk, for pipelines that nothing is predefined in: all at once, once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import uuid4

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.names import counted, is_storable
from tasks_lib.domain.problems import SourceProblemError
from tasks_lib.domain.report import Report, ReportError
from tasks_lib.errors import ConflictError, UsageError
from tasks_lib.operations.idempotency import Answer, OnceKey, answer_once
from tasks_lib.operations.loading import (
    OWN_ANNOUNCEMENT,
    Seeded,
    count_created,
    record_report,
    seen_before,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.policy.intake_rules import initial_status, why_no_blank_tasks
from tasks_lib.store import catalogue, seeding_runs, task_groups
from tasks_lib.store.blank_tasks import insert_blank_tasks
from tasks_lib.store.task_groups import GroupClaim

KIND: Final = "bulk"
"""The kind of groups whose tasks were created blank."""

MAX_KEY_LENGTH: Final = 255


@dataclass(frozen=True)
class BulkRequest:
    """How many blank tasks a pipeline shall get; with ``key`` once, whoever asks again with it."""

    pipeline: str
    count: int
    key: str = ""
    dry_run: bool = False

    def __post_init__(self) -> None:
        if len(self.key) > MAX_KEY_LENGTH or not is_storable(self.key):
            raise UsageError(f"the key must have at most {MAX_KEY_LENGTH} characters, no NUL")

    @property
    def source(self) -> str:
        """What the tasks are said to come from."""
        return f"bulk {self.key}" if self.key else "bulk"

    def seed_key(self, run_id: str) -> str:
        """Return what the group is unique by: the key, or the run, which may be tried again."""
        return f"{KIND}:key:{self.key}" if self.key else f"{KIND}:run:{run_id}"


class Blank(NamedTuple):
    """Blank tasks that were created."""

    created: int
    group_id: int


def bulk_create(workspace: Workspace, request: BulkRequest, *, run_id: str) -> Seeded:
    """Create the tasks in one statement, or say in the report why not.

    The same ``run_id``, or the same key, may come again: what it made is made once. Raises
    UsageError for a count that is not from 1 to the limit, NotFoundError, ConflictError for a key
    that came with another count, and UnavailableError.
    """
    check_count(workspace, request.count)
    with workspace.store.read() as session:
        pipeline = catalogue.find_pipeline(session, request.pipeline)
    try:
        report = (
            _rehearse(workspace, request, pipeline, run_id)
            if request.dry_run
            else _write(workspace, request, pipeline, run_id)
        )
    except SourceProblemError as error:
        errors = tuple(ReportError.of(problem) for problem in error.problems)
        report = _report(request, pipeline).model_copy(update={"errors": errors})
        if not request.dry_run:
            record_report(workspace, run_id, report)
    return Seeded(pipeline, report, rows_read=request.count)


def create_blank_tasks(
    workspace: Workspace,
    pipeline_id: int,
    count: int,
    *,
    source: str,
    once: OnceKey | None,
    answer: Callable[[Blank], Answer],
    at: datetime,
) -> Answer:
    """Create the tasks that a request of the External API asks for, once for its key.

    Raises UsageError for the count and for a pipeline with dataset fields, and ConflictError.
    """
    check_count(workspace, count)
    create = partial(_create, pipeline_id=pipeline_id, count=count, source=source, at=at)
    return answer_once(workspace.store, once, lambda session: answer(create(session)), at=at)


def check_count(workspace: Workspace, count: int) -> None:
    """Raise UsageError unless so many tasks may be created at once."""
    most = workspace.limits.max_bulk_count
    if not 1 <= count <= most:
        raise UsageError(
            f"the count is {count:,}; it must be from 1 to {most:,} (SEEDING_MAX_BULK_COUNT)",
            code="count_out_of_range",
        )


def _rehearse(
    workspace: Workspace, request: BulkRequest, pipeline: Pipeline, run_id: str
) -> Report:
    _check_takes_blank_tasks(pipeline)
    with workspace.store.read() as session:
        held = task_groups.find_group(session, pipeline.id, request.seed_key(run_id))
    if held is None:
        return _report(request, pipeline, created=request.count)
    return _known(request, pipeline, held.id, held.task_count)


def _write(workspace: Workspace, request: BulkRequest, pipeline: Pipeline, run_id: str) -> Report:
    at = datetime.now(UTC)
    with workspace.store.write() as session:
        locked = catalogue.lock_pipeline(session, pipeline.id)
        claim = _claim(session, locked, request.seed_key(run_id), request.source, at)
        if not claim.is_new:
            known = _known(request, pipeline, claim.group_id, claim.task_count)
            return seen_before(session, known, run_id, at)
        _check_takes_blank_tasks(locked)
        _fill(session, locked, claim, request.count, announce_at=at + OWN_ANNOUNCEMENT)
        report = _report(request, pipeline, group_id=claim.group_id, created=request.count)
        seeding_runs.save_report(session, run_id, report, at=at)
        return report


def _create(session: Session, *, pipeline_id: int, count: int, source: str, at: datetime) -> Blank:
    pipeline = catalogue.lock_pipeline(session, pipeline_id)
    refusal = why_no_blank_tasks(pipeline)
    if refusal is not None:
        kind = UsageError if pipeline.dataset_fields else ConflictError
        raise kind(refusal.message, code=refusal.code)
    claim = _claim(session, pipeline, f"{KIND}:api:{uuid4()}", source, at)
    _fill(session, pipeline, claim, count, announce_at=at)
    return Blank(count, claim.group_id)


def _claim(
    session: Session, pipeline: Pipeline, seed_key: str, source: str, at: datetime
) -> GroupClaim:
    return task_groups.claim_group(
        session, pipeline_id=pipeline.id, kind=KIND, seed_key=seed_key, source=source, at=at
    )


def _fill(
    session: Session, pipeline: Pipeline, claim: GroupClaim, count: int, *, announce_at: datetime
) -> None:
    """Make the tasks of a new group, counted, and complete it."""
    insert_blank_tasks(
        session,
        pipeline_id=pipeline.id,
        group_id=claim.group_id,
        status=initial_status(pipeline),
        count=count,
    )
    count_created(session, pipeline, count)
    task_groups.complete_group(
        session, claim.group_id, task_count=count, rejected=0, announce_at=announce_at
    )


def _check_takes_blank_tasks(pipeline: Pipeline) -> None:
    refusal = why_no_blank_tasks(pipeline)
    if refusal is not None:
        raise SourceProblemError(refusal)


def _known(request: BulkRequest, pipeline: Pipeline, group_id: int, created: int) -> Report:
    """Report the group that the key has made; raise ConflictError if it made another number."""
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
