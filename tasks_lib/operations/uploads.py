"""Take files in that come through the External API: promise a URL, receive, confirm, look.

What an upload's URL opens is one object of the storage, for a time: signed by S3, or on a folder
by a token of which the store keeps the hash. Work on the file begins when it is confirmed.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import uuid4

from sqlalchemy.orm import Session

from tasks_lib.domain.names import is_storable
from tasks_lib.domain.report import Report
from tasks_lib.domain.statuses import OnError, UploadStatus
from tasks_lib.errors import ConflictError, NotFoundError, UsageError
from tasks_lib.intake.sources import is_zip
from tasks_lib.operations.idempotency import Answer, OnceKey, answer_once
from tasks_lib.operations.workspace import Workspace
from tasks_lib.policy.intake_rules import why_no_zip
from tasks_lib.storage.files import Parts
from tasks_lib.store import catalogue, seeding_runs, uploads
from tasks_lib.store.engine import Store
from tasks_lib.store.tables import UploadRow

ZIP: Final = "zip"
CSV: Final = "csv"
MAX_NAME_LENGTH: Final = 200
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_AWAITING: Final = UploadStatus.AWAITING_UPLOAD.value


class UploadRequest(NamedTuple):
    """Which file is to come, how large it is, if that is known, and how bad rows are taken."""

    name: str = "upload.zip"
    size: int | None = None
    on_error: OnError = OnError.REJECT_FILE


class Promise(NamedTuple):
    """Where the file may be put, until when; with ``token`` it is to come to this service."""

    upload_id: str
    url: str | None
    token: str
    expires_at: datetime


class Upload(NamedTuple):
    """An upload as it stands; with ``report``, its seeding has come to its end."""

    id: str
    pipeline_id: int
    name: str
    status: UploadStatus
    created_at: datetime
    expires_at: datetime
    confirmed_at: datetime | None
    done_bytes: int
    total_bytes: int
    message: str | None
    report: Report | None


def promise_upload(
    workspace: Workspace,
    pipeline_id: int,
    request: UploadRequest,
    *,
    lifetime: timedelta,
    answer: Callable[[Promise], Answer],
    once: OnceKey | None = None,
    at: datetime,
) -> Answer:
    """Promise to take a file for a pipeline; return what ``answer`` makes of it, or made before.

    Raises ConflictError and UsageError for a pipeline that takes no files, or a request that cannot
    be met, StorageUnavailableError, and what ``answer_once`` raises.
    """
    _check_takes_files(workspace, pipeline_id)
    _check(workspace, request)
    upload_id, token = uuid4().hex, secrets.token_urlsafe(32)
    uri = f"{workspace.storage.root}/uploads/{upload_id}-{_safe(request.name)}"
    url = workspace.storage.upload_link(
        uri, size=request.size, seconds=int(lifetime.total_seconds())
    )
    promise = Promise(upload_id, url, "" if url else token, at + lifetime)

    def act(session: Session) -> Answer:
        uploads.insert_upload(
            session,
            upload_id=upload_id,
            pipeline_id=pipeline_id,
            name=request.name,
            uri=uri,
            on_error=request.on_error.value,
            declared_bytes=request.size,
            token_sha256=_sha256(token) if url is None else "",
            created_at=at,
            expires_at=promise.expires_at,
        )
        return answer(promise)

    return answer_once(workspace.store, once, act, at=at)


class Receiver:
    """Takes a file in, part by part; it is there once it is complete, and replaces an earlier one.

    Its calls raise StorageUnavailableError; whoever does not complete has to abort.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._number = 0
        self.size = 0

    def write(self, data: bytes) -> None:
        """Add what comes next."""
        self._number += 1
        self._parts.send(self._number, self.size, data)
        self.size += len(data)

    def complete(self) -> None:
        """Make the file appear."""
        self._parts.complete()

    def abort(self) -> None:
        """Forget what has come."""
        self._parts.abort()


def receive_file(workspace: Workspace, upload_id: str, token: str, *, at: datetime) -> Receiver:
    """Begin to take the file of an upload from who has its token.

    Raises NotFoundError for a wrong token, ConflictError where it is too late, and
    StorageUnavailableError.
    """
    with workspace.store.read() as session:
        row = uploads.find_upload(session, upload_id) if is_storable(upload_id) else None
        if row is None or not hmac.compare_digest(row.token_sha256, _sha256(token)):
            raise NotFoundError("there is no such upload, or the token is another one's")
        _check_is_open(row, at)
        uri = row.uri
    return Receiver(workspace.storage.receive(uri))


