"""Serve the rejected rows of a seeding under a signed URL, which a browser can open.

The call is not in the OpenAPI document: only the page of a flow run knows its URL.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tasks_lib.api.access import Service, StrictRoute
from tasks_lib.api.file_responses import StoredFileResponse
from tasks_lib.operations.seeding.rejects import LINK_PATH, find_linked_rejects

router = APIRouter(route_class=StrictRoute, include_in_schema=False)


@router.get(f"{LINK_PATH}/{{name}}")
def open_rejects(
    request: Request,
    name: str,
    charset: Annotated[str, Query(max_length=40)],
    expires: Annotated[int, Query()],
    signature: Annotated[str, Query(max_length=64)],
) -> Response:
    """Return the rejects file of a signed URL; no key is needed."""
    service: Service = request.app.state.service
    path, content_type = find_linked_rejects(
        service.workspace, name, charset, expires, signature, at=service.clock()
    )
    return StoredFileResponse(path, content_type, path.name, shown_in_browser=True)
