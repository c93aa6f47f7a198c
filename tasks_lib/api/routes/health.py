"""The health check, for load balancers; it needs no key."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from tasks_lib.api import openapi
from tasks_lib.api.access import BASE_PATH, Service, StrictRoute
from tasks_lib.api.answers import respond
from tasks_lib.api.wire.health import EXAMPLE, Health, health_document
from tasks_lib.operations.health import health_of

router = APIRouter(prefix=BASE_PATH, tags=["health"], route_class=StrictRoute)


@router.get(
    "/health",
    responses={
        200: openapi.answer(Health, EXAMPLE),
        **openapi.errors("internal_error", "store_unavailable", "storage_unavailable"),
    },
)
def get_health(request: Request) -> Response:
    """Check that the service works, its store responds, and its disks are not full."""
    service: Service = request.app.state.service
    return respond(health_document(health_of(service.workspace)))
