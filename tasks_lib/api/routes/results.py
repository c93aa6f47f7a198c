"""Return a workflow's finished tasks as JSON Lines, CSV or Parquet."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from tasks_lib.api import openapi
from tasks_lib.api.access import WORKFLOW_PATH, AdmittedWorkflowCall, AdmittingRoute, WorkflowCall
from tasks_lib.api.errors import RequestRefusedError
from tasks_lib.api.file_responses import IS_HEAD
from tasks_lib.api.media_types import choose_media_type
from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.errors import NotFoundError
from tasks_lib.operations.results.read import Scope, find_scope
from tasks_lib.operations.results.stream import stream_results

router = APIRouter(prefix=WORKFLOW_PATH, tags=["results"], route_class=AdmittingRoute)

NEXT: Final = "Next-Cursor"
_FORMATS: Final = {
    "application/x-ndjson": ResultFormat.JSONL,
    "text/csv": ResultFormat.CSV,
    "application/vnd.apache.parquet": ResultFormat.PARQUET,
}
"""The formats by media type; the first one is the default."""

_LINE: Final = '{"task_id":1,"group_id":1,"review_id":"001","sentiment":"good"}\n'
_RESULTS: Final = {
    "description": "The finished tasks, in the order in which they were finished",
    "content": {
        "application/x-ndjson": {"schema": {"type": "string"}, "example": _LINE},
        "text/csv": {
            "schema": {"type": "string"},
            "example": "task_id,group_id,review_id,sentiment\n1,1,001,good\n",
        },
        "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
    },
    "headers": {
        NEXT: {
            "description": "As `after` of the next call it returns the tasks that follow these",
            "schema": {"type": "string"},
        }
    },
}


class ResultsResponse(StreamingResponse):
    """Results, sent while they are read."""

    media_type = "application/x-ndjson"


@router.get(
    "/results",
    response_class=ResultsResponse,
    responses={
        **openapi.responses(200, None, None, "not_acceptable", "invalid_request"),
        200: _RESULTS,
    },
)
def get_results(
    call: AdmittedWorkflowCall,
    after: Annotated[
        str,
        Query(
            pattern=r"^[0-9]{0,18}$",
            description=f"Only tasks that were finished after this cursor, the `{NEXT}` of an "
            "earlier answer",
        ),
    ] = "",
    limit: Annotated[
        int | None, Query(ge=1, le=10**9, description="At most so many tasks; all if omitted")
    ] = None,
    group_id: Annotated[int | None, Query(ge=1, description="Only tasks of this group")] = None,
    *,
    with_source: Annotated[
        bool, Query(description="Add the columns of the tasks that these were created from")
    ] = False,
) -> Response:
    """Return the workflow's finished tasks as JSON Lines, CSV or Parquet, as `Accept` says.

    An answer of any size is sent while it is read. If it breaks off, send the request
    again; with `limit`, no more than one page is lost.
    """
    accept = ", ".join(call.request.headers.getlist("accept"))
    media_type = choose_media_type(accept, tuple(_FORMATS))
    if media_type is None:
        raise RequestRefusedError(
            "not_acceptable",
            f"results are sent as {', '.join(_FORMATS)}; Accept is {accept[:200]!r}",
        )
    stream = stream_results(
        call.workspace.store,
        _scope_of(call, group_id),
        _FORMATS[media_type],
        after=int(after or 0),
        limit=limit,
        with_source=with_source,
    )
    headers = {NEXT: str(stream.until), "Vary": "Accept"}
    if call.request.scope.get(IS_HEAD):
        response = Response(b"", 200, headers, media_type)
        del response.headers["Content-Length"]  # it would be that of the answer to GET
        return response
    return ResultsResponse(stream.chunks, 200, headers, media_type)


def _scope_of(call: WorkflowCall, group_id: int | None) -> Scope:
    """Return the scope of the workflow or of one of its groups; raise NotFoundError."""
    store = call.workspace.store
    if group_id is None:
        return find_scope(store, str(call.workflow_id))
    missing = NotFoundError(f"the workflow has no group {group_id}")
    try:
        scope = find_scope(store, group_id=group_id)
    except NotFoundError:
        raise missing from None
    if scope.pipeline.id != call.workflow_id:
        raise missing
    return scope
