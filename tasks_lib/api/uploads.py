"""Upload a ZIP or a CSV: where to put it, that it has come, and what became of it."""

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from tasks_lib.api import openapi, wire
from tasks_lib.api.access import BASE_PATH, WORKFLOW_PATH, Service, Workflow, address_of
from tasks_lib.domain.json_rows import Digits
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import UsageError
from tasks_lib.operations import uploads
from tasks_lib.operations.idempotency import Answer
from tasks_lib.operations.request_bodies import read_members, whole_number
from tasks_lib.operations.uploads import Promise, Receiver, Upload, UploadRequest

router = APIRouter(tags=["uploads"])

PATH: Final = f"{WORKFLOW_PATH}/tasks/upload"

UploadId = Annotated[str, Path(description="As the answer to the first call told it.")]

_PART_BYTES: Final = 2**20
_MEMBERS: Final[dict[str, type]] = {"file_name": str, "size": Digits, "on_error": str}
_ID: Final = "0f8fad5bd9cb469fa16570867728950e"
_PROMISE: Final = {
    "upload_id": _ID,
    "upload_url": f"http://127.0.0.1:8000{BASE_PATH}/uploads/{_ID}?token=…",
    "method": "PUT",
    "headers": {},
    "expires_at": "2026-11-25T09:00:00+00:00",
}
_REPORT: Final[dict[str, Any]] = {
    "group_id": 1,
    "pipeline_id": 2,
    "created": 6,
    "rejected": 0,
    "already_seeded": 0,
    "dry_run": False,
    "source": f"s3://bucket/prefix/uploads/{_ID}-photos.zip",
    "rejects_uri": None,
    "errors": [],
}
_UPLOAD: Final[dict[str, Any]] = {
    "upload_id": _ID,
    "status": "completed",
    "file_name": "photos.zip",
    "created_at": "2026-11-25T08:00:00+00:00",
    "expires_at": "2026-11-25T09:00:00+00:00",
    "confirmed_at": "2026-11-25T08:02:00+00:00",
    "progress": {"done": 48_213, "total": 48_213},
    "message": None,
    "report": _REPORT,
}
_PROCESSING: Final = _UPLOAD | {
    "status": "processing",
    "progress": {"done": 0, "total": 48_213},
    "report": None,
}
_FILE: Final = {
    "type": ["string", "null"],
    "minLength": 1,
    "maxLength": uploads.MAX_NAME_LENGTH,
    "pattern": r"^[^\u0000]*$",
}
_SIZE: Final = {"type": ["integer", "null"], "minimum": 0, "description": "In bytes, if known"}
_ON_ERROR: Final = {"enum": [*(mode.value for mode in OnError), None], "default": "reject-file"}


@router.post(
    PATH,
    status_code=201,
    responses=openapi.responses(
        201, wire.UploadPromise, _PROMISE, "pipeline_closed", "idempotency_key_reused",
        "upload_too_large", "no_dataset_fields", "invalid_request", "storage_unavailable",
        has_body=True,
    ),
    openapi_extra=openapi.object_body(
        {}, {"file_name": "photos.zip"}, file_name=_FILE, size=_SIZE, on_error=_ON_ERROR
    ),
)  # fmt: skip
def begin_upload(request: Request, call: Workflow) -> Response:
    """Begin to upload a ZIP or a CSV: returns the URL to which the file is to be PUT."""
    given = read_members(call.body or b"{}", {}, _MEMBERS)
    answer = uploads.promise_upload(
        call.workspace,
        call.workflow_id,
        UploadRequest(
            given["file_name"] if given["file_name"] is not None else UploadRequest().name,
            _size(given["size"]),
            _mode(given["on_error"] or OnError.REJECT_FILE.value),
        ),
        lifetime=timedelta(minutes=call.service.limits.upload_minutes),
        answer=lambda promise: _promised(promise, address_of(request, call.service)),
        once=call.once,
        at=call.at,
    )
    return wire.as_response(answer)


@router.put(
    f"{BASE_PATH}/uploads/{{upload_id}}",
    responses={
        200: openapi.answer(wire.Received, {"upload_id": _ID, "bytes": 48_213}),
        **openapi.errors(
            "not_found", "upload_closed", "body_too_large", "invalid_request", "internal_error",
            "store_unavailable", "storage_unavailable",
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
    token: Annotated[str, Query(description="Part of the URL that was given")],
) -> Response:
    """Take the file of an upload, where it does not go to S3; needs no key but the URL's token."""
    service: Service = request.app.state.service
    receiver = await run_in_threadpool(
        uploads.receive_file, service.workspace, upload_id, token, at=service.clock()
    )
    try:
        await _receive(request, receiver)
    except BaseException:
        await run_in_threadpool(receiver.abort)
        raise
    return wire.json_answer({"upload_id": upload_id, "bytes": receiver.size})


async def _receive(request: Request, receiver: Receiver) -> None:
    """Write the body as it comes in, a part at a time."""
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
        202, wire.Upload, _PROCESSING, "upload_missing", "upload_incomplete", "upload_too_large",
        "storage_unavailable",
    ),
)  # fmt: skip
def confirm_upload(call: Workflow, upload_id: UploadId) -> Response:
    """Say that the file has come: its tasks are made, once, however often this is called."""
    found = uploads.confirm_upload(call.workspace, call.workflow_id, upload_id, at=call.at)
    call.service.uploads.add(found.id)
    return wire.json_answer(_document(found), 202)


@router.get(f"{PATH}/{{upload_id}}", responses=openapi.responses(200, wire.Upload, _UPLOAD))
def get_upload(call: Workflow, upload_id: UploadId) -> Response:
    """Return how an upload stands, and the report of its seeding once there is one."""
    found = uploads.find_upload(call.workspace.store, call.workflow_id, upload_id)
    return wire.json_answer(_document(found))


def _promised(promise: Promise, address: str) -> Answer:
    own = f"{address}{BASE_PATH}/uploads/{promise.upload_id}?token={promise.token}"
    return wire.json_kept(
        {
            "upload_id": promise.upload_id,
            "upload_url": promise.url or own,
            "method": "PUT",
            "headers": {},
            "expires_at": promise.expires_at,
        },
        201,
    )


def _document(upload: Upload) -> dict[str, Any]:
    report = upload.report.model_dump(mode="json") if upload.report is not None else None
    return {
        "upload_id": upload.id,
        "status": upload.status.value,
        "file_name": upload.name,
        "created_at": upload.created_at,
        "expires_at": upload.expires_at,
        "confirmed_at": upload.confirmed_at,
        "progress": {"done": upload.done_bytes, "total": upload.total_bytes},
        "message": upload.message,
        "report": report,
    }


def _size(digits: str | None) -> int | None:
    return None if digits is None else whole_number(digits, "size")


def _mode(name: str) -> OnError:
    try:
        return OnError(name)
    except ValueError:
        raise UsageError(f"on_error is {name[:40]!r}; it must be {' or '.join(OnError)}") from None
