"""Seed from uploaded files: each exactly once, even if a worker dies midway.

A worker holds a lease of one minute on its upload and renews it. If the worker dies, the lease
expires and another worker resumes the upload. The seeding uses the upload's id as the id of its
run, so it creates its tasks once and leaves one report.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final, NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.progress import OnProgress, Progress
from tasks_lib.domain.report import Report
from tasks_lib.domain.rows.dialects import Quote
from tasks_lib.domain.statuses import OnError, SeedKind
from tasks_lib.errors import SeedingError, UnavailableError
from tasks_lib.operations.background import Background
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.reports import record_report
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import uploads
from tasks_lib.store.engine import Store
from tasks_lib.store.groups import task_groups

logger = logging.getLogger(__name__)

Process = Callable[[Workspace, str], None]
"""Starts the seeding of an upload, here or elsewhere; may be called again while that runs."""

LEASE: Final = timedelta(minutes=1)
MAX_ATTEMPTS: Final = 5
_RENEW_SECONDS: Final = 2.0
_WORKERS: Final = 2
_REMOVAL_BATCH: Final = 100


class AcquiredUpload(NamedTuple):
    """An upload whose lease the caller holds, with what its seeding needs."""

    upload_id: str
    pipeline_id: int
    uri: str
    kind: SeedKind
    on_error: OnError
    max_rejected: str
    options: dict[str, Any]
    attempts: int
    flow_run_id: str | None

    @property
    def request(self) -> CsvRequest:
        """The request for the upload's seeding; it loads Arrow."""
        from tasks_lib.operations.seeding.seed_from_zip import ZipRequest  # noqa: PLC0415

        kind = ZipRequest if self.kind is SeedKind.ZIP else CsvRequest
        quote = Quote(self.options.get("quote", Quote.DOUBLE))
        return kind(
            pipeline=str(self.pipeline_id),
            source=self.uri,
            on_error=self.on_error,
            max_rejected=self.max_rejected,
            **self.options | {"quote": quote},
        )


def process_upload(workspace: Workspace, upload_id: str) -> None:
    """Seed from an upload in this process, unless another worker holds its lease.

    Raises UnavailableError; the upload is then resumed later.
    """
    from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv  # noqa: PLC0415
    from tasks_lib.operations.seeding.seed_from_zip import ZipRequest, seed_from_zip  # noqa: PLC0415

    now = workspace.store.now()
    upload = acquire_upload(workspace.store, upload_id, at=now, until=now + LEASE)
    if upload is None:
        return
    note_flow_run(workspace.store, upload_id, None)
    request = upload.request
    with hold_upload(workspace.store, upload_id) as on_progress:
        if isinstance(request, ZipRequest):
            seeded = seed_from_zip(workspace, request, run_id=upload_id, on_progress=on_progress)
        else:
            seeded = seed_from_csv(workspace, request, run_id=upload_id, on_progress=on_progress)
        keep_report(workspace, upload_id, seeded.report)


def keep_report(workspace: Workspace, upload_id: str, report: Report) -> None:
    """Save the report of an upload's dry run, which leaves none by itself."""
    if report.dry_run:
        record_report(workspace, upload_id, report)


def acquire_upload(
    store: Store, upload_id: str, *, at: datetime, until: datetime
) -> AcquiredUpload | None:
    """Acquire the lease of an upload; return None if it needs no work or another worker has it."""
    with store.write() as session:
        _settle(session, upload_id)
        if not uploads.acquire_upload(session, upload_id, at=at, until=until):
            return None
        row = uploads.find_upload(session, upload_id)
        assert row is not None  # noqa: S101
        return AcquiredUpload(
            upload_id=upload_id,
            pipeline_id=row.pipeline_id,
            uri=row.uri,
            kind=row.kind or SeedKind.ZIP,
            on_error=row.on_error,
            max_rejected=row.max_rejected,
            options=row.options,
            attempts=row.attempts,
            flow_run_id=row.flow_run_id,
        )


def release_upload(store: Store, upload_id: str) -> None:
    """Release the lease of an upload, so that another worker can acquire it."""
    with store.write() as session:
        uploads.release_upload(session, upload_id)


