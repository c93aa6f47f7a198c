"""Remove stored files that no task refers to, and the leftovers of interrupted writes."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import files

GRACE: Final = timedelta(hours=24)
"""How long a file may exist without tasks; a load that takes longer has to start again."""

_FILES_AT_ONCE: Final = 200


class Removed(NamedTuple):
    """How many files without tasks and leftovers of interrupted writes were removed."""

    files: int
    leftovers: int


def remove_unreferenced_files(
    workspace: Workspace, *, now: datetime, grace: timedelta = GRACE
) -> Removed:
    """Remove files that no task refers to and no load has touched for ``grace``.

    A load that takes longer than ``grace`` fails and can be repeated. Can run at any time, also
    several times at once; after an interruption the next call continues. Raises UnavailableError
    when the store or the storage is unavailable.
    """
    removed, after = 0, ""
    while uris := _mark(workspace, now - grace, after):
        removed += _remove(workspace, uris)
        after = uris[-1]
    # A write in progress looks like a leftover, so a shorter grace would break it.
    leftovers = workspace.storage.remove_leftovers(before=now - max(grace, GRACE))
    return Removed(removed, leftovers)


def _mark(workspace: Workspace, before: datetime, after: str) -> list[str]:
    with workspace.store.write() as session:
        return files.mark_unreferenced(session, before=before, limit=_FILES_AT_ONCE, after=after)


def _remove(workspace: Workspace, uris: list[str]) -> int:
    with workspace.store.write() as session:
        deleted = files.delete_marked(session, uris)
        workspace.storage.remove(deleted)
        return len(deleted)
