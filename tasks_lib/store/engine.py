"""Open the database: SQLite with the settings that make it safe and fast, or PostgreSQL.

A transaction is opened for reading or for writing. On SQLite a writing transaction takes the write
lock at once, so that it waits at its beginning instead of failing in the middle.
"""

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, cast

from sqlalchemy import URL, Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tasks_lib.domain.database_errors import is_refusal
from tasks_lib.errors import (
    NoStoreError,
    StoreOutdatedError,
    StoreRefusedError,
    StoreTooNewError,
    StoreUnavailableError,
)
from tasks_lib.store.bulk import postgres_connection
from tasks_lib.store.connections.address import (
    POSTGRESQL,
    parse_address,
    parse_direct_address,
    show_address,
)
from tasks_lib.store.connections.clock import DatabaseClock, host_now
from tasks_lib.store.connections.postgresql import create_postgresql_engine
from tasks_lib.store.connections.sqlite import (
    WriteTurns,
    create_sqlite_engine,
    is_locked,
    is_no_store,
)

if TYPE_CHECKING:  # loading it takes time, and SQLite does not need it
    from psycopg import Connection as PostgresConnection

LATEST_REVISION: Final = "0034"
"""The revision that this release works with; revisions are numbers that only grow."""

_REVISION: Final = re.compile(r"[0-9]{4}")
_CREATION_LOCK: Final = 5_104_219_833


UNNAMED: Final = "unnamed"
"""The author of an act if none was named, for example in a program that opens a store itself."""


class Store:
    """The database of one installation; safe to share between threads.

    ``actor`` is who acts, for the audit trail: a user, an API key or a flow run.
    """

    def __init__(self, engine: Engine, turns: WriteTurns, *, listens_at: URL | None = None) -> None:
        self.engine = engine
        self.actor = UNNAMED
        self.listens_at = listens_at or engine.url
        self._turns = turns
        self._clock = DatabaseClock(self._read_clock)
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")

    @classmethod
    def open(
        cls,
        url: str,
        *,
        creates: bool = True,
        busy_timeout_seconds: float = 60,
        direct_url: str = "",
    ) -> Self:
        """Connect, create the tables of a new store, and refuse a store of another revision.

        ``direct_url`` is the address of PostgreSQL itself if ``url`` is a pooler's. Raises
        UsageError for an address that cannot work, NoStoreError when there is no store and
        ``creates`` is False, StoreUnavailableError when the database does not respond,
        StoreRefusedError when it refuses the user or the password, does not exist or is no store,
        StoreOutdatedError when the store has to be upgraded, and StoreTooNewError when a later
        release upgraded it.
        """
        if not creates:
            _check_file_exists(parse_address(url))
        store = cls.open_any(url, busy_timeout_seconds=busy_timeout_seconds, direct_url=direct_url)
        try:
            revision = store.revision()
            if revision is not None:
                _check_revision(revision, store.engine)
            elif creates:
                store.upgrade()
            else:
                raise _no_store(store.engine.url)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open_any(cls, url: str, *, busy_timeout_seconds: float = 60, direct_url: str = "") -> Self:
        """Connect without checking the revision, for an upgrade."""
        address = parse_address(url)
        turns = WriteTurns(busy_timeout_seconds)
        if address.drivername != POSTGRESQL:
            return cls(create_sqlite_engine(address, turns, busy_timeout_seconds), turns)
        listens_at = parse_direct_address(direct_url) if direct_url else None
        return cls(create_postgresql_engine(address), turns, listens_at=listens_at)

    @property
    def is_postgresql(self) -> bool:
        """Whether the database is PostgreSQL; otherwise it is SQLite."""
        return self.engine.dialect.name == "postgresql"

    @property
    def busy_timeout_seconds(self) -> float:
        """How long a writer waits for others."""
        return self._turns.timeout_seconds

    @property
    def folder(self) -> Path | None:
        """The folder of SQLite's file; None on PostgreSQL."""
        return None if self.is_postgresql else Path(str(self.engine.url.database)).parent

    def now(self) -> datetime:
        """Return the database's time; the clocks of the machines that use a store can differ.

        Raises StoreUnavailableError.
        """
        return self._clock.now() if self.is_postgresql else host_now()

    def _read_clock(self) -> datetime:
        with self._alone() as session:
            time: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
            return time

    def revision(self) -> str | None:
        """Return the store's revision; None if the database has no store yet."""
        with _translate_errors(self.engine), self._connection(writes=False) as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            revision: str | None = connection.scalar(
                text("SELECT version_num FROM alembic_version")
            )
            return revision

    def upgrade(self) -> None:
        """Upgrade the store to this release's revision; one process does it, others wait."""
        from tasks_lib.store.migrations.upgrade import upgrade  # noqa: PLC0415 - loads Alembic

        with _translate_errors(self.engine), self._connection(writes=True) as connection:
            if self.is_postgresql:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_CREATION_LOCK})"))
            upgrade(connection)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session whose transaction only reads."""
        with _translate_errors(self.engine), self._connection(writes=False) as connection:
            yield Session(connection)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session whose transaction is committed at the end, or rolled back on an error."""
        with _translate_errors(self.engine), self._connection(writes=True) as connection:
            session = Session(connection)
            yield session
            session.flush()

    @contextmanager
    def postgresql(self) -> Iterator["PostgresConnection[Any]"]:
        """Open a connection of the driver, for single statements that PostgreSQL commits.

        A session would take longer than the shortest statements do.
        """
        with _translate_errors(self.engine):
            pooled = self.engine.raw_connection()
            connection = cast("PostgresConnection[Any]", pooled.driver_connection)
            try:
                connection.autocommit = True
                yield connection
                connection.autocommit = False
            except BaseException:
                pooled.invalidate()
                raise
            finally:
                pooled.close()

    @contextmanager
    def query(self) -> Iterator[Session]:
        """Open a session for statements that only read, without a transaction on PostgreSQL."""
        with self._alone() if self.is_postgresql else self.read() as session:
            yield session

    def acting(self, actor: str) -> Self:
        """Return the same store for an act of ``actor``, whom the audit trail names."""
        store = copy.copy(self)
        store.actor = actor
        return store

    def within(self, session: Session) -> "Store":
        """Return a store that runs everything in the session's transaction."""
        return _Within(self, session)

    @contextmanager
    def _alone(self) -> Iterator[Session]:
        with _translate_errors(self.engine), self._autocommit.connect() as connection:
            try:
                yield Session(connection)
            except self.engine.dialect.loaded_dbapi.OperationalError:
                connection.invalidate()
                raise

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    @contextmanager
    def _connection(self, *, writes: bool) -> Iterator[Connection]:
        engine = self.engine.execution_options(seeding_writes=writes)
        takes_turns = writes and not self.is_postgresql
        turn = self._turns.take() if takes_turns else nullcontext()
        with turn, engine.begin() as connection:
            yield connection


