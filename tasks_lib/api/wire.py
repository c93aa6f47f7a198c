"""What goes over the wire: the documents of answers, and their schemas for the OpenAPI.

Answers are written by orjson, values of tasks to the letter; the models only describe them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.fields import Field as PipelineField, FieldType
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus, UploadStatus
from tasks_lib.operations.create_tasks import Created
from tasks_lib.operations.idempotency import Answer
from tasks_lib.operations.queries import Task

REPLAYED = "Idempotent-Replayed"


class ErrorEntry(BaseModel):
    """One thing that is wrong with the request."""

    index: int | None = Field(
        default=None, description="The task's place in the request, from 0, if it is one's"
    )
    field: str | None = Field(default=None, description="The field or parameter, if it is one's")
    code: str
    message: str


class Error(BaseModel):
    """What every error is answered with."""

    detail: str = Field(description="One sentence for a person")
    code: str = Field(description="A code for a program, which never changes its meaning")
    errors: list[ErrorEntry]


class Waiting(BaseModel):
    """What Prefect has not been told yet."""

    claims: int
    finished_tasks: int
    groups: int


class Health(BaseModel):
    """The service works."""

    status: Literal["ok"]
    version: str = Field(description="The release of task-seeding")
    store_revision: str | None = None
    waiting_for_prefect: Waiting


class Workflow(BaseModel):
    """A workflow: a form and the tasks that people do in it."""

    id: int
    name: str
    project: str
    organization: str
    status: PipelineStatus
    task_counts: dict[TaskStatus, int] = Field(description="Every status, with its tasks")
    task_total: int


class FieldSchema(BaseModel):
    """A field that is needed to create tasks, with the constraints that are set."""

    model_config = ConfigDict(extra="allow")

    name: str
    type: FieldType
    required: bool


class WorkflowSchema(BaseModel):
    """How tasks of the workflow are created, and the fields that this needs."""

    workflow_id: int
    creation_mode: Literal["fields", "files", "bulk"] = Field(
        description="fields: POST …/tasks with values. files: a ZIP, by POST …/tasks/upload. "
        "bulk: POST …/tasks/bulk with a count"
    )
    fields: list[FieldSchema]
    input_fields: list[FieldSchema] = Field(description="What contributors fill in")


class CreatedTasks(BaseModel):
    """What was created."""

    created: int
    group_id: int
    task_ids: list[int] = Field(description="In the order of the request")


class CreatedBlank(BaseModel):
    """How many blank tasks were created."""

    created: int
    group_id: int


class InfiniteSeeding(BaseModel):
    """How a workflow's infinite seeding stands."""

    state: Literal["disabled", "running", "at_target", "left_alone", "stopped"]
    target: int | None
    keep_available: int
    copy_groups: list[int]
    available: int = Field(description="Tasks that can be claimed")
    total: int = Field(description="All tasks that the workflow holds")
    made: int = Field(description="By infinite seeding, into the group")
    group_id: int | None
    message: str | None = Field(description="Why it has stopped, is at target, or left alone")
    warnings: list[str] = Field(description="What new tasks will lack")


class Chain(BaseModel):
    """A chain: what finishes in the source becomes tasks of the target."""

    id: int
    name: str
    target: int = Field(description="The workflow whose tasks are made")
    source: int = Field(description="The workflow whose tasks are finished")
    on: Literal["task-completion", "pipeline-completion"]
    mapping: dict[str, str]
    skip: list[str]
    is_paused: bool
    waiting: int = Field(description="Finished tasks that are not seeded yet")
    misfits: int = Field(description="Those among them that do not fit the target")
    oldest_waiting_at: datetime | None
    created_at: datetime
    looked_at: datetime | None
    fired_at: datetime | None
    error_code: str | None
    error_message: str | None
    automation_id: str | None = Field(description="Of Prefect; null while it has none")


class UnfitTask(BaseModel):
    """A finished task that does not fit the target."""

    task_id: int
    code: str
    message: str


class ExplainedChain(Chain):
    """A chain, and why it has not fired."""

    reasons: list[str]
    unfit_tasks: list[UnfitTask] = Field(description="At most 100")


class Chains(BaseModel):
    """Chains, oldest first."""

    items: list[Chain]


class Origin(BaseModel):
    """Where a task came from."""

    kind: str = Field(description="csv, zip, dataset, pipeline, api, …")
    source: str
    row: int = Field(description="From 1; of another workflow's task, that task's number")
    version: int | None = Field(default=None, description="Of a dataset's row")
    chain_id: int | None = Field(default=None, description="The chain that made it, if one did")


class TaskDocument(BaseModel):
    """A task; its fields are the values that were seeded and those that were filled in."""

    id: int
    status: TaskStatus
    fields: dict[str, Any]
    group_id: int
    claimed_by: str | None = None
    created_at: datetime
    claimed_at: datetime | None = None
    claim_expires_at: datetime | None = None
    finished_at: datetime | None = None
    origin: Origin


class TaskMove(BaseModel):
    """A move from one status to another."""

    move: str
    from_status: TaskStatus
    to_status: TaskStatus
    by: str | None = None
    reason: str | None = None
    at: datetime


