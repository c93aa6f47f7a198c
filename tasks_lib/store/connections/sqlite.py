"""Connections to SQLite: the settings that make it safe and fast, turns to write, and its file."""

import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event

from tasks_lib.errors import StoreReplacedError, StoreUnavailableError, UsageError
from tasks_lib.store.connections.address import STORE
from tasks_lib.store.connections.postgresql import NO_LIMIT

_WAL_ATTEMPTS: Final = 100
_WAL_PAUSE_SECONDS: Final = 0.05

_PAUSE_SECONDS: Final = 0.004
_LONG_PAUSE_SECONDS: Final = 0.02
_LONG_WAIT_SECONDS: Final = 1.0
"""After so long another process loads a file; until then writers take turns after milliseconds."""

LOCKED: Final = "database is locked"
"""SQLite's sentence for a lock that others hold."""

MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = frozenset(
    {
        "afs", "beegfs", "ceph", "cifs", "fuse.cephfs", "fuse.davfs", "fuse.gcsfuse",
        "fuse.glusterfs", "fuse.goofys", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "glusterfs",
        "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs",
    }
)  # fmt: skip
"""File systems that other machines share; SQLite's locks and shared memory do not work there."""


class WriteTurns:
    """Lets the threads of this process write one after the other, and waits for other processes.

    SQLite would let both sleep ever longer, whether or not the lock is free meanwhile.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self._turn = threading.Lock()
        self._deadline: float | None = None

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for a turn; raise sqlite3.OperationalError if that takes too long.

        The time that passes here is not granted again when ``begin`` waits for other processes.
        """
        deadline = time.monotonic() + self.timeout_seconds
        if not self._turn.acquire(timeout=self.timeout_seconds):
            raise sqlite3.OperationalError(LOCKED)
        self._deadline = deadline
        try:
            yield
        finally:
            self._deadline = None
            self._turn.release()

    def begin(self, connection: Connection) -> None:
        """Begin a transaction; one that writes takes the write lock at once."""
        if not connection.get_execution_options().get("seeding_writes", True):
            connection.exec_driver_sql("BEGIN")
            return
        driver_connection: Any = connection.connection.dbapi_connection
        driver_connection.execute("PRAGMA busy_timeout = 0")
        try:
            self._begin_writing(driver_connection)
        finally:
            milliseconds = round(1_000 * self.timeout_seconds)
            driver_connection.execute(f"PRAGMA busy_timeout = {milliseconds}")

    def _begin_writing(self, connection: sqlite3.Connection) -> None:
        began = time.monotonic()
        deadline = self._deadline or began + self.timeout_seconds
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                now = time.monotonic()
                if not is_locked(error) or now >= deadline:
                    raise
                is_long = now >= began + _LONG_WAIT_SECONDS
                pause = _LONG_PAUSE_SECONDS if is_long else _PAUSE_SECONDS
                time.sleep(min(pause, deadline - now))
            else:
                return


class StoreFile:
    """The file of a store; notices when another one takes its place while it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None

    def remember(self) -> None:
        """Remember which file the first connection has opened."""
        if self._identity is None:
            self._identity = self._find()

    def check(self) -> None:
        """Raise StoreReplacedError if the file was deleted, or if another one has its name."""
        if self._identity is None:
            return
        found = self._find()
        if found != self._identity:
            happened = "deleted" if found is None else "replaced by another one"
            raise StoreReplacedError(
                f"the file {self.path} of the store was {happened} while it was open, and nothing "
                "is written any more; restart every process that uses the store"
            )

    def _find(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino


def create_sqlite_engine(url: URL, turns: WriteTurns, busy_timeout_seconds: float) -> Engine:
    """Create an engine; make the file's folder if it is missing.

    Raises UsageError if the file lies on a network folder, StoreUnavailableError if the folder
    cannot be made.
    """
    path = Path(str(url.database)).absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailableError(f"the folder of {path} cannot be made: {error}") from error
    _check_is_local(path)
    engine = create_engine(
        url, connect_args={"timeout": busy_timeout_seconds}, max_overflow=NO_LIMIT
    )
    file = StoreFile(path)
    # A file that was deleted must not be created again, empty, by the next connection.
    event.listen(engine, "do_connect", lambda *_: file.check())
    event.listen(engine, "connect", _configure)
    event.listen(engine, "connect", lambda *_: file.remember())
    event.listen(engine, "begin", turns.begin)
    event.listen(engine, "begin", lambda _: file.check())
    event.listen(engine, "commit", lambda _: file.check())
    return engine


def is_locked(error: BaseException | None) -> bool:
    """Return True if SQLite gave up waiting for a lock."""
    return isinstance(error, sqlite3.OperationalError) and str(error) == LOCKED


def is_no_store(error: BaseException | None) -> bool:
    """Return True if SQLite says that the file is no database, or a damaged one."""
    codes = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in codes


def find_file_system(path: Path, mounts: str) -> tuple[str, Path] | None:
    """Return the type and the place of the mount that holds ``path``, from Linux's mountinfo."""
    found: tuple[str, Path] | None = None
    for line in mounts.splitlines():
        place, _, rest = line.partition(" - ")
        mounted_at = Path(_unescape(place.split()[4]))
        is_deeper = found is None or len(mounted_at.parts) >= len(found[1].parts)
        if path.is_relative_to(mounted_at) and is_deeper:
            found = rest.split()[0], mounted_at  # a later mount at the same place covers the first
    return found


def _unescape(text: str) -> str:
    """Replace mountinfo's octal escapes, such as that of a space."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _check_is_local(path: Path) -> None:
    try:
        mounts = MOUNTS.read_text(errors="surrogateescape")
    except OSError:  # not Linux
        return
    found = find_file_system(path.resolve(), mounts)
    if found is not None and found[0] in _NETWORK:
        kind, place = found
        raise UsageError(
            f"{STORE} names {path}, which lies on a network folder ({kind} at {place}), where "
            "SQLite's locks do not work; use a disk of this machine, or PostgreSQL"
        )


def _configure(connection: Any, _: object) -> None:
    connection.isolation_level = None  # ``WriteTurns.begin`` begins transactions
    _set_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _set_wal(connection: Any) -> None:
    """Set the journal mode; SQLite refuses this at once, without waiting, while others write."""
    for _ in range(_WAL_ATTEMPTS - 1):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            time.sleep(_WAL_PAUSE_SECONDS)
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL")
