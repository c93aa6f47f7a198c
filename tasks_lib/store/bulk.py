"""Write and read many rows by the database's fastest way, in the caller's transaction."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection
from sqlalchemy.orm import Session

if TYPE_CHECKING:  # loading it takes time, of which SQLite has no use
    from psycopg import Connection as PostgresConnection

_SQLITE_PARAMETERS: Final = 1_000
"""To one INSERT: every SQLite allows 32,766 of them, but more is no faster."""

_READ_ROWS: Final = 5_000
_READ_CHARACTERS: Final = 2**22
_SEPARATOR: Final = "\x02"
_QUOTE: Final = "\x01"
_COPY_OPTIONS: Final = "(FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01')"
"""JSON text and numbers hold no control characters, so nothing needs another escape."""


def insert_rows(
    session: Session,
    table: str,
    constants: Mapping[str, int | str],
    columns: Sequence[str],
    batches: Iterable[Sequence[pa.Array]],
) -> int:
    """Write ``batches``, an array for each of ``columns``, and return the number of rows.

    PostgreSQL takes one COPY, SQLite INSERTs of many rows each. ``batches`` may raise: what was
    written until then is the caller's to roll back. Texts must hold no control characters.
    """
    names = f"{table} ({', '.join([*constants, *columns])})"
    if session.get_bind().dialect.name == "postgresql":
        return _copy(session, f"COPY {names} FROM STDIN {_COPY_OPTIONS}", constants, batches)
    start = f"INSERT INTO {names} VALUES "  # noqa: S608 - names of ours
    return _insert(session, start, constants, len(columns), batches)


def stream_rows(session: Session, query: str) -> Generator[list[tuple[int, int, str]]]:
    """Yield the rows of a query of two numbers and a JSON text, some thousands at a time.

    The query comes with its values in it; they are numbers of ours. PostgreSQL's connection does
    nothing else meanwhile.
    """
    if session.get_bind().dialect.name == "postgresql":
        return _copied(session, f"COPY ({query}) TO STDOUT {_COPY_OPTIONS}")
    return _fetched(session, query)


def _copy(
    session: Session,
    statement: str,
    constants: Mapping[str, int | str],
    batches: Iterable[Sequence[pa.Array]],
) -> int:
    before = "".join(f"{value}{_SEPARATOR}" for value in constants.values())
    count = 0
    with postgres_connection(session).cursor() as cursor, cursor.copy(statement.encode()) as copy:
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
    return count


def _insert(
    session: Session,
    start: str,
    constants: Mapping[str, int | str],
    width: int,
    batches: Iterable[Sequence[pa.Array]],
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


def _copied(session: Session, statement: str) -> Generator[list[tuple[int, int, str]]]:
    with postgres_connection(session).cursor() as cursor, cursor.copy(statement.encode()) as copy:
        yield from _batched(_rows_of(copy))


def _rows_of(copy: Iterable[bytes | bytearray | memoryview]) -> Iterator[tuple[int, int, str]]:
    """Read what PostgreSQL sends: always one message for a row, quoted if there is a line end."""
    for message in copy:
        first, second, text = str(message, "utf-8").split(_SEPARATOR)
        yield int(first), int(second), text.removesuffix("\n").strip(_QUOTE)


def _fetched(session: Session, query: str) -> Generator[list[tuple[int, int, str]]]:
    connection = session.connection().connection.driver_connection
    assert connection is not None  # noqa: S101
    yield from _batched(connection.execute(query))


def _batched(found: Iterable[tuple[int, int, str]]) -> Generator[list[tuple[int, int, str]]]:
    rows: list[tuple[int, int, str]] = []
    characters = 0
    for row in found:
        rows.append(row)
        characters += len(row[2])
        if len(rows) >= _READ_ROWS or characters >= _READ_CHARACTERS:
            yield rows
            rows, characters = [], 0
    if rows:
        yield rows


def postgres_connection(session: Session) -> "PostgresConnection[Any]":
    """Return the session's own connection to PostgreSQL, past SQLAlchemy."""
    bind = session.get_bind()
    assert isinstance(bind, Connection)  # noqa: S101
    return cast("PostgresConnection[Any]", bind.connection.driver_connection)
