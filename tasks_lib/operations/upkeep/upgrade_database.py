"""Upgrade the database to the schema of this release."""

from typing import NamedTuple

from tasks_lib.settings import Settings
from tasks_lib.store.engine import Store


class Upgraded(NamedTuple):
    """The revision of the schema before and after an upgrade; None if there was no store."""

    before: str | None
    after: str | None

    @property
    def sentence(self) -> str:
        """The result in a sentence."""
        return f"The store is at revision {self.after} (was: {self.before or 'not there'})."


def upgrade_database(settings: Settings) -> Upgraded:
    """Upgrade the store that the settings name; create it if it does not exist."""
    store = Store.open_any(
        settings.database_url, busy_timeout_seconds=settings.busy_timeout_seconds
    )
    try:
        before = store.revision()
        store.upgrade()
        return Upgraded(before, store.revision())
    finally:
        store.close()
