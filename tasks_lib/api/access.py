"""Who calls, and what the call may touch: the key, its rate, and the workflow in the path."""

import hashlib
import re
import time
from collections.abc import Callable
from datetime import datetime
from functools import cached_property, partial
from threading import Lock
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Path, Request
from pydantic import WithJsonSchema

from tasks_lib.api.errors import InvalidHeaderError, RequestRefusedError
from tasks_lib.api.limits import ApiLimits
from tasks_lib.errors import NotFoundError
from tasks_lib.operations.api_keys import Caller, KeyUses, authenticate, no_key
from tasks_lib.operations.chains import Automations
from tasks_lib.operations.idempotency import OnceKey
from tasks_lib.operations.upload_processing import Process, UploadQueue
from tasks_lib.operations.workspace import Workspace
from tasks_lib.policy.rate_limits import RateLimits

BASE_PATH: Final = "/api/v1"
WORKFLOW_PATH: Final = f"{BASE_PATH}/workflows/{{workflow_id}}"

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_ONCE_KEY: Final = re.compile(r"[!-~]{1,255}")

_NUMBER: Final = WithJsonSchema({"type": "integer", "minimum": 1, "examples": [1]})
WorkflowId = Annotated[
    str, Path(description="The workflow's number, as `seeding apply` prints it."), _NUMBER
]
TaskId = Annotated[str, Path(description="The task's number."), _NUMBER]
"""Numbers in paths are taken as text: what is no number names nothing, which is a 404."""


Thing = TypeVar("Thing")


class Service:
    """What all requests of an application share."""

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

    def take_token(self, key_id: int) -> float:
        """Count a call of a key; return 0, or for how many seconds it has to wait."""
        with self._lock:
            return self._rates.take(key_id, time.monotonic())


class OrganizationCall:
    """One request. What it may touch is to be had once its key has been accepted.

    That asks the store, so it is done where the request is worked on: one change of threads less.
    It raises KeyRefusedError, RequestRefusedError (429) and NotFoundError.
    """

    def __init__(
        self, request: Request, service: Service, body: bytes, workflow: str | None = None
    ) -> None:
        self.service = service
        self.at = service.clock()
        self._request = request
        self._workflow = workflow
        self._body = body

    @property
    def caller(self) -> Caller:
        """Who calls."""
        return self._access[0]

    @property
    def workspace(self) -> Workspace:
        """What the request works on."""
        return self._opened(self.service.workspace)

    @property
    def body(self) -> bytes:
        """The body, as it was sent."""
        return self._opened(self._body)

    @cached_property
    def once(self) -> OnceKey | None:
        """The idempotency key, if there is one; raises InvalidHeaderError."""
        key = self._request.headers.get(IDEMPOTENCY_KEY)
        if key is None:
            return None
        if not _ONCE_KEY.fullmatch(key):
            message = "must have 1 to 255 printable ASCII characters, none of them a space"
            raise InvalidHeaderError(IDEMPOTENCY_KEY, message)
        sha256 = hashlib.sha256(f"{self._request.method} {self._request.url.path}\n".encode())
        sha256.update(self._body)
        return OnceKey(self.caller.organization_id, key, sha256.hexdigest())

    def _opened(self, thing: Thing) -> Thing:
        assert self._access  # noqa: S101 - raises, unless the key opens it
        return thing

    @cached_property
    def _access(self) -> tuple[Caller, int | None]:
        service, workflow_id = self.service, number(self._workflow or "")
        key = _key_in(self._request)
        caller, found = authenticate(service.workspace.store, key, workflow_id, at=self.at)
        self._request.state.caller = caller
        service.key_uses.note(caller.key_id, self.at)
        wait = service.take_token(caller.key_id)
        if wait:
            message = "the key has made too many requests; wait as Retry-After says"
            raise RequestRefusedError("rate_limited", message, retry_seconds=wait)
        if found is None and self._workflow is not None:
            raise NotFoundError(f"there is no workflow {self._workflow[:20]}")
        return caller, found


class Call(OrganizationCall):
    """One request on a workflow, which the caller's organization has."""

    @property
    def workflow_id(self) -> int:
        """The workflow."""
        found = self._access[1]
        assert found is not None  # noqa: S101 - the access has raised otherwise
        return found


async def _call(request: Request, workflow_id: WorkflowId) -> Call:
    return Call(request, request.app.state.service, await _body(request), workflow_id)


async def _organization_call(request: Request) -> OrganizationCall:
    return OrganizationCall(request, request.app.state.service, await _body(request))


async def _body(request: Request) -> bytes:
    """Return the body, which nobody sends us without a key."""
    if _key_in(request) is None:
        raise no_key()
    return await request.body() if request.method == "POST" else b""


Workflow = Annotated[Call, Depends(_call)]
"""The call of a route on a workflow."""

Organization = Annotated[OrganizationCall, Depends(_organization_call)]
"""The call of a route on the key's organization."""


def _key_in(request: Request) -> str | None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key:
        return key.strip()
    return request.headers.get("X-API-Key")


def address_of(request: Request, service: Service) -> str:
    """Return where clients find the service: as the settings say, or as the request does."""
    return service.limits.url.rstrip("/") or str(request.base_url).rstrip("/")


def number(text: str) -> int | None:
    """Return the number that a path holds; None for what is no number."""
    return int(text[:20]) if text.isascii() and text.isdecimal() else None
