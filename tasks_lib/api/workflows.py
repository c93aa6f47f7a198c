"""Look at a workflow: what it is, how its tasks are created, the template of its CSV."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from tasks_lib.api import openapi, wire
from tasks_lib.api.access import WORKFLOW_PATH, Workflow
from tasks_lib.operations import workflows

router = APIRouter(prefix=WORKFLOW_PATH, tags=["workflows"])

_WORKFLOW: Final = {
    "id": 1,
    "name": "label-reviews",
    "project": "reviews",
    "organization": "acme",
    "status": "active",
    "task_counts": {
        "pending": 2, "in_progress": 1, "paused": 0, "finished": 7,
        "escalated": 0, "quarantined": 0, "failed": 0,
    },
    "task_total": 10,
}  # fmt: skip
_SCHEMA: Final[dict[str, Any]] = {
    "workflow_id": 1,
    "creation_mode": "fields",
    "fields": [
        {"name": "review_id", "type": "text", "required": True},
        {"name": "stars", "type": "integer", "required": False, "min": "1", "max": "5"},
    ],
    "input_fields": [
        {
            "name": "sentiment",
            "type": "single_select",
            "required": True,
            "options": ["good", "bad", "mixed"],
        }
    ],
}
_TEMPLATE: Final = {
    "description": "The header that a CSV needs",
    "content": {"text/csv": {"schema": {"type": "string"}, "example": "review_id,stars\r\n"}},
}


@router.get("", responses=openapi.responses(200, wire.Workflow, _WORKFLOW))
def get_workflow(call: Workflow) -> Response:
    """Return a workflow with the number of its tasks by status."""
    found = workflows.find_workflow(call.workspace.store, call.workflow_id)
    return wire.json_answer(wire.workflow_document(*found))


@router.get("/schema", responses=openapi.responses(200, wire.WorkflowSchema, _SCHEMA))
def get_schema(call: Workflow) -> Response:
    """Return how tasks of the workflow are created, and the fields that this needs."""
    found = workflows.find_workflow(call.workspace.store, call.workflow_id)
    return wire.json_answer(wire.schema_document(found.pipeline))


@router.get("/template.csv", responses={**openapi.responses(200, None, None), 200: _TEMPLATE})
def get_template(call: Workflow) -> Response:
    """Return the header that a CSV of the workflow's tasks needs."""
    text = workflows.template_of(call.workspace.store, call.workflow_id)
    return Response(text.encode(), media_type="text/csv; charset=utf-8")
