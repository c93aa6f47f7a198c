"""Complete the OpenAPI document: errors, request bodies, and examples."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter
from starlette.routing import BaseRoute

from tasks_lib.api.access import AdmittingRoute
from tasks_lib.api.answers import JSON, encode
from tasks_lib.api.errors import CODES
from tasks_lib.api.wire.errors import Error, ErrorEntry
from tasks_lib.domain.limits import Limits

_OF_EVERY_CALL: Final = (
    "missing_api_key", "invalid_api_key", "expired_api_key", "revoked_api_key", "not_found",
    "rate_limited", "internal_error", "store_unavailable",
)  # fmt: skip
_OF_EVERY_CONNECTION: Final = (
    "malformed_request", "request_timeout", "head_too_large", "too_many_connections",
)  # fmt: skip
_OF_EVERY_BODY: Final = (
    "body_too_large", "unsupported_media_type", "malformed_json", "malformed_body",
)  # fmt: skip
_HEADERS: Final[dict[int, dict[str, Any]]] = {
    429: {"Retry-After": {"description": "In seconds", "schema": {"type": "integer"}}},
    503: {"Retry-After": {"description": "In seconds", "schema": {"type": "integer"}}},
}

_CREATED: Final = frozenset({201, 202})
LOCATION: Final[dict[str, Any]] = {
    "Location": {"description": "Where its state is returned", "schema": {"type": "string"}}
}
_ONCE: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "For 24 hours, the same key and body get the first answer again.",
}
TAGS: Final = [
    {"name": "health", "description": "Whether the service works."},
    {"name": "workflows", "description": "A form, and the tasks that people do in it."},
    {"name": "groups", "description": "What one seeding created, and undoing it."},
    {"name": "uploads", "description": "Create tasks from a CSV or a ZIP."},
    {"name": "tasks", "description": "Create tasks, list and read them."},
    {"name": "results", "description": "Read finished tasks as a table."},
    {"name": "contributors", "description": "Work on tasks."},
    {"name": "infinite", "description": "Create tasks as others are claimed."},
    {"name": "chains", "description": "Create tasks from finished ones."},
]
NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "The client has this content already, as `If-None-Match` says"}
}
NOT_ONCE: Final[dict[str, Any]] = {"parameters": []}
"""For a call without an idempotency key, because repeating it changes nothing."""

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
    """Return the answers of a call: the success and the errors, each with an example."""
    named = [*_OF_EVERY_CALL, *(_OF_EVERY_BODY if has_body else ()), *codes]
    success = answer(model, example)
    if status in _CREATED:
        success["headers"] = LOCATION
    return {status: success} | errors(*named)


def errors(*codes: str) -> Responses:
    """Return the answers to errors, by status."""
    by_status: dict[int, list[str]] = {}
    for code in (*codes, *_OF_EVERY_CONNECTION):
        by_status.setdefault(CODES[code][0], []).append(code)
    return {status: _errors_of(status, some) for status, some in sorted(by_status.items())}


def answer(model: type | None, example: Any, description: str = "") -> dict[str, Any]:
    """Return the description of a successful answer."""
    if model is None:
        return {"description": description or "Done"}
    return {
        "model": model,
        "description": description or (model.__doc__ or "").partition("\n")[0],
        "content": {JSON: {"example": orjson.loads(encode(example))}},
    }


def request_body(model: type, example: Any) -> dict[str, Any]:
    """Return the description of a body that its route reads by itself.

    ``describe`` adds the model to the document's components. A body whose members are all optional
    may be left out.
    """
    _MODELS[model.__name__] = model
    content = {
        "schema": {"$ref": _REFERENCE.format(model=model.__name__)},
        "examples": {"an example": {"value": example}},
    }
    is_required = bool(model.__required_keys__)  # type: ignore[attr-defined]
    return {
        "requestBody": {"required": is_required, "content": {JSON: content}},
        "parameters": [_ONCE],
    }


_REFERENCE: Final = "#/components/schemas/{model}"
_MODELS: Final[dict[str, type]] = {}
"""The models of all bodies, by their names in the document."""


def _schemas_of_bodies() -> dict[str, Any]:
    adapters: list[tuple[str, Literal["validation"], TypeAdapter[Any]]] = [
        (name, "validation", TypeAdapter(model)) for name, model in _MODELS.items()
    ]
    _, definitions = TypeAdapter.json_schemas(adapters, ref_template=_REFERENCE)
    schemas: dict[str, Any] = definitions["$defs"]
    for schema in schemas.values():
        for member in schema.get("properties", {}).values():
            kind = member.get("anyOf", [{}])[0]
            if "description" in kind:  # of the member, which may also be null
                member["description"] = kind.pop("description")
    return schemas


def describe(app: FastAPI, limits: Limits) -> None:
    """Replace the application's OpenAPI document by a complete one."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            schemas = document["components"]["schemas"]
            schemas |= _schemas_of_bodies()
            (size, _) = schemas["NewUpload"]["properties"]["size"]["anyOf"]
            size["maximum"] = limits.max_source_bytes
            schemas["NewBlankTasks"]["properties"]["count"]["maximum"] = limits.max_bulk_count
            app.openapi_schema = _completed(document, app.routes)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(document: dict[str, Any], routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """Add which calls need a key, and remove the validation errors that only FastAPI returns."""
    document["components"]["securitySchemes"] = _SCHEMES
    admitted = {
        (route.path_format, method.lower())
        for route in routes
        if isinstance(route, AdmittingRoute)
        for method in route.methods or ()
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if (path, method) in admitted:
                operation["security"] = [{scheme: []} for scheme in _SCHEMES]
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
            for answer_of_status in operation["responses"].values():
                _describe_errors_as_json(answer_of_status.get("content", {}))
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    return document


def _describe_errors_as_json(content: dict[str, Any]) -> None:
    """Move the model of an error, which FastAPI describes as the media type of the success."""
    for media_type in content.keys() - {JSON}:
        if content[media_type].get("schema") == {"$ref": _REFERENCE.format(model=Error.__name__)}:
            content[JSON]["schema"] = content.pop(media_type)["schema"]


def _errors_of(status: int, codes: list[str]) -> dict[str, Any]:
    examples = {code: {"value": _example_of(code)} for code in codes}
    described = {"model": Error, "description": " ".join(CODES[code][1] for code in codes)}
    content = {"content": {JSON: {"examples": examples}}}
    return described | content | {"headers": _HEADERS.get(status, {})}


def _example_of(code: str) -> Error:
    return Error(detail=CODES[code][1], code=code, errors=list(_ENTRIES.get(code, ())))


_ENTRIES: Final[dict[str, tuple[ErrorEntry, ...]]] = {
    "tasks_rejected": (
        ErrorEntry(
            index=0,
            field="stars",
            code="above_maximum",
            message="'9' is above the maximum 5",
        ),
        ErrorEntry(
            index=3,
            field="bdy",
            code="unknown_field",
            message="'bdy' is not a dataset field of the pipeline; did you mean 'body'?",
        ),
    ),
    "submission_rejected": (
        ErrorEntry(
            index=None,
            field="sentiment",
            code="not_an_option",
            message="'god' is not one of the options (good, bad, mixed); did you mean 'good'?",
        ),
    ),
    "invalid_request": (
        ErrorEntry(
            index=None,
            field="page",
            code="invalid_request",
            message="Input should be greater than or equal to 1",
        ),
    ),
}
