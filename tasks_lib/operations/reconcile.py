"""Catch up on what was left undone, by whoever did not come to its end."""

from datetime import datetime, timedelta
from typing import NamedTuple

from tasks_lib.domain.names import counted
from tasks_lib.operations.announcing import Tell, announce_due
from tasks_lib.operations.draining import drain_due
from tasks_lib.operations.lifecycle import release_expired_claims
from tasks_lib.operations.unused_files import GRACE, Removed, remove_unreferenced_files
from tasks_lib.operations.workspace import Workspace


class Reconciled(NamedTuple):
    """What was done; ``announced_events`` is None without a Prefect to tell."""

    released_claims: int
    removed_files: int
    removed_leftovers: int
    announced_events: int | None
    chained_tasks: int = 0

    @property
    def sentence(self) -> str:
        """What was done, for a person."""
        done = [
            f"made {counted(self.chained_tasks, 'chained task')}",
            f"released {counted(self.released_claims, 'expired claim')}",
            f"removed {counted(self.removed_files, 'file')} that no task has",
            f"removed {counted(self.removed_leftovers, 'unfinished write')}",
            f"announced {counted(self.announced_events or 0, 'event')}",
        ]
        told = [part for part in done if " 0 " not in part]
        return f"{', '.join(told) or 'nothing had been left undone'}.".capitalize()


def reconcile(
    workspace: Workspace,
    tell: Tell | None,
    *,
    now: datetime,
    cleans_up: bool = True,
    grace: timedelta = GRACE,
) -> Reconciled:
    """Release expired claims, clean up files, fire chains, and tell Prefect the news.

    May run at any time, beside everything and beside itself; interrupted, the next one goes on.
    Raises UnavailableError when the store, the storage or Prefect is lost, which comes last.
    """
    released = release_expired_claims(workspace.store, at=now)
    removed = Removed(0, 0)
    if cleans_up:
        removed = remove_unreferenced_files(workspace, now=now, grace=grace)
    chained = drain_due(workspace, at=now)
    announced = announce_due(workspace.store, tell, at=now) if tell is not None else None
    return Reconciled(released, removed.files, removed.leftovers, announced, chained.created)
