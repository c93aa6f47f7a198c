"""Chains of the key's organization: make, change, pause, delete, and see what they wait for."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from pydantic import WithJsonSchema
from starlette.responses import Response

from tasks_lib.api import openapi, wire
from tasks_lib.api.access import BASE_PATH, Organization, OrganizationCall, number
from tasks_lib.domain.chains import Trigger
from tasks_lib.domain.json_rows import Digits, kind_of
from tasks_lib.errors import MalformedBodyError, NotFoundError, UsageError
from tasks_lib.operations import chains, workflows
from tasks_lib.operations.chains import Chain, ChainRequest
from tasks_lib.operations.request_bodies import read_members, whole_number

router = APIRouter(prefix=f"{BASE_PATH}/chains", tags=["chains"])

ChainId = Annotated[
    str,
    Path(description="The chain's number."),
    WithJsonSchema({"type": "integer", "minimum": 1, "examples": [1]}),
]
_WORKFLOW: Final[dict[str, Any]] = {"type": "integer", "minimum": 1, "maximum": 10**15}
_ON: Final[dict[str, Any]] = {"enum": [trigger.value for trigger in Trigger]}
_OPTIONS: Final[dict[str, Any]] = {
    "mapping": {
        "type": "object",
        "additionalProperties": {"type": "string", "minLength": 1},
        "description": "Fields of the target, and the column or column:jsonpath that fills each",
    },
    "skip": {
        "type": "array",
        "items": {"type": "string"},
        "description": "Fields of the target to leave empty on purpose",
    },
}
_EXISTING: Final[dict[str, Any]] = {
    "type": "boolean",
    "default": False,
    "description": "Whether what was finished before counts, too",
}
_NEW: Final = {"target": 3, "source": 1, "on": "task-completion"}
_CHAIN: Final[dict[str, Any]] = {
    "id": 1,
    "name": "chain: reviews/label-reviews -> qa/check-labels on task completion",
    "target": 3,
    "source": 1,
    "on": "task-completion",
    "mapping": {},
    "skip": [],
    "is_paused": False,
    "waiting": 0,
    "misfits": 0,
    "oldest_waiting_at": None,
    "created_at": "2026-11-25T08:00:00+00:00",
    "looked_at": "2026-11-25T08:05:00+00:00",
    "fired_at": "2026-11-25T08:05:00+00:00",
    "error_code": None,
    "error_message": None,
    "automation_id": "6f1a3e0e-8a0b-4b57-9a63-0f3a6f0f2f55",
}
_EXPLAINED: Final = _CHAIN | {"reasons": ["no finished task waits for it"], "unfit_tasks": []}


@router.get("", responses=openapi.responses(200, wire.Chains, {"items": [_CHAIN]}))
def list_chains(call: Organization) -> Response:
    """List the organization's chains, oldest first."""
    found = [chain for chain in chains.list_chains(call.workspace.store) if _is_ours(call, chain)]
    return wire.json_answer({"items": [_document(chain) for chain in found]})


@router.post(
    "",
    status_code=201,
    responses=openapi.responses(
        201, wire.Chain, _CHAIN, "chain_rejected", "invalid_request", has_body=True
    ),
    openapi_extra=openapi.object_body(
        {"target": _WORKFLOW, "source": _WORKFLOW, "on": _ON}, _NEW,
        **_OPTIONS, include_existing=_EXISTING,
    ) | openapi.NOT_ONCE,
)  # fmt: skip
def post_chain(call: Organization) -> Response:
    """Let what finishes in one workflow become tasks of another."""
    required: dict[str, type] = {"target": Digits, "source": Digits, "on": str}
    optional: dict[str, type] = {"mapping": dict, "skip": list, "include_existing": bool}
    given = read_members(call.body, required, optional)
    request = ChainRequest(
        _workflow(call, given["target"]),
        _workflow(call, given["source"]),
        _trigger(given["on"]),
        _mapping(given["mapping"] or {}),
        _names(given["skip"] or []),
        bool(given["include_existing"]),
    )
    made = chains.create_chain(call.workspace, request, at=call.at)
    return wire.json_answer(_document(_followed(call, made)), 201)


@router.get("/{chain_id}", responses=openapi.responses(200, wire.ExplainedChain, _EXPLAINED))
def get_chain(call: Organization, chain_id: ChainId) -> Response:
    """Return a chain, why it has not fired, and which tasks do not fit."""
    told = chains.explain_chain(call.workspace.store, _find(call, chain_id).id)
    unfit = [
        {"task_id": one.task_id, "code": one.code, "message": one.message} for one in told.misfits
    ]
    more = {"reasons": told.reasons, "unfit_tasks": unfit}
    return wire.json_answer(_document(told.chain) | more)


