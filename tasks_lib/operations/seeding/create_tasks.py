"""Create the tasks of a request to the HTTP API: all of them or none."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import uuid4

import numpy as np
import orjson
import pyarrow as pa
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.intake_rules import why_closed
from tasks_lib.domain.names import counted, other_problems
from tasks_lib.domain.naming import UNNAMED, Naming
from tasks_lib.domain.rows.keys import OnChange, describe_key, same_values
from tasks_lib.domain.statuses import SeedKind, TaskStatus
from tasks_lib.errors import (
    ConflictError,
    MalformedBodyError,
    Problem,
    RejectedError,
    SourceProblemError,
    UsageError,
)
from tasks_lib.intake.api_tasks.json_cells import BadTask
from tasks_lib.intake.api_tasks.json_tasks import ReadTasks, read_tasks
from tasks_lib.intake.rows.task_keys import key_reader
from tasks_lib.operations.idempotency import Answer, IdempotencyKey, answer_once, find_answer
from tasks_lib.operations.seeding.counting import count_created
from tasks_lib.operations.seeding.writing import Written, write_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue
from tasks_lib.store.groups import task_groups
from tasks_lib.store.keys.existing_tasks import lock_keys
from tasks_lib.store.keys.keyed_tasks import KeyedTasks, insert_keyed
from tasks_lib.store.keys.lookup import find_known
from tasks_lib.store.keys.missing_rows import return_missing
from tasks_lib.store.keys.updates import TaskUpdates
from tasks_lib.store.tasks.insert import NewTasks
from tasks_lib.store.tasks.queries import list_ids_as_json


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
    """The tasks that were created; ``task_ids`` is a JSON array in the order of the request.

    In a pipeline with a key, ``known`` counts the tasks of the request whose key a task had
    already; ``task_ids`` names that task, and without a new task there is no group.
    """

    created: int
    group_id: int | None
    task_ids: str
    known: Written | None = None


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
    naming: Naming = UNNAMED,
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
            _create,
            pipeline=pipeline,
            values=values,
            source=source,
            answer=answer,
            at=at,
            naming=naming,
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
    try:
        read = read_tasks(body, pipeline.dataset_fields, workspace.limits)
    except SourceProblemError as error:  # a pattern that takes too long
        first = error.problems[0]
        message = f"tasks were rejected, nothing was created: {first.field}: {first.message}"
        raise MalformedBodyError(message, code="tasks_rejected", problems=error.problems) from None
    if pipeline.key and not read.bad:
        read = read._replace(bad=tuple(_find_duplicates(pipeline, read.values)))
    if read.bad:
        raise TasksRejectedError(read)
    return read.values


def _find_duplicates(pipeline: Pipeline, values: pa.Array) -> Iterator[BadTask]:
    """Yield a problem for each task of the request whose key an earlier one has."""
    firsts: dict[str, int] = {}
    texts = values.to_pylist()
    for place, key in enumerate(
        key_reader(pipeline.dataset_fields, pipeline.key)(values).to_pylist()
    ):
        first = firsts.setdefault(key, place)
        if first != place:
            field = pipeline.key[0] if len(pipeline.key) == 1 else None
            known = describe_key(pipeline.key, texts[place])
            message = f"has the same key as task {first}: {known}"
            yield BadTask(place, Problem("duplicate_key", message, field=field))


def _create(
    session: Session,
    *,
    pipeline: Pipeline,
    values: pa.Array,
    source: str,
    answer: Callable[[Created], Answer],
    at: datetime,
    naming: Naming,
) -> Answer:
    locked = catalogue.lock_pipeline(session, pipeline.id)
    if (locked.key, locked.dataset_fields) != (pipeline.key, pipeline.dataset_fields):
        raise _FieldsChangedError
    _check_takes_tasks(locked)
    if locked.key:
        return answer(_create_keyed(session, locked, values, source, at, naming))
    group = task_groups.ensure_group(
        session,
        pipeline_id=pipeline.id,
        kind=SeedKind.API,
        seed_key=f"{SeedKind.API}:{uuid4()}",
        source=source,
        at=at,
        task_count=len(values),
        announce_at=at,
        naming=naming,
    )
    rows = pa.array(np.arange(1, len(values) + 1))
    written = write_tasks(session, locked, group, [NewTasks(rows, values)], at=at)
    return answer(
        Created(written.created, group.group_id, list_ids_as_json(session, group.group_id))
    )


def _create_keyed(
    session: Session,
    pipeline: Pipeline,
    values: pa.Array,
    source: str,
    at: datetime,
    naming: Naming,
) -> Created:
    """Create the tasks whose keys are new, and name the existing tasks of the others."""
    keys = key_reader(pipeline.dataset_fields, pipeline.key)(values)
    lock_keys(session, pipeline.id)
    known = find_known(
        session, pipeline.id, keys, values, partial(same_values, pipeline.dataset_fields)
    )
    counts = Written(
        len(values) - len(known.positions),
        len(known.positions) - len(known.changed),
        len(known.changed),
    )
    task_ids = np.zeros(len(values), np.int64)
    task_ids[known.positions] = known.task_ids
    group_id = None
    may_update = pipeline.on_change is OnChange.UPDATE and bool(counts.changed)
    if counts.created or may_update:
        group = task_groups.ensure_group(
            session,
            pipeline_id=pipeline.id,
            kind=SeedKind.API,
            seed_key=f"{SeedKind.API}:{uuid4()}",
            source=source,
            at=at,
            task_count=counts.created,
            announce_at=at,
            naming=naming,
        )
        group_id = group.group_id
    if counts.created and group_id is not None:
        positions = np.flatnonzero(task_ids == 0)
        new = pa.array(positions)
        insert_keyed(
            session,
            KeyedTasks(pa.array(positions + 1), values.take(new), keys.take(new)),
            pipeline_id=pipeline.id,
            group_id=group_id,
            status=TaskStatus.PENDING,
        )
        count_created(session, pipeline, group, counts.created)
        task_ids[positions] = orjson.loads(list_ids_as_json(session, group_id))
    if may_update and group_id is not None:
        updates = TaskUpdates(session, pipeline_id=pipeline.id, group_id=group_id, at=at)
        changed = pa.array(known.changed)
        updates.collect(
            pa.array(known.changed_ids), pa.array(known.changed + 1), values.take(changed)
        )
        updates.apply()
        counts = counts._replace(updated=updates.updated)
        if not (counts.created or counts.updated):
            task_groups.delete_group(session, group_id)
            group_id = None
    if len(known.withdrawn_ids):
        return_missing(session, pipeline.id, known.withdrawn_ids, pipeline.status, at=at)
    return Created(counts.created, group_id, orjson.dumps(task_ids.tolist()).decode(), counts)


def _check_takes_tasks(pipeline: Pipeline) -> None:
    closed = why_closed(pipeline)
    if closed is not None:
        raise ConflictError(closed.message, code=closed.code)
