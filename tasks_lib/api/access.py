"""Who calls, and what the call may touch: the key, its rate, and the workflow in the path."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final

from fastapi import Depends, Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import WithJsonSchema

from tasks_lib.api.errors import RequestRefusedError
from tasks_lib.api.limits import ApiLimits
from tasks_lib.errors import NotFoundError
from tasks_lib.operations.api_keys import Caller, KeyUses, authenticate
from tasks_lib.operations.upload_processing import Process, UploadQueue
from tasks_lib.operations.workspace import Workspace
from tasks_lib.policy.rate_limits import RateLimits

BASE_PATH: Final = "/api/v1"
WORKFLOW_PATH: Final = f"{BASE_PATH}/workflows/{{workflow_id}}"

_BEARER = HTTPBearer(auto_error=False, description="`Authorization: Bearer pk_live_…`")
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="`X-API-Key: pk_live_…`")


_NUMBER: Final = WithJsonSchema({"type": "integer", "minimum": 1, "examples": [1]})
WorkflowId = Annotated[
    str, Path(description="The workflow's number, as `seeding apply` prints it."), _NUMBER
]
TaskId = Annotated[str, Path(description="The task's number."), _NUMBER]
"""Numbers in paths are taken as text: what is no number names nothing, which is a 404."""


class Service:
    """What all requests of an application share."""

    def __init__(
        self,
        workspace: Workspace,
        limits: ApiLimits,
        clock: Callable[[], datetime],
        process: Process,
    ) -> None:
        self.workspace = workspace
        self.limits = limits
        self.clock = clock
        self.uploads = UploadQueue(partial(process, workspace))
        self.key_uses = KeyUses()
        self.rates = RateLimits(limits.requests_per_second, limits.burst)


@dataclass(frozen=True)
class Call:
    """One request that a key has been accepted for, on a workflow of the key's organization."""

    service: Service
    caller: Caller
    workflow_id: int
    at: datetime

    @property
    def workspace(self) -> Workspace:
        """What the request works on."""
        return self.service.workspace


async def _enter(
    request: Request,
    workflow_id: WorkflowId,
    bearer: Annotated[Any, Depends(_BEARER)],
    header: Annotated[str | None, Depends(_HEADER)],
) -> Call:
    """Let a request in, or raise KeyRefusedError, RequestRefusedError (429) or NotFoundError."""
    service: Service = request.app.state.service
    at = service.clock()
    key = bearer.credentials if bearer is not None else header
    caller, found = await run_in_threadpool(
        authenticate, service.workspace.store, key, number(workflow_id), at=at
    )
    request.state.caller = caller
    service.key_uses.note(caller.key_id, at)
    wait = service.rates.take(caller.key_id, time.monotonic())
    if wait:
        message = "the key has made too many requests; wait as Retry-After says"
        raise RequestRefusedError("rate_limited", message, retry_seconds=wait)
    if found is None:
        raise NotFoundError(f"there is no workflow {workflow_id[:20]}")
    return Call(service, caller, found, at)


Workflow = Annotated[Call, Depends(_enter)]
"""The call, once its key is accepted and has the workflow."""


def address_of(request: Request, service: Service) -> str:
    """Return where clients find the service: as the settings say, or as the request does."""
    return service.limits.url.rstrip("/") or str(request.base_url).rstrip("/")


def number(text: str) -> int | None:
    """Return the number that a path holds; None for what is no number."""
    return int(text[:20]) if text.isascii() and text.isdecimal() else None
