"""Upload a ZIP or a CSV: start, send the file, confirm, and check the status."""

from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from tasks_lib.api import openapi
from tasks_lib.api.access import (
    BASE_PATH,
    WORKFLOW_PATH,
    AdmittedWorkflowCall,
    AdmittingRoute,
    Service,
    StrictRoute,
    WorkflowCall,
    base_url,
)
from tasks_lib.api.answers import CsvResponse, keep, member_of, respond, send
from tasks_lib.api.bodies import read_members, whole_number
from tasks_lib.api.errors import InvalidHeaderError, RequestRefusedError
from tasks_lib.api.file_responses import StoredFileResponse
from tasks_lib.api.naming import naming_of
from tasks_lib.api.wire import uploads as wire
from tasks_lib.api.wire.requests import NewUpload
from tasks_lib.api.wire.uploads import promise_document, upload_document
from tasks_lib.domain.rows.dialects import Quote
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import UsageError
from tasks_lib.operations.uploads import receive
from tasks_lib.operations.uploads.receive import (
    Promise,
    Receiver,
    Upload,
    UploadRequest,
    find_rejects,
    find_upload,
    promise_upload,
    receive_file,
)

router = APIRouter(tags=["uploads"], route_class=AdmittingRoute)
token_router = APIRouter(tags=["uploads"], route_class=StrictRoute)
"""For the call that needs no API key, because its URL contains a token."""

PATH: Final = f"{WORKFLOW_PATH}/tasks/upload"

UploadId = Annotated[str, Path(description="The id from the answer to the first call.")]

_PART_BYTES: Final = 2**20
_REJECTS: Final = {
    "description": "The rejected rows, with the columns `_row` and `_errors`",
    "content": {"text/csv": {"schema": {"type": "string"}}},
}


@router.post(
    PATH,
    status_code=201,
    responses=openapi.responses(
        201, wire.UploadPromise, wire.PROMISE, "pipeline_closed", "idempotency_key_reused",
        "upload_too_large", "no_dataset_fields", "invalid_request", "storage_unavailable",
        has_body=True,
    ),
    openapi_extra=openapi.request_body(NewUpload, {"file_name": "photos.zip"}),
)  # fmt: skip
def begin_upload(request: Request, call: AdmittedWorkflowCall) -> Response:
    """Start an upload of a ZIP or a CSV; returns the URL to PUT the file to."""
    given = read_members(call.body, NewUpload)
    options = {name: given[name] for name in receive.OPTIONS if given[name] is not None}
    if "quote" in options:
        options["quote"] = _quote(options["quote"])
    if "labels" in options:
        labels = naming_of(given).labels
        options["labels"] = tuple(f"{key}={value}" for key, value in labels.items())
    address = base_url(request, call.service)
    answer = promise_upload(
        call.workspace,
        call.workflow_id,
        UploadRequest(
            file_name=_file_name(given["file_name"]),
            size=_size(given["size"]),
            on_error=_mode(given["on_error"] or OnError.REJECT_FILE.value),
            max_rejected=given["max_rejected"] or "",
            **options,
        ),
        lifetime=timedelta(minutes=call.service.limits.upload_minutes),
        answer=lambda promise: keep(promise_document(promise, _put_url(promise, address)), 201),
        idempotency_key=call.idempotency_key(),
        at=call.at,
    )
    return send(answer, location=_location(call, member_of(answer, "upload_id")))


@token_router.put(
    f"{BASE_PATH}/uploads/{{upload_id}}",
    responses={
        200: openapi.answer(wire.Received, wire.RECEIVED),
        **openapi.errors(
            "not_found", "upload_closed", "body_too_large", "unsupported_media_type",
            "invalid_request", "internal_error", "store_unavailable", "storage_unavailable",
        ),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
        }
    },
)  # fmt: skip
async def put_file(
    request: Request,
    upload_id: UploadId,
    token: Annotated[str, Query(description="Part of the upload URL")],
) -> Response:
    """Receive the file of an upload that does not go to S3; needs the URL's token, and no key."""
    service: Service = request.app.state.service
    _check_is_whole(request)
    receiver = await run_in_threadpool(
        lambda: receive_file(service.workspace, upload_id, token, at=service.clock())
    )
    try:
        await _receive(request, receiver)
    except BaseException:
        await run_in_threadpool(receiver.abort)
        raise
    return respond(wire.Received(upload_id=upload_id, bytes=receiver.size))


