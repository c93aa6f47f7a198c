"""Chains of the key's organization: create, edit, pause, resume, delete, and explain them."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from pydantic import WithJsonSchema
from starlette.responses import Response

from tasks_lib.api import openapi
from tasks_lib.api.access import BASE_PATH, AdmittedCall, AdmittingRoute, Call, parse_id
from tasks_lib.api.answers import respond
from tasks_lib.api.bodies import read_members, whole_number
from tasks_lib.api.wire import chains as wire, requests
from tasks_lib.api.wire.chains import chain_document
from tasks_lib.domain.chains import Trigger
from tasks_lib.domain.rows.json_rows import kind_of
from tasks_lib.errors import MalformedBodyError, NotFoundError, UsageError
from tasks_lib.operations.catalogue.read import is_in_organization
from tasks_lib.operations.chains import manage
from tasks_lib.operations.chains.manage import (
    Chain,
    ChainRequest,
    create_chain,
    explain_chain,
    find_chain,
    set_paused,
)

router = APIRouter(prefix=f"{BASE_PATH}/chains", tags=["chains"], route_class=AdmittingRoute)

ChainId = Annotated[
    str,
    Path(description="The id of the chain."),
    WithJsonSchema({"type": "integer", "minimum": 1, "examples": [1]}),
]
_NEW: Final = {"target": 3, "source": 1, "on": "task-completion"}


@router.get("", responses=openapi.responses(200, wire.Chains, wire.CHAINS))
def list_chains(call: AdmittedCall) -> Response:
    """List the organization's chains, oldest first."""
    chains = manage.list_chains_of(call.workspace.store, call.caller.organization_id)
    return respond(wire.chains_document(chains))


@router.post(
    "",
    status_code=201,
    responses=openapi.responses(
        201, wire.Chain, wire.CHAIN, "chain_rejected", "invalid_request", has_body=True
    ),
    openapi_extra=openapi.request_body(requests.NewChain, _NEW) | openapi.NOT_ONCE,
)  # fmt: skip
def post_chain(call: AdmittedCall) -> Response:
    """Create a chain: tasks that are finished in one workflow become tasks of another."""
    given = read_members(call.body, requests.NewChain)
    request = ChainRequest(
        target=_workflow(call, given["target"]),
        source=_workflow(call, given["source"]),
        trigger=_trigger(given["on"]),
        mapping=_mapping(given["mapping"] or {}),
        skip=_names(given["skip"] or []),
        include_existing=bool(given["include_existing"]),
    )
    chain = create_chain(call.acting_workspace, request, at=call.at)
    document = chain_document(_sync_automation(call, chain))
    return respond(document, 201, location=f"{BASE_PATH}/chains/{chain.id}")


@router.get("/{chain_id}", responses=openapi.responses(200, wire.ExplainedChain, wire.EXPLAINED))
def get_chain(call: AdmittedCall, chain_id: ChainId) -> Response:
    """Return a chain, why it has not fired, and the tasks that do not fit."""
    explained = explain_chain(call.workspace.store, _find(call, chain_id).id)
    return respond(wire.explained_document(explained))


@router.post(
    "/{chain_id}",
    responses=openapi.responses(
        200, wire.Chain, wire.CHAIN, "chain_rejected", "invalid_request", has_body=True
    ),
    openapi_extra=openapi.request_body(requests.ChainChanges, {"on": "pipeline-completion"})
    | openapi.NOT_ONCE,
)
def edit_chain(call: AdmittedCall, chain_id: ChainId) -> Response:
    """Edit when a chain fires, or its mapping; omitted members stay as they are."""
    chain = _find(call, chain_id)
    given = read_members(call.body, requests.ChainChanges)
    edited = manage.edit_chain(
        call.acting_workspace.store,
        chain.id,
        trigger=_trigger(given["on"]) if given["on"] is not None else None,
        mapping=_mapping(given["mapping"]) if given["mapping"] is not None else None,
        skip=_names(given["skip"]) if given["skip"] is not None else None,
    )
    return respond(chain_document(_sync_automation(call, edited)))


@router.post("/{chain_id}/pause", responses=openapi.responses(200, wire.Chain, wire.CHAIN))
def pause_chain(call: AdmittedCall, chain_id: ChainId) -> Response:
    """Pause a chain; finished tasks wait until it is resumed."""
    return _switch(call, chain_id, is_paused=True)


@router.post("/{chain_id}/resume", responses=openapi.responses(200, wire.Chain, wire.CHAIN))
def resume_chain(call: AdmittedCall, chain_id: ChainId) -> Response:
    """Resume a paused chain; it catches up."""
    return _switch(call, chain_id, is_paused=False)


@router.delete("/{chain_id}", responses=openapi.responses(200, wire.Chain, wire.CHAIN))
def delete_chain(call: AdmittedCall, chain_id: ChainId) -> Response:
    """Delete a chain and its automation; the tasks that it created stay."""
    deleted = manage.delete_chain(call.acting_workspace.store, _find(call, chain_id).id)
    call.service.automations.remove(deleted)
    return respond(chain_document(deleted))


def _switch(call: Call, chain_id: str, *, is_paused: bool) -> Response:
    chain = _find(call, chain_id)
    switched = set_paused(call.acting_workspace.store, chain.id, is_paused=is_paused)
    return respond(chain_document(_sync_automation(call, switched)))


def _sync_automation(call: Call, changed: Chain) -> Chain:
    """Update the automation of a chain in Prefect; return the chain as it is afterwards."""
    call.service.automations.ensure(call.workspace, changed)
    return find_chain(call.workspace.store, changed.id)


def _find(call: Call, chain_id: str) -> Chain:
    """Return a chain of the caller's organization; raise NotFoundError."""
    missing = NotFoundError(f"there is no chain {chain_id[:20]}")
    try:
        chain = find_chain(call.workspace.store, parse_id(chain_id) or 0)
    except NotFoundError:
        raise missing from None
    if not _is_ours(call, chain):
        raise missing
    return chain


def _is_ours(call: Call, chain: Chain) -> bool:
    return chain.organization_id == call.caller.organization_id


def _workflow(call: Call, digits: str) -> str:
    """Return a workflow of the caller's organization, by its number; raise NotFoundError."""
    workflow_id = whole_number(digits, "workflow")
    if not is_in_organization(call.workspace.store, workflow_id, call.caller.organization_id):
        raise NotFoundError(f"there is no workflow {workflow_id}")
    return str(workflow_id)


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
