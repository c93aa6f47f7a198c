"""Receive files: promise a URL, receive the file, confirm it, look at its upload.

The URL of an upload gives access to one object of the storage for a limited time: signed by S3, or
for a folder by a token; the store keeps only its hash. The seeding starts when the file is
confirmed.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

from sqlalchemy.orm import Session

from tasks_lib.domain.intake_rules import why_no_zip
from tasks_lib.domain.names import display_name, is_storable
from tasks_lib.domain.report import Report
from tasks_lib.domain.rows.dialects import Quote
from tasks_lib.domain.statuses import OnError, SeedKind, UploadStatus
from tasks_lib.errors import ConflictError, NotFoundError, UsageError
from tasks_lib.intake.archives.archive_directory import is_archive
from tasks_lib.operations.idempotency import Answer, IdempotencyKey, answer_once
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.places import Parts
from tasks_lib.store import catalogue, uploads
from tasks_lib.store.engine import Store
from tasks_lib.store.groups import task_groups
from tasks_lib.store.uploads import StoredUpload
from tasks_lib.transport.filesystems import local_path
from tasks_lib.transport.ranges import open_ranges

MAX_NAME_LENGTH: Final = 200
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_AWAITING: Final = UploadStatus.AWAITING_UPLOAD.value


OPTIONS: Final = (
    "delimiter", "encoding", "quote", "csv_name", "names_encoding", "dry_run", "allow_duplicate",
    "full", "allow_shrink", "name", "labels",
)  # fmt: skip
"""The members of an upload's seeding besides those about bad rows."""

_OF_ZIP: Final = ("csv_name", "names_encoding")


class UploadNotFoundError(NotFoundError):
    """The pipeline has no such upload; another pipeline may have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRequest:
    """The file that a client announces: its name, its size if known, and how to seed from it.

    The members after ``size`` are those of the seeding's request. Raises UsageError if one is
    invalid.
    """

    file_name: str = "upload.zip"
    size: int | None = None
    on_error: OnError = OnError.REJECT_FILE
    max_rejected: str = ""
    delimiter: str = ","
    encoding: str = ""
    quote: Quote = Quote.DOUBLE
    csv_name: str = ""
    names_encoding: str = ""
    dry_run: bool = False
    allow_duplicate: bool = False
    full: bool = False
    allow_shrink: bool = False
    name: str = ""
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        of_csv = {name: value for name, value in self.options.items() if name not in _OF_ZIP}
        CsvRequest(
            pipeline="any",
            source="any",
            on_error=self.on_error,
            max_rejected=self.max_rejected,
            **of_csv,
        )

    @property
    def options(self) -> dict[str, Any]:
        """The members of the seeding's request that differ from their defaults."""
        defaults = {field.name: field.default for field in fields(self)}
        given = {name: getattr(self, name) for name in OPTIONS}
        return {name: value for name, value in given.items() if value != defaults[name]}


class Promise(NamedTuple):
    """Where to send the file, and until when; without ``url`` to this service, with ``token``."""

    upload_id: str
    url: str | None
    token: str
    expires_at: datetime


class Upload(NamedTuple):
    """An upload and its status; it has a ``report`` once its seeding has ended.

    Neither the report nor the message tells where the server keeps files; ``rejects_uri`` does.
    """

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
    rejects_uri: str | None


def promise_upload(
    workspace: Workspace,
    pipeline_id: int,
    request: UploadRequest,
    *,
    lifetime: timedelta,
    answer: Callable[[Promise], Answer],
    idempotency_key: IdempotencyKey | None = None,
    at: datetime,
) -> Answer:
    """Promise to receive a file for a pipeline; return ``answer`` of it, or the stored answer.

    Raises ConflictError and UsageError for a pipeline that takes no files or for an invalid
    request, StorageUnavailableError, and what ``answer_once`` raises.
    """
    _check_takes_files(workspace, pipeline_id)
    _check(workspace, request)
    upload_id, token = uuid4().hex, secrets.token_urlsafe(32)
    uri = f"{workspace.storage.root}/uploads/{upload_id}-{_safe(request.file_name)}"
    url = workspace.storage.upload_link(
        uri, size=request.size, seconds=int(lifetime.total_seconds())
    )
    promise = Promise(upload_id, url, "" if url else token, at + lifetime)

    def act(session: Session) -> Answer:
        uploads.insert_upload(
            session,
            upload_id=upload_id,
            pipeline_id=pipeline_id,
            name=request.file_name,
            uri=uri,
            on_error=request.on_error.value,
            max_rejected=request.max_rejected,
            options=request.options,
            declared_bytes=request.size,
            token_sha256=_sha256(token) if url is None else "",
            created_at=at,
            expires_at=promise.expires_at,
        )
        return answer(promise)

    return answer_once(workspace.store, idempotency_key, act, at=at)