def _check_is_whole(request: Request) -> None:
    """Raise an error for a part of a file, or for a compressed request body."""
    if "content-range" in request.headers:
        raise InvalidHeaderError("Content-Range", "is not supported; send the whole file")
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        message = f"the file must be sent as it is; its Content-Encoding is {encoding[:100]!r}"
        raise RequestRefusedError("unsupported_media_type", message)


async def _receive(request: Request, receiver: Receiver) -> None:
    """Write the body part by part while it arrives."""
    part = bytearray()
    async for chunk in request.stream():
        part += chunk
        if len(part) >= _PART_BYTES:
            await run_in_threadpool(receiver.write, bytes(part))
            part.clear()
    await run_in_threadpool(receiver.write, bytes(part))
    await run_in_threadpool(receiver.complete)


@router.post(
    f"{PATH}/{{upload_id}}/confirm",
    status_code=202,
    responses=openapi.responses(
        202, wire.Upload, wire.PROCESSING, "upload_missing", "upload_incomplete",
        "upload_too_large", "storage_unavailable",
    ),
)  # fmt: skip
def confirm_upload(call: AdmittedWorkflowCall, upload_id: UploadId) -> Response:
    """Confirm that the file has been sent; its tasks are created once, even if called again."""
    upload = receive.confirm_upload(call.workspace, call.workflow_id, upload_id, at=call.at)
    call.service.uploads.add(upload.id)
    document = upload_document(upload, _rejects_url(call, upload))
    return respond(document, 202, location=_location(call, upload.id))


@router.get(f"{PATH}/{{upload_id}}", responses=openapi.responses(200, wire.Upload, wire.COMPLETED))
def get_upload(call: AdmittedWorkflowCall, upload_id: UploadId) -> Response:
    """Return the status of an upload, and the report once its seeding has ended."""
    upload = find_upload(call.workspace.store, call.workflow_id, upload_id)
    return respond(upload_document(upload, _rejects_url(call, upload)))


@router.get(
    f"{PATH}/{{upload_id}}/rejects.csv",
    response_class=CsvResponse,
    responses={
        **openapi.responses(200, None, None, "storage_unavailable"),
        200: _REJECTS,
        307: {"description": "A redirect to a signed URL of the file"},
    },
)
def get_rejects(call: AdmittedWorkflowCall, upload_id: UploadId) -> Response:
    """Return all rejected rows of an upload as a CSV, each with its problems."""
    path, link = find_rejects(call.workspace, call.workflow_id, upload_id)
    if path is None:
        return RedirectResponse(link)
    return StoredFileResponse(path, "text/csv; charset=utf-8", "rejects.csv")


def _rejects_url(call: WorkflowCall, upload: Upload) -> str | None:
    """Return the URL of an upload's rejected rows, if it has any."""
    if upload.rejects_uri is None:
        return None
    address = base_url(call.request, call.service)
    return f"{address}{_location(call, upload.id)}/rejects.csv"


def _location(call: WorkflowCall, upload_id: int | str | None) -> str:
    return f"{PATH.format(workflow_id=call.workflow_id)}/{upload_id}"


def _put_url(promise: Promise, address: str) -> str:
    return f"{address}{BASE_PATH}/uploads/{promise.upload_id}?token={promise.token}"


def _size(digits: str | None) -> int | None:
    return None if digits is None else whole_number(digits, "size")


def _file_name(given: str | None) -> str:
    return given if given is not None else UploadRequest().file_name


def _quote(name: str) -> Quote:
    try:
        return Quote(name)
    except ValueError:
        raise UsageError(f"quote is {name[:40]!r}; it must be {' or '.join(Quote)}") from None


def _mode(name: str) -> OnError:
    try:
        return OnError(name)
    except ValueError:
        raise UsageError(f"on_error is {name[:40]!r}; it must be {' or '.join(OnError)}") from None
