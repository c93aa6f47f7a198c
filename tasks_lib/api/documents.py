"""The OpenAPI document, which needs no key."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from tasks_lib.api.access import BASE_PATH, StrictRoute
from tasks_lib.api.answers import JSON, encode, respond_unless_known

router = APIRouter(prefix=BASE_PATH, include_in_schema=False, route_class=StrictRoute)


@router.get("/openapi.json")
def get_openapi(request: Request) -> Response:
    """Return the OpenAPI document."""
    return respond_unless_known(request, encode(request.app.openapi()), JSON)
