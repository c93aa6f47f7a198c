"""Open the database: SQLite with the settings that make it safe and quick, or PostgreSQL.

A transaction is opened for reading or for writing. On SQLite a writing one takes the write lock at
once, so that it waits at its beginning instead of failing in its middle.
"""

import math
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    DisconnectionError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from tasks_lib.errors import (
    StoreOutdatedError,
    StoreTooNewError,
    StoreUnavailableError,
    UsageError,
)

LATEST_REVISION: Final = "0009"
"""The revision that this release works with; revisions are numbers and only ever grow."""

_CREATION_LOCK: Final = 5_104_219_833
_NO_LIMIT: Final = -1
"""Of connections: a load holds one and asks for a second, so a limit would be a deadlock."""

_IDLE_SECONDS: Final = 1.0
_WAL_ATTEMPTS: Final = 100
_WAL_PAUSE_SECONDS: Final = 0.05


class Store:
    """The database of one installation; safe to share between threads."""

    def __init__(self, engine: Engine, *, busy_timeout_seconds: float) -> None:
        self.engine = engine
        self._busy_timeout_seconds = busy_timeout_seconds
        self._turn = threading.Lock()
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")

    @classmethod
    def open(cls, url: str, *, busy_timeout_seconds: float = 60) -> Self:
        """Connect, create a fresh store by itself, and refuse one of another revision.

        Raises StoreUnavailableError when nobody answers, StoreOutdatedError when the store asks
        for ``seeding db upgrade``, and StoreTooNewError when a later release made it.
        """
        store = cls.open_any(url, busy_timeout_seconds=busy_timeout_seconds)
        try:
            found = store.revision()
            if found is None:
                store.upgrade()
            else:
                _check_revision(found, store.engine)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open_any(cls, url: str, *, busy_timeout_seconds: float = 60) -> Self:
        """Connect without looking at the revision, for an upgrade."""
        engine = _engine(url, busy_timeout_seconds)
        return cls(engine, busy_timeout_seconds=busy_timeout_seconds)

    @property
    def is_postgresql(self) -> bool:
        """Whether this is PostgreSQL; otherwise it is SQLite."""
        return self.engine.dialect.name == "postgresql"

    def revision(self) -> str | None:
        """Return the store's revision, None for a database that has no store yet."""
        with _explained(self.engine), self._connection(writes=False) as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return found

    def upgrade(self) -> None:
        """Bring the store to this release's revision; one process does it, others wait."""
        from tasks_lib.store.migrations.upgrade import upgrade  # noqa: PLC0415 - loads Alembic

        with _explained(self.engine), self._connection(writes=True) as connection:
            if self.is_postgresql:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_CREATION_LOCK})"))
            upgrade(connection)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session whose transaction only reads."""
        with _explained(self.engine), self._connection(writes=False) as connection:
            yield Session(connection)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session whose transaction is committed at the end, or rolled back on an error."""
        with _explained(self.engine), self._connection(writes=True) as connection:
            session = Session(connection)
            yield session
            session.flush()

    @contextmanager
    def statement(self) -> Iterator[Session]:
        """Open a session for one statement, which is committed by itself on PostgreSQL.

        It saves two of three ways to the server and back. On SQLite this is ``write``.
        """
        with self._alone() if self.is_postgresql else self.write() as session:
            yield session

    @contextmanager
    def query(self) -> Iterator[Session]:
        """Open a session for statements that only read, each for itself; else as ``statement``."""
        with self._alone() if self.is_postgresql else self.read() as session:
            yield session

    def within(self, session: Session) -> "Store":
        """Return this store with the session's transaction in the place of any that is opened."""
        return _Within(self.engine, session)

    @contextmanager
    def _alone(self) -> Iterator[Session]:
        with _explained(self.engine), self._autocommit.connect() as connection:
            try:
                yield Session(connection)
            except _driver_error(self.engine):
                connection.invalidate()
                raise

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    @contextmanager
    def _connection(self, *, writes: bool) -> Iterator[Connection]:
        engine = self.engine.execution_options(seeding_writes=writes)
        takes_turns = writes and not self.is_postgresql
        with self._in_turn() if takes_turns else nullcontext(), engine.begin() as connection:
            yield connection

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Let this process's threads write one after the other: SQLite would let them nap.

        Who waits too long goes on, and hears from SQLite that the store is locked.
        """
        has_turn = self._turn.acquire(timeout=self._busy_timeout_seconds)
        try:
            yield
        finally:
            if has_turn:
                self._turn.release()


class _Within(Store):
    """A store whose transactions are all one, which somebody else has opened and will commit."""

    def __init__(self, engine: Engine, session: Session) -> None:
        super().__init__(engine, busy_timeout_seconds=0)  # the lock has been taken
        self._session = session

    @contextmanager
    def read(self) -> Iterator[Session]:
        yield self._session

    @contextmanager
    def write(self) -> Iterator[Session]:
        yield self._session
        self._session.flush()

    @contextmanager
    def _alone(self) -> Iterator[Session]:
        yield self._session


def _engine(url: str, busy_timeout_seconds: float) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UsageError("SEEDING_DATABASE_URL is not a database URL") from None
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(url, parsed.database, busy_timeout_seconds)
    if parsed.drivername == "postgresql+psycopg":
        engine = create_engine(parsed, max_overflow=_NO_LIMIT)
        event.listen(engine, "checkin", _note_time)
        event.listen(engine, "checkout", partial(_check_idle, engine))
        return engine
    raise UsageError(
        f"SEEDING_DATABASE_URL begins with {parsed.drivername!r}; "
        "expected sqlite:///path or postgresql+psycopg://user@host/database"
    )


def _note_time(_: object, record: ConnectionPoolEntry) -> None:
    record.info["idle_since"] = time.monotonic()


def _check_idle(engine: Engine, connection: Any, record: ConnectionPoolEntry, _: object) -> None:
    """Ask a connection that has been idle whether it lives; a busy one would be asked for nothing.

    What is raised here lets the pool make another one.
    """
    if time.monotonic() - record.info.get("idle_since", math.inf) < _IDLE_SECONDS:
        return
    try:
        engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error as error:
        raise DisconnectionError from error


def _sqlite_engine(url: str, path: str | None, busy_timeout_seconds: float) -> Engine:
    if path in (None, "", ":memory:"):
        raise UsageError("SEEDING_DATABASE_URL must name a file: a store in memory ends with us")
    try:
        Path(str(path)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailableError(f"the folder of {path} cannot be made: {error}") from error
    try:
        engine = create_engine(
            url, connect_args={"timeout": busy_timeout_seconds}, max_overflow=_NO_LIMIT
        )
    except NoSuchModuleError as error:
        raise UsageError(f"SEEDING_DATABASE_URL: {error}") from None
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    _set_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _set_wal(connection: Any) -> None:
    """Set the journal mode, which SQLite refuses at once, without waiting, while others write."""
    for _ in range(_WAL_ATTEMPTS - 1):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            time.sleep(_WAL_PAUSE_SECONDS)
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("seeding_writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _check_revision(found: str, engine: Engine) -> None:
    if found == LATEST_REVISION:
        return
    place = _place(engine)
    if found < LATEST_REVISION:
        raise StoreOutdatedError(
            f"the store {place} has revision {found}, this release needs {LATEST_REVISION}; "
            "run: seeding db upgrade"
        )
    raise StoreTooNewError(
        f"the store {place} has revision {found}, made by a later release; this one knows "
        f"{LATEST_REVISION}. Install the later release"
    )


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    """Turn a lost, refused or locked database into one sentence."""
    try:
        yield
    except (OperationalError, _driver_error(engine)) as error:
        driver_error = error.orig if isinstance(error, OperationalError) else error
        reason = str(driver_error).strip().splitlines()[0]
        if reason == "database is locked":
            reason += "; another process writes for longer than SEEDING_BUSY_TIMEOUT_SECONDS"
        raise StoreUnavailableError(
            f"the store {_place(engine)} cannot be used: {reason}"
        ) from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise StoreUnavailableError(
            f"the connection to the store {_place(engine)} was lost"
        ) from error


def _driver_error(engine: Engine) -> type[Exception]:
    """Return what the driver raises where a statement has gone past SQLAlchemy."""
    error: type[Exception] = engine.dialect.loaded_dbapi.OperationalError
    return error


def _place(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)
