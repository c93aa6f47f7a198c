"""The body of a request, read once its key is accepted, and the key that makes it happen once."""

import hashlib
from typing import Annotated

from fastapi import Depends, Header, Request

from tasks_lib.api.access import Workflow
from tasks_lib.operations.idempotency import OnceKey


async def _read(request: Request, call: Workflow) -> bytes:  # noqa: ARG001 - comes first
    return await request.body()


Body = Annotated[bytes, Depends(_read)]
"""The body, as it was sent."""


async def _once(
    request: Request,
    call: Workflow,
    body: Body,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            pattern="^[!-~]+$",
            description="The same key and body get the first answer again, for 24 hours.",
        ),
    ] = None,
) -> OnceKey | None:
    if key is None:
        return None
    place = f"{request.method} {request.url.path}\n"
    sha256 = hashlib.sha256(place.encode() + body).hexdigest()
    return OnceKey(call.caller.organization_id, key, sha256)


Once = Annotated[OnceKey | None, Depends(_once)]
"""The idempotency key, if the request has one."""
