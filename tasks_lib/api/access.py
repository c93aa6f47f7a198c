"""Admit requests: check the API key, its rate, and the workflow in the path.

The handler of an ``AdmittingRoute`` gets a ``Call``, which exists only once the key is accepted.
"""

import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial, wraps
from threading import Lock
from typing import Annotated, Any, Final, get_origin

from fastapi import Depends, Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from pydantic import WithJsonSchema
from starlette.responses import Response

from tasks_lib.api.errors import (
    InvalidHeaderError,
    InvalidParameterError,
    RequestRefusedError,
)
from tasks_lib.api.rate_limits import RateLimits
from tasks_lib.api.serving.threads import run_writer
from tasks_lib.domain.limits import ApiLimits
from tasks_lib.domain.names import did_you_mean
from tasks_lib.errors import KeyRefusedError, NotFoundError
from tasks_lib.operations.api_keys import Caller, KeyUses, authenticate
from tasks_lib.operations.chains.manage import Automations
from tasks_lib.operations.idempotency import IdempotencyKey
from tasks_lib.operations.uploads.process import Process, UploadQueue
from tasks_lib.operations.workspace import Workspace

BASE_PATH: Final = "/api/v1"
WORKFLOW_PATH: Final = f"{BASE_PATH}/workflows/{{workflow_id}}"

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_SMALL_BODY_BYTES: Final = 64 * 2**10
_ACCEPTED_IDEMPOTENCY_KEY: Final = re.compile(r"[!-~]{1,255}")

_ID: Final = WithJsonSchema({"type": "integer", "minimum": 1, "examples": [1]})
WorkflowId = Annotated[
    str, Path(description="The id of the workflow, as `seeding apply` prints it."), _ID
]
TaskId = Annotated[str, Path(description="The id of the task."), _ID]
"""Ids in paths are read as text, so that one that is not a number is answered with 404."""


class Service:
    """The parts of an application that its requests share."""

    def __init__(
        self,
        workspace: Workspace,
        limits: ApiLimits,
        clock: Callable[[], datetime],
        process: Process,
        automations: Automations,
    ) -> None:
        self.workspace = workspace
        self.limits = limits
        self.clock = clock
        self.automations = automations
        self.uploads = UploadQueue(partial(process, workspace))
        self.key_uses = KeyUses()
        self._rates = RateLimits(limits.requests_per_second, limits.burst)
        self._lock = Lock()

    def count_call(self, caller: Caller, at: datetime) -> None:
        """Count a call of a key; raise RequestRefusedError (429) if it makes too many."""
        self.key_uses.note(caller.key_id, at)
        with self._lock:
            wait_seconds = self._rates.take(caller.key_id, time.monotonic())
        if wait_seconds:
            message = "the key has made too many requests; wait as Retry-After says"
            raise RequestRefusedError("rate_limited", message, retry_seconds=wait_seconds)


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose key has been accepted: who calls, when, and with which body."""

    service: Service
    request: Request
    caller: Caller
    body: bytes
    at: datetime

    @property
    def workspace(self) -> Workspace:
        """The workspace that the request works on."""
        return self.service.workspace

    @property
    def acting_workspace(self) -> Workspace:
        """The workspace for an act that the audit trail records, in the name of the API key."""
        workspace = self.service.workspace
        return replace(workspace, store=workspace.store.acting(f"key {self.caller.name}"))

    def idempotency_key(self) -> IdempotencyKey | None:
        """Return the request's idempotency key, if it has one; raise InvalidHeaderError."""
        key = self.request.headers.get(IDEMPOTENCY_KEY)
        if key is None:
            return None
        if not _ACCEPTED_IDEMPOTENCY_KEY.fullmatch(key):
            message = "must have 1 to 255 printable ASCII characters, none of them a space"
            raise InvalidHeaderError(IDEMPOTENCY_KEY, message)
        query = f"?{self.request.url.query}" if self.request.url.query else ""
        line = f"{self.request.method} {self.request.url.path}{query}\n"
        sha256 = hashlib.sha256(line.encode())
        sha256.update(self.body)
        return IdempotencyKey(self.caller.organization_id, key, sha256.hexdigest())


