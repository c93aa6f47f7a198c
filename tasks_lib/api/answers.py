"""Write answers: documents as JSON, with the values of tasks to the letter."""

from typing import Final

import orjson
from pydantic import BaseModel
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


def respond(document: object, status: int = 200) -> Response:
    """Answer with a document."""
    return Response(encode(document), status, media_type=JSON)


def keep(document: object, status: int) -> Answer:
    """Return an answer that may be stored and sent again; its kind is the status."""
    return Answer(status, encode(document))


def send(answer: Answer) -> Response:
    """Return an answer, new or stored, as a response."""
    headers = {REPLAYED: "true"} if answer.is_replayed else {}
    return Response(answer.content, answer.kind, headers, JSON if answer.content else None)


def _encode_model(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no form in JSON")
