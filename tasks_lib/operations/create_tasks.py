"""Create the tasks that come through the External API: all of a request's, or none."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import uuid4

import numpy as np
import pyarrow as pa
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.names import counted
from tasks_lib.errors import ConflictError, RejectedError, UsageError
from tasks_lib.intake.json_tasks import BadTask, read_tasks
from tasks_lib.operations.idempotency import Answer, OnceKey, answer_once, kept_answer
from tasks_lib.operations.loading import write_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.policy.intake_rules import why_closed
from tasks_lib.store import catalogue, task_groups
from tasks_lib.store.tasks import NewTasks, ids_as_json

KIND: Final = "api"
"""The kind of groups whose tasks came through the API."""


class TasksRejectedError(RejectedError):
    """Tasks were turned away, and all others of the request with them."""

    code = "tasks_rejected"

    def __init__(self, count: int, bad: Sequence[BadTask]) -> None:
        place, first = bad[0]
        field = f", {first.field}" if first.field is not None else ""
        more = f" (and {len(bad) - 1:,} more)" if len(bad) > 1 else ""
        rejected = len({entry.place for entry in bad})
        super().__init__(
            f"{rejected:,} of {counted(count, 'task')} rejected, nothing was created: "
            f"task {place}{field}: {first.message}{more}"
        )
        self.entries: list[dict[str, Any]] = [
            {"index": index, "field": problem.field, "code": problem.code,
             "message": problem.message}
            for index, problem in bad
        ]  # fmt: skip


class Created(NamedTuple):
    """What was created; ``task_ids`` is a JSON array in the order of the request."""

    created: int
    group_id: int
    task_ids: str


class _FieldsChangedError(Exception):
    """The pipeline was given other fields since the tasks were read; ends the transaction."""


def create_tasks(
    workspace: Workspace,
    pipeline_id: int,
    body: bytes,
    *,
    source: str,
    answer: Callable[[Created], Answer],
    once: OnceKey | None = None,
    at: datetime,
) -> Answer:
    """Create the tasks of a request, or return the answer that it got before.

    ``source`` is where the tasks are said to come from, ``answer`` what is kept and returned.
    Raises MalformedBodyError, TasksRejectedError, ConflictError for a pipeline that takes no tasks
    or a key that came with another request, and UsageError for one with file fields.
    """
    while True:
        with workspace.store.query() as session:
            kept = kept_answer(session, once, at=at)
            if kept is not None:
                return kept
            pipeline = catalogue.find_pipeline(session, str(pipeline_id))
        values = _read(workspace, pipeline, body)
        create = partial(
            _create, pipeline=pipeline, values=values, source=source, answer=answer, at=at
        )
        try:
            return answer_once(workspace.store, once, create, at=at)
        except _FieldsChangedError:
            continue


def _read(workspace: Workspace, pipeline: Pipeline, body: bytes) -> pa.Array:
    _check_takes_tasks(pipeline)
    if pipeline.file_fields:
        names = ", ".join(field.name for field in pipeline.file_fields)
        raise UsageError(
            f"pipeline {pipeline.path} has file fields ({names}), which JSON cannot carry; upload "
            f"a ZIP: POST /api/v1/workflows/{pipeline.id}/tasks/upload",
            code="has_file_fields",
        )
    read = read_tasks(body, pipeline.dataset_fields, workspace.limits)
    if read.bad:
        raise TasksRejectedError(len(read.values), read.bad)
    return read.values


def _create(
    session: Session,
    *,
    pipeline: Pipeline,
    values: pa.Array,
    source: str,
    answer: Callable[[Created], Answer],
    at: datetime,
) -> Answer:
    locked = catalogue.lock_pipeline(session, pipeline.id)
    if locked.dataset_fields != pipeline.dataset_fields:
        raise _FieldsChangedError
    _check_takes_tasks(locked)
    claim = task_groups.claim_group(
        session,
        pipeline_id=pipeline.id,
        kind=KIND,
        seed_key=f"{KIND}:{uuid4()}",
        source=source,
        at=at,
        task_count=len(values),
        announce_at=at,
    )
    rows = pa.array(np.arange(1, len(values) + 1))
    created = write_tasks(session, locked, claim, [NewTasks(rows, values)])
    return answer(Created(created, claim.group_id, ids_as_json(session, claim.group_id)))


def _check_takes_tasks(pipeline: Pipeline) -> None:
    closed = why_closed(pipeline)
    if closed is not None:
        raise ConflictError(closed.message, code=closed.code)
