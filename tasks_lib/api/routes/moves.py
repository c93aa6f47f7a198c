"""Claim, submit and release a workflow's tasks, and set their status."""

from functools import partial
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from tasks_lib.api import openapi
from tasks_lib.api.access import (
    WORKFLOW_PATH,
    AdmittedWorkflowCall,
    AdmittingRoute,
    TaskId,
    WorkflowCall,
    parse_id,
)
from tasks_lib.api.answers import keep, send
from tasks_lib.api.bodies import MAX_SMALL_BYTES, Values, read_members
from tasks_lib.api.routes.files import readdress
from tasks_lib.api.wire import requests, tasks as wire
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import UsageError
from tasks_lib.operations.catalogue.read import find_counted_pipeline
from tasks_lib.operations.idempotency import Act, Answer, run_once
from tasks_lib.operations.tasks import move
from tasks_lib.operations.tasks.move import claim_task, release_task, submit_task
from tasks_lib.operations.tasks.read import Task, check_task_in_pipeline

router = APIRouter(
    prefix=f"{WORKFLOW_PATH}/tasks", tags=["contributors"], route_class=AdmittingRoute
)

_ANN: Final = {"contributor": "ann@example.org"}


@router.post(
    "/claim",
    responses=openapi.responses(
        200, wire.TaskDocument, wire.CLAIMED, "idempotency_key_reused",
        "invalid_request", has_body=True
    ) | {204: openapi.answer(None, None, "No task is available")},
    openapi_extra=openapi.request_body(requests.NewClaim, _ANN),
)  # fmt: skip
def claim(call: AdmittedWorkflowCall) -> Response:
    """Claim the oldest available task for a contributor; 204 if there is none."""
    contributor = read_members(call.body, requests.NewClaim)["contributor"]
    act = partial(
        claim_task,
        pipeline_id=call.workflow_id,
        contributor=contributor,
        at=call.at,
    )

    return _answer(call, act)


@router.post(
    "/{task_id}/submit",
    responses=openapi.responses(
        200, wire.TaskDocument, wire.FINISHED, "move_not_allowed", "submission_rejected",
        "idempotency_key_reused",
        "invalid_request", has_body=True,
    ),
    openapi_extra=openapi.request_body(
        requests.NewSubmission, _ANN | {"fields": {"sentiment": "bad"}}
    ),
)  # fmt: skip
def submit(call: AdmittedWorkflowCall, task_id: TaskId) -> Response:
    """Finish a task that the contributor has claimed."""
    number = check_task_in_pipeline(call.workspace.store, call.workflow_id, parse_id(task_id))
    given = read_members(call.body, requests.NewSubmission, _values_of(call))
    act = partial(
        submit_task,
        task_id=number,
        contributor=given["contributor"],
        values=given["fields"],
        at=call.at,
    )
    return _answer(call, act)


@router.post(
    "/{task_id}/release",
    responses=openapi.responses(
        200,
        wire.TaskDocument,
        wire.PENDING,
        "move_not_allowed",
        "idempotency_key_reused",
        "invalid_request",
        has_body=True,
    ),
    openapi_extra=openapi.request_body(requests.NewRelease, _ANN),
)
def release(call: AdmittedWorkflowCall, task_id: TaskId) -> Response:
    """Release a claimed task; with a contributor, only if they have claimed it."""
    number = check_task_in_pipeline(call.workspace.store, call.workflow_id, parse_id(task_id))
    contributor = read_members(call.body, requests.NewRelease)["contributor"]
    act = partial(release_task, task_id=number, contributor=contributor, at=call.at)
    return _answer(call, act)


@router.post(
    "/{task_id}/status",
    responses=openapi.responses(
        200, wire.TaskDocument, wire.ESCALATED, "move_not_allowed",
        "idempotency_key_reused",
        "invalid_request", has_body=True,
    ),
    openapi_extra=openapi.request_body(
        requests.NewStatus, {"status": "escalated", "reason": "not in a language that I read"}
    ),
)  # fmt: skip
def set_status(call: AdmittedWorkflowCall, task_id: TaskId) -> Response:
    """Set a task to failed, escalated, quarantined or withdrawn, or make it pending again."""
    number = check_task_in_pipeline(call.workspace.store, call.workflow_id, parse_id(task_id))
    given = read_members(call.body, requests.NewStatus)
    act = partial(
        move.set_status,
        task_id=number,
        status=_status(given["status"]),
        by=given["contributor"],
        reason=given["reason"],
        at=call.at,
    )
    return _answer(call, act)


def _values_of(call: WorkflowCall) -> Values:
    """Return how to read the values of a submission: a large one by the names of the fields."""
    names = None
    if len(call.body) > MAX_SMALL_BYTES:
        pipeline = find_counted_pipeline(call.workspace.store, call.workflow_id).pipeline
        names = tuple(field.name for field in pipeline.fields)
    return Values("fields", call.workspace.limits, names)


def _status(name: str) -> TaskStatus:
    try:
        return TaskStatus(name)
    except ValueError:
        known = ", ".join(TaskStatus)
        message = f"{name[:40]!r} is not a status of a task; the statuses are {known}"
        raise UsageError(message) from None


def _answer(call: WorkflowCall, act: Act[Task | None]) -> Response:
    """Make the move, once for its idempotency key, and answer with the task or with 204."""
    key, answer = call.idempotency_key(), partial(_task_answer, call)
    return send(run_once(call.acting_workspace.store, key, act, answer, at=call.at))


def _task_answer(call: WorkflowCall, task: Task | None) -> Answer:
    if task is None:
        return Answer(204, b"")
    (shown,) = readdress(call, [task])
    return keep(wire.task_document(shown), 200)
