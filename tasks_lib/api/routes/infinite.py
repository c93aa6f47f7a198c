"""Infinite seeding of a workflow: enable it, disable it, and check its status."""

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from tasks_lib.api import openapi
from tasks_lib.api.access import WORKFLOW_PATH, AdmittedWorkflowCall, AdmittingRoute
from tasks_lib.api.answers import keep, respond, send
from tasks_lib.api.bodies import read_members, whole_number
from tasks_lib.api.wire.infinite import EXAMPLE, InfiniteSeeding, infinite_document
from tasks_lib.api.wire.requests import InfiniteSettings
from tasks_lib.domain.rows.json_rows import Digits, kind_of
from tasks_lib.errors import MalformedBodyError
from tasks_lib.operations.idempotency import run_once
from tasks_lib.operations.infinite.manage import InfiniteRequest, disable, enable, get_status

router = APIRouter(
    prefix=f"{WORKFLOW_PATH}/infinite", tags=["infinite"], route_class=AdmittingRoute
)


@router.get("", responses=openapi.responses(200, InfiniteSeeding, EXAMPLE))
def get_infinite(call: AdmittedWorkflowCall) -> Response:
    """Return the status of the workflow's infinite seeding."""
    return respond(infinite_document(get_status(call.workspace.store, str(call.workflow_id))))


@router.post(
    "",
    responses=openapi.responses(
        200, InfiniteSeeding, EXAMPLE, "idempotency_key_reused", "invalid_request",
        has_body=True,
    ),
    openapi_extra=openapi.request_body(
        InfiniteSettings, {"target": 10_000, "keep_available": 5, "copy_groups": [1]}
    ),
)  # fmt: skip
def post_infinite(call: AdmittedWorkflowCall) -> Response:
    """Enable infinite seeding, or change its settings: tasks are created as others are claimed."""
    given = read_members(call.body, InfiniteSettings)
    target, keep_available = given["target"], given["keep_available"]
    request = InfiniteRequest(
        target=whole_number(target, "target") if target is not None else None,
        keep_available=(
            whole_number(keep_available, "keep_available") if keep_available is not None else 1
        ),
        copy_groups=tuple(_group(value) for value in given["copy_groups"] or ()),
    )
    act = partial(enable, reference=str(call.workflow_id), request=request, at=call.at)
    answer = run_once(
        call.workspace.store,
        call.idempotency_key(),
        act,
        lambda seeding: keep(infinite_document(seeding), 200),
        at=call.at,
    )
    return send(answer)


@router.delete("", responses=openapi.responses(200, InfiniteSeeding, EXAMPLE))
def delete_infinite(call: AdmittedWorkflowCall) -> Response:
    """Disable infinite seeding; existing tasks stay."""
    return respond(infinite_document(disable(call.workspace.store, str(call.workflow_id))))


def _group(value: object) -> int:
    if type(value) is not Digits:
        raise MalformedBodyError(f"copy_groups holds {kind_of(value)}; it must hold numbers")
    return whole_number(value, "group")
