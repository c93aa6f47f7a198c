"""Whether an installation can be worked with, for who watches over it."""

from typing import NamedTuple

from tasks_lib.operations.announcing import Waiting, waiting
from tasks_lib.store.engine import Store


class Health(NamedTuple):
    """The store's revision, and what Prefect has not been told yet."""

    revision: str | None
    waiting: Waiting


def health_of(store: Store) -> Health:
    """Ask the store; raise StoreUnavailableError when it does not answer."""
    return Health(store.revision(), waiting(store))
