"""Catch up on what was left undone, by whoever did not come to its end."""

from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from tasks_lib.domain.names import counted
from tasks_lib.operations.announcing import Tell, announce_due
from tasks_lib.operations.draining import drain_due
from tasks_lib.operations.idempotency import remove_old_answers
from tasks_lib.operations.lifecycle import release_expired_claims
from tasks_lib.operations.topping_up import top_up_all
from tasks_lib.operations.unused_files import GRACE, Removed, remove_unreferenced_files
from tasks_lib.operations.upload_processing import (
    Process,
    process_upload,
    remove_uploads,
    take_up_uploads,
)
from tasks_lib.operations.workspace import Workspace


class Reconciled(NamedTuple):
    """What was done; ``announced_events`` is None without a Prefect to tell."""

    released_claims: int
    removed_files: int
    removed_leftovers: int
    announced_events: int | None
    chained_tasks: int = 0
    resumed_uploads: int = 0
    removed_uploads: int = 0
    removed_answers: int = 0
    topped_up_tasks: int = 0

    @property
    def sentence(self) -> str:
        """What was done, for a person."""
        done = [
            f"made {counted(self.chained_tasks, 'chained task')}",
            f"made {counted(self.topped_up_tasks, 'task')} by infinite seeding",
            f"released {counted(self.released_claims, 'expired claim')}",
            f"removed {counted(self.removed_files, 'file')} that no task has",
            f"removed {counted(self.removed_leftovers, 'unfinished write')}",
            f"took up {counted(self.resumed_uploads, 'upload')}",
            f"removed {counted(self.removed_uploads, 'uploaded file')}",
            f"removed {counted(self.removed_answers, 'old answer')}",
            f"announced {counted(self.announced_events or 0, 'event')}",
        ]
        told = [part for part in done if " 0 " not in part]
        return f"{', '.join(told) or 'nothing had been left undone'}.".capitalize()


def reconcile(
    workspace: Workspace,
    tell: Tell | None,
    *,
    process: Process = process_upload,
    now: datetime,
    cleans_up: bool = True,
    grace: timedelta = GRACE,
) -> Reconciled:
    """Release expired claims, clean up, top up, fire chains, have uploads worked on, tell Prefect.

    May run at any time, beside everything and beside itself; interrupted, the next one goes on.
    Raises UnavailableError when the store, the storage or Prefect is lost, which comes last.
    """
    released = release_expired_claims(workspace.store, at=now)
    removed, uploads, answers = Removed(0, 0), 0, 0
    if cleans_up:
        removed = remove_unreferenced_files(workspace, now=now, grace=grace)
        uploads = remove_uploads(workspace, now=now, grace=grace)
        answers = remove_old_answers(workspace.store, now=now)
    topped_up = top_up_all(workspace.store, at=now)
    chained = drain_due(workspace, at=now)
    resumed = take_up_uploads(workspace.store, partial(process, workspace), at=now)
    announced = announce_due(workspace.store, tell, at=now) if tell is not None else None
    return Reconciled(
        released_claims=released,
        removed_files=removed.files,
        removed_leftovers=removed.leftovers,
        announced_events=announced,
        chained_tasks=chained.created,
        resumed_uploads=resumed,
        removed_uploads=uploads,
        removed_answers=answers,
        topped_up_tasks=topped_up,
    )