def note_flow_run(store: Store, upload_id: str, flow_run_id: str | None) -> None:
    """Count an attempt, and record its flow run if it has one."""
    with store.write() as session:
        uploads.count_attempt(session, upload_id, flow_run_id)


@contextmanager
def hold_upload(store: Store, upload_id: str) -> Iterator[OnProgress]:
    """Renew the lease of an upload while a block works on it, and record the result.

    Yields a function that takes the progress. If the block raises a permanent error, the upload has
    failed; after a transient one, another worker resumes it once the lease has expired.
    """
    lease = _Lease(store, upload_id)
    lease.renew()
    try:
        with Background("upload", lease.renew, every_seconds=_RENEW_SECONDS):
            yield lease.note
    except UnavailableError:
        raise
    except SeedingError as error:
        with store.write() as session:
            uploads.fail_upload(session, upload_id, str(error))
        raise
    settle_uploads(store)


class _Lease:
    """The lease of one upload; the thread that renews it also writes the progress.

    The code that reports progress may be inside a transaction, so it cannot write by itself.
    """

    def __init__(self, store: Store, upload_id: str) -> None:
        self._store = store
        self._upload_id = upload_id
        self._progress: Progress | None = None

    def note(self, progress: Progress) -> None:
        self._progress = progress

    def renew(self) -> None:
        progress = self._progress
        until = self._store.now() + LEASE
        with self._store.write() as session:
            uploads.renew_upload(session, self._upload_id, until=until)
            if progress is not None:
                uploads.record_progress(
                    session, self._upload_id, done=progress.done, total=progress.total
                )


def settle_uploads(store: Store) -> None:
    """Finish the uploads whose seeding has left a report."""
    with store.read() as session:
        finished = uploads.list_uploads_with_report(session)
    for upload_id in finished:
        with store.write() as session:
            _settle(session, upload_id)


def _settle(session: Session, upload_id: str) -> None:
    report = task_groups.find_report(session, upload_id)
    if report is not None:
        uploads.finish_upload(session, upload_id, is_rejected=report.is_rejection)


def resume_uploads(store: Store, process: Callable[[str], None], *, at: datetime) -> int:
    """Process the uploads whose lease has expired; return their number.

    An upload with too many attempts fails. May run at any time, and several times at once. Raises
    what ``process`` raises.
    """
    settle_uploads(store)
    with store.read() as session:
        attempts = {row.id: row.attempts for row in uploads.list_due_uploads(session, at=at)}
    for upload_id, count in attempts.items():
        if count < MAX_ATTEMPTS:
            process(upload_id)
            continue
        with store.write() as session:
            message = f"given up after {count} attempts; the logs say why they failed"
            uploads.fail_upload(session, upload_id, message)
    return len(attempts)


def remove_uploads(workspace: Workspace, *, now: datetime, grace: timedelta) -> int:
    """Remove the files of uploads that have ended, or that expired unconfirmed ``grace`` ago.

    Returns their number. Raises UnavailableError; the next call continues.
    """
    removed = 0
    while True:
        with workspace.store.write() as session:
            removable = uploads.list_removable_uploads(
                session, expired_before=now - grace, limit=_REMOVAL_BATCH
            )
            workspace.storage.remove([uri for _, uri in removable])
            uploads.mark_removed(session, [upload_id for upload_id, _ in removable], at=now)
        removed += len(removable)
        if not removable:
            return removed


class UploadQueue:
    """Processes uploads in a few threads of its own; an upload is queued at most once."""

    def __init__(self, process: Callable[[str], None]) -> None:
        self._process = process
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="uploads")
        self._queued: set[str] = set()
        self._lock = Lock()

    def add(self, upload_id: str) -> None:
        """Queue an upload, unless it is queued already."""
        with self._lock:
            if upload_id in self._queued:
                return
            self._queued.add(upload_id)
        self._pool.submit(self._work, upload_id)

    def close(self) -> None:
        """Finish running uploads and drop the others; another process resumes them."""
        self._pool.shutdown(cancel_futures=True)

    def _work(self, upload_id: str) -> None:
        try:
            self._process(upload_id)
        except SeedingError as error:
            logger.warning("upload %s: %s", upload_id, error)
        except Exception:
            logger.exception("upload %s failed", upload_id)
        finally:
            with self._lock:
                self._queued.discard(upload_id)
