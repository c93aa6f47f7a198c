"""Wait until tasks are taken, by whatever process: PostgreSQL tells, SQLite is asked.

A trigger on PostgreSQL notifies whoever listens. SQLite keeps a number in shared memory that any
commit changes; asking for it takes microseconds.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final, Protocol

import psycopg
from sqlalchemy import make_url

from tasks_lib.errors import StoreUnavailableError
from tasks_lib.store.engine import Store

_POLL_SECONDS: Final = 0.05


class Watch(Protocol):
    """Waits for claims."""

    def wait(self, seconds: float) -> bool:
        """Return True as soon as tasks may have been taken since the last time, else False.

        Raises StoreUnavailableError when the database is lost.
        """
        ...


@contextmanager
def watch_claims(store: Store) -> Iterator[Watch]:
    """Watch for as long as a block lasts; what is claimed from its beginning on is noticed.

    Raises StoreUnavailableError.
    """
    try:
        if store.is_postgresql:
            url = store.engine.url.set(drivername="postgresql")
            address = make_url(url).render_as_string(hide_password=False)
            with psycopg.connect(address, autocommit=True) as connection:
                yield _Listener(connection)
        else:
            with closing(sqlite3.connect(str(store.engine.url.database))) as database:
                yield _Poller(database)
    except (psycopg.OperationalError, sqlite3.OperationalError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise StoreUnavailableError(f"the claims cannot be watched: {reason}") from error


class _Listener:
    """Listens on a connection of its own."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        connection.execute("LISTEN seeding_claims")

    def wait(self, seconds: float) -> bool:
        heard = list(self._connection.notifies(timeout=seconds, stop_after=1))
        if heard:  # what else has come by now is answered by the same look
            list(self._connection.notifies(timeout=0))
        return bool(heard)


class _Poller:
    """Asks on a connection of its own."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._seen = self._version()

    def wait(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (version := self._version()) == self._seen:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        self._seen = version
        return True

    def _version(self) -> int:
        ((version,),) = self._database.execute("PRAGMA data_version").fetchall()
        return int(version)
