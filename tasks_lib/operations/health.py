"""The health of an installation, for monitoring."""

import shutil
from pathlib import Path
from typing import Final, NamedTuple

from tasks_lib.errors import StorageUnavailableError, StoreUnavailableError
from tasks_lib.operations.upkeep.announcing import Pending, count_pending
from tasks_lib.operations.workspace import Workspace

LEAST_FREE_BYTES: Final = 16 * 2**20
"""With less, a disk counts as full: the next writes would fail."""


class Health(NamedTuple):
    """The store's revision, and the events that Prefect has not received yet."""

    revision: str | None
    pending: Pending


def health_of(workspace: Workspace) -> Health:
    """Query the store, and look at the disks of this machine that hold it and the files.

    Raises StoreUnavailableError if the store does not respond, or if its disk is full, and
    StorageUnavailableError if the disk of the files is full.
    """
    store = workspace.store
    health = Health(store.revision(), count_pending(store))
    shortage = _find_shortage(store.folder)
    if shortage is not None:
        raise StoreUnavailableError(f"the disk of the store is full: {shortage}")
    shortage = _find_shortage(workspace.storage.folder)
    if shortage is not None:
        raise StorageUnavailableError(f"the disk of the storage is full: {shortage}")
    return health


def _find_shortage(folder: Path | None) -> str | None:
    """Return how little is left where the folder lies, or None if that is enough."""
    if folder is None or not folder.exists():  # the first file makes the storage's folder
        return None
    free = shutil.disk_usage(folder).free
    return f"{free:,} bytes are free in {folder}" if free < LEAST_FREE_BYTES else None
