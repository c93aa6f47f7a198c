"""What contributors do with a workflow's tasks: claim, submit, release; and what is done else."""

from functools import partial
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from tasks_lib.api import openapi, wire
from tasks_lib.api.access import WORKFLOW_PATH, Call, TaskId, Workflow, number
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import UsageError
from tasks_lib.operations import lifecycle, workflows
from tasks_lib.operations.idempotency import Act, answer_to
from tasks_lib.operations.queries import Task
from tasks_lib.operations.request_bodies import read_members

router = APIRouter(prefix=f"{WORKFLOW_PATH}/tasks", tags=["contributors"])

_WHO: Final[dict[str, Any]] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 200,
    "description": "The contributor's name, such as an address; it must not begin or end with "
    "white space or hold what cannot be seen",
}
_ANN: Final = {"contributor": "ann@example.org"}
_CLAIMED: Final = wire.TASK_EXAMPLE | {
    "status": "in_progress",
    "fields": {"review_id": "001", "body": "The lid broke.", "stars": 2},
    "claim_expires_at": "2026-11-25T08:35:00+00:00",
    "finished_at": None,
}
_PENDING: Final = _CLAIMED | {
    "status": "pending",
    "claimed_by": None,
    "claimed_at": None,
    "claim_expires_at": None,
}


@router.post(
    "/claim",
    responses=openapi.responses(
        200, wire.TaskDocument, _CLAIMED, "idempotency_key_reused",
        "invalid_request", has_body=True
    ) | {204: openapi.answer(None, None, "No task is available")},
    openapi_extra=openapi.object_body({"contributor": _WHO}, _ANN),
)  # fmt: skip
def claim(call: Workflow) -> Response:
    """Give the oldest available task to a contributor; 204 when there is none."""
    contributor = read_members(call.body, {"contributor": str})["contributor"]
    act = partial(
        lifecycle.claim_by_number,
        pipeline_id=call.workflow_id,
        contributor=contributor,
        at=call.at,
    )

    return _answer(call, act)


@router.post(
    "/{task_id}/submit",
    responses=openapi.responses(
        200, wire.TaskDocument, wire.TASK_EXAMPLE, "move_not_allowed", "submission_rejected",
        "idempotency_key_reused",
        "invalid_request", has_body=True,
    ),
    openapi_extra=openapi.object_body(
        {
            "contributor": _WHO,
            "fields": {
                "type": "object",
                "description": "Values of the input fields. What came with the task is read-only.",
            },
        },
        _ANN | {"fields": {"sentiment": "bad"}},
    ),
)  # fmt: skip
def submit(call: Workflow, task_id: TaskId) -> Response:
    """Finish a task that the contributor has claimed."""
    found = workflows.check_task(call.workspace.store, call.workflow_id, number(task_id))
    given = read_members(call.body, {"contributor": str, "fields": dict})
    act = partial(
        lifecycle.submit_task,
        task_id=found,
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
        _PENDING,
        "move_not_allowed",
        "idempotency_key_reused",
        "invalid_request",
        has_body=True,
    ),
    openapi_extra=openapi.object_body({}, _ANN, contributor=_WHO),
)
def release(call: Workflow, task_id: TaskId) -> Response:
    """Put a claimed task back; with a contributor, only if that is who has claimed it."""
    found = workflows.check_task(call.workspace.store, call.workflow_id, number(task_id))
    contributor = read_members(call.body or b"{}", {}, {"contributor": str})["contributor"]
    act = partial(lifecycle.release_task, task_id=found, contributor=contributor, at=call.at)
    return _answer(call, act)


@router.post(
    "/{task_id}/status",
    responses=openapi.responses(
        200, wire.TaskDocument, _PENDING | {"status": "escalated"}, "move_not_allowed",
        "idempotency_key_reused",
        "invalid_request", has_body=True,
    ),
    openapi_extra=openapi.object_body(
        {"status": {"enum": ["failed", "escalated", "quarantined", "pending"]}},
        {"status": "escalated", "reason": "not in a language that I read"},
        reason={"type": "string", "maxLength": lifecycle.MAX_REASON_LENGTH},
        contributor=_WHO,
    ),
)  # fmt: skip
def set_status(call: Workflow, task_id: TaskId) -> Response:
    """Fail, escalate or quarantine a task, or put it back (pending)."""
    found = workflows.check_task(call.workspace.store, call.workflow_id, number(task_id))
    given = read_members(call.body, {"status": str}, {"reason": str, "contributor": str})
    act = partial(
        lifecycle.set_status,
        task_id=found,
        status=_status(given["status"]),
        by=given["contributor"],
        reason=given["reason"],
        at=call.at,
    )
    return _answer(call, act)


def _status(name: str) -> TaskStatus:
    try:
        return TaskStatus(name)
    except ValueError:
        known = ", ".join(TaskStatus)
        message = f"{name[:40]!r} is no status of a task; the statuses are {known}"
        raise UsageError(message) from None


def _answer(call: Call, act: Act[Task | None]) -> Response:
    """Make the move, once for its key, and answer with the task, or that there is none."""
    answer = answer_to(call.workspace.store, call.once, act, wire.task_answer, at=call.at)
    return wire.as_response(answer)