@router.post(
    "/{chain_id}",
    responses=openapi.responses(
        200, wire.Chain, _CHAIN, "chain_rejected", "invalid_request", has_body=True
    ),
    openapi_extra=openapi.object_body({}, {"on": "pipeline-completion"}, on=_ON, **_OPTIONS)
    | openapi.NOT_ONCE,
)
def edit_chain(call: Organization, chain_id: ChainId) -> Response:
    """Change when a chain fires, or its mapping; what is left out stays as it is."""
    found = _find(call, chain_id)
    given = read_members(call.body or b"{}", {}, {"on": str, "mapping": dict, "skip": list})
    edited = chains.edit_chain(
        call.workspace.store,
        found.id,
        trigger=_trigger(given["on"]) if given["on"] is not None else None,
        mapping=_mapping(given["mapping"]) if given["mapping"] is not None else None,
        skip=_names(given["skip"]) if given["skip"] is not None else None,
    )
    return wire.json_answer(_document(_followed(call, edited)))


@router.post("/{chain_id}/pause", responses=openapi.responses(200, wire.Chain, _CHAIN))
def pause_chain(call: Organization, chain_id: ChainId) -> Response:
    """Pause a chain: what is finished waits for it."""
    return _switch(call, chain_id, is_paused=True)


@router.post("/{chain_id}/resume", responses=openapi.responses(200, wire.Chain, _CHAIN))
def resume_chain(call: Organization, chain_id: ChainId) -> Response:
    """Let a paused chain go on; it catches up."""
    return _switch(call, chain_id, is_paused=False)


@router.delete("/{chain_id}", responses=openapi.responses(200, wire.Chain, _CHAIN))
def delete_chain(call: Organization, chain_id: ChainId) -> Response:
    """Delete a chain and its automation; the tasks that it made stay."""
    deleted = chains.delete_chain(call.workspace.store, _find(call, chain_id).id)
    call.service.automations.remove(deleted)
    return wire.json_answer(_document(deleted))


def _switch(call: OrganizationCall, chain_id: str, *, is_paused: bool) -> Response:
    found = _find(call, chain_id)
    switched = chains.set_paused(call.workspace.store, found.id, is_paused=is_paused)
    return wire.json_answer(_document(_followed(call, switched)))


def _followed(call: OrganizationCall, changed: Chain) -> Chain:
    """Bring the automation in line with the chain, and return what is known then."""
    call.service.automations.ensure(call.workspace.store, changed)
    return chains.find_chain(call.workspace.store, changed.id)


def _find(call: OrganizationCall, chain_id: str) -> Chain:
    """Return a chain of the caller's organization; raise NotFoundError."""
    missing = NotFoundError(f"there is no chain {chain_id[:20]}")
    try:
        found = chains.find_chain(call.workspace.store, number(chain_id) or 0)
    except NotFoundError:
        raise missing from None
    if not _is_ours(call, found):
        raise missing
    return found


def _is_ours(call: OrganizationCall, chain: Chain) -> bool:
    return chain.organization_id == call.caller.organization_id


def _workflow(call: OrganizationCall, digits: str) -> str:
    """Return a workflow of the caller's organization, by its number; raise NotFoundError."""
    found = whole_number(digits, "workflow")
    if not workflows.is_of(call.workspace.store, found, call.caller.organization_id):
        raise NotFoundError(f"there is no workflow {found}")
    return str(found)


def _trigger(name: str) -> Trigger:
    try:
        return Trigger(name)
    except ValueError:
        raise UsageError(f"on is {name[:40]!r}; it must be {' or '.join(Trigger)}") from None


def _mapping(given: dict[str, Any]) -> dict[str, str]:
    for value in given.values():
        if type(value) is not str:
            raise MalformedBodyError(f"mapping holds {kind_of(value)}; it must hold columns")
    return given


def _names(given: list[Any]) -> tuple[str, ...]:
    for value in given:
        if type(value) is not str:
            raise MalformedBodyError(f"skip holds {kind_of(value)}; it must hold names of fields")
    return tuple(given)


def _document(chain: Chain) -> dict[str, Any]:
    known = {
        "target": chain.target_pipeline_id,
        "source": chain.source_pipeline_id,
        "on": chain.trigger,
    }
    return {name: known[name] if name in known else getattr(chain, name) for name in _CHAIN}
