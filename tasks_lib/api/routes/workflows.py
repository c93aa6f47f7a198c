"""Read a workflow: its counts, its fields, and the template of its CSV."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from tasks_lib.api import openapi
from tasks_lib.api.access import WORKFLOW_PATH, AdmittedWorkflowCall, AdmittingRoute
from tasks_lib.api.answers import JSON, CsvResponse, encode, respond, respond_unless_known
from tasks_lib.api.wire import workflows as wire
from tasks_lib.operations.catalogue.read import find_counted_pipeline, make_csv_template

router = APIRouter(prefix=WORKFLOW_PATH, tags=["workflows"], route_class=AdmittingRoute)

_TEMPLATE: Final = {
    "description": "The header of a CSV of the workflow's tasks",
    "content": {"text/csv": {"schema": {"type": "string"}, "example": "review_id,stars\r\n"}},
}


@router.get("", responses=openapi.responses(200, wire.Workflow, wire.WORKFLOW))
def get_workflow(call: AdmittedWorkflowCall) -> Response:
    """Return a workflow with the number of its tasks by status."""
    counted = find_counted_pipeline(call.workspace.store, call.workflow_id)
    return respond(wire.workflow_document(counted.pipeline, counted.counts))


@router.get(
    "/schema",
    responses=openapi.responses(200, wire.WorkflowSchema, wire.SCHEMA) | openapi.NOT_MODIFIED,
)
def get_schema(call: AdmittedWorkflowCall) -> Response:
    """Return how tasks of the workflow are created, and the fields that this needs."""
    counted = find_counted_pipeline(call.workspace.store, call.workflow_id)
    document = encode(wire.schema_document(counted.pipeline))
    return respond_unless_known(call.request, document, JSON)


@router.get(
    "/template.csv",
    response_class=CsvResponse,
    responses={**openapi.responses(200, None, None), 200: _TEMPLATE, **openapi.NOT_MODIFIED},
)
def get_template(call: AdmittedWorkflowCall) -> Response:
    """Return the header of a CSV of the workflow's tasks."""
    text = make_csv_template(call.workspace.store, call.workflow_id)
    return respond_unless_known(call.request, text.encode(), CsvResponse.media_type)
