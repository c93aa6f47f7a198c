"""The column types, constraint names and base class of all tables."""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    Text,
    TypeDecorator,
    cast,
)
from sqlalchemy.orm import DeclarativeBase

_NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time, on SQLite too, which stores it without its offset."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store the time as UTC."""
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time as aware UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class JsonText(TypeDecorator[str]):
    """JSON that is written and read as text, unchanged."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Use PostgreSQL's ``json``, which checks and keeps the text; text elsewhere."""
        if dialect.name == "postgresql":
            from tasks_lib.store.tables.postgres_json import PostgresJsonText  # noqa: PLC0415

            return dialect.type_descriptor(PostgresJsonText())
        return dialect.type_descriptor(Text())

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Read as text: psycopg would parse the JSON and lose digits of numbers."""
        return cast(column, Text)


MAX_ID: Final = 2**63 - 1
"""The largest number that an id column can hold; larger ids do not exist."""

KeyText = Text().with_variant(Text(collation="C"), "postgresql")
"""A text that is compared byte by byte: with the rules of a language, an index is slower."""

BigId = BigInteger().with_variant(Integer(), "sqlite")


CONDITION: Final = "condition"
"""The member of an index's ``info`` that holds the condition of its rows."""


def partial_index(name: str, *columns: str, where: str, is_unique: bool = False) -> Index:
    """Return an index of the rows that meet a condition.

    The condition is only recorded; migrations create the index. An argument of a dialect, such as
    ``postgresql_where``, would load that dialect together with the tables.
    """
    return Index(name, *columns, unique=is_unique, info={CONDITION: where})


class Table(DeclarativeBase):
    """The base class of all tables."""

    metadata = MetaData(naming_convention=_NAMING)
