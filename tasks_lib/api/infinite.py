"""Infinite seeding of a workflow: have it kept topped up, stop that, and see how it stands."""

from functools import partial
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from tasks_lib.api import openapi, wire
from tasks_lib.api.access import WORKFLOW_PATH, Workflow
from tasks_lib.domain.json_rows import Digits, kind_of
from tasks_lib.errors import MalformedBodyError
from tasks_lib.operations import infinite_seeding
from tasks_lib.operations.idempotency import answer_to
from tasks_lib.operations.infinite_seeding import MAX_KEPT_AVAILABLE, InfiniteSeeding, Wish
from tasks_lib.operations.request_bodies import read_members, whole_number

router = APIRouter(prefix=f"{WORKFLOW_PATH}/infinite", tags=["infinite"])

_STATE: Final[dict[str, Any]] = {
    "state": "running",
    "target": 10_000,
    "keep_available": 5,
    "copy_groups": [1],
    "available": 5,
    "total": 120,
    "made": 115,
    "group_id": 2,
    "message": None,
    "warnings": [],
}
_MEMBERS: Final[dict[str, type]] = {"target": Digits, "keep_available": Digits, "copy_groups": list}
_WISH: Final[dict[str, Any]] = {
    "target": {
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": 10**15,
        "description": "The most tasks that the workflow shall ever hold",
    },
    "keep_available": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_KEPT_AVAILABLE,
        "default": 1,
        "description": "How many tasks shall be there to claim",
    },
    "copy_groups": {
        "type": "array",
        "uniqueItems": True,
        "items": {"type": "integer", "minimum": 1, "maximum": 10**15},
        "description": "Groups of the workflow whose tasks' values are copied, round and round",
    },
}


@router.get("", responses=openapi.responses(200, wire.InfiniteSeeding, _STATE))
def get_infinite(call: Workflow) -> Response:
    """Return how the workflow's infinite seeding stands."""
    return wire.json_answer(
        _told(infinite_seeding.status(call.workspace.store, str(call.workflow_id)))
    )


@router.post(
    "",
    responses=openapi.responses(
        200, wire.InfiniteSeeding, _STATE, "idempotency_key_reused", "invalid_request",
        has_body=True,
    ),
    openapi_extra=openapi.object_body(
        {}, {"target": 10_000, "keep_available": 5, "copy_groups": [1]}, **_WISH
    ),
)  # fmt: skip
def post_infinite(call: Workflow) -> Response:
    """Keep the workflow topped up as its tasks are claimed, or change how."""
    given = read_members(call.body or b"{}", {}, _MEMBERS)
    target, keep = given["target"], given["keep_available"]
    wish = Wish(
        whole_number(target, "target") if target is not None else None,
        whole_number(keep, "keep_available") if keep is not None else 1,
        tuple(_group(value) for value in given["copy_groups"] or ()),
    )
    act = partial(infinite_seeding.enable, reference=str(call.workflow_id), wish=wish, at=call.at)
    answer = answer_to(
        call.workspace.store, call.once, act, lambda found: wire.json_kept(_told(found), 200),
        at=call.at,
    )  # fmt: skip
    return wire.as_response(answer)


@router.delete("", responses=openapi.responses(200, wire.InfiniteSeeding, _STATE))
def delete_infinite(call: Workflow) -> Response:
    """Make no more tasks; those that are there stay."""
    return wire.json_answer(
        _told(infinite_seeding.disable(call.workspace.store, str(call.workflow_id)))
    )


def _group(value: object) -> int:
    if type(value) is not Digits:
        raise MalformedBodyError(f"copy_groups holds {kind_of(value)}; it must hold numbers")
    return whole_number(value, "group")


def _told(found: InfiniteSeeding) -> dict[str, Any]:
    return {name: getattr(found, name) for name in _STATE}
