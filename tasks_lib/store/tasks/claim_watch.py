"""Wait until tasks are claimed by any process: PostgreSQL notifies, SQLite is polled.

On PostgreSQL a trigger sends a notification. SQLite keeps a number in shared memory that every
commit changes; reading it takes microseconds.
"""

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote
from uuid import uuid4

import psycopg

from tasks_lib.errors import StoreUnavailableError
from tasks_lib.store.connections.address import DIRECT, show_address
from tasks_lib.store.connections.postgresql import is_pooled
from tasks_lib.store.engine import Store

logger = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.05
_TRIAL_SECONDS: Final = 2.0


class Watch(Protocol):
    """Waits for claims."""

    def wait(self, seconds: float) -> bool:
        """Return True as soon as tasks may have been claimed since the last call, else False.

        ``watch_claims`` turns the errors of a lost database into StoreUnavailableError.
        """
        ...


@contextmanager
def watch_claims(store: Store) -> Iterator[Watch]:
    """Watch the claims while a block runs, from its beginning on; raise StoreUnavailableError.

    Behind a pooler that passes on no notifications, the watch hears nothing and only waits; this
    is logged.
    """
    try:
        if store.is_postgresql:
            with _connect(store) as connection:
                yield _listen(store, connection)
        else:
            path = quote(str(Path(str(store.engine.url.database)).absolute()))
            with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as database:
                yield _Poller(database)
    except (psycopg.OperationalError, sqlite3.OperationalError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise StoreUnavailableError(f"the claims cannot be watched: {reason}") from error


def _connect(store: Store) -> psycopg.Connection:
    url = store.listens_at.set(drivername="postgresql")
    return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)


def _listen(store: Store, connection: psycopg.Connection) -> Watch:
    if is_pooled(connection) and not _hears_notifications(store, connection):
        logger.warning(
            "the pooler at %s passes on no notifications, as PgBouncer in transaction mode; claims "
            "are noticed only every few seconds. Set %s to the address of PostgreSQL itself",
            show_address(store.listens_at),
            DIRECT,
        )
        return _Deaf()
    return _Listener(connection)


def _hears_notifications(store: Store, connection: psycopg.Connection) -> bool:
    """Try it on a channel of its own: a shared server connection goes on listening to it."""
    connection.prepare_threshold = None
    channel = f"seeding_trial_{uuid4().hex}"
    connection.execute(f"LISTEN {channel}".encode())
    with _connect(store) as other:
        other.execute(f"NOTIFY {channel}".encode())
    heard = list(connection.notifies(timeout=_TRIAL_SECONDS, stop_after=1))
    connection.execute(f"UNLISTEN {channel}".encode())
    return bool(heard)


class _Deaf:
    """Waits without hearing of any claim."""

    def wait(self, seconds: float) -> bool:
        time.sleep(seconds)
        return False


class _Listener:
    """Listens on its own connection."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        connection.execute("LISTEN seeding_claims")

    def wait(self, seconds: float) -> bool:
        notifications = list(self._connection.notifies(timeout=seconds, stop_after=1))
        if notifications:  # the caller's next look covers those that have arrived by now as well
            list(self._connection.notifies(timeout=0))
        return bool(notifications)


class _Poller:
    """Polls on its own connection."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._last_version = self._version()

    def wait(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (version := self._version()) == self._last_version:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        self._last_version = version
        return True

    def _version(self) -> int:
        ((version,),) = self._database.execute("PRAGMA data_version").fetchall()
        return int(version)
