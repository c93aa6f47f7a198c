"""Catch up on work that a lost event or a killed process has left unfinished."""

from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from tasks_lib.domain.names import counted
from tasks_lib.operations.chains.due import fire_due
from tasks_lib.operations.groups.finish import settle_groups
from tasks_lib.operations.groups.undo import continue_undos
from tasks_lib.operations.idempotency import remove_old_answers
from tasks_lib.operations.infinite.top_up import top_up_all
from tasks_lib.operations.retention.expire import delete_expired
from tasks_lib.operations.tasks.move import release_expired_claims
from tasks_lib.operations.upkeep.announcing import Publish, announce_due
from tasks_lib.operations.upkeep.old_runs import remove_old_runs
from tasks_lib.operations.upkeep.unused_files import GRACE, Removed, remove_unreferenced_files
from tasks_lib.operations.uploads.process import (
    Process,
    process_upload,
    remove_uploads,
    resume_uploads,
)
from tasks_lib.operations.waiting.suspended import (
    FlowRuns,
    remove_ended_waits,
    resume_due,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.transport.temporary import remove_abandoned_folders


class Reconciled(NamedTuple):
    """How much was done; ``announced_events`` is None if no Prefect server is configured.

    ``removed_leftovers`` counts unfinished writes to the storage and temporary folders of killed
    processes of this machine.
    """

    released_claims: int
    removed_files: int
    removed_leftovers: int
    announced_events: int | None
    chained_tasks: int = 0
    resumed_uploads: int = 0
    resumed_runs: int = 0
    removed_uploads: int = 0
    removed_answers: int = 0
    removed_reports: int = 0
    topped_up_tasks: int = 0
    undone_groups: int = 0
    expired_tasks: int = 0

    @property
    def has_work(self) -> bool:
        """Whether anything was done."""
        return any(self)

    @property
    def sentence(self) -> str:
        """The result as a sentence, without counts that are zero."""
        results = [
            ("undid {}", self.undone_groups, "group"),
            ("deleted {} after their retention", self.expired_tasks, "task"),
            ("created {}", self.chained_tasks, "chained task"),
            ("created {} by infinite seeding", self.topped_up_tasks, "task"),
            ("released {}", self.released_claims, "expired claim"),
            ("removed {} that no task has", self.removed_files, "file"),
            ("removed {}", self.removed_leftovers, "unfinished write"),
            ("resumed {}", self.resumed_uploads, "upload"),
            ("resumed {}", self.resumed_runs, "flow run"),
            ("removed {}", self.removed_uploads, "uploaded file"),
            ("removed {}", self.removed_answers, "old answer"),
            ("removed {} of old runs", self.removed_reports, "report"),
            ("announced {}", self.announced_events or 0, "event"),
        ]
        done = [text.format(counted(count, noun)) for text, count, noun in results if count]
        return f"{', '.join(done) or 'nothing to do'}.".capitalize()


def reconcile(
    workspace: Workspace,
    publish: Publish | None,
    runs: FlowRuns | None = None,
    *,
    process: Process = process_upload,
    now: datetime,
    cleans_up: bool = True,
    grace: timedelta = GRACE,
) -> Reconciled:
    """Release claims, clean up, finish undos, delete expired tasks, top up, and fire chains.

    Then resume uploads and send events.

    Can run at any time, also several times at once; after an interruption the next call continues.
    Raises UnavailableError when the store, the storage or Prefect is unavailable. Prefect comes
    last, so that nothing else waits for it.
    """
    released = release_expired_claims(workspace.store, at=now)
    removed, folders, uploads, answers, reports = Removed(0, 0), 0, 0, 0, 0
    if cleans_up:
        removed = remove_unreferenced_files(workspace, now=now, grace=grace)
        folders = remove_abandoned_folders()
        uploads = remove_uploads(workspace, now=now, grace=grace)
        answers = remove_old_answers(workspace.store, now=now)
        reports = remove_old_runs(workspace, now=now)
    undone = continue_undos(workspace.store, at=now)
    expired = delete_expired(workspace.store, at=now, begins=cleans_up)
    settle_groups(workspace.store, at=now)
    topped_up = top_up_all(workspace.store, at=now)
    chained = fire_due(workspace, at=now)
    resumed = resume_uploads(workspace.store, partial(process, workspace), at=now)
    resumed_runs = 0
    if runs is not None:
        resumed_runs = resume_due(workspace.store, runs, at=now)
        if cleans_up:
            remove_ended_waits(workspace.store, runs)
    announced = announce_due(workspace.store, publish, at=now) if publish is not None else None
    return Reconciled(
        released_claims=released,
        removed_files=removed.files,
        removed_leftovers=removed.leftovers + folders,
        announced_events=announced,
        chained_tasks=chained.created,
        resumed_uploads=resumed,
        resumed_runs=resumed_runs,
        removed_uploads=uploads,
        removed_answers=answers,
        removed_reports=reports,
        topped_up_tasks=topped_up,
        undone_groups=undone,
        expired_tasks=expired,
    )
