"""What every act works on: the store, the storage and the limits, opened from the settings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from tasks_lib.errors import UsageError
from tasks_lib.intake.limits import Limits
from tasks_lib.settings import Settings
from tasks_lib.storage.files import Storage
from tasks_lib.store.engine import Store

ReadSecret = Callable[[str], str]
"""Takes the name of a secret and returns it; raises UsageError where there is none."""


def no_secrets(name: str) -> str:
    """Refuse: whoever opened the workspace does not know where secrets are."""
    raise UsageError(f"the secret {name!r} cannot be read here")


@dataclass(frozen=True)
class Workspace:
    """An installation's store, storage, limits, secrets, and how long its links to files last."""

    store: Store
    storage: Storage
    limits: Limits
    link_seconds: int = 3_600
    read_secret: ReadSecret = no_secrets


@contextmanager
def open_workspace(settings: Settings, read_secret: ReadSecret = no_secrets) -> Iterator[Workspace]:
    """Open what the settings name, and close it at the end."""
    # Arrow's own pool would keep what it has freed: some 30 MB of a worker's process for nothing.
    pa.set_memory_pool(pa.system_memory_pool())
    store = Store.open(settings.database_url, busy_timeout_seconds=settings.busy_timeout_seconds)
    try:
        storage = Storage(settings.storage_url, retry_seconds=settings.retry_seconds)
        yield Workspace(store, storage, settings.limits, settings.link_seconds, read_secret)
    finally:
        store.close()
