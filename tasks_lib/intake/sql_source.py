"""Read the rows of a query from another SQL database, which is never written to."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import NullPool

from tasks_lib.domain.datasets import check_columns
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.json_rows import parse_value
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.errors import SourceDatabaseUnavailableError, UsageError
from tasks_lib.intake.limits import Limits

_ROWS_AT_ONCE: Final = 1_000
_DRIVERS: Final = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_AWAY: Final = ("database is locked", "unable to open database file", "disk I/O error")
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
"""By their object identifiers, which never change."""


class QueryRows(NamedTuple):
    """What a query gives: the columns' names, their types where the database tells, the rows."""

    names: list[str]
    types: list[FieldType | None]
    rows: Iterator[Sequence[Any]]


def checked_url(text: str) -> str:
    """Return a URL to be kept, a file's path made absolute; raise UsageError for one with secrets.

    The error names no part of the URL, which may be a password in the wrong place.
    """
    url = _parsed(text)
    if url.password is not None or any("pass" in name.lower() for name in url.query):
        raise UsageError(
            "the URL holds a password, which would be kept in the store; put the whole URL into a "
            "Prefect Secret block and give secret:BLOCK, or leave the password to PGPASSWORD"
        )
    if url.get_backend_name() == "sqlite" and url.database:
        url = url.set(database=str(Path(url.database).absolute()))
    return url.render_as_string(hide_password=True)


@contextmanager
def query_rows(url: str, query: str, limits: Limits) -> Iterator[QueryRows]:
    """Run a query in a transaction that only reads, and yield what it gives, row by row.

    Raises SourceDatabaseUnavailableError where the database does not answer, UsageError for a URL
    that is none, and SourceProblemError with the database's own sentence for a query that fails.
    """
    engine = _engine(_parsed(url))
    try:
        with (
            _connection(engine) as connection,
            _explained(engine),
            closing(connection.exec_driver_sql(query)) as result,
        ):
            if not result.returns_rows:
                raise SourceProblemError(Problem("query_failed", "the query gives no rows at all"))
            names = list(result.keys())
            _check_names(names, limits)
            described: Any = result.cursor.description if result.cursor is not None else ()
            types = [_POSTGRESQL_TYPES.get(entry[1]) for entry in described]
            yield QueryRows(names, types, iter(result))
    finally:
        engine.dispose()


def _parsed(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise UsageError(
            "the connection is no database URL; expected sqlite:///path, "
            "postgresql://user@host/database, or secret:BLOCK"
        ) from None
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    options: dict[str, Any] = {"poolclass": NullPool}
    if url.get_backend_name() == "postgresql":
        options["json_deserializer"] = _parsed_json
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


def _parsed_json(data: str | bytes) -> Any:
    return parse_value(data if isinstance(data, str) else str(data, "utf-8"))


@contextmanager
def _connection(engine: Engine) -> Iterator[Connection]:
    """Connect; what goes wrong here is the connection's fault. Nothing is ever committed."""
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
        raise _unavailable(engine, error) from None
    with connection:
        yield connection


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        is_away = isinstance(error, OperationalError) and (
            engine.dialect.name != "sqlite" or _first_line(error).startswith(_AWAY)
        )
        if is_away or error.connection_invalidated:
            raise _unavailable(engine, error) from None
        message = f"the query failed: {_first_line(error)}"
        raise SourceProblemError(Problem("query_failed", message)) from None


def _unavailable(engine: Engine, error: DBAPIError) -> SourceDatabaseUnavailableError:
    kind = engine.dialect.name
    return SourceDatabaseUnavailableError(
        f"the {kind} database of the dataset cannot be used: {_first_line(error)}"
    )


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]


def _check_names(names: Sequence[str], limits: Limits) -> None:
    problems = check_columns(names)
    if len(names) > limits.max_columns:
        message = (
            f"the query gives {len(names):,} columns, and {limits.max_columns:,} are allowed; "
            "raise SEEDING_MAX_COLUMNS if that is meant"
        )
        problems = [Problem("too_many_columns", message)]
    if problems:
        raise SourceProblemError(*problems)
