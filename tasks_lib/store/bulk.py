"""Write and read many rows in the database's fastest way, in the caller's transaction."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from tasks_lib.store.dialect import is_postgresql

if TYPE_CHECKING:  # loading them takes time, and what only reads SQLite needs neither
    import pyarrow as pa
    from psycopg import Connection as PostgresConnection, Cursor

_SQLITE_PARAMETERS: Final = 1_000
"""Per INSERT. Every SQLite allows 32,766, but more than 1,000 is no faster."""

_COPY_ROWS: Final = 10_000
"""Per COPY, at least. The trigger that checks the groups of tasks keeps the rows of one COPY."""

_READ_ROWS: Final = 5_000
_READ_CHARACTERS: Final = 2**22
_SEPARATOR: Final = "\x02"
_QUOTE: Final = "\x01"
_COPY_OPTIONS: Final = "(FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01')"
"""JSON text and numbers contain no control characters, so nothing needs escaping."""


def insert_rows(
    session: Session,
    table: str,
    constants: Mapping[str, int | str],
    columns: Sequence[str],
    batches: "Iterable[Sequence[pa.Array]]",
) -> int:
    """Write ``batches``, an array for each of ``columns``, and return the number of rows.

    PostgreSQL gets COPYs of thousands of rows, SQLite INSERTs of many rows each. If ``batches``
    raises, the caller rolls back. Texts must not contain control characters.
    """
    names = f"{table} ({', '.join([*constants, *columns])})"
    if is_postgresql(session):
        return _copy(session, f"COPY {names} FROM STDIN {_COPY_OPTIONS}", constants, batches)
    start = f"INSERT INTO {names} VALUES "  # noqa: S608 - our own names
    return _insert(session, start, constants, len(columns), batches)


def stream_rows(session: Session, query: str) -> Generator[list[tuple[int, int, str]]]:
    """Yield the rows of a query, two numbers and a JSON text each, some thousands at a time.

    The query has no parameters; the caller has put its own numbers into it. A PostgreSQL connection
    cannot run another statement meanwhile.
    """
    if is_postgresql(session):
        return _stream_copy(session, f"COPY ({query}) TO STDOUT {_COPY_OPTIONS}")
    return _stream_cursor(session, query)


def _copy(
    session: Session,
    statement: str,
    constants: Mapping[str, int | str],
    batches: "Iterable[Sequence[pa.Array]]",
) -> int:
    before = "".join(f"{value}{_SEPARATOR}" for value in constants.values())
    rest, count = iter(batches), 0
    with postgres_connection(session).cursor() as cursor:
        while True:
            rows = _copy_some(cursor, statement.encode(), before, rest)
            count += rows
            if rows < _COPY_ROWS:
                return count


def _copy_some(
    cursor: "Cursor[Any]", statement: bytes, before: str, batches: "Iterator[Sequence[pa.Array]]"
) -> int:
    """Write batches by one COPY until it has enough rows or none are left; return their number."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    count = 0
    with cursor.copy(statement) as copy:
        for arrays in batches:
            if not len(arrays[0]):
                continue
            texts = [pc.cast(array, pa.string()) for array in arrays]
            parts: list[Any] = [before, texts[0]]
            for text in texts[1:]:
                parts += [_SEPARATOR, text]
            lines = pc.binary_join_element_wise(*parts, "\n", "")
            copy.write(memoryview(lines.buffers()[2]))
            count += len(lines)
            if count >= _COPY_ROWS:
                break
    return count


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
