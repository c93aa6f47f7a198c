"""Whether the service works; for load balancers, so it needs no key."""

from importlib.metadata import version
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from tasks_lib.api import openapi, wire
from tasks_lib.api.access import BASE_PATH, Service
from tasks_lib.operations.health import health_of

router = APIRouter(prefix=BASE_PATH, tags=["health"])

_EXAMPLE: Final = {
    "status": "ok",
    "version": "0.1.0",
    "store_revision": "0006",
    "waiting_for_prefect": {"claims": 0, "finished_tasks": 0, "groups": 0},
}


@router.get(
    "/health",
    responses={
        200: openapi.answer(wire.Health, _EXAMPLE),
        **openapi.errors("internal_error", "store_unavailable"),
    },
)
def get_health(request: Request) -> Response:
    """Tell whether the service works and its store answers."""
    service: Service = request.app.state.service
    found = health_of(service.workspace.store)
    return wire.json_answer(
        {
            "status": "ok",
            "version": version("task-seeding"),
            "store_revision": found.revision,
            "waiting_for_prefect": found.waiting._asdict(),
        }
    )
