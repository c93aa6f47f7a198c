"""The body of a request, read once its key is accepted, and the key that makes it happen once."""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from tasks_lib.api.access import Workflow
from tasks_lib.domain.json_rows import kind_of
from tasks_lib.domain.names import did_you_mean, visible
from tasks_lib.errors import MalformedBodyError
from tasks_lib.intake.json_bodies import read_body
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


def read_members(
    body: bytes, required: Mapping[str, type], optional: Mapping[str, type] = MappingProxyType({})
) -> dict[str, Any]:
    """Return the members of a body that is an object, numbers as Digits, those left out as None.

    Raises MalformedBodyError for members that are not known, lacking, or of another kind.
    """
    document = read_body(body)
    if not isinstance(document, dict):
        raise MalformedBodyError(f"the body must be an object; it is {kind_of(document)}")
    known = {**required, **optional}
    for name, value in document.items():
        if name not in known:
            hint = did_you_mean(name, known)
            raise MalformedBodyError(f"the body has the unknown member {visible(name)}{hint}")
        if type(value) is not known[name] and not (value is None and name in optional):
            expected = "a string" if known[name] is str else "an object"
            message = f"the member {visible(name)} must be {expected}; it is {kind_of(value)}"
            raise MalformedBodyError(message)
    lacking = [name for name in required if name not in document]
    if lacking:
        raise MalformedBodyError(f"the body lacks the member {visible(lacking[0])}")
    return dict.fromkeys(known) | document
