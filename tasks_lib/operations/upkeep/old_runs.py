"""Remove the reports of runs that ended long ago, with the files of their rejected rows."""

from datetime import datetime, timedelta
from typing import Final

from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import old_runs

KEPT: Final = timedelta(days=90)
"""How long a run can be retried and returns its report."""

_RUNS_AT_ONCE: Final = 200


def remove_old_runs(workspace: Workspace, *, now: datetime) -> int:
    """Remove the reports of seedings and imports that ended before ``KEPT``; return how many.

    Can run at any time, also several times at once; after an interruption the next call continues.
    Raises UnavailableError when the store or the storage is unavailable.
    """
    removed, own_files = 0, f"{workspace.storage.root}/"  # there may have been another storage
    for lock, remove in (
        (old_runs.lock_seedings, old_runs.remove_seedings),
        (old_runs.lock_imports, old_runs.remove_imports),
    ):
        while True:
            with workspace.store.write() as session:
                runs = lock(session, before=now - KEPT, limit=_RUNS_AT_ONCE)
                remove(session, [run.id for run in runs])
                files = [run.rejects_uri for run in runs if run.rejects_uri]
                workspace.storage.remove([uri for uri in files if uri.startswith(own_files)])
            removed += len(runs)
            if len(runs) < _RUNS_AT_ONCE:
                break
    return removed