class _Within(Store):
    """A store that runs everything in one transaction, which the caller opens and commits."""

    def __init__(self, store: Store, session: Session) -> None:
        super().__init__(store.engine, WriteTurns(0))  # the caller has the lock
        self.actor = store.actor
        self._store = store
        self._session = session

    def now(self) -> datetime:
        return self._store.now()

    @contextmanager
    def read(self) -> Iterator[Session]:
        yield self._session

    @contextmanager
    def write(self) -> Iterator[Session]:
        yield self._session
        self._session.flush()

    @contextmanager
    def postgresql(self) -> Iterator["PostgresConnection[Any]"]:
        self._session.flush()
        yield postgres_connection(self._session)

    @contextmanager
    def _alone(self) -> Iterator[Session]:
        yield self._session


def _no_store(url: URL) -> NoStoreError:
    return NoStoreError(f"there is no store yet at {show_address(url)}")


def _check_file_exists(url: URL) -> None:
    """Raise NoStoreError if SQLite's file is missing: connecting would create it."""
    if url.drivername == POSTGRESQL:
        return
    try:
        Path(str(url.database)).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise _no_store(url) from None
    except OSError:  # connecting will say what is wrong
        return


def _check_revision(revision: str, engine: Engine) -> None:
    if revision == LATEST_REVISION:
        return
    place = show_address(engine.url)
    if not _REVISION.fullmatch(revision):
        raise StoreRefusedError(
            f"the database {place} belongs to another program: its revision is {revision!r}, and "
            f"that of a store is a number such as {LATEST_REVISION}; name another database"
        )
    if revision < LATEST_REVISION:
        raise StoreOutdatedError(
            f"the store {place} has revision {revision}, this release needs {LATEST_REVISION}; "
            "upgrade it"
        )
    raise StoreTooNewError(
        f"the store {place} has revision {revision}, made by a later release; this one knows "
        f"{LATEST_REVISION}. Install the later release"
    )


@contextmanager
def _translate_errors(engine: Engine) -> Iterator[None]:
    """Translate the errors of a lost, refused, locked or damaged database into one sentence."""
    driver = engine.dialect.loaded_dbapi
    try:
        yield
    except (DBAPIError, driver.Error) as error:
        driver_error = error.orig if isinstance(error, DBAPIError) else error
        place = show_address(engine.url)
        if isinstance(driver_error, driver.OperationalError) or is_no_store(driver_error):
            reason = str(driver_error).strip().partition("\n")[0]
            if is_locked(driver_error):
                reason += "; another writer holds it for longer than SEEDING_BUSY_TIMEOUT_SECONDS"
            refuses = is_refusal(driver_error) or is_no_store(driver_error)
        elif is_refusal(driver_error):
            reason, refuses = str(driver_error).strip().partition("\n")[0], True
        elif isinstance(error, DBAPIError) and error.connection_invalidated:
            raise StoreUnavailableError(f"the connection to the store {place} was lost") from error
        else:
            raise
        kind = StoreRefusedError if refuses else StoreUnavailableError
        raise kind(f"the store {place} cannot be used: {reason}") from error
