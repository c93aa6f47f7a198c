"""The documents of an upload. The report in it is the one that every seeding returns."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import Field
from typing_extensions import TypedDict

from tasks_lib.domain.report import Report
from tasks_lib.domain.statuses import UploadStatus
from tasks_lib.operations.uploads.receive import Promise, Upload as StoredUpload

UPLOAD_ID: Final = "0f8fad5bd9cb469fa16570867728950e"


class UploadPromise(TypedDict):
    """Where to PUT the file, and until when the URL is valid."""

    upload_id: str
    upload_url: str
    method: Literal["PUT"]
    headers: Annotated[dict[str, str], Field(description="Headers to send with the file")]
    expires_at: datetime


class Received(TypedDict):
    """The file has been received."""

    upload_id: str
    bytes: int


class Progress(TypedDict):
    """The progress of the seeding, in bytes."""

    done: int
    total: int


class Upload(TypedDict):
    """An upload: its status, its progress and its report."""

    upload_id: str
    status: UploadStatus
    file_name: str
    created_at: datetime
    expires_at: Annotated[datetime, Field(description="When the upload URL expires")]
    confirmed_at: datetime | None
    progress: Progress
    message: Annotated[str | None, Field(description="Why the upload failed, if no report says so")]
    report: Report | None


def _at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 25, hour, minute, tzinfo=UTC)


PROMISE: Final = UploadPromise(
    upload_id=UPLOAD_ID,
    upload_url=f"http://127.0.0.1:8000/api/v1/uploads/{UPLOAD_ID}?token=…",
    method="PUT",
    headers={},
    expires_at=_at(9),
)
RECEIVED: Final = Received(upload_id=UPLOAD_ID, bytes=48_213)
COMPLETED: Final = Upload(
    upload_id=UPLOAD_ID,
    status=UploadStatus.COMPLETED,
    file_name="photos.zip",
    created_at=_at(8),
    expires_at=_at(9),
    confirmed_at=_at(8, 2),
    progress=Progress(done=48_213, total=48_213),
    message=None,
    report=Report(
        group_id=1,
        pipeline_id=2,
        created=6,
        source="photos.zip",
    ),
)
PROCESSING: Final = Upload(
    **COMPLETED
    | {
        "status": UploadStatus.PROCESSING,
        "progress": Progress(done=0, total=48_213),
        "report": None,
    }
)


def promise_document(promise: Promise, url: str) -> UploadPromise:
    """Return where a file may be sent: to the URL that the storage has signed, or to ``url``."""
    return UploadPromise(
        upload_id=promise.upload_id,
        upload_url=promise.url or url,
        method="PUT",
        headers={},
        expires_at=promise.expires_at,
    )


def upload_document(upload: StoredUpload, rejects_url: str | None) -> Upload:
    """Return an upload with its progress and, once its seeding has ended, the report.

    ``rejects_url`` is the URL of its rejects file in this API.
    """
    report = upload.report
    if report is not None:
        report = report.model_copy(update={"rejects_uri": rejects_url})
    return Upload(
        upload_id=upload.id,
        status=upload.status,
        file_name=upload.name,
        created_at=upload.created_at,
        expires_at=upload.expires_at,
        confirmed_at=upload.confirmed_at,
        progress=Progress(done=upload.done_bytes, total=upload.total_bytes),
        message=upload.message,
        report=report,
    )
