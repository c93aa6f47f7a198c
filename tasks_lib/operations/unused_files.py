"""Remove stored files that no task has, and what interrupted writes have left."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import files

GRACE: Final = timedelta(hours=24)
"""How long a file may wait for its tasks; a load that takes longer starts again."""

_FILES_AT_ONCE: Final = 200


class Removed(NamedTuple):
    """How many files without tasks were removed, and how many traces of interrupted writes."""

    files: int
    leftovers: int


def remove_unreferenced_files(
    workspace: Workspace, *, now: datetime, grace: timedelta = GRACE
) -> Removed:
    """Remove the files that no task has and no load has wanted for as long as ``grace``.

    A load that is still at work when ``grace`` is over fails, and nothing worse. May run at any
    time, beside loads and beside itself; interrupted, the next one goes on. Raises UnavailableError
    when the store or the storage is lost.
    """
    removed, after = 0, ""
    while found := _mark(workspace, now - grace, after):
        removed += _remove(workspace, found)
        after = found[-1]
    # What is half written looks like a leftover, so that a short grace would break it.
    leftovers = workspace.storage.remove_leftovers(before=now - max(grace, GRACE))
    return Removed(removed, leftovers)


def _mark(workspace: Workspace, before: datetime, after: str) -> list[str]:
    with workspace.store.write() as session:
        return files.mark_unreferenced(session, before=before, limit=_FILES_AT_ONCE, after=after)


def _remove(workspace: Workspace, uris: list[str]) -> int:
    with workspace.store.write() as session:
        taken = files.take_marked(session, uris)
        workspace.storage.remove(taken)
        return len(taken)
