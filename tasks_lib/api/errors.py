"""Answer errors: one document for all of them, and a status for each code."""

import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeVar, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from tasks_lib.api.answers import JSON, encode
from tasks_lib.api.wire.errors import Error, ErrorEntry
from tasks_lib.errors import (
    KeyRefusedError,
    Problem,
    SeedingError,
    StorageUnavailableError,
    StoreUnavailableError,
    UnavailableError,
    UsageError,
)
from tasks_lib.operations.tasks.read import TaskNotFoundError
from tasks_lib.operations.uploads.receive import UploadNotFoundError

AnyError = TypeVar("AnyError", bound=Exception)
logger = logging.getLogger(__name__)

CODES: Final[dict[str, tuple[int, str]]] = {
    "malformed_request": (400, "The bytes that were sent are no request of HTTP/1.1."),
    "missing_api_key": (401, "The request has no API key."),
    "invalid_api_key": (401, "The API key is unknown."),
    "expired_api_key": (401, "The API key has expired."),
    "revoked_api_key": (401, "The API key was revoked."),
    "not_found": (404, "The API key's organization has no such object."),
    "method_not_allowed": (405, "The method is not allowed on this path."),
    "not_acceptable": (406, "The answer has none of the media types that `Accept` lists."),
    "move_not_allowed": (409, "The task's status does not allow the move."),
    "pipeline_closed": (409, "The workflow is a draft or archived and takes no tasks."),
    "group_in_use": (409, "Infinite seeding creates tasks in the group; disable it first."),
    "idempotency_key_reused": (409, "The key was used with another request before."),
    "upload_missing": (409, "The file has not been uploaded yet, so it cannot be confirmed."),
    "upload_incomplete": (409, "The file does not have the announced size."),
    "upload_closed": (409, "The upload was confirmed, or its URL has expired."),
    "upload_too_large": (413, "The file is larger than SEEDING_MAX_SOURCE_BYTES."),
    "body_too_large": (413, "The body or its JSON documents are larger than the settings allow."),
    "cross_origin_refused": (400, "SEEDING_API_CORS_ORIGINS does not allow the page's request."),
    "invalid_range": (400, "The header Range is malformed."),
    "request_timeout": (408, "The request took too long to arrive; the connection is closed."),
    "unsupported_media_type": (415, "The body is not application/json, or it is compressed."),
    "range_not_satisfiable": (416, "The file has none of the bytes that Range names."),
    "malformed_json": (422, "The body is not one JSON document in UTF-8, as RFC 8259 defines it."),
    "malformed_body": (422, "The body is JSON, but does not have the required shape."),
    "invalid_request": (422, "A parameter or a member of the body is invalid."),
    "page_too_large": (422, "The page has more than 16 MiB; ask for a smaller one."),
    "no_tasks": (422, "The list of tasks is empty."),
    "too_many_tasks": (422, "The list has more than 5,000 tasks, or too many for their fields."),
    "tasks_rejected": (422, "Tasks do not fit the workflow's fields; `errors` lists them."),
    "count_out_of_range": (422, "The count is not between 1 and SEEDING_MAX_BULK_COUNT."),
    "has_dataset_fields": (422, "Blank tasks would leave the workflow's dataset fields empty."),
    "has_file_fields": (422, "The workflow has file fields, which only an upload can fill."),
    "no_dataset_fields": (422, "The workflow has no dataset fields, so a file cannot fill them."),
    "chain_rejected": (422, "The chain exists, would close a cycle, or its mapping does not fit."),
    "submission_rejected": (422, "Values do not fit the input fields; `errors` lists them."),
    "rate_limited": (429, "The API key has made too many requests; wait as `Retry-After` says."),
    "head_too_large": (431, "The request's line and headers have more than 64 KiB or 200 lines."),
    "internal_error": (500, "The server has a defect; its log has details under the request's id."),
    "too_many_connections": (503, "The server has SEEDING_API_MAX_CONNECTIONS; try again later."),
    "store_unavailable": (503, "The store is unavailable; send the request again later."),
    "storage_unavailable": (503, "The storage is unavailable; send the request again later."),
}  # fmt: skip
"""The codes of the API's errors, their statuses and meanings; those in ``errors`` are problems'."""

_MAX_BYTES: Final = 56 * 2**10
"""The most bytes of an answer's entries, so that the whole answer is smaller than 64 KiB."""

