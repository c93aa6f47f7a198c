"""Queries of other databases, and their rows as JSON that keeps every digit."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final
from uuid import UUID

from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.names import visible
from tasks_lib.domain.rows.json_rows import Digits, json_text
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import UsageError

_PLAIN: Final = r"[^\W\d][\w$]*"
_PART: Final = rf'(?:{_PLAIN}|"[^"]+"|`[^`]+`|\[[^\]]+\])'
_TABLE: Final = re.compile(rf"{_PART}(\.{_PART})*")
_PARTS: Final = re.compile(_PART)
_READS: Final = re.compile(r"(select|with)\b", re.IGNORECASE)
_COMMENTS: Final = re.compile(r"(\s|--[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)
_STATEMENTS: Final = re.compile(
    r"(alter|analyze|attach|begin|call|commit|copy|create|delete|drop|exec|execute|explain|grant|"
    r"insert|merge|pragma|replace|rollback|set|show|table|truncate|update|vacuum|values)\b",
    re.IGNORECASE,
)
_SQL_WORDS: Final = (
    "all analyse analyze and any array as asc asymmetric between both by case cast check collate "
    "column constraint create cross current_date current_time current_timestamp current_user "
    "default deferrable delete desc distinct do drop else end except exists fetch for foreign from "
    "full grant group having if in index initially inner insert intersect into is isnull join "
    "leading left like limit localtime localtimestamp natural not notnull null offset on only or "
    "order outer overlaps placing primary references returning right select session_user set "
    "similar some symmetric table then to trailing transaction trigger union unique update user "
    "using values variadic view when where window with"
)
_RESERVED: Final = frozenset(_SQL_WORDS.split())
"""Words that SQLite or PostgreSQL take for the name of a table only in quotes."""


def check_query(text: str) -> str:
    """Return a query, or the name of a table, as one SELECT; raise UsageError if it is neither.

    A name that is a word of SQL is put in quotes.
    """
    query = text.strip().removesuffix(";").strip()
    if _TABLE.fullmatch(query):
        return f"SELECT * FROM {_PARTS.sub(_quote_reserved, query)}"  # noqa: S608 - a name
    if ";" in query:
        raise UsageError(
            "the query holds a semicolon; it must be one statement. Within a text, write "
            "chr(59) instead, or char(59) for SQLite"
        )
    start = _COMMENTS.match(query)
    if _READS.match(query, start.end() if start else 0) is None:
        raise UsageError(
            f"the query begins with {query[:20]!r}; it must be one SELECT or WITH, or a table's "
            f"name{_hint_at_quotes(query)}"
        )
    return query


def _quote_reserved(part: re.Match[str]) -> str:
    name = part[0]
    return f'"{name}"' if name.casefold() in _RESERVED else name


def _hint_at_quotes(query: str) -> str:
    """Suggest quotes for what may be the name of a table with spaces or signs in it."""
    if not query or "\n" in query or '"' in query or _STATEMENTS.match(query):
        return ""
    return f"; if a table is called so, put its name in quotes: '\"{query}\"'"


def json_row(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Return a row as a dict of values for ``json_text``; raise ValueProblemError."""
    row: dict[str, Any] = {}
    for name, value in zip(names, values, strict=True):
        try:
            row[name] = _json_value(value)
        except ValueProblemError as problem:
            message = f"column {visible(name)} {problem}"
            raise ValueProblemError(problem.code, message) from None
    return row


def key_of(row: Mapping[str, Any], key_columns: Sequence[str]) -> str:
    """Return a hash that identifies the row: of its key columns, or of all columns without a key.

    Raises ValueProblemError if a key column is null.
    """
    for name in key_columns:
        if row.get(name) is None:
            message = f"column {visible(name)} is null, but part of the key"
            raise ValueProblemError("empty_key", message)
    identity = [row[name] for name in key_columns] if key_columns else dict(sorted(row.items()))
    return sha256(json_text(identity).encode()).hexdigest()


def field_type_of_class(kind: type) -> FieldType | None:
    """Return the type of a column that holds values of a Python class; None for NoneType."""
    return None if kind is type(None) else _KINDS.get(kind, FieldType.TEXT)


def _json_value(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return _without_nul(value)
    if value is None or kind in {bool, int, Digits}:
        return value
    if kind in {list, tuple}:
        return [_json_value(item) for item in value]
    if kind is dict:
        return {_without_nul(str(name)): _json_value(item) for name, item in value.items()}
    spell = _SPELLINGS.get(kind)
    if spell is None:
        raise ValueProblemError(
            "unsupported_value",
            f"holds {kind.__name__}, for which JSON has no form; cast it to text in the query",
        )
    return spell(value)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueProblemError("nul_byte", "holds a NUL character")
    return text


def _float(value: float) -> Digits:
    return _number(Decimal(repr(value))) if math.isfinite(value) else _number(Decimal(value))


def _number(value: Decimal) -> Digits:
    if not value.is_finite():
        message = f"holds {value}, which is not a number in JSON"
        raise ValueProblemError("unsupported_value", message)
    return Digits(value)


def _datetime(value: datetime) -> str:
    """Return ISO 8601; in UTC, since the offset would depend on the connection's time zone."""
    moment = value.astimezone(UTC) if value.tzinfo is not None else value
    return moment.isoformat()


_SPELLINGS: Final[dict[type, Callable[[Any], Any]]] = {
    float: _float,
    Decimal: _number,
    datetime: _datetime,
    date: lambda value: value.isoformat(),
    time: lambda value: value.isoformat(),
    UUID: str,
    IPv4Address: str,
    IPv6Address: str,
}
_KINDS: Final[dict[type, FieldType]] = {
    date: FieldType.DATE,
    datetime: FieldType.DATETIME,
    int: FieldType.INTEGER,
    float: FieldType.NUMBER,
    Decimal: FieldType.NUMBER,
    bool: FieldType.BOOLEAN,
    list: FieldType.JSON,
    tuple: FieldType.JSON,
    dict: FieldType.JSON,
}