@dataclass(frozen=True, slots=True)
class WorkflowCall(Call):
    """An accepted request on a workflow of the caller's organization."""

    workflow_id: int


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A request whose key is still to be checked; it opens nothing."""

    request: Request
    key: str
    body: bytes
    workflow: str | None = None
    call: Call | None = None
    """The call, if it was admitted before its body was read."""

    def admit(self) -> Call:
        """Return the call, if the key is accepted.

        Raises KeyRefusedError, RequestRefusedError and NotFoundError.
        """
        if self.call is not None:
            return replace(self.call, body=self.body)
        service: Service = self.request.app.state.service
        at = service.clock()
        wanted_id = parse_id(self.workflow) if self.workflow is not None else None
        caller, workflow_id = authenticate(service.workspace.store, self.key, wanted_id, at=at)
        self.request.state.caller = caller  # for the access log, also if the call is refused below
        service.count_call(caller, at)
        _check_parameters(self.request)
        if self.workflow is None:
            return Call(service, self.request, caller, self.body, at)
        if workflow_id is None:
            raise NotFoundError(f"there is no workflow {self.workflow[:20]}")
        return WorkflowCall(service, self.request, caller, self.body, at, workflow_id)


class StrictRoute(APIRoute):
    """A route that knows its query parameters, and refuses others.

    Its operation in the OpenAPI document has the name of its handler.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options | {"operation_id": endpoint.__name__})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which checks the parameters first."""
        handle = super().get_route_handler()

        async def check_and_handle(request: Request) -> Response:
            _check_parameters(request)
            return await handle(request)

        return check_and_handle


def _check_parameters(request: Request) -> None:
    """Raise InvalidParameterError for a query parameter that the route does not have."""
    if not request.query_params:
        return
    known = {
        field.alias: field
        for field in get_flat_params(request.scope["route"].dependant)
        if isinstance(field.field_info, Query)
    }
    for name in request.query_params:
        if name not in known:
            hint = did_you_mean(name, known)
            message = f"the call has no such parameter{hint}"
            raise InvalidParameterError(name[:100], message)
        repeats = len(request.query_params.getlist(name)) > 1
        if repeats and get_origin(known[name].field_info.annotation) is not list:
            raise InvalidParameterError(name, "is given more than once")


class AdmittingRoute(StrictRoute):
    """A route whose handler runs only after the request's key has been accepted.

    Only a GET reads without writing; all others run in the threads for writers.

    The key is checked in the thread that runs the handler, just before it: the check asks the
    store, and a dependency of its own would cost each request another change of threads.
    """

    def __init__(self, path: str, endpoint: Callable[..., Response], **options: Any) -> None:
        admit = _admitting_reader if "GET" in options["methods"] else _admitting_writer
        super().__init__(path, admit(endpoint), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler; the parameters are checked once the key has been accepted."""
        return APIRoute.get_route_handler(self)


def _admitting_writer(handler: Callable[..., Response]) -> Callable[..., Awaitable[Response]]:
    admit_and_handle = _admitting_reader(handler)

    @wraps(handler)
    async def admit_and_handle_apart(*, call: _Arrival, **parameters: Any) -> Response:
        service: Service = call.request.app.state.service
        return await run_writer(
            partial(admit_and_handle, call=call, **parameters),
            patience_seconds=service.workspace.store.busy_timeout_seconds,
        )

    return admit_and_handle_apart


def _admitting_reader(handler: Callable[..., Response]) -> Callable[..., Response]:
    @wraps(handler)
    def admit_and_handle(*, call: _Arrival, **parameters: Any) -> Response:
        return handler(call=call.admit(), **parameters)

    return admit_and_handle


async def _arrive(request: Request) -> _Arrival:
    return await _read(_Arrival(request, _key_of(request), b""))


async def _arrive_at_workflow(request: Request, workflow_id: WorkflowId) -> _Arrival:
    return await _read(_Arrival(request, _key_of(request), b"", workflow_id))


AdmittedCall = Annotated[Call, Depends(_arrive)]
"""The ``call`` of a handler on the key's organization; its route admits it."""

AdmittedWorkflowCall = Annotated[WorkflowCall, Depends(_arrive_at_workflow)]
"""The ``call`` of a handler on a workflow; its route admits it."""


async def _read(arrival: _Arrival) -> _Arrival:
    """Return the arrival with its body; if that may be large, admit the request first.

    A small body is read before the key is checked, because checking it here costs another change
    of threads.
    """
    request = arrival.request
    if request.method != "POST":
        return arrival
    length = request.headers.get("content-length", "")
    is_small = length.isdecimal() and int(length) <= _SMALL_BODY_BYTES
    has_body = bool(length) or "transfer-encoding" in request.headers
    call = await run_in_threadpool(arrival.admit) if has_body and not is_small else None
    return replace(arrival, body=await request.body(), call=call)


def _key_of(request: Request) -> str:
    """Return the key of a request; raise KeyRefusedError if it has none."""
    key = _key_in(request)
    if key is None:
        message = "a key is needed: send it as Authorization: Bearer <key>, or as X-API-Key"
        raise KeyRefusedError(message, code="missing_api_key")
    return key


def _key_in(request: Request) -> str | None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key:
        return key.strip()
    return request.headers.get("X-API-Key")


def base_url(request: Request, service: Service) -> str:
    """Return the URL at which clients reach the service: from the settings or the request."""
    return service.limits.url.rstrip("/") or str(request.base_url).rstrip("/")


def parse_id(text: str) -> int | None:
    """Return the id in a path, or None if the text is not a number."""
    return int(text[:20]) if text.isascii() and text.isdecimal() else None
