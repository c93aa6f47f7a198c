"""Give out the files of tasks: from the folder they are kept in, or by a signed link to S3."""

from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from tasks_lib.api import openapi
from tasks_lib.api.access import WORKFLOW_PATH, Call, TaskId, Workflow, address_of, number
from tasks_lib.operations import workflows
from tasks_lib.operations.queries import Task, links_to_files

router = APIRouter(prefix=f"{WORKFLOW_PATH}/tasks/{{task_id}}", tags=["tasks"])

_LOCAL: Final = "file:"
_CONTENT: Final[dict[str, Any]] = {
    "description": "The file, as it was uploaded",
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}


@router.get(
    "/files/{field:path}",
    responses={
        **openapi.responses(200, None, None, "storage_unavailable"),
        200: _CONTENT,
        307: {"description": "Where the file is, for a time"},
    },
)
def get_file(call: Workflow, task_id: TaskId, field: str) -> Response:
    """Return the file that a task has in a field."""
    file = workflows.find_file(call.workspace, call.workflow_id, number(task_id), field)
    if file.path is None:
        return RedirectResponse(file.link)
    return FileResponse(
        file.path,
        media_type=file.content_type,
        filename=file.name,
        headers={"X-Content-Type-Options": "nosniff"},
    )


def links_of(request: Request, call: Call, task: Task) -> dict[str, str]:
    """Return what opens the task's files; those in a folder are to be had here, with the key."""
    links = links_to_files(call.workspace, task)
    here = f"{address_of(request, call.service)}{request.url.path}/files"
    return {
        name: f"{here}/{quote(name, safe='')}" if link.startswith(_LOCAL) else link
        for name, link in links.items()
    }