class Receiver:
    """Receives a file in parts. On completion it appears, and replaces an earlier one.

    All methods raise StorageUnavailableError. Call ``complete`` or ``abort`` at the end.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._number = 0
        self.size = 0

    def write(self, data: bytes) -> None:
        """Add the next part."""
        self._number += 1
        self._parts.send(self._number, self.size, data)
        self.size += len(data)

    def complete(self) -> None:
        """Make the file appear."""
        self._parts.complete()

    def abort(self) -> None:
        """Discard the parts."""
        self._parts.abort()


def receive_file(workspace: Workspace, upload_id: str, token: str, *, at: datetime) -> Receiver:
    """Start to receive the file of an upload from a client that has its token.

    Raises NotFoundError for a wrong token, ConflictError if the upload is closed, and
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
    """Confirm a file, so that its seeding can start; do nothing if it is confirmed already.

    Raises NotFoundError, ConflictError if the file is missing or incomplete, and UsageError if it
    is too large.
    """
    with workspace.store.read() as session:
        row = _row(session, pipeline_id, upload_id)
        uri, declared, status, options = row.uri, row.declared_bytes, row.status, row.options
    if status == _AWAITING:
        size = workspace.storage.size_of(uri)
        _check_is_complete(workspace, size, declared)
        with open_ranges(uri, workspace.limits) as file:
            kind = SeedKind.ZIP if is_archive(file) else SeedKind.CSV
        for name in _OF_ZIP:
            if kind is SeedKind.CSV and name in options:
                raise UsageError(f"the file is no ZIP, so {name} says nothing; begin without it")
        with workspace.store.write() as session:
            uploads.confirm_upload(session, upload_id, kind=kind, size=size or 0, at=at)
    return find_upload(workspace.store, pipeline_id, upload_id)


def find_upload(store: Store, pipeline_id: int, upload_id: str) -> Upload:
    """Return an upload of the pipeline; raise NotFoundError."""
    with store.read() as session:
        row = _row(session, pipeline_id, upload_id)
        report = task_groups.find_report(session, upload_id)
        status = row.status
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
            message=_without_place(row.message, row) if row.message is not None else None,
            report=_shown(report, row) if report is not None else None,
            rejects_uri=report.rejects_uri if report is not None else None,
        )


def _shown(report: Report, row: StoredUpload) -> Report:
    """Return a report that does not tell where the server keeps files."""
    errors = (
        error.model_copy(update={"message": _without_place(error.message, row)})
        for error in report.errors
    )
    changes = {"source": row.name, "rejects_uri": None, "errors": tuple(errors)}
    return report.model_copy(update=changes)


def _without_place(sentence: str, row: StoredUpload) -> str:
    """Replace the place of an upload's file in a sentence by the name that its client knows."""
    path = local_path(row.uri)
    for place in (row.uri, str(path) if path is not None else row.uri, display_name(row.uri)):
        sentence = sentence.replace(place, row.name)
    return sentence


def find_rejects(workspace: Workspace, pipeline_id: int, upload_id: str) -> tuple[Path | None, str]:
    """Return the path of an upload's rejected rows if they are in a folder, and a URL of them.

    Raises NotFoundError if no rows were rejected or the file is gone, and StorageUnavailableError.
    """
    upload = find_upload(workspace.store, pipeline_id, upload_id)
    uri = upload.rejects_uri
    if uri is None:
        raise NotFoundError("the upload has no rejected rows")
    path = local_path(uri)
    if workspace.storage.size_of(uri) is None:
        raise NotFoundError("the rejects file is no longer there")
    link = workspace.storage.link(
        uri,
        name=display_name(uri),
        content_type="text/csv; charset=utf-8",
        seconds=workspace.link_seconds,
    )
    return path, link


def _row(session: Session, pipeline_id: int, upload_id: str) -> StoredUpload:
    row = uploads.find_upload(session, upload_id) if is_storable(upload_id) else None
    if row is None or row.pipeline_id != pipeline_id:
        raise UploadNotFoundError("there is no such upload in the pipeline")
    return row


def _check_takes_files(workspace: Workspace, pipeline_id: int) -> None:
    with workspace.store.read() as session:
        refusal = why_no_zip(catalogue.get_pipeline(session, pipeline_id))
    if refusal is not None:
        kind = ConflictError if refusal.code == "pipeline_closed" else UsageError
        raise kind(refusal.message, code=refusal.code)


def _check(workspace: Workspace, request: UploadRequest) -> None:
    name = request.file_name
    if not 0 < len(name) <= MAX_NAME_LENGTH or not is_storable(name):
        raise UsageError(f"the file's name must have 1 to {MAX_NAME_LENGTH} characters, none NUL")
    if request.size is not None:
        _check_size(workspace, request.size)


def _check_size(workspace: Workspace, size: int) -> None:
    limit = workspace.limits.max_source_bytes
    if size > limit:
        message = f"the file has {size:,} bytes, {limit:,} are allowed; split it"
        raise UsageError(message, code="upload_too_large")


def _check_is_open(row: StoredUpload, at: datetime) -> None:
    if row.status != _AWAITING:
        message = "the upload was confirmed; begin another one to send another file"
        raise ConflictError(message, code="upload_closed")
    if row.expires_at <= at:
        message = f"the URL expired on {row.expires_at:%Y-%m-%d at %H:%M:%S} UTC; begin again"
        raise ConflictError(message, code="upload_closed")


def _check_is_complete(workspace: Workspace, size: int | None, declared: int | None) -> None:
    if size is None:
        message = "the file has not been uploaded yet"
        raise ConflictError(message, code="upload_missing")
    if declared is not None and size != declared:
        message = f"the file has {size:,} bytes, {declared:,} were announced"
        raise ConflictError(message, code="upload_incomplete")
    _check_size(workspace, size)


def _safe(name: str) -> str:
    """Return a file name that is safe in any URI; its suffix is kept."""
    return _UNSAFE.sub("_", name)[-100:]


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