_MAX_MESSAGE: Final = 1_000
_MAX_FIELD: Final = 300

_PIPELINE: Final = re.compile(r"('[^']*')|(?<![\w/'-])(pipelines?)(?![\w/'-])")
_REALM: Final = {"WWW-Authenticate": 'Bearer realm="task-seeding"'}
_INVALID: Final = "invalid_request"
_UNAVAILABLE: Final = 503
_ADVICE: Final = {
    "has_dataset_fields": "create tasks with values instead: POST {workflow}/tasks",
    "has_file_fields": "upload a ZIP: POST {workflow}/tasks/upload",
    "no_dataset_fields": "create blank tasks instead: POST {workflow}/tasks/bulk",
    "upload_missing": "PUT it to the upload's URL, then confirm",
    "upload_incomplete": "PUT it again",
}
"""The call that solves a problem, by its code; operations name the problem, but no calls."""


class RequestRefusedError(UsageError):
    """A request is refused before its body is read; its code is one of ``CODES``."""

    def __init__(self, code: str, message: str, *, retry_seconds: float | None = None) -> None:
        super().__init__(message, code=code, retry_seconds=retry_seconds)


class InvalidHeaderError(UsageError):
    """The value of a header is invalid."""

    def __init__(self, name: str, message: str) -> None:
        problem = Problem(_INVALID, message, field=name)
        super().__init__(f"{name}: {message}", code=_INVALID, problems=[problem])


class InvalidParameterError(UsageError):
    """A query parameter is unknown or invalid."""

    def __init__(self, name: str, message: str) -> None:
        problem = Problem(_INVALID, message, field=name)
        super().__init__(f"{name}: {message}", code=_INVALID, problems=[problem])


def handle_errors(app: FastAPI) -> None:
    """Have the application answer errors; the most exact class of an error decides."""
    _handle(app, SeedingError, _answer_error)
    _handle(app, TaskNotFoundError, _answer_task_not_found)
    _handle(app, UploadNotFoundError, _answer_upload_not_found)
    _handle(app, KeyRefusedError, _answer_refused_key)
    _handle(app, UnavailableError, _answer_unavailable)
    _handle(app, StoreUnavailableError, _answer_store_unavailable)
    _handle(app, StorageUnavailableError, _answer_storage_unavailable)
    _handle(app, HTTPException, _answer_unrouted)
    _handle(app, RequestValidationError, _answer_invalid_request)


def _handle(
    app: FastAPI, kind: type[AnyError], answer: Callable[[Request, AnyError], Response]
) -> None:
    """Register the answer to a class of errors; Starlette's own registration is not typed."""

    def handle(request: Request, error: Exception) -> Response:
        return answer(request, cast("AnyError", error))

    app.add_exception_handler(kind, handle)


def error_answer(
    code: str,
    detail: str,
    entries: Sequence[ErrorEntry] = (),
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    """Return the answer to an error; its code decides the status."""
    return Response(_encode(code, detail, entries), CODES[code][0], headers, JSON)


def _encode(code: str, detail: str, entries: Sequence[ErrorEntry]) -> bytes:
    """Return an error's document, in which long texts are cut and too many entries left out.

    Parts of the request may appear in each of them: an answer must not grow with the request.
    """
    shown: list[ErrorEntry] = []
    room = _MAX_BYTES
    for entry in entries:
        short = ErrorEntry(
            index=entry["index"],
            field=_cut(entry["field"], _MAX_FIELD) if entry["field"] is not None else None,
            code=entry["code"],
            message=_cut(entry["message"], _MAX_MESSAGE),
        )
        room -= len(encode(short)) + 1
        if room < 0:
            break
        shown.append(short)
    left_out = len(entries) - len(shown)
    more = f"; {left_out:,} more are not listed" if left_out else ""
    return encode(Error(detail=_cut(detail, _MAX_MESSAGE) + more, code=code, errors=shown))


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text):,} characters)"


def answer_to_refusal(error: RequestRefusedError) -> Response:
    """Answer a request that is refused before it reaches a route."""
    return error_answer(error.code, str(error))


def answer_to_defect(request_id: str) -> Response:
    """Answer an unexpected exception without saying which; the log has it."""
    message = f"something went wrong; the server's log has it under request {request_id}"
    return error_answer("internal_error", message)


