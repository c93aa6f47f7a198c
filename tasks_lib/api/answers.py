"""Write answers: documents as JSON, in which the values of tasks keep their exact text."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, Literal

import msgspec
import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from tasks_lib.operations.idempotency import Answer

JSON: Final = "application/json"
REPLAYED: Final = "Idempotent-Replayed"


class CsvResponse(Response):
    """An answer in CSV."""

    media_type = "text/csv"


class BytesResponse(Response):
    """An answer with the bytes of a file."""

    media_type = "application/octet-stream"


def encode(document: object) -> bytes:
    """Return a document as JSON; members keep their order."""
    return orjson.dumps(document, _encode_model)


def respond(document: object, status: int = 200, *, location: str | None = None) -> Response:
    """Answer with a document; ``location`` is the path of what was created."""
    headers = {"Location": location} if location is not None else None
    return Response(encode(document), status, headers, JSON)


def respond_unless_known(request: Request, content: bytes, media_type: str) -> Response:
    """Answer with a document that rarely changes, or with 304 if the client has it already."""
    etag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if is_known(request.headers, etag):
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, media_type)


def is_known(given: Mapping[str, str], etag: str) -> bool:
    """Tell whether the client has the content with the ETag already."""
    known = {tag.removeprefix("W/") for tag in _TAG.findall(given.get("if-none-match", ""))}
    return not known.isdisjoint({etag, "*"})


def keep(document: object, status: int) -> Answer:
    """Return an answer that may be stored and sent again; its kind is the status."""
    return Answer(status, encode(document))


def member_of(answer: Answer, name: Literal["group_id", "upload_id"]) -> int | str | None:
    """Return the id of what an answer, new or stored, says was created; None if nothing was."""
    created: int | str | None = getattr(_CREATED.decode(answer.content), name)
    return created


def send(answer: Answer, *, location: str | None = None) -> Response:
    """Return an answer, new or stored, as a response."""
    headers = {REPLAYED: "true"} if answer.is_replayed else {}
    if location is not None:
        headers["Location"] = location
    return Response(answer.content, answer.kind, headers, JSON if answer.content else None)


class _Created(msgspec.Struct):
    group_id: int | None = 0
    upload_id: str = ""


_CREATED: Final = msgspec.json.Decoder(_Created)
_TAG: Final = re.compile(r'(?:W/)?"[^"]*"|\*')


def _encode_model(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no form in JSON")
