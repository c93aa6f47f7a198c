"""How errors are answered: one body for all of them, and the status for each kind of error."""

import logging
import math
from typing import Any, Final

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from tasks_lib.domain.problems import Problem
from tasks_lib.errors import (
    KeyRefusedError,
    SeedingError,
    UnavailableError,
    UsageError,
)

logger = logging.getLogger(__name__)

CODES: Final[dict[str, tuple[int, str]]] = {
    "missing_api_key": (401, "The request holds no key."),
    "invalid_api_key": (401, "The key is not known."),
    "expired_api_key": (401, "The key's time is over."),
    "revoked_api_key": (401, "The key was revoked."),
    "not_found": (404, "There is no such thing in the key's organization."),
    "method_not_allowed": (405, "The path does not know the method."),
    "move_not_allowed": (409, "The task cannot make the move from where it stands."),
    "pipeline_closed": (409, "The workflow is a draft or archived and takes no tasks."),
    "idempotency_key_reused": (409, "The key came with another request before."),
    "upload_missing": (409, "The file has not come yet, so that it cannot be confirmed."),
    "upload_incomplete": (409, "The file has not the size that was announced."),
    "upload_closed": (409, "The upload was confirmed, or its URL has expired."),
    "upload_too_large": (413, "The file is larger than SEEDING_MAX_SOURCE_BYTES."),
    "body_too_large": (413, "The body is larger than SEEDING_API_MAX_BODY_BYTES."),
    "unsupported_media_type": (415, "The body is not said to be application/json, uncompressed."),
    "malformed_json": (422, "The body is not one JSON document as RFC 8259 has it, in UTF-8."),
    "malformed_body": (422, "The body is JSON, but not of the shape that the call takes."),
    "invalid_request": (422, "A parameter or a member of the body is not what the call takes."),
    "no_tasks": (422, "The list of tasks is empty."),
    "too_many_tasks": (422, "The list holds more than 5,000 tasks."),
    "tasks_rejected": (422, "Tasks do not fit the workflow's fields; `errors` says which and why."),
    "count_out_of_range": (422, "The count is not from 1 to SEEDING_MAX_BULK_COUNT."),
    "has_dataset_fields": (422, "The workflow has dataset fields, which blank tasks leave empty."),
    "has_file_fields": (422, "The workflow has file fields, which only an upload can fill."),
    "no_dataset_fields": (422, "The workflow has no dataset fields, so a file cannot fill them."),
    "chain_rejected": (422, "The chain would be a cycle or is there already, or does not map."),
    "submission_rejected": (422, "Values do not fit the input fields; `errors` says why."),
    "rate_limited": (429, "The key has made too many requests; wait as `Retry-After` says."),
    "internal_error": (500, "The server has a defect; its log tells under the request's id."),
    "store_unavailable": (503, "The store cannot be used at the moment; send the request again."),
    "storage_unavailable": (503, "The storage cannot be used at the moment, likewise."),
}  # fmt: skip
"""The codes of the API's errors, their statuses and meanings; those in ``errors`` are problems'."""

_RETRY_SECONDS: Final = 5
_REALM: Final = {"WWW-Authenticate": 'Bearer realm="task-seeding"'}


class RequestRefusedError(UsageError):
    """A request is turned away for what stands around its body; its code is one of ours."""

    def __init__(self, code: str, message: str, *, retry_seconds: float | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_seconds = retry_seconds


class InvalidHeaderError(UsageError):
    """A header is not what the call takes."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}", code="invalid_request")
        self.problems = (Problem(self.code, message, field=name),)


def error_answer(
    code: str,
    detail: str,
    errors: list[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return the answer that every error gets; its code says the status."""
    document = {"detail": detail, "code": code, "errors": errors or []}
    return Response(orjson.dumps(document), CODES[code][0], headers, "application/json")


def answer_to_seeding_error(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Answer one of our own errors."""
    assert isinstance(error, SeedingError)  # noqa: S101
    if isinstance(error, UnavailableError):
        return _unavailable(error)
    code = "invalid_request" if error.code == UsageError.code else error.code
    problems = [
        {"index": None, "field": problem.field, "code": problem.code, "message": problem.message}
        for problem in getattr(error, "problems", ())
    ]
    entries = getattr(error, "entries", problems)
    headers = _REALM if isinstance(error, KeyRefusedError) else {}
    wait = getattr(error, "retry_seconds", None)
    if wait is not None:
        headers = {"Retry-After": str(math.ceil(wait))}
    return error_answer(code, str(error), entries, headers)


def answer_to_http_error(request: Request, error: Exception) -> Response:
    """Answer what the router has found: no such path, or no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == 405:
        allowed = ", ".join(_methods_of(request))
        message = f"{request.method} is not allowed here; allowed is {allowed}"
        return error_answer("method_not_allowed", message, headers={"Allow": allowed})
    return error_answer("not_found", f"there is nothing at {request.url.path!r}")


def answer_to_invalid_request(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Answer parameters that are not what the call takes."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    entries = [
        {
            "index": None,
            "field": str(found["loc"][-1]),
            "code": "invalid_request",
            "message": str(found["msg"]),
        }
        for found in error.errors()
    ]
    detail = "; ".join(f"{entry['field']}: {entry['message']}" for entry in entries)
    return error_answer("invalid_request", detail, entries)


def answer_to_defect(request_id: str) -> Response:
    """Answer what should not have happened, without telling what it was."""
    message = f"something went wrong; the server's log has it under request {request_id}"
    return error_answer("internal_error", message)


def _methods_of(request: Request) -> list[str]:
    """Return the methods that the path knows; the router looks at the first route alone.

    A word in a path comes before a number's place that it would fit into.
    """
    routes = [
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    ]
    fewest = min(len(route.param_convertors) for route in routes)
    nearest = [route for route in routes if len(route.param_convertors) == fewest]
    return sorted({method for route in nearest for method in route.methods or ()})


def _unavailable(error: UnavailableError) -> Response:
    """Answer without the addresses that the error's own sentence holds, which go to the log."""
    logger.warning("%s", error)
    what = "storage" if error.code == "storage_unavailable" else "store"
    message = f"the {what} cannot be used at the moment; send the request again later"
    headers = {"Retry-After": str(_RETRY_SECONDS)}
    return error_answer(f"{what}_unavailable", message, headers=headers)
