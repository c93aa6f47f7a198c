"""Write the rows of a Parquet file of results into a table, in the caller's transaction."""

import json
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from pyarrow import csv
from sqlalchemy import Connection

if TYPE_CHECKING:
    from psycopg.sql import Identifier

_ROWS_AT_ONCE: Final = 5_000
_KEYS_AT_ONCE: Final = 1_000
_BIGINTS: Final = sa.ARRAY(sa.BigInteger())
_ROW_SECURITY: Final = sa.text("SELECT row_security_active(CAST(:name AS regclass))")


def write_rows(
    connection: Connection,
    table: sa.Table,
    key: str,
    path: Path,
    on_rows: Callable[[int], object],
) -> None:
    """Write the rows, each instead of one with the same value of the column ``key``.

    ``on_rows`` is called with the number of rows so far. On PostgreSQL raises the errors of
    psycopg too.
    """
    insert = _copy if _can_copy(connection, table) else _insert
    is_empty = connection.scalar(sa.select(sa.literal(1)).select_from(table).limit(1)) is None
    done = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE):
            if not is_empty:
                _delete(connection, table.c[key], batch.column(key).to_pylist())
            insert(connection, table, batch)
            done += batch.num_rows
            on_rows(done)


def _delete(connection: Connection, key: sa.Column[Any], values: Sequence[int]) -> None:
    """Delete the rows with these keys."""
    if connection.dialect.name == "postgresql":  # which plans a list of a thousand values slowly
        connection.execute(
            sa.delete(key.table).where(key == sa.any_(sa.literal(list(values), _BIGINTS)))
        )
        return
    for first in range(0, len(values), _KEYS_AT_ONCE):
        some = values[first : first + _KEYS_AT_ONCE]
        connection.execute(sa.delete(key.table).where(key.in_(some)))


def _can_copy(connection: Connection, table: sa.Table) -> bool:
    """Return whether COPY is possible: PostgreSQL refuses it for tables with row security."""
    if connection.dialect.name != "postgresql" or connection.dialect.driver != "psycopg":
        return False
    return not connection.scalar(_ROW_SECURITY, {"name": _quote(table).as_string()})


def _quote(table: sa.Table) -> "Identifier":
    from psycopg.sql import Identifier  # noqa: PLC0415 - other databases do not need it

    return Identifier(*filter(None, (table.schema, table.name)))


def _copy(connection: Connection, table: sa.Table, batch: pa.RecordBatch) -> None:
    """Copy the rows as CSV, in which Arrow writes nulls as nothing and quotes all texts."""
    from psycopg.sql import SQL, Identifier  # noqa: PLC0415

    arrays = [_as_text(column) for column in batch.columns]
    lines = BytesIO()
    rows = pa.record_batch(arrays, names=batch.schema.names)
    csv.write_csv(rows, lines, csv.WriteOptions(include_header=False))
    columns = SQL(", ").join(map(Identifier, batch.schema.names))
    statement = SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(_quote(table), columns)
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(lines.getbuffer())


def _as_text(column: pa.Array) -> pa.Array:
    """Return a column with lists as JSON, and with the texts of its dictionary."""
    if pa.types.is_list(column.type):
        return pa.array(_write_lists(column.to_pylist()), pa.string())
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _insert(connection: Connection, table: sa.Table, batch: pa.RecordBatch) -> None:
    names = batch.schema.names
    rows = zip(*(_write_lists(column.to_pylist()) for column in batch.columns), strict=True)
    connection.execute(table.insert(), [dict(zip(names, row, strict=True)) for row in rows])


def _write_lists(values: Sequence[Any]) -> Sequence[Any]:
    """Return values with lists as JSON."""
    if not any(isinstance(value, list) for value in values):
        return values
    return [None if value is None else json.dumps(value, ensure_ascii=False) for value in values]