class WholeTask(TaskDocument):
    """A task with the moves that it has made and links that open its files."""

    moves: list[TaskMove]
    links: dict[str, str] = Field(description="By the file field's name")


class TaskPage(BaseModel):
    """A page of tasks, oldest first."""

    items: list[TaskDocument]
    total: int
    page: int
    page_size: int
    has_more: bool


class UploadPromise(BaseModel):
    """Where the file is to be put, by whom who has the URL, until when."""

    upload_id: str
    upload_url: str
    method: Literal["PUT"]
    headers: dict[str, str] = Field(description="To be sent with the file")
    expires_at: datetime


class Received(BaseModel):
    """The file has come."""

    upload_id: str
    bytes: int


class Progress(BaseModel):
    """How far the work is; in bytes."""

    done: int
    total: int


class ReportError(BaseModel):
    """What is wrong with a row of the file, or with the file."""

    row: int | None = None
    field: str | None = None
    code: str
    message: str


class Report(BaseModel):
    """What the seeding did."""

    group_id: int | None = None
    pipeline_id: int
    created: int
    rejected: int
    already_seeded: int
    dry_run: bool
    source: str
    rejects_uri: str | None = None
    errors: list[ReportError]


class Upload(BaseModel):
    """How an upload stands."""

    upload_id: str
    status: UploadStatus
    file_name: str
    created_at: datetime
    expires_at: datetime = Field(description="Until when the URL takes the file")
    confirmed_at: datetime | None = None
    progress: Progress
    message: str | None = Field(default=None, description="Why it failed, where no report says it")
    report: Report | None = None


def json_kept(document: object, status: int) -> Answer:
    """Return an answer with a JSON document that may be kept and given again."""
    return Answer(status, orjson.dumps(document))


def json_answer(document: object, status: int = 200) -> Response:
    """Answer with a JSON document."""
    return Response(orjson.dumps(document), status, media_type="application/json")


def as_response(answer: Answer) -> Response:
    """Return an answer that may be a replayed one as it goes out."""
    headers = {REPLAYED: "true"} if answer.is_replayed else {}
    media_type = "application/json" if answer.body else None
    return Response(answer.body, answer.status, headers, media_type)


def created_answer(created: Created) -> Answer:
    """Return the answer that tells what was created."""
    document = created._asdict() | {"task_ids": orjson.Fragment(created.task_ids)}
    return json_kept(document, 201)


def task_answer(task: Task | None) -> Answer:
    """Return the answer that tells of a task, or that there is none."""
    return json_kept(task_document(task), 200) if task is not None else Answer(204, b"")


def workflow_document(pipeline: Pipeline, counts: Mapping[TaskStatus, int]) -> dict[str, Any]:
    """Return a pipeline with the number of its tasks by status."""
    return {
        "id": pipeline.id,
        "name": pipeline.name,
        "project": pipeline.project,
        "organization": pipeline.organization,
        "status": pipeline.status.value,
        "task_counts": {status.value: count for status, count in counts.items()},
        "task_total": sum(counts.values()),
    }


def schema_document(pipeline: Pipeline) -> dict[str, Any]:
    """Return how tasks of a pipeline are created."""
    mode = "fields" if pipeline.dataset_fields else "bulk"
    return {
        "workflow_id": pipeline.id,
        "creation_mode": "files" if pipeline.file_fields else mode,
        "fields": [_field_document(field) for field in pipeline.dataset_fields],
        "input_fields": [
            _field_document(field)
            for field in pipeline.fields
            if field not in pipeline.dataset_fields
        ],
    }


def task_document(task: Task) -> dict[str, Any]:
    """Return a task as it is listed."""
    document = task._asdict()
    for name in ("moves", "pipeline_id"):
        del document[name]
    document["fields"] = orjson.Fragment(task.fields)
    document["origin"] = task.origin._asdict()
    return document


def whole_task_document(task: Task, links: dict[str, str]) -> dict[str, Any]:
    """Return a task with its moves and links."""
    moves = [move._asdict() for move in task.moves]
    return task_document(task) | {"moves": moves, "links": links}


def _field_document(field: PipelineField) -> dict[str, Any]:
    known = {"name": field.name, "type": field.type.value, "required": field.required}
    return known | field.constraints


TASK_EXAMPLE: Final[dict[str, Any]] = {
    "id": 1,
    "status": "finished",
    "fields": {"review_id": "001", "body": "The lid broke.", "stars": 2, "sentiment": "bad"},
    "group_id": 1,
    "claimed_by": "ann@example.org",
    "created_at": "2026-11-25T08:00:00+00:00",
    "claimed_at": "2026-11-25T08:05:00+00:00",
    "claim_expires_at": None,
    "finished_at": "2026-11-25T08:07:30+00:00",
    "origin": {
        "kind": "api",
        "source": "key pk_live_1f2e3d4c",
        "row": 1,
        "version": None,
        "chain_id": None,
    },
}
WHOLE_TASK_EXAMPLE: Final = TASK_EXAMPLE | {
    "links": {},
    "moves": [
        {
            "move": "claim",
            "from_status": "pending",
            "to_status": "in_progress",
            "by": "ann@example.org",
            "reason": None,
            "at": "2026-11-25T08:05:00+00:00",
        }
    ],
}
