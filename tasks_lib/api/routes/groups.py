"""Groups of the key's organization: list, return and undo them."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from tasks_lib.api import openapi
from tasks_lib.api.access import (
    BASE_PATH,
    WORKFLOW_PATH,
    AdmittedCall,
    AdmittedWorkflowCall,
    AdmittingRoute,
    Call,
    parse_id,
)
from tasks_lib.api.answers import respond
from tasks_lib.api.wire import groups as wire
from tasks_lib.domain.statuses import GroupState
from tasks_lib.errors import NotFoundError
from tasks_lib.operations.catalogue.read import is_in_organization
from tasks_lib.operations.groups.read import CountedGroup, find_group, list_counted_groups
from tasks_lib.operations.groups.undo import rehearse_undo, undo_group

router = APIRouter(tags=["groups"], route_class=AdmittingRoute)

GroupId = Annotated[
    str,
    Path(description="The id of the group."),
    WithJsonSchema({"type": "integer", "minimum": 1, "examples": [1]}),
]


def _true_or_false(value: object) -> bool:
    """Read a boolean as JSON spells it; pydantic would also take yes, on and 1."""
    if value in {"true", True}:
        return True
    if value in {"false", False}:
        return False
    raise PydanticCustomError("true_or_false", "must be true or false")


TrueOrFalse = Annotated[bool, BeforeValidator(_true_or_false), WithJsonSchema({"type": "boolean"})]
MAX_PAGE_SIZE: Final = 500
_UNDO_SECONDS: Final = 10.0
"""How long a request removes tasks; the rest is removed after the answer."""
_UNDOING: Final = openapi.answer(wire.UndoneGroup, wire.UNDOING, "More tasks are being removed") | {
    "headers": openapi.LOCATION
}


@router.get(
    f"{WORKFLOW_PATH}/groups",
    responses=openapi.responses(200, wire.Groups, wire.GROUPS, "invalid_request"),
)
def list_groups(
    call: AdmittedWorkflowCall,
    after: Annotated[int, Query(ge=0, le=10**18, description="`next` of the page before")] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = 50,
) -> Response:
    """List the workflow's groups with the number of their tasks by status, oldest first."""
    page = list_counted_groups(call.workspace.store, call.workflow_id, after=after, limit=limit)
    return respond(wire.groups_document(page))


@router.get(
    f"{BASE_PATH}/groups/{{group_id}}", responses=openapi.responses(200, wire.Group, wire.GROUP)
)
def get_group(call: AdmittedCall, group_id: GroupId) -> Response:
    """Return a group with the number of its tasks by status."""
    return respond(wire.group_document(_find(call, group_id)))


@router.delete(
    f"{BASE_PATH}/groups/{{group_id}}",
    responses=openapi.responses(
        200, wire.UndoneGroup, wire.UNDONE, "group_in_use", "invalid_request"
    )
    | {202: _UNDOING},
)
def undo(
    call: AdmittedCall,
    group_id: GroupId,
    dry_run: Annotated[  # noqa: FBT002 - a query parameter
        TrueOrFalse, Query(description="Only return how many tasks would be removed and kept")
    ] = False,
    flows_again: Annotated[  # noqa: FBT002 - a query parameter
        TrueOrFalse,
        Query(description="Let the rows or tasks that were seeded into the group be seeded again"),
    ] = False,
) -> Response:
    """Undo a group: remove the tasks on which nobody has worked, and keep the others.

    The group stays as a record, and its content can be seeded again. If that takes more than some
    seconds, the answer is 202 and the rest is removed afterwards: the group's `state` tells when.
    """
    group = _find(call, group_id).group
    store = call.workspace.store
    if dry_run:
        return respond(wire.undone_document(rehearse_undo(store, group.id)))
    report = undo_group(
        store,
        group.id,
        by=call.acting_workspace.store.actor,
        at=call.at,
        flows_again=flows_again,
        seconds=_UNDO_SECONDS,
    )
    document = wire.undone_document(report)
    if report.state is GroupState.UNDOING:
        return respond(document, 202, location=f"{BASE_PATH}/groups/{group.id}")
    return respond(document)


def _find(call: Call, group_id: str) -> CountedGroup:
    """Return a group of the caller's organization; raise NotFoundError."""
    missing = NotFoundError(f"there is no group {group_id[:20]}")
    store = call.workspace.store
    try:
        counted = find_group(store, parse_id(group_id) or 0)
    except NotFoundError:
        raise missing from None
    if not is_in_organization(store, counted.group.pipeline_id, call.caller.organization_id):
        raise missing
    return counted