def confirm_upload(
    workspace: Workspace, pipeline_id: int, upload_id: str, *, at: datetime
) -> Upload:
    """Let the work on a file begin that has come; where it has begun, do nothing.

    Raises NotFoundError, ConflictError where the file is not there or not whole, and UsageError
    where it is too large.
    """
    with workspace.store.read() as session:
        row = _row(session, pipeline_id, upload_id)
        uri, declared, status = row.uri, row.declared_bytes, row.status
    if status == _AWAITING:
        size = workspace.storage.size_of(uri)
        _check_has_come(workspace, size, declared)
        kind = ZIP if is_zip(uri) else CSV
        with workspace.store.write() as session:
            uploads.confirm_upload(session, upload_id, kind=kind, size=size or 0, at=at)
    return find_upload(workspace.store, pipeline_id, upload_id)


def find_upload(store: Store, pipeline_id: int, upload_id: str) -> Upload:
    """Return an upload of the pipeline; raise NotFoundError."""
    with store.read() as session:
        row = _row(session, pipeline_id, upload_id)
        report = seeding_runs.find_report(session, upload_id)
        status = UploadStatus(row.status)
        if report is not None and status is UploadStatus.PROCESSING:
            status = UploadStatus.FAILED if report.is_rejection else UploadStatus.COMPLETED
        return Upload(
            id=row.id,
            pipeline_id=row.pipeline_id,
            name=row.name,
            status=status,
            created_at=row.created_at,
            expires_at=row.expires_at,
            confirmed_at=row.confirmed_at,
            done_bytes=row.total_bytes if report is not None else row.done_bytes,
            total_bytes=row.total_bytes,
            message=row.message,
            report=report,
        )


def _row(session: Session, pipeline_id: int, upload_id: str) -> UploadRow:
    row = uploads.find_upload(session, upload_id) if is_storable(upload_id) else None
    if row is None or row.pipeline_id != pipeline_id:
        raise NotFoundError("there is no such upload in the workflow")
    return row


def _check_takes_files(workspace: Workspace, pipeline_id: int) -> None:
    with workspace.store.read() as session:
        refusal = why_no_zip(catalogue.find_pipeline(session, str(pipeline_id)))
    if refusal is not None:
        kind = ConflictError if refusal.code == "pipeline_closed" else UsageError
        raise kind(refusal.message, code=refusal.code)


def _check(workspace: Workspace, request: UploadRequest) -> None:
    name = request.name
    if not 0 < len(name) <= MAX_NAME_LENGTH or not is_storable(name):
        raise UsageError(f"the file's name must have 1 to {MAX_NAME_LENGTH} characters, none NUL")
    if request.size is not None:
        _check_size(workspace, request.size)


def _check_size(workspace: Workspace, size: int) -> None:
    limit = workspace.limits.max_source_bytes
    if size > limit:
        message = f"the file has {size:,} bytes, {limit:,} are allowed; split it"
        raise UsageError(message, code="upload_too_large")


def _check_is_open(row: UploadRow, at: datetime) -> None:
    if row.status != _AWAITING:
        message = "the upload was confirmed; begin another one to send another file"
        raise ConflictError(message, code="upload_closed")
    if row.expires_at <= at:
        message = f"the URL expired on {row.expires_at:%Y-%m-%d at %H:%M:%S} UTC; begin again"
        raise ConflictError(message, code="upload_closed")


def _check_has_come(workspace: Workspace, size: int | None, declared: int | None) -> None:
    if size is None:
        message = "the file has not come yet; PUT it to the upload's URL, then confirm"
        raise ConflictError(message, code="upload_missing")
    if declared is not None and size != declared:
        message = f"the file has {size:,} bytes, {declared:,} were announced; PUT it again"
        raise ConflictError(message, code="upload_incomplete")
    _check_size(workspace, size)


def _safe(name: str) -> str:
    """Return a file's name as it can stand in any URI; its suffix is kept."""
    return _UNSAFE.sub("_", name)[-100:]


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
