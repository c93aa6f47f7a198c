"""The rows of a query of another SQL database, which is only read."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
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
    UsageError,
)
from tasks_lib.intake.datasets.foreign_rows import ForeignSource
from tasks_lib.intake.datasets.value_rows import ValueRows

_ROWS_AT_ONCE: Final = 1_000
_DRIVERS: Final = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
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


def check_url(text: str) -> str:
    """Return a URL to store, a file's path made absolute; raise UsageError if it holds a password.

    The error quotes no part of the URL, which may be a password in the wrong place.
    """
    url = _parse_url(text)
    if url.password is not None or any("pass" in name.lower() for name in url.query):
        raise UsageError(
            "the URL holds a password, which would be kept in the store; put the whole URL into a "
            "Prefect Secret block and give secret:BLOCK, or leave the password to PGPASSWORD"
        )
    if url.get_backend_name() == "sqlite" and url.database:
        url = url.set(database=str(Path(url.database).absolute()))
    return url.render_as_string(hide_password=True)


@contextmanager
def open_query(source: ForeignSource, limits: Limits) -> Iterator[ValueRows]:
    """Run a query in a read-only transaction, which lasts until the context is left.

    Raises SourceDatabaseUnavailableError if the database does not respond, UsageError for an
    invalid URL, and SourceProblemError with the database's own message for a query that fails.
    """
    url = _parse_url(source.uri)
    engine = _engine(url)
    name = _display_name(url)
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


def _parse_url(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise UsageError(
            "the connection is not a database URL; expected sqlite:///path, "
            "postgresql://user@host/database, or secret:BLOCK"
        ) from None
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def _display_name(url: URL) -> str:
    """Return how messages name a database; only the path of a file is sure to hold no secret."""
    if url.get_backend_name() == "sqlite":
        return f"SQLite database {url.database}"
    return f"{url.get_backend_name()} database"


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    options: dict[str, Any] = {"poolclass": NullPool}
    if url.get_backend_name() == "postgresql":
        options["json_deserializer"] = _parse_json
    try:
        return create_engine(url, **options)
    except (NoSuchModuleError, ModuleNotFoundError, ArgumentError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"no driver for {url.drivername!r} is installed: {reason}") from None


def _sqlite_engine(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise UsageError("the connection must name a SQLite file: sqlite:///path")
    address = f"file:{quote(str(Path(url.database).absolute()))}?mode=ro"

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
            engine.dialect.name != "sqlite" or _first_line(error).startswith(_UNAVAILABLE)
        )
        if is_unavailable or error.connection_invalidated:
            raise _unavailable(name, error) from None
        message = f"the query failed: {_first_line(error)}"
        raise SourceProblemError(Problem("query_failed", message)) from None


def _unavailable(name: str, error: DBAPIError) -> SourceDatabaseUnavailableError:
    refuses = is_refusal(error.orig)
    kind = SourceDatabaseRefusedError if refuses else SourceDatabaseUnavailableError
    return kind(f"the {name} of the dataset cannot be used: {_first_line(error)}")


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]
