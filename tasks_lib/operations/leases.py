"""The lease of a long-lived run: it works only while the lease is its own."""

import time
from contextlib import suppress
from typing import Final

from tasks_lib.errors import StoreUnavailableError
from tasks_lib.store import leases
from tasks_lib.store.engine import Store
from tasks_lib.store.leases import LeaseName

_RENEW_SECONDS: Final = 3.0


class Lease:
    """A lease in the store, which ``holder`` acquires, renews while it works, and releases."""

    def __init__(self, store: Store, name: LeaseName, holder: str) -> None:
        self._store = store
        self._name = name
        self._holder = holder
        self._renewed = 0.0

    def acquire(self, *, from_holder: str = "") -> bool:
        """Acquire the lease if it is free, or held by ``from_holder`` or a first attempt of ours.

        Returns whether it is ours.
        """
        at = self._store.now()
        with self._store.write() as session:
            history = leases.acquire(
                session,
                self._name,
                self._holder,
                at=at,
                from_holders=(from_holder, self._holder),
            )
        self._renewed = time.monotonic()
        return history is not None

    def keep(self) -> bool:
        """Renew the lease if that is due; return False if another holder has acquired it."""
        if time.monotonic() < self._renewed + _RENEW_SECONDS:
            return True
        at = self._store.now()
        with self._store.write() as session:
            is_ours = leases.renew(session, self._name, self._holder, at=at)
        self._renewed = time.monotonic()
        return is_ours

    def release(self) -> None:
        """Release the lease if it is ours; without the store it is free when it is stale."""
        with suppress(StoreUnavailableError), self._store.write() as session:
            leases.release(session, self._name, self._holder, at=self._store.now())
