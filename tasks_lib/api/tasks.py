"""Create a workflow's tasks, list them, and look at one."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tasks_lib.api import openapi, wire
from tasks_lib.api.access import WORKFLOW_PATH, TaskId, Workflow, number
from tasks_lib.api.files import links_of
from tasks_lib.domain.json_rows import Digits
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.operations import workflows
from tasks_lib.operations.bulk_create import create_blank_tasks
from tasks_lib.operations.create_tasks import create_tasks
from tasks_lib.operations.request_bodies import read_members, whole_number

router = APIRouter(prefix=f"{WORKFLOW_PATH}/tasks", tags=["tasks"])

MAX_PAGE_SIZE: Final = 1_000

_NEW_TASKS: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["tasks"],
    "properties": {
        "tasks": {
            "type": "array",
            "minItems": 1,
            "maxItems": 5_000,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["fields"],
                "properties": {
                    "fields": {
                        "type": "object",
                        "additionalProperties": True,
                        "description": "Values of the workflow's dataset fields. A string is read "
                        "like a cell of a CSV; a number keeps its digits; an optional field may "
                        "be left out.",
                    }
                },
            },
        }
    },
}
_TASKS_EXAMPLE: Final = {
    "tasks": [
        {"fields": {"review_id": "001", "body": "The lid broke on the second day.", "stars": 2}},
        {"fields": {"review_id": "002", "body": "Does what it says."}},
    ]
}
_COUNT: Final[dict[str, Any]] = {"type": "integer", "minimum": 1}
_PAGE: Final = {
    "items": [wire.TASK_EXAMPLE],
    "total": 1,
    "page": 1,
    "page_size": 50,
    "has_more": False,
}
_CREATED: Final = {"created": 2, "group_id": 1, "task_ids": [1, 2]}


@router.post(
    "",
    status_code=201,
    responses=openapi.responses(
        201, wire.CreatedTasks, _CREATED, "pipeline_closed", "idempotency_key_reused", "no_tasks",
        "too_many_tasks", "tasks_rejected", "has_file_fields", "invalid_request", has_body=True,
    ),
    openapi_extra=openapi.request_body(_NEW_TASKS, {"two tasks": _TASKS_EXAMPLE}),
)  # fmt: skip
def post_tasks(call: Workflow) -> Response:
    """Create 1 to 5,000 tasks, all of them or none."""
    answer = create_tasks(
        call.workspace,
        call.workflow_id,
        call.body,
        source=f"key {call.caller.prefix}",
        answer=wire.created_answer,
        once=call.once,
        at=call.at,
    )
    return wire.as_response(answer)


@router.post(
    "/bulk",
    status_code=201,
    responses=openapi.responses(
        201, wire.CreatedBlank, {"created": 250, "group_id": 1}, "pipeline_closed",
        "idempotency_key_reused", "count_out_of_range", "has_dataset_fields", "invalid_request",
        has_body=True,
    ),
    openapi_extra=openapi.object_body({"count": _COUNT}, {"count": 250}),
)  # fmt: skip
def post_blank_tasks(call: Workflow) -> Response:
    """Create blank tasks, as many as are asked for, in a workflow without dataset fields."""
    given = read_members(call.body, {"count": Digits})
    answer = create_blank_tasks(
        call.workspace,
        call.workflow_id,
        whole_number(given["count"], "count"),
        source=f"key {call.caller.prefix}",
        answer=lambda created: wire.json_kept(created._asdict(), 201),
        once=call.once,
        at=call.at,
    )
    return wire.as_response(answer)


@router.get("", responses=openapi.responses(200, wire.TaskPage, _PAGE, "invalid_request"))
def list_tasks(
    call: Workflow,
    page: Annotated[int, Query(ge=1, le=10**9)] = 1,
    page_size: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = 50,
    status: TaskStatus | None = None,
    group_id: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    """List the workflow's tasks, oldest first, page by page."""
    found = workflows.list_page(
        call.workspace.store,
        call.workflow_id,
        page=page,
        page_size=page_size,
        status=status,
        group_id=group_id,
    )
    return wire.json_answer(
        {
            "items": [wire.task_document(task) for task in found.items],
            "total": found.total,
            "page": page,
            "page_size": page_size,
            "has_more": page * page_size < found.total,
        }
    )


@router.get(
    "/{task_id}",
    responses=openapi.responses(
        200, wire.WholeTask, wire.WHOLE_TASK_EXAMPLE, "storage_unavailable"
    ),
)
def get_task(request: Request, call: Workflow, task_id: TaskId) -> Response:
    """Return a task with its values, its moves, where it came from, and links to its files."""
    task = workflows.find_task(call.workspace.store, call.workflow_id, number(task_id))
    return wire.json_answer(wire.whole_task_document(task, links_of(request, call, task)))
