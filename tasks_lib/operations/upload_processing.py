"""Make tasks of the files that came through the External API: each once, whoever dies over it.

Who works on an upload holds it for a minute, again and again. A process that dies lets go thereby,
and another one takes the upload up. The seeding has the upload's id as the id of its run, so that
it makes its tasks once and leaves one report.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import SeedingError, UnavailableError
from tasks_lib.intake.progress import OnProgress, Progress
from tasks_lib.operations.background import Background
from tasks_lib.operations.file_sources import CsvRequest
from tasks_lib.operations.seed_from_csv import seed_from_csv
from tasks_lib.operations.seed_from_zip import ZipRequest, seed_from_zip
from tasks_lib.operations.uploads import ZIP
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import seeding_runs, uploads
from tasks_lib.store.engine import Store

logger = logging.getLogger(__name__)

Process = Callable[[Workspace, str], None]
"""Has an upload worked on, here or elsewhere; may be called again for one that is."""

HELD: Final = timedelta(minutes=1)
MAX_ATTEMPTS: Final = 5
_HOLD_SECONDS: Final = 2.0
_AT_ONCE: Final = 2
_REMOVED_AT_ONCE: Final = 100


class Handover(NamedTuple):
    """An upload that is to be worked on by whoever got this, and what it takes."""

    upload_id: str
    pipeline_id: int
    uri: str
    kind: str
    on_error: OnError
    attempts: int
    flow_run_id: str | None


def process_upload(workspace: Workspace, upload_id: str) -> None:
    """Seed from an upload in this process, unless somebody else does it.

    Raises UnavailableError, after which the upload is taken up again later.
    """
    now = datetime.now(UTC)
    mine = hand_over(workspace.store, upload_id, at=now, until=now + HELD)
    if mine is None:
        return
    note_flow_run(workspace.store, upload_id, None)
    pipeline = str(mine.pipeline_id)
    with attended(workspace.store, upload_id) as note:
        if mine.kind == ZIP:
            request = ZipRequest(pipeline, mine.uri, mine.on_error)
            seed_from_zip(workspace, request, run_id=upload_id, on_progress=note)
        else:
            csv = CsvRequest(pipeline, mine.uri, mine.on_error)
            seed_from_csv(workspace, csv, run_id=upload_id, on_progress=note)


def hand_over(store: Store, upload_id: str, *, at: datetime, until: datetime) -> Handover | None:
    """Take an upload until then; return None where it needs no work, or others are at it."""
    with store.write() as session:
        _settle(session, upload_id)
        if not uploads.take_upload(session, upload_id, at=at, until=until):
            return None
        row = uploads.find_upload(session, upload_id)
        assert row is not None  # noqa: S101
        return Handover(
            upload_id=upload_id,
            pipeline_id=row.pipeline_id,
            uri=row.uri,
            kind=row.kind or ZIP,
            on_error=OnError(row.on_error),
            attempts=row.attempts,
            flow_run_id=row.flow_run_id,
        )


def take_back(store: Store, upload_id: str) -> None:
    """Let others take an upload that nothing has come of."""
    with store.write() as session:
        uploads.hold_upload(session, upload_id, until=None)


def note_flow_run(store: Store, upload_id: str, flow_run_id: str | None) -> None:
    """Note that an attempt has begun, and the flow run that it is, if it is one."""
    with store.write() as session:
        uploads.count_attempt(session, upload_id, flow_run_id)


@contextmanager
def attended(store: Store, upload_id: str) -> Iterator[OnProgress]:
    """Hold an upload for as long as a block works on it, and note what became of it.

    Yields what is to be told of the progress. Where the block fails for a reason that will stay,
    the upload has failed; otherwise somebody takes it up again when it is no longer held.
    """
    holder = _Holder(store, upload_id)
    holder.hold()
    try:
        with Background("upload", holder.hold, every_seconds=_HOLD_SECONDS):
            yield holder.note
    except UnavailableError:
        raise
    except SeedingError as error:
        with store.write() as session:
            uploads.fail_upload(session, upload_id, str(error))
        raise
    settle_uploads(store)


class _Holder:
    """Holds one upload; the progress is written by the thread that does so.

    Who tells it may be in the middle of a transaction, for which another one would have to wait.
    """

    def __init__(self, store: Store, upload_id: str) -> None:
        self._store = store
        self._upload_id = upload_id
        self._progress: Progress | None = None

    def note(self, progress: Progress) -> None:
        self._progress = progress

    def hold(self) -> None:
        progress = self._progress
        with self._store.write() as session:
            until = datetime.now(UTC) + HELD
            uploads.hold_upload(session, self._upload_id, until=until)
            if progress is not None:
                uploads.note_progress(
                    session, self._upload_id, done=progress.done, total=progress.total
                )


def settle_uploads(store: Store) -> None:
    """Note which uploads have come to their end, as their reports say."""
    with store.read() as session:
        finished = uploads.uploads_with_report(session)
    for upload_id in finished:
        with store.write() as session:
            _settle(session, upload_id)


def _settle(session: Session, upload_id: str) -> None:
    report = seeding_runs.find_report(session, upload_id)
    if report is not None:
        uploads.finish_upload(session, upload_id, is_rejected=report.is_rejection)


def take_up_uploads(store: Store, process: Callable[[str], None], *, at: datetime) -> int:
    """Have the uploads worked on that nobody works on; return how many that are.

    One that was begun too often is given up. May run at any time and beside itself. Raises what
    ``process`` raises.
    """
    settle_uploads(store)
    with store.read() as session:
        due = uploads.due_uploads(session, at=at)
        attempts = {
            upload_id: row.attempts
            for upload_id in due
            if (row := uploads.find_upload(session, upload_id)) is not None
        }
    for upload_id, number in attempts.items():
        if number < MAX_ATTEMPTS:
            process(upload_id)
            continue
        with store.write() as session:
            message = f"given up after {number} attempts; the logs tell why they failed"
            uploads.fail_upload(session, upload_id, message)
    return len(attempts)


def remove_uploads(workspace: Workspace, *, now: datetime, grace: timedelta) -> int:
    """Remove the files of uploads that are over, or expired unconfirmed for ``grace``.

    Returns how many. Raises UnavailableError; the next one goes on.
    """
    removed = 0
    while True:
        with workspace.store.write() as session:
            found = uploads.removable_uploads(
                session, expired_before=now - grace, limit=_REMOVED_AT_ONCE
            )
            workspace.storage.remove([uri for _, uri in found])
            uploads.mark_removed(session, [upload_id for upload_id, _ in found], at=now)
        removed += len(found)
        if not found:
            return removed


class UploadQueue:
    """Has uploads worked on, a few at once, in threads of its own; each stands in it once."""

    def __init__(self, process: Callable[[str], None]) -> None:
        self._process = process
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="uploads")
        self._queued: set[str] = set()
        self._lock = Lock()

    def add(self, upload_id: str) -> None:
        """Have an upload worked on, soon."""
        with self._lock:
            if upload_id in self._queued:
                return
            self._queued.add(upload_id)
        self._pool.submit(self._work, upload_id)

    def close(self) -> None:
        """Finish what has begun and forget the rest, which others will take up."""
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
