"""Write finished tasks into a table of another SQL database, in one transaction, keyed by task id.

=====================================  =========================================
Field                                  Column
=====================================  =========================================
text, long_text, url, single_select    text
integer                                bigint
number                                 double precision
boolean                                boolean
date                                   date
datetime                               timestamp with time zone; else in UTC
multi_select, json, file               json on PostgreSQL; else text that is JSON
=====================================  =========================================
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import URL, Connection, Engine
from sqlalchemy.dialects import mssql, mysql, postgresql
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeEngine

from tasks_lib.domain.database_errors import is_refusal
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.results import ResultColumn, TableName
from tasks_lib.errors import ConflictError, StorageRefusedError, StorageUnavailableError
from tasks_lib.output.table_rows import write_rows
from tasks_lib.transport.databases import (
    display_name,
    first_line,
    parse_url,
    server_engine,
    sqlite_path,
)
from tasks_lib.transport.retry import keep_trying

_BUSY_SECONDS: Final = 30.0
_KEY: Final = "task_id"
_MYSQL: Final = ("mysql", "mariadb")
_KNOWN: Final = frozenset({"postgresql", "sqlite"})
"""The databases whose types are compared with ours; others refuse values that do not fit."""

_TEXT: Final = (
    sa.Text().with_variant(mysql.LONGTEXT(), *_MYSQL).with_variant(mssql.NVARCHAR(), "mssql")
)
_JSON: Final = _TEXT.with_variant(postgresql.JSON(none_as_null=True), "postgresql")
_MOMENT: Final = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), *_MYSQL)

TYPES: Final[Mapping[FieldType, TypeEngine[Any]]] = MappingProxyType(
    {
        FieldType.TEXT: _TEXT,
        FieldType.LONG_TEXT: _TEXT,
        FieldType.URL: _TEXT,
        FieldType.SINGLE_SELECT: _TEXT,
        FieldType.MULTI_SELECT: _JSON,
        FieldType.INTEGER: sa.BigInteger(),
        FieldType.NUMBER: sa.Double(),
        FieldType.BOOLEAN: sa.Boolean(),
        FieldType.DATE: sa.Date(),
        FieldType.DATETIME: _MOMENT,
        FieldType.JSON: _JSON,
        FieldType.FILE: _JSON,
    }
)

_KINDS: Final[Mapping[FieldType, tuple[type, ...]]] = MappingProxyType(
    {
        FieldType.INTEGER: (sa.Integer, sa.Numeric),
        FieldType.NUMBER: (sa.Numeric, sa.Float),
        FieldType.BOOLEAN: (sa.Boolean,),
        FieldType.DATE: (sa.Date,),
        FieldType.DATETIME: (sa.DateTime,),
    }
)
"""The kinds of columns that take values without changing them; those of texts take the others."""

_LOCK: Final = sa.text("SELECT pg_advisory_xact_lock(hashtext('seeding results'), hashtext(:name))")


class Replaced(NamedTuple):
    """The rows that are replaced by new ones: those of a group, or all."""

    group_id: int | None = None


def write_table(
    path: Path,
    address: str,
    name: TableName,
    columns: Sequence[ResultColumn],
    *,
    seconds: float,
    replaces: Replaced | None = None,
    on_rows: Callable[[int], object] = lambda _: None,
) -> None:
    """Bring the rows of a Parquet file of results to a table; a row replaces one of its task.

    The table is made if it is missing, and gets the columns that it lacks, all in one transaction.
    Calls for one table at the same time wait for each other on PostgreSQL and SQLite. ``on_rows``
    is called with the number of rows so far.

    Raises ConflictError if the table does not fit, StorageRefusedError if it may not be written,
    UsageError for an invalid address, and StorageUnavailableError after ``seconds`` of retries.
    """
    url = parse_url(address)
    named = f"table {name} of the {display_name(url)}"

    def attempt() -> None:
        with _begin(url, named) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(_LOCK, {"name": str(name)})
            table = _Fitting(connection, name, columns, named).fit()
            if replaces is not None:
                _delete_replaced(connection, table, replaces)
            write_rows(connection, table, _KEY, path, on_rows)

    keep_trying(attempt, seconds=seconds)


def make_table(name: TableName, columns: Sequence[ResultColumn]) -> sa.Table:
    """Return a table with the columns; only the key is required."""
    return sa.Table(
        name.name,
        sa.MetaData(),
        *(
            sa.Column(column.name, TYPES[column.type], primary_key=True, autoincrement=False)
            if column.name == _KEY
            else sa.Column(column.name, TYPES[column.type], nullable=True)
            for column in columns
        ),
        schema=name.schema,
    )


class _Fitting:
    """Makes a table fit the columns, or refuses it."""

    def __init__(
        self, connection: Connection, name: TableName, columns: Sequence[ResultColumn], named: str
    ) -> None:
        self._connection = connection
        self._dialect = connection.dialect
        self._name = name
        self._named = named
        self._columns = columns
        self._table = make_table(name, columns)

    def fit(self) -> sa.Table:
        self._check_names()
        inspector = sa.inspect(self._connection)
        place: dict[str, Any] = {"table_name": self._name.name, "schema": self._name.schema}
        if not inspector.has_table(**place):
            self._table.create(self._connection)
            return self._table
        known = {column["name"]: column for column in inspector.get_columns(**place)}
        key = inspector.get_pk_constraint(**place)["constrained_columns"]
        if key != [_KEY]:
            self._refuse(f"its primary key is ({', '.join(key)}), and must be ({_KEY})")
        for column in self._columns:
            if column.name in known and self._dialect.name in _KNOWN:
                self._check_type(column, known[column.name]["type"])
        for name, other in known.items():
            is_filled = other["nullable"] or other.get("default") or other.get("computed")
            if name not in self._table.columns and not is_filled:
                self._refuse(f"it requires a value in column {name!r}, which results do not have")
        for missing in self._table.columns:
            if missing.name not in known:
                self._add(missing)
        return self._table

    def _check_names(self) -> None:
        most = self._dialect.max_identifier_length
        for column in self._table.columns:
            size = len(column.name.encode()) if self._dialect.name in _KNOWN else len(column.name)
            if size > most:
                self._refuse(
                    f"column {column.name!r} has a longer name than the {most} bytes that the "
                    "database keeps"
                )

    def _check_type(self, column: ResultColumn, found: TypeEngine[Any]) -> None:
        wanted = TYPES[column.type].compile(self._dialect)
        kinds = (sa.JSON,) if wanted == "JSON" else _KINDS.get(column.type, (sa.String,))
        fits = isinstance(found, kinds)
        if fits and isinstance(found, sa.DateTime) and self._dialect.name != "sqlite":
            fits = bool(found.timezone)
        if not fits:
            self._refuse(f"column {column.name!r} is {found}, and must be {wanted}")

    def _refuse(self, reason: str) -> None:
        raise ConflictError(
            f"{self._named} does not fit the results: {reason}; change it, or name another table"
        )

    def _add(self, column: sa.Column[Any]) -> None:
        added = sa.Column(column.name, column.type, nullable=True)
        context = MigrationContext.configure(self._connection)
        Operations(context).add_column(self._name.name, added, schema=self._name.schema)


def _delete_replaced(connection: Connection, table: sa.Table, replaced: Replaced) -> None:
    statement = table.delete()
    if replaced.group_id is not None:
        statement = statement.where(table.c.group_id == replaced.group_id)
    connection.execute(statement)


@contextmanager
def _begin(url: URL, named: str) -> Iterator[Connection]:
    """Open a transaction, which is committed at the end of the block."""
    engine = _sqlite_engine(url) if url.get_backend_name() == "sqlite" else _server_engine(url)
    try:
        with _translate_errors(engine, named), engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _server_engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        return server_engine(url, json_serializer=str)
    return server_engine(url)


def _sqlite_engine(url: URL) -> Engine:
    path = sqlite_path(url)

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)
    sa.event.listen(engine, "begin", lambda begun: begun.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


@contextmanager
def _translate_errors(engine: Engine, named: str) -> Iterator[None]:
    driver = engine.dialect.loaded_dbapi
    try:
        yield
    except (DBAPIError, driver.Error) as error:
        driver_error = error.orig if isinstance(error, DBAPIError) else error
        reason = first_line(error)
        lasts = is_refusal(driver_error) or not isinstance(driver_error, driver.OperationalError)
        if engine.dialect.name == "sqlite":
            lasts = reason != "database is locked"
        kind = StorageRefusedError if lasts else StorageUnavailableError
        raise kind(f"{named} cannot be written: {reason}") from None
    except SQLAlchemyError as error:
        reason = str(error).partition("\n")[0]
        raise StorageRefusedError(f"{named} cannot be written: {reason}") from None