def _answer_error(request: Request, error: SeedingError) -> Response:
    code = _INVALID if error.code == UsageError.code else error.code
    entries = [
        ErrorEntry(
            index=problem.place,
            field=problem.field,
            code=problem.code,
            message=_in_our_words(problem.message),
        )
        for problem in error.problems
    ]
    return error_answer(code, _advised(request, error), entries, _retry_after(error))


def _answer_task_not_found(request: Request, error: TaskNotFoundError) -> Response:  # noqa: ARG001
    return error_answer(error.code, "there is no such task in the workflow")


def _answer_upload_not_found(request: Request, error: UploadNotFoundError) -> Response:  # noqa: ARG001
    return error_answer(error.code, "there is no such upload in the workflow")


def _answer_refused_key(request: Request, error: KeyRefusedError) -> Response:  # noqa: ARG001
    return error_answer(error.code, str(error), headers=_REALM)


def _answer_unavailable(request: Request, error: UnavailableError) -> Response:  # noqa: ARG001
    return _unavailable(error.code, "a service that the request needs", error)


def _answer_store_unavailable(request: Request, error: StoreUnavailableError) -> Response:  # noqa: ARG001
    return _unavailable("store_unavailable", "the store", error)


def _answer_storage_unavailable(request: Request, error: StorageUnavailableError) -> Response:  # noqa: ARG001
    return _unavailable("storage_unavailable", "the storage", error)


def _unavailable(code: str, subject: str, error: UnavailableError) -> Response:
    """Answer without the error's own sentence: it holds addresses, and goes to the log."""
    logger.warning("%s", error)
    message = (
        f"{subject} cannot be used at the moment; send the request again later"
        if error.is_transient
        else f"{subject} cannot be used until the server's operator has changed something"
    )
    return Response(_encode(code, message, ()), _UNAVAILABLE, _retry_after(error), JSON)


def _answer_unrouted(request: Request, error: HTTPException) -> Response:
    """Answer a request for which the router finds no path, or no method."""
    if error.status_code == 405:
        allowed = ", ".join(_methods_of(request))
        message = f"{request.method} is not allowed here; allowed is {allowed}"
        return error_answer("method_not_allowed", message, headers={"Allow": allowed})
    return error_answer("not_found", f"there is nothing at {request.url.path!r}")


def _answer_invalid_request(request: Request, error: RequestValidationError) -> Response:  # noqa: ARG001
    """Answer parameters that FastAPI has found to be invalid."""
    entries = [
        ErrorEntry(
            index=None, field=str(entry["loc"][-1]), code=_INVALID, message=str(entry["msg"])
        )
        for entry in error.errors()
    ]
    detail = "; ".join(f"{entry['field']}: {entry['message']}" for entry in entries)
    return error_answer(_INVALID, detail, entries)


def _advised(request: Request, error: SeedingError) -> str:
    """Return the error's sentence and, if a call of the API solves the problem, that call."""
    advice, workflow_id = _ADVICE.get(error.code), request.path_params.get("workflow_id")
    sentence = _in_our_words(str(error))
    if advice is None or workflow_id is None:
        return sentence
    return f"{sentence}; {advice.format(workflow=f'/api/v1/workflows/{workflow_id}')}"


def _in_our_words(sentence: str) -> str:
    """Return a sentence of an operation with the API's word for a pipeline, except in quotes.

    A text that is cut later stays as it is: it may be as long as the request.
    """
    shown, rest = sentence[:_MAX_MESSAGE], sentence[_MAX_MESSAGE:]
    return (
        _PIPELINE.sub(lambda match: match[1] or match[2].replace("pipeline", "workflow"), shown)
        + rest
    )


def _retry_after(error: SeedingError) -> dict[str, str]:
    if error.retry_seconds is None:
        return {}
    return {"Retry-After": str(math.ceil(error.retry_seconds))}


def _methods_of(request: Request) -> list[str]:
    """Return the methods that the path allows; the router names those of one route only.

    A path with a literal word takes precedence over one with an id in that place.
    """
    routes = [
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    ]
    fewest = min(len(route.param_convertors) for route in routes)
    nearest = [route for route in routes if len(route.param_convertors) == fewest]
    methods = {method for route in nearest for method in route.methods or ()}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)
