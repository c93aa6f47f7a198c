"""Create the tasks of a request to the HTTP API: all of them or none."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import uuid4

import numpy as np
import pyarrow as pa
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.intake_rules import why_closed
from tasks_lib.domain.names import counted, other_problems
from tasks_lib.domain.statuses import SeedKind
from tasks_lib.errors import ConflictError, RejectedError, UsageError
from tasks_lib.intake.api_tasks.json_tasks import ReadTasks, read_tasks
from tasks_lib.operations.idempotency import Answer, IdempotencyKey, answer_once, find_answer
from tasks_lib.operations.seeding.loading import write_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue, task_groups
from tasks_lib.store.tasks import NewTasks, list_ids_as_json


class TasksRejectedError(RejectedError):
    """Some tasks of a request are invalid, so that none of them was created."""

    code = "tasks_rejected"

    def __init__(self, read: ReadTasks) -> None:
        count, bad = len(read.values), read.bad
        place, first = bad[0]
        field = f", {first.field}" if first.field is not None else ""
        more = other_problems(len(bad) - 1)
        rejected = len({entry.place for entry in bad})
        at_least = "" if read.is_whole else "at least "
        of_all = f"{rejected:,} of {counted(count, 'task')}"
        share = of_all if read.is_counted else counted(rejected, "task")
        super().__init__(
            f"{at_least}{share} rejected, nothing was created: "
            f"task {place}{field}: {first.message}{more}",
            problems=[problem._replace(place=place) for place, problem in bad],
        )


class Created(NamedTuple):
    """The tasks that were created; ``task_ids`` is a JSON array in the order of the request."""

    created: int
    group_id: int
    task_ids: str


class _FieldsChangedError(Exception):
    """The pipeline's fields have changed since the tasks were read; ends the transaction."""


def create_tasks(
    workspace: Workspace,
    pipeline_id: int,
    body: bytes,
    *,
    source: str,
    answer: Callable[[Created], Answer],
    idempotency_key: IdempotencyKey | None = None,
    at: datetime,
) -> Answer:
    """Create the tasks of a request, or return the answer that the same request got before.

    ``source`` is the group's source; ``answer`` makes the answer, which is stored and returned.
    Raises MalformedBodyError, TasksRejectedError, ConflictError for a pipeline that takes no tasks
    and for an idempotency key that was used with another request, and UsageError for a pipeline
    with file fields.
    """
    while True:
        with workspace.store.query() as session:
            stored = find_answer(session, idempotency_key, at=at)
            if stored is not None:
                return stored
            pipeline = catalogue.get_pipeline(session, pipeline_id)
        values = _read(workspace, pipeline, body)
        create = partial(
            _create, pipeline=pipeline, values=values, source=source, answer=answer, at=at
        )
        try:
            return answer_once(workspace.store, idempotency_key, create, at=at)
        except _FieldsChangedError:
            continue


def _read(workspace: Workspace, pipeline: Pipeline, body: bytes) -> pa.Array:
    _check_takes_tasks(pipeline)
    if pipeline.file_fields:
        names = ", ".join(field.name for field in pipeline.file_fields)
        raise UsageError(
            f"pipeline {pipeline.path} has file fields ({names}), which JSON cannot carry",
            code="has_file_fields",
        )
    read = read_tasks(body, pipeline.dataset_fields, workspace.limits)
    if read.bad:
        raise TasksRejectedError(read)
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
    group = task_groups.ensure_group(
        session,
        pipeline_id=pipeline.id,
        kind=SeedKind.API,
        seed_key=f"{SeedKind.API}:{uuid4()}",
        source=source,
        at=at,
        task_count=len(values),
        announce_at=at,
    )
    rows = pa.array(np.arange(1, len(values) + 1))
    created = write_tasks(session, locked, group, [NewTasks(rows, values)])
    return answer(Created(created, group.group_id, list_ids_as_json(session, group.group_id)))


def _check_takes_tasks(pipeline: Pipeline) -> None:
    closed = why_closed(pipeline)
    if closed is not None:
        raise ConflictError(closed.message, code=closed.code)
