"""What the OpenAPI says beyond the routes' signatures: errors, bodies, and examples for each."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from tasks_lib.api import wire
from tasks_lib.api.errors import CODES

JSON: Final = "application/json"
_OF_EVERY_CALL: Final = (
    "missing_api_key", "invalid_api_key", "expired_api_key", "revoked_api_key", "not_found",
    "rate_limited", "internal_error", "store_unavailable",
)  # fmt: skip
_OF_EVERY_BODY: Final = (
    "body_too_large", "unsupported_media_type", "malformed_json", "malformed_body",
)  # fmt: skip
_HEADERS: Final[dict[int, dict[str, Any]]] = {
    429: {"Retry-After": {"description": "In seconds", "schema": {"type": "integer"}}},
    503: {"Retry-After": {"description": "In seconds", "schema": {"type": "integer"}}},
}

_ONCE: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "The same key and body get the first answer again, for 24 hours.",
}
NOT_ONCE: Final[dict[str, Any]] = {"parameters": []}
"""Of a call that takes no idempotency key: what it makes there is once anyway."""

_SCHEMES: Final[dict[str, dict[str, str]]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "`Authorization: Bearer pk_live_…`",
    },
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "`X-API-Key: pk_live_…`",
    },
}

Responses = dict[int | str, dict[str, Any]]


def responses(
    status: int, model: type | None, example: Any, *codes: str, has_body: bool = False
) -> Responses:
    """Return a call's answers: the good one with an example, and an example for each error."""
    named = [*_OF_EVERY_CALL, *(_OF_EVERY_BODY if has_body else ()), *codes]
    return {status: answer(model, example)} | errors(*named)


def errors(*codes: str) -> Responses:
    """Return the answers of errors, by their statuses."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(CODES[code][0], []).append(code)
    return {status: _errors_of(status, some) for status, some in sorted(by_status.items())}


def answer(model: type | None, example: Any, description: str = "") -> dict[str, Any]:
    """Return a good answer's description."""
    if model is None:
        return {"description": description or "Done"}
    return {
        "model": model,
        "description": description or (model.__doc__ or "").partition("\n")[0],
        "content": {JSON: {"example": example}},
    }


def request_body(schema: dict[str, Any], examples: dict[str, Any]) -> dict[str, Any]:
    """Return what a route that reads its body itself says of it."""
    content = {"schema": schema, "examples": {name: {"value": it} for name, it in examples.items()}}
    body = {"required": True, "content": {JSON: content}}
    return {"requestBody": body, "parameters": [_ONCE]}


def object_body(required: dict[str, Any], example: Any, **optional: Any) -> dict[str, Any]:
    """Return the same of a body that is an object of these members; it may be left out if empty."""
    schema: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": required | optional,
    }
    described = request_body(schema, {"an example": example})
    described["requestBody"]["required"] = bool(required)
    return described


def describe(app: FastAPI, uploads: str, max_upload_bytes: int) -> None:
    """Have the application describe itself without the errors of FastAPI that it never gives.

    At the path ``uploads`` it says how large a file may be.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            body = document["paths"][uploads]["post"]["requestBody"]["content"][JSON]
            body["schema"]["properties"]["size"]["maximum"] = max_upload_bytes
            app.openapi_schema = _completed(document)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    """Add which calls need a key; take out the errors that are FastAPI's."""
    document["components"]["securitySchemes"] = _SCHEMES
    for name, path in document["paths"].items():
        for operation in path.values():
            if "{workflow_id}" in name or "/chains" in name:
                operation["security"] = [{scheme: []} for scheme in _SCHEMES]
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    return document


def _errors_of(status: int, codes: list[str]) -> dict[str, Any]:
    examples = {code: {"value": _example_of(code)} for code in codes}
    described = {"model": wire.Error, "description": " ".join(CODES[code][1] for code in codes)}
    content = {"content": {JSON: {"examples": examples}}}
    return described | content | {"headers": _HEADERS.get(status, {})}


def _example_of(code: str) -> dict[str, Any]:
    entries = [wire.ErrorEntry(**entry).model_dump() for entry in _ENTRIES.get(code, ())]
    return {"detail": CODES[code][1], "code": code, "errors": entries}


_ENTRIES: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "tasks_rejected": (
        {
            "index": 0,
            "field": "stars",
            "code": "above_maximum",
            "message": "'9' is above the maximum 5",
        },
        {
            "index": 3,
            "field": "bdy",
            "code": "unknown_field",
            "message": "'bdy' is no dataset field of the pipeline; did you mean 'body'?",
        },
    ),
    "submission_rejected": (
        {
            "index": None,
            "field": "sentiment",
            "code": "not_an_option",
            "message": "'god' is not one of the options (good, bad, mixed); did you mean 'good'?",
        },
    ),
    "invalid_request": (
        {
            "index": None,
            "field": "page",
            "code": "invalid_request",
            "message": "Input should be greater than or equal to 1",
        },
    ),
}
