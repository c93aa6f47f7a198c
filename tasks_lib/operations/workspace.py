"""The workspace of an operation: store, storage and limits, opened from the settings."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tasks_lib.domain.limits import Limits
from tasks_lib.errors import UsageError
from tasks_lib.settings import Settings
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import UNNAMED, Store

if TYPE_CHECKING:  # loads Arrow
    from tasks_lib.intake.datasets.foreign_rows import ForeignRows, ForeignSource, OpenRows

SECRET: Final = "secret:"  # noqa: S105 - the prefix of a secret's name

ReadSecret = Callable[[str], str]
"""Takes the name of a secret and returns it; raises UsageError where there is none."""


def no_secrets(name: str) -> str:
    """Raise UsageError: this workspace was opened without access to secrets."""
    raise UsageError(f"the secret {name!r} cannot be read here")


def _open_rows(source: "ForeignSource", limits: Limits) -> "AbstractContextManager[ForeignRows]":
    """Open an external source of a dataset; the readers are loaded by the first one."""
    from tasks_lib.intake.datasets.open_rows import open_rows  # noqa: PLC0415 - loads Arrow

    return open_rows(source, limits)


@dataclass(frozen=True)
class Workspace:
    """An installation's store, storage, limits, secrets, and how long its links to files last.

    ``open_rows`` opens the external sources of datasets. ``run_url`` is the page of the flow run
    that works here, if there is one; it is stored with the run's report. ``api_url`` is the public
    URL of the HTTP API, empty if it is unknown.
    """

    store: Store
    storage: Storage
    limits: Limits
    link_seconds: int = 3_600
    read_secret: ReadSecret = no_secrets
    open_rows: "OpenRows" = _open_rows
    run_url: str | None = None
    api_url: str = ""

    def read_connection(self, connection: str) -> str:
        """Return the URL of a database: ``connection``, or the value of ``secret:BLOCK``."""
        if not connection.startswith(SECRET):
            return connection
        return self.read_secret(connection.removeprefix(SECRET))


@contextmanager
def open_workspace(
    settings: Settings,
    read_secret: ReadSecret = no_secrets,
    *,
    creates_store: bool = True,
    actor: str = UNNAMED,
) -> Iterator[Workspace]:
    """Open the store and the storage of the settings for the duration of a block.

    ``actor`` is who acts, for the audit trail. Raises NoStoreError if there is no store and
    ``creates_store`` is False.
    """
    store = Store.open(
        settings.database_url,
        creates=creates_store,
        busy_timeout_seconds=settings.busy_timeout_seconds,
        direct_url=settings.database_direct_url,
    ).acting(actor)
    try:
        storage = Storage(settings.storage_url, retry_seconds=settings.retry_seconds)
        yield Workspace(
            store,
            storage,
            settings.limits,
            settings.link_seconds,
            read_secret,
            api_url=settings.api_url.rstrip("/"),
        )
    finally:
        store.close()
