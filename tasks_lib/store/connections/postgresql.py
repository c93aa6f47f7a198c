"""Connections to PostgreSQL, directly or through a pooler such as PgBouncer."""

import math
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

if TYPE_CHECKING:  # loading it takes time, and SQLite does not need it
    import psycopg

NO_LIMIT: Final = -1
"""For connections: a load holds one and needs a second, so a limit could cause a deadlock."""

_IDLE_CONNECTIONS: Final = 20
"""Kept per process: opening one costs PostgreSQL more than a claim."""

_IDLE_SECONDS: Final = 1.0


def create_postgresql_engine(url: URL) -> Engine:
    """Create an engine that tests idle connections, and that works behind a pooler."""
    engine = create_engine(url, pool_size=_IDLE_CONNECTIONS, max_overflow=NO_LIMIT)
    event.listen(engine, "connect", _prepare_nothing_behind_a_pooler)
    event.listen(engine, "checkin", _note_time)
    event.listen(engine, "checkout", partial(_check_idle, engine))
    return engine


def is_pooled(connection: "psycopg.Connection") -> bool:
    """Return True if there is a pooler between the connection and the server.

    A pooler lets clients share connections, so it gives them numbers of its own in place of the
    numbers of the server's processes.
    """
    import psycopg  # noqa: PLC0415

    result = connection.pgconn.exec_(b"SELECT pg_backend_pid()")
    if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
        raise psycopg.OperationalError(result.error_message.decode(errors="replace"))
    number = result.get_value(0, 0)
    return number is None or int(number) != connection.pgconn.backend_pid


def _prepare_nothing_behind_a_pooler(connection: Any, _: object) -> None:
    """Let psycopg prepare no statements if another client could get this server connection."""
    driver_connection: psycopg.Connection = connection
    if is_pooled(driver_connection):
        driver_connection.prepare_threshold = None


def _note_time(_: object, record: ConnectionPoolEntry) -> None:
    record.info["idle_since"] = time.monotonic()


def _check_idle(engine: Engine, connection: Any, record: ConnectionPoolEntry, _: object) -> None:
    """Test a connection that has been idle; the pool replaces it if this raises."""
    if time.monotonic() - record.info.get("idle_since", math.inf) < _IDLE_SECONDS:
        return
    try:
        engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error as error:
        raise DisconnectionError from error
