"""Write and read many rows in the database's fastest way, in the caller's transaction."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from tasks_lib.store.copy_rows import COPY_END, COPY_START, encode_rows
from tasks_lib.store.dialect import is_postgresql

if TYPE_CHECKING:  # loading them takes time, and what only reads SQLite needs neither
    import pyarrow as pa
    from psycopg import Connection as PostgresConnection, Copy, Cursor

_SQLITE_PARAMETERS: Final = 1_000
"""Per INSERT. Every SQLite allows 32,766, but more than 1,000 is no faster."""

_COPY_BYTES: Final = 5 * 2**19
"""Per COPY, at least. The trigger that checks the groups of tasks keeps the rows of one COPY, in
memory as long as they take less than the 4 MB of a server's default settings.
"""

_PIECE_BYTES: Final = 2**18
"""How exactly COPYs end there, however many rows a batch has."""

_READ_ROWS: Final = 5_000
_READ_CHARACTERS: Final = 2**22
_SEPARATOR: Final = "\x02"
_QUOTE: Final = "\x01"
_READ_OPTIONS: Final = "(FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01')"
"""JSON text and numbers contain no control characters, so nothing needs escaping."""


def insert_rows(
    session: Session,
    table: str,
    constants: Mapping[str, int | str],
    columns: Sequence[str],
    batches: "Iterable[Sequence[pa.Array]]",
) -> int:
    """Write ``batches``, an array for each of ``columns``, and return the number of rows.

    An array holds integers (bigint), or texts without control characters (text or json). PostgreSQL
    gets COPYs of thousands of rows, SQLite INSERTs of many rows each. If ``batches`` raises, the
    caller rolls back; it must not use the session.
    """
    names = f"{table} ({', '.join([*constants, *columns])})"
    if is_postgresql(session):
        return _copy(session, f"COPY {names} FROM STDIN (FORMAT binary)", constants, batches)
    start = f"INSERT INTO {names} VALUES "  # noqa: S608 - our own names
    return _insert(session, start, constants, len(columns), batches)


def stream_rows(session: Session, query: str) -> Generator[list[tuple[int, int, str]]]:
    """Yield the rows of a query, two numbers and a JSON text each, some thousands at a time.

    The query has no parameters; the caller has put its own numbers into it. A PostgreSQL connection
    cannot run another statement meanwhile.
    """
    if is_postgresql(session):
        return _stream_copy(session, f"COPY ({query}) TO STDOUT {_READ_OPTIONS}")
    return _stream_cursor(session, query)


def _copy(
    session: Session,
    statement: str,
    constants: Mapping[str, int | str],
    batches: "Iterable[Sequence[pa.Array]]",
) -> int:
    """Write batches by COPYs, each in the background while the next one is read and encoded."""
    with postgres_connection(session).cursor() as cursor, ExitStack() as opened:
        copies = _Copies(cursor, statement.encode(), opened)
        with ThreadPoolExecutor(1, thread_name_prefix="seeding-copy") as background:
            writing: Future[None] | None = None
            ready = None
            for arrays in batches:
                if not len(arrays[0]):
                    continue
                encoded = encode_rows(constants.values(), arrays)
                if writing is not None:
                    writing.result()
                if ready is not None:
                    writing = background.submit(copies.write, ready)
                ready = encoded
            if writing is not None:
                writing.result()
        if ready is not None:
            copies.write(ready)
            copies.finish()
    return copies.count


class _Copies:
    """Writes rows by COPYs of some thousands each; ``opened`` ends one that an error left open."""

    def __init__(self, cursor: "Cursor[Any]", statement: bytes, opened: ExitStack) -> None:
        self.count = 0
        self._cursor = cursor
        self._statement = statement
        self._opened = opened
        self._copy: Copy | None = None
        self._bytes = 0

    def write(self, rows: "pa.BinaryArray") -> None:
        """Write encoded rows, and end the COPY each time that it has enough."""
        ends = memoryview(rows.buffers()[1]).cast("i")[rows.offset :]
        content = memoryview(rows.buffers()[2])
        at_once = max(1, len(rows) * _PIECE_BYTES // max(rows.nbytes, 1))
        for first in range(0, len(rows), at_once):
            last = min(first + at_once, len(rows))
            self._write_piece(content[ends[first] : ends[last]])
        self.count += len(rows)

    def _write_piece(self, piece: memoryview) -> None:
        if self._copy is None:
            self._copy = self._opened.enter_context(self._cursor.copy(self._statement))
            self._copy.write(COPY_START)
        self._copy.write(piece)
        self._bytes += len(piece)
        if self._bytes >= _COPY_BYTES:
            self.finish()

    def finish(self) -> None:
        """End the COPY, if one is open: the database checks its rows."""
        if self._copy is None:
            return
        self._copy.write(COPY_END)
        self._copy = None
        self._bytes = 0
        self._opened.close()


def _insert(
    session: Session,
    start: str,
    constants: Mapping[str, int | str],
    width: int,
    batches: "Iterable[Sequence[pa.Array]]",
) -> int:
    connection = session.connection().connection.driver_connection
    assert connection is not None  # noqa: S101
    fixed = [f"'{value}'" if isinstance(value, str) else str(value) for value in constants.values()]
    values = f"({','.join([*fixed, *'?' * width])})"
    rows_at_once = _SQLITE_PARAMETERS // width
    count = 0
    for arrays in batches:
        rows = list(zip(*(array.to_pylist() for array in arrays), strict=True))
        for first in range(0, len(rows), rows_at_once):
            some = rows[first : first + rows_at_once]
            statement = start + ",".join([values] * len(some))
            connection.execute(statement, tuple(chain.from_iterable(some)))
        count += len(rows)
    return count


def _stream_copy(session: Session, statement: str) -> Generator[list[tuple[int, int, str]]]:
    with postgres_connection(session).cursor() as cursor, cursor.copy(statement.encode()) as copy:
        yield from _batch(_parse_copy(copy))


def _parse_copy(copy: Iterable[bytes | bytearray | memoryview]) -> Iterator[tuple[int, int, str]]:
    """Parse PostgreSQL's messages: always one per row, quoted if it contains a line end."""
    for message in copy:
        first, second, text = str(message, "utf-8").split(_SEPARATOR)
        yield int(first), int(second), text.removesuffix("\n").strip(_QUOTE)


def _stream_cursor(session: Session, query: str) -> Generator[list[tuple[int, int, str]]]:
    connection = session.connection().connection.driver_connection
    assert connection is not None  # noqa: S101
    yield from _batch(connection.execute(query))


def _batch(stream: Iterable[tuple[int, int, str]]) -> Generator[list[tuple[int, int, str]]]:
    rows: list[tuple[int, int, str]] = []
    characters = 0
    for row in stream:
        rows.append(row)
        characters += len(row[2])
        if len(rows) >= _READ_ROWS or characters >= _READ_CHARACTERS:
            yield rows
            rows, characters = [], 0
    if rows:
        yield rows


def postgres_connection(session: Session) -> "PostgresConnection[Any]":
    """Return the session's psycopg connection, to bypass SQLAlchemy."""
    bind = session.get_bind()
    assert isinstance(bind, Connection)  # noqa: S101
    return cast("PostgresConnection[Any]", bind.connection.driver_connection)
