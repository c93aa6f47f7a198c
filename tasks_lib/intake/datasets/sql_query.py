"""The rows of a query of another SQL database, which is only read."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from tasks_lib.domain.database_errors import is_refusal
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.rows.json_rows import parse_value
from tasks_lib.errors import (
    Problem,
    SourceDatabaseRefusedError,
    SourceDatabaseUnavailableError,
    SourceProblemError,
)
from tasks_lib.intake.datasets.foreign_rows import ForeignSource
from tasks_lib.intake.datasets.value_rows import ValueRows
from tasks_lib.transport.databases import (
    display_name,
    first_line,
    parse_url,
    server_engine,
    sqlite_path,
)

_ROWS_AT_ONCE: Final = 1_000
_UNAVAILABLE: Final = ("database is locked", "unable to open database file", "disk I/O error")
_POSTGRESQL_TYPES: Final[dict[int, FieldType]] = {
    16: FieldType.BOOLEAN,
    20: FieldType.INTEGER,
    21: FieldType.INTEGER,
    23: FieldType.INTEGER,
    114: FieldType.JSON,
    700: FieldType.NUMBER,
    701: FieldType.NUMBER,
    1082: FieldType.DATE,
    1114: FieldType.DATETIME,
    1184: FieldType.DATETIME,
    1700: FieldType.NUMBER,
    3802: FieldType.JSON,
}
"""By object identifier, which never changes."""


@contextmanager
def open_query(source: ForeignSource, limits: Limits) -> Iterator[ValueRows]:
    """Run a query in a read-only transaction, which lasts until the context is left.

    Raises SourceDatabaseUnavailableError if the database does not respond, UsageError for an
    invalid URL, and SourceProblemError with the database's own message for a query that fails.
    """
    url = parse_url(source.uri)
    engine = _engine(url)
    name = display_name(url)
    try:
        with (
            _connection(engine, name) as connection,
            _translate_errors(engine, name),
            closing(connection.exec_driver_sql(source.query)) as result,
        ):
            if not result.returns_rows:
                raise SourceProblemError(Problem("query_failed", "the query gives no rows at all"))
            description: Any = result.cursor.description if result.cursor is not None else ()
            types = [_POSTGRESQL_TYPES.get(column[1]) for column in description]
            yield ValueRows(
                list(result.keys()),
                iter(result),
                limits,
                types=types,
                noun="query",
                rename="give each column a name of its own with AS",
            )
    finally:
        engine.dispose()


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    if url.get_backend_name() == "postgresql":
        return server_engine(url, json_deserializer=_parse_json)
    return server_engine(url)


def _sqlite_engine(url: URL) -> Engine:
    address = f"file:{quote(str(sqlite_path(url)))}?mode=ro"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, check_same_thread=False)

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _parse_json(data: str | bytes) -> Any:
    return parse_value(data if isinstance(data, str) else str(data, "utf-8"))


@contextmanager
def _connection(engine: Engine, name: str) -> Iterator[Connection]:
    """Connect; any error here means that the database cannot be used. Nothing is ever committed."""
    options: dict[str, Any] = {
        "no_parameters": True,
        "stream_results": True,
        "yield_per": _ROWS_AT_ONCE,
    }
    if engine.dialect.name == "postgresql":
        options["postgresql_readonly"] = True
    try:
        connection = engine.connect().execution_options(**options)
    except DBAPIError as error:
        raise _unavailable(name, error) from None
    with connection:
        yield connection


@contextmanager
def _translate_errors(engine: Engine, name: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        is_unavailable = isinstance(error, OperationalError) and (
            engine.dialect.name != "sqlite" or first_line(error).startswith(_UNAVAILABLE)
        )
        if is_unavailable or error.connection_invalidated:
            raise _unavailable(name, error) from None
        message = f"the query failed: {first_line(error)}"
        raise SourceProblemError(Problem("query_failed", message)) from None


def _unavailable(name: str, error: DBAPIError) -> SourceDatabaseUnavailableError:
    refuses = is_refusal(error.orig)
    kind = SourceDatabaseRefusedError if refuses else SourceDatabaseUnavailableError
    return kind(f"the {name} of the dataset cannot be used: {first_line(error)}")
