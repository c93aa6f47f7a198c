"""Create a workflow's tasks, list them, and read one."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
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
from tasks_lib.api.answers import keep, member_of, respond, send
from tasks_lib.api.bodies import read_members, whole_number
from tasks_lib.api.errors import InvalidParameterError
from tasks_lib.api.naming import LabelQuery, NameQuery, naming_of
from tasks_lib.api.routes.files import links_of, readdress
from tasks_lib.api.wire import requests, tasks as wire
from tasks_lib.domain.naming import read_naming
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.operations.idempotency import Answer
from tasks_lib.operations.seeding.bulk_create import create_blank_tasks
from tasks_lib.operations.tasks.read import (
    find_task_in_pipeline,
    list_finished,
    list_page,
    list_page_after,
)

router = APIRouter(prefix=f"{WORKFLOW_PATH}/tasks", tags=["tasks"], route_class=AdmittingRoute)

MAX_PAGE_SIZE: Final = 1_000
_NO_LABELS: Final[list[str]] = []
_OF_PAGES: Final = frozenset({"page", "page_size"})
_CURSOR: Final = r"^[0-9]{0,18}$"

_TASKS_EXAMPLE: Final = {
    "tasks": [
        {"fields": {"review_id": "001", "body": "The lid broke on the second day.", "stars": 2}},
        {"fields": {"review_id": "002", "body": "Does what it says."}},
    ]
}


@router.post(
    "",
    status_code=201,
    responses=openapi.responses(
        201, wire.CreatedTasks, wire.CREATED, "pipeline_closed", "idempotency_key_reused",
        "no_tasks", "too_many_tasks", "tasks_rejected", "has_file_fields", "invalid_request",
        has_body=True,
    ),
    openapi_extra=openapi.request_body(requests.NewTasks, _TASKS_EXAMPLE),
)  # fmt: skip
def post_tasks(
    call: AdmittedWorkflowCall, name: NameQuery = "", label: LabelQuery = _NO_LABELS
) -> Response:
    """Create 1 to 5,000 tasks: all of them or none."""
    from tasks_lib.operations.seeding.create_tasks import create_tasks  # noqa: PLC0415 - loads Arrow

    answer = create_tasks(
        call.workspace,
        call.workflow_id,
        call.body,
        source=f"key {call.caller.prefix}",
        answer=lambda created: keep(wire.created_document(created), 201),
        idempotency_key=call.idempotency_key(),
        at=call.at,
        naming=read_naming(name, label),
    )
    return send(answer, location=_location(call, answer))


@router.post(
    "/bulk",
    status_code=201,
    responses=openapi.responses(
        201, wire.CreatedBlank, wire.CREATED_BLANK, "pipeline_closed",
        "idempotency_key_reused", "count_out_of_range", "has_dataset_fields", "invalid_request",
        has_body=True,
    ),
    openapi_extra=openapi.request_body(requests.NewBlankTasks, {"count": 250}),
)  # fmt: skip
def post_blank_tasks(call: AdmittedWorkflowCall) -> Response:
    """Create blank tasks in a workflow without dataset fields."""
    given = read_members(call.body, requests.NewBlankTasks)
    answer = create_blank_tasks(
        call.workspace,
        call.workflow_id,
        whole_number(given["count"], "count"),
        source=f"key {call.caller.prefix}",
        answer=lambda blank: keep(wire.blank_document(blank), 201),
        idempotency_key=call.idempotency_key(),
        at=call.at,
        naming=naming_of(given),
    )
    return send(answer, location=_location(call, answer))


def _location(call: WorkflowCall, answer: Answer) -> str | None:
    """Return the path of the list of the tasks that were created; None if all of them existed."""
    group_id = member_of(answer, "group_id")
    if group_id is None:
        return None
    path = WORKFLOW_PATH.format(workflow_id=call.workflow_id)
    return f"{path}/tasks?group_id={group_id}"


@router.get(
    "",
    responses=openapi.responses(200, wire.TaskPage, wire.PAGE, "invalid_request", "page_too_large"),
)
def list_tasks(
    call: AdmittedWorkflowCall,
    page: Annotated[int, Query(ge=1, le=10**9)] = 1,
    page_size: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = 50,
    status: TaskStatus | None = None,
    group_id: Annotated[int | None, Query(ge=1)] = None,
    after: Annotated[
        str | None,
        Query(
            pattern=_CURSOR,
            description="List the tasks after this cursor instead of a numbered page: `next` of an "
            "earlier answer, or empty for the first ones. Any page costs the same. `limit`, "
            "`status` and `group_id` go with it.",
        ),
    ] = None,
    finished_after: Annotated[
        str | None,
        Query(
            pattern=_CURSOR,
            description="List the tasks that were finished after this cursor instead, in the order "
            "of finishing, each once however many are finished meanwhile: `finished_until` of an "
            "earlier answer, or empty for all. Only `limit` goes with it.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        Query(
            ge=1,
            le=MAX_PAGE_SIZE,
            description="With `after`, 50 if omitted, and with `finished_after`, 500",
        ),
    ] = None,
) -> Response:
    """List the workflow's tasks, oldest first, by page or cursor; or those finished since one."""
    given = call.request.query_params.keys()
    if finished_after is not None:
        for other in sorted(given & (_OF_PAGES | {"status", "group_id", "after"})):
            raise InvalidParameterError(other, "does not go with finished_after")
        count = limit if limit is not None else 500
        finished = list_finished(
            call.workspace.store, call.workflow_id, after=int(finished_after or 0), limit=count
        )
        finished = finished._replace(items=readdress(call, finished.items))
        return respond(wire.finished_document(finished, limit=count))
    if after is not None:
        for other in sorted(given & _OF_PAGES):
            raise InvalidParameterError(other, "does not go with after; use limit")
        count = limit if limit is not None else 50
        following = list_page_after(
            call.workspace.store,
            call.workflow_id,
            after=int(after or 0),
            limit=count,
            status=status,
            group_id=group_id,
        )
        following = following._replace(items=readdress(call, following.items))
        return respond(wire.following_document(following, limit=count))
    if limit is not None:
        raise InvalidParameterError(
            "limit", "goes with after and finished_after only; use page_size"
        )
    listed = list_page(
        call.workspace.store,
        call.workflow_id,
        page=page,
        page_size=page_size,
        status=status,
        group_id=group_id,
    )
    listed = listed._replace(items=readdress(call, listed.items))
    return respond(wire.page_document(listed, page=page, page_size=page_size))


@router.get(
    "/{task_id}",
    responses=openapi.responses(200, wire.WholeTask, wire.WHOLE, "storage_unavailable"),
)
def get_task(call: AdmittedWorkflowCall, task_id: TaskId) -> Response:
    """Return a task with its values, moves and origin, and links to its files."""
    task = find_task_in_pipeline(call.workspace.store, call.workflow_id, parse_id(task_id))
    (shown,) = readdress(call, [task])
    return respond(wire.whole_task_document(shown, links_of(call, task)))
