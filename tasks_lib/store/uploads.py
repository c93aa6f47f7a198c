"""Files that come through the External API: promised, confirmed, worked on, finished, removed."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import UploadStatus
from tasks_lib.store.tables import SeedingRunRow, UploadRow

_IS_PROCESSING = UploadRow.status == UploadStatus.PROCESSING.value


def insert_upload(
    session: Session,
    *,
    upload_id: str,
    pipeline_id: int,
    name: str,
    uri: str,
    on_error: str,
    declared_bytes: int | None,
    token_sha256: str,
    created_at: datetime,
    expires_at: datetime,
) -> None:
    """Promise to take a file."""
    session.add(
        UploadRow(
            id=upload_id,
            pipeline_id=pipeline_id,
            name=name,
            uri=uri,
            on_error=on_error,
            declared_bytes=declared_bytes,
            token_sha256=token_sha256,
            status=UploadStatus.AWAITING_UPLOAD.value,
            created_at=created_at,
            expires_at=expires_at,
        )
    )
    session.flush()


def find_upload(session: Session, upload_id: str) -> UploadRow | None:
    """Return the upload, or None."""
    return session.get(UploadRow, upload_id)


def confirm_upload(session: Session, upload_id: str, *, kind: str, size: int, at: datetime) -> bool:
    """Let the work on an upload begin; return False where it has been confirmed already."""
    changed = session.execute(
        update(UploadRow)
        .where(UploadRow.id == upload_id, UploadRow.status == UploadStatus.AWAITING_UPLOAD.value)
        .values(status=UploadStatus.PROCESSING.value, kind=kind, total_bytes=size, confirmed_at=at)
        .returning(UploadRow.id)
    )
    return changed.one_or_none() is not None


def due_uploads(session: Session, *, at: datetime) -> list[str]:
    """Return the uploads that are to be worked on and that nobody works on, oldest first."""
    statement = select(UploadRow.id).where(_IS_PROCESSING, _is_free(at))
    return list(session.scalars(statement.order_by(UploadRow.confirmed_at)))


def take_upload(session: Session, upload_id: str, *, at: datetime, until: datetime) -> bool:
    """Take the work on an upload until then; return False where there is none, or others do it."""
    taken = session.execute(
        update(UploadRow)
        .where(UploadRow.id == upload_id, _IS_PROCESSING, _is_free(at))
        .values(leased_until=until)
        .returning(UploadRow.id)
    )
    return taken.one_or_none() is not None


def hold_upload(session: Session, upload_id: str, *, until: datetime | None) -> None:
    """Hold the work on an upload until then, or give it back."""
    _change(session, upload_id, leased_until=until)


def count_attempt(session: Session, upload_id: str, flow_run_id: str | None = None) -> None:
    """Note that an attempt has begun, by the flow run if there is one."""
    _change(session, upload_id, attempts=UploadRow.attempts + 1, flow_run_id=flow_run_id)


def note_progress(session: Session, upload_id: str, *, done: int, total: int) -> None:
    """Note how far the work is."""
    _change(session, upload_id, done_bytes=done, total_bytes=total)


def fail_upload(session: Session, upload_id: str, message: str) -> None:
    """Give an upload up, and say why."""
    _change(
        session,
        upload_id,
        status=UploadStatus.FAILED.value,
        message=message,
        leased_until=None,
    )


def uploads_with_report(session: Session) -> list[str]:
    """Return the uploads that are said to be worked on, but whose seeding has left its report."""
    statement = select(UploadRow.id).join(SeedingRunRow, SeedingRunRow.id == UploadRow.id)
    return list(session.scalars(statement.where(_IS_PROCESSING)))


def finish_upload(session: Session, upload_id: str, *, is_rejected: bool) -> None:
    """Note what became of an upload; its report says the rest."""
    status = UploadStatus.FAILED if is_rejected else UploadStatus.COMPLETED
    _change(
        session,
        upload_id,
        status=status.value,
        done_bytes=UploadRow.total_bytes,
        leased_until=None,
    )


def removable_uploads(
    session: Session, *, expired_before: datetime, limit: int
) -> list[tuple[str, str]]:
    """Return id and URI of files that are not needed any more, or were never confirmed."""
    is_over = UploadRow.status.in_([UploadStatus.COMPLETED.value, UploadStatus.FAILED.value])
    is_forgotten = and_(
        UploadRow.status == UploadStatus.AWAITING_UPLOAD.value,
        UploadRow.expires_at < expired_before,
    )
    found = session.execute(
        select(UploadRow.id, UploadRow.uri)
        .where(UploadRow.removed_at.is_(None), or_(is_over, is_forgotten))
        .order_by(UploadRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [(upload_id, uri) for upload_id, uri in found]


def mark_removed(session: Session, upload_ids: Sequence[str], *, at: datetime) -> None:
    """Note that the files are no longer there; what was never confirmed has failed thereby."""
    for upload_id in upload_ids:
        row = session.get_one(UploadRow, upload_id)
        row.removed_at = at
        if row.status == UploadStatus.AWAITING_UPLOAD.value:
            row.status = UploadStatus.FAILED.value
            row.message = "the upload was not confirmed in time"
    session.flush()


def _is_free(at: datetime) -> ColumnElement[bool]:
    return or_(UploadRow.leased_until.is_(None), UploadRow.leased_until <= at)


def _change(session: Session, upload_id: str, **values: object) -> None:
    session.execute(
        update(UploadRow)
        .where(UploadRow.id == upload_id, _IS_PROCESSING)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
