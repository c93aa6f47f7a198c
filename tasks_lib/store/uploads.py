"""Uploads of the HTTP API: announced, confirmed, processed, finished, and removed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Row, and_, or_, select, update
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import OnError, SeedKind, UploadStatus
from tasks_lib.store.leases import is_over
from tasks_lib.store.tables.access import UploadRow
from tasks_lib.store.tables.runs import SeedingRunRow

LONGEST_LEASE: Final = timedelta(minutes=5)
"""The longest lease that an upload is ever given."""

_UPLOADS: Final = UploadRow.metadata.tables[UploadRow.__tablename__]

_IS_PROCESSING = UploadRow.status == UploadStatus.PROCESSING.value


class StoredUpload(NamedTuple):
    """A file that is sent over the HTTP API.

    ``flow_run_id`` is the Prefect flow run of the latest attempt, if there is one. ``token_sha256``
    is empty if the storage itself receives the file. ``options`` are further members of the
    seeding's request.
    """

    id: str
    pipeline_id: int
    name: str
    uri: str
    on_error: OnError
    max_rejected: str
    options: dict[str, Any]
    declared_bytes: int | None
    token_sha256: str
    status: UploadStatus
    created_at: datetime
    expires_at: datetime
    confirmed_at: datetime | None
    kind: SeedKind | None
    attempts: int
    flow_run_id: str | None
    done_bytes: int
    total_bytes: int
    message: str | None


def insert_upload(
    session: Session,
    *,
    upload_id: str,
    pipeline_id: int,
    name: str,
    uri: str,
    on_error: str,
    max_rejected: str,
    options: dict[str, Any],
    declared_bytes: int | None,
    token_sha256: str,
    created_at: datetime,
    expires_at: datetime,
) -> None:
    """Insert an upload whose file has not arrived yet."""
    session.add(
        UploadRow(
            id=upload_id,
            pipeline_id=pipeline_id,
            name=name,
            uri=uri,
            on_error=on_error,
            max_rejected=max_rejected,
            options=options,
            declared_bytes=declared_bytes,
            token_sha256=token_sha256,
            status=UploadStatus.AWAITING_UPLOAD.value,
            created_at=created_at,
            expires_at=expires_at,
        )
    )
    session.flush()


def find_upload(session: Session, upload_id: str) -> StoredUpload | None:
    """Return the upload, or None."""
    row = session.execute(_SELECT.where(_UPLOADS.c.id == upload_id)).one_or_none()
    return _upload(row) if row is not None else None


def confirm_upload(
    session: Session, upload_id: str, *, kind: SeedKind, size: int, at: datetime
) -> None:
    """Record that the file has arrived, so that it is processed; does nothing the second time."""
    session.execute(
        update(UploadRow)
        .where(UploadRow.id == upload_id, UploadRow.status == UploadStatus.AWAITING_UPLOAD.value)
        .values(
            status=UploadStatus.PROCESSING.value, kind=kind.value, total_bytes=size, confirmed_at=at
        )
        .execution_options(synchronize_session=False)
    )


def list_due_uploads(session: Session, *, at: datetime) -> list[StoredUpload]:
    """Return the uploads that need processing and that nobody holds, oldest first."""
    statement = _SELECT.where(_IS_PROCESSING, _is_free(at))
    return [_upload(row) for row in session.execute(statement.order_by(_UPLOADS.c.confirmed_at))]


def acquire_upload(session: Session, upload_id: str, *, at: datetime, until: datetime) -> bool:
    """Acquire the lease on an upload; return False if others hold it or no work is left."""
    acquired = session.execute(
        update(UploadRow)
        .where(UploadRow.id == upload_id, _IS_PROCESSING, _is_free(at))
        .values(leased_until=until)
        .returning(UploadRow.id)
    )
    return acquired.one_or_none() is not None


def renew_upload(session: Session, upload_id: str, *, until: datetime) -> None:
    """Renew the lease on an upload."""
    _change(session, upload_id, leased_until=until)


def release_upload(session: Session, upload_id: str) -> None:
    """Release the lease on an upload."""
    _change(session, upload_id, leased_until=None)


def count_attempt(session: Session, upload_id: str, flow_run_id: str | None = None) -> None:
    """Count an attempt, and record its flow run if there is one."""
    _change(session, upload_id, attempts=UploadRow.attempts + 1, flow_run_id=flow_run_id)


def record_progress(session: Session, upload_id: str, *, done: int, total: int) -> None:
    """Record how many bytes are done."""
    _change(session, upload_id, done_bytes=done, total_bytes=total)


def fail_upload(session: Session, upload_id: str, message: str) -> None:
    """Give up on an upload for the reason in ``message``."""
    _change(
        session,
        upload_id,
        status=UploadStatus.FAILED.value,
        message=message,
        leased_until=None,
    )


def list_uploads_with_report(session: Session) -> list[str]:
    """Return the ids of uploads that are in processing although their report exists."""
    statement = select(UploadRow.id).join(SeedingRunRow, SeedingRunRow.id == UploadRow.id)
    return list(session.scalars(statement.where(_IS_PROCESSING)))


def finish_upload(session: Session, upload_id: str, *, is_rejected: bool) -> None:
    """Record that an upload was processed; its report has the details."""
    status = UploadStatus.FAILED if is_rejected else UploadStatus.COMPLETED
    _change(
        session,
        upload_id,
        status=status.value,
        done_bytes=UploadRow.total_bytes,
        leased_until=None,
    )


def list_removable_uploads(
    session: Session, *, expired_before: datetime, limit: int
) -> list[tuple[str, str]]:
    """Return id and URI of files that are not needed any more, or were never confirmed.

    Their rows are locked; rows that another transaction has locked are left out.
    """
    is_over = UploadRow.status.in_([UploadStatus.COMPLETED.value, UploadStatus.FAILED.value])
    is_forgotten = and_(
        UploadRow.status == UploadStatus.AWAITING_UPLOAD.value,
        UploadRow.expires_at < expired_before,
    )
    rows = session.execute(
        select(UploadRow.id, UploadRow.uri)
        .where(UploadRow.removed_at.is_(None), or_(is_over, is_forgotten))
        .order_by(UploadRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [(upload_id, uri) for upload_id, uri in rows]


def mark_removed(session: Session, upload_ids: Sequence[str], *, at: datetime) -> None:
    """Record that the files were removed; uploads that were never confirmed fail."""
    for upload_id in upload_ids:
        row = session.get_one(UploadRow, upload_id)
        row.removed_at = at
        if row.status == UploadStatus.AWAITING_UPLOAD.value:
            row.status = UploadStatus.FAILED.value
            row.message = "the upload was not confirmed in time"
    session.flush()


_SELECT: Final = select(*(_UPLOADS.c[name] for name in StoredUpload._fields))


def _upload(row: Row[Any]) -> StoredUpload:
    upload = StoredUpload._make(row)
    return upload._replace(
        on_error=OnError(row.on_error),
        max_rejected=row.max_rejected or "",
        options=row.options or {},
        status=UploadStatus(row.status),
        kind=SeedKind(row.kind) if row.kind is not None else None,
    )


def _is_free(at: datetime) -> ColumnElement[bool]:
    return is_over(UploadRow.leased_until, at=at, longest=LONGEST_LEASE)


def _change(session: Session, upload_id: str, **values: object) -> None:
    session.execute(
        update(UploadRow)
        .where(UploadRow.id == upload_id, _IS_PROCESSING)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
