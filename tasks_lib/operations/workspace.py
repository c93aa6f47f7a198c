"""The workspace of an operation: store, storage and limits, opened from the settings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from tasks_lib.domain.limits import Limits
from tasks_lib.errors import UsageError
from tasks_lib.intake.datasets.foreign_rows import OpenRows
from tasks_lib.intake.datasets.open_rows import open_rows
from tasks_lib.settings import Settings
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store

ReadSecret = Callable[[str], str]
"""Takes the name of a secret and returns it; raises UsageError where there is none."""


def no_secrets(name: str) -> str:
    """Raise UsageError: this workspace was opened without access to secrets."""
    raise UsageError(f"the secret {name!r} cannot be read here")


@dataclass(frozen=True)
class Workspace:
    """An installation's store, storage, limits, secrets, and how long its links to files last.

    ``open_rows`` opens the external sources of datasets. ``run_url`` is the page of the flow run
    that works here, if there is one; it is stored with the run's report.
    """

    store: Store
    storage: Storage
    limits: Limits
    link_seconds: int = 3_600
    read_secret: ReadSecret = no_secrets
    open_rows: OpenRows = open_rows
    run_url: str | None = None


@contextmanager
def open_workspace(settings: Settings, read_secret: ReadSecret = no_secrets) -> Iterator[Workspace]:
    """Open the store and the storage of the settings for the duration of a block."""
    # Arrow's own pool would keep what it has freed: about 30 MB in a worker's process.
    pa.set_memory_pool(pa.system_memory_pool())
    store = Store.open(
        settings.database_url,
        busy_timeout_seconds=settings.busy_timeout_seconds,
        direct_url=settings.database_direct_url,
    )
    try:
        storage = Storage(settings.storage_url, retry_seconds=settings.retry_seconds)
        yield Workspace(store, storage, settings.limits, settings.link_seconds, read_secret)
    finally:
        store.close()
