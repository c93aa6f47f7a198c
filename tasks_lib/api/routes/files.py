"""Serve the files of tasks: from a folder, or by a redirect to a signed URL of S3."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from tasks_lib.api import openapi
from tasks_lib.api.access import (
    WORKFLOW_PATH,
    AdmittedWorkflowCall,
    AdmittingRoute,
    TaskId,
    WorkflowCall,
    base_url,
    parse_id,
)
from tasks_lib.api.answers import BytesResponse
from tasks_lib.api.file_responses import StoredFileResponse
from tasks_lib.operations.tasks.read import Task, find_file, link_files, readdress_files

router = APIRouter(
    prefix=f"{WORKFLOW_PATH}/tasks/{{task_id}}", tags=["tasks"], route_class=AdmittingRoute
)

_LOCAL: Final = "file:"
_CONTENT: Final[dict[str, Any]] = {
    "description": "The file, as it was uploaded",
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}


@router.get(
    "/files/{field:path}",
    response_class=BytesResponse,
    responses={
        **openapi.responses(
            200, None, None, "storage_unavailable", "invalid_range", "range_not_satisfiable"
        ),
        200: _CONTENT,
        206: {"description": "A part of the file"} | {"content": _CONTENT["content"]},
        **openapi.NOT_MODIFIED,
        307: {"description": "A redirect to a signed URL of the file"},
    },
)
def get_file(call: AdmittedWorkflowCall, task_id: TaskId, field: str) -> Response:
    """Return the file that a task has in a field."""
    file = find_file(call.workspace, call.workflow_id, parse_id(task_id), field)
    if file.path is None:
        return RedirectResponse(file.link)
    return StoredFileResponse(file.path, file.content_type, file.name)


def readdress(call: WorkflowCall, tasks: Sequence[Task]) -> list[Task]:
    """Return tasks whose files have the addresses at which the API serves them."""
    return readdress_files(call.workspace.store, tasks, partial(_address_of, call))


def links_of(call: WorkflowCall, task: Task) -> dict[str, str]:
    """Return a URL for each file of the task; files in a folder are served here, with the key."""
    links = link_files(call.workspace, task)
    return {
        name: _address_of(call, task, name) if link.startswith(_LOCAL) else link
        for name, link in links.items()
    }


def _address_of(call: WorkflowCall, task: Task, field: str) -> str:
    path = WORKFLOW_PATH.format(workflow_id=call.workflow_id)
    address = f"{base_url(call.request, call.service)}{path}/tasks/{task.id}/files"
    return f"{address}/{quote(field, safe='')}"
