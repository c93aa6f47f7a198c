"""Queries of other databases, and their rows as JSON that loses no digit."""

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
from tasks_lib.domain.json_rows import Digits, json_text
from tasks_lib.domain.names import visible
from tasks_lib.domain.values import ValueProblemError
from tasks_lib.errors import UsageError

_TABLE: Final = re.compile(r"[^\W\d][\w$]*(\.[^\W\d][\w$]*)*")
_READS: Final = re.compile(r"(select|with)\b", re.IGNORECASE)
_COMMENTS: Final = re.compile(r"(\s|--[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)


def checked_query(text: str) -> str:
    """Return the one SELECT that a query or a table's name stands for; raise UsageError."""
    query = text.strip().removesuffix(";").strip()
    if _TABLE.fullmatch(query):
        return f"SELECT * FROM {query}"  # noqa: S608 - a plain name
    if ";" in query:
        raise UsageError(
            "the query holds a semicolon; it must be one statement, and within a text chr(59) says "
            "the same"
        )
    start = _COMMENTS.match(query)
    if _READS.match(query, start.end() if start else 0) is None:
        raise UsageError(
            f"the query begins with {query[:20]!r}; it must be one SELECT or WITH, or a table's "
            "name"
        )
    return query


def json_row(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Return a row's values in the form that ``json_text`` writes; raise ValueProblemError."""
    row: dict[str, Any] = {}
    for name, value in zip(names, values, strict=True):
        try:
            row[name] = _json_value(value)
        except ValueProblemError as problem:
            message = f"column {visible(name)} {problem}"
            raise ValueProblemError(problem.code, message) from None
    return row


def key_of(row: Mapping[str, Any], key_columns: Sequence[str]) -> str:
    """Return what tells a row from others: a hash of its key, or else of all that is in it.

    Raises ValueProblemError where a column of the key is null.
    """
    for name in key_columns:
        if row[name] is None:
            message = f"column {visible(name)} is null, and it is of the key"
            raise ValueProblemError("empty_key", message)
    told = [row[name] for name in key_columns] if key_columns else dict(sorted(row.items()))
    return sha256(json_text(told).encode()).hexdigest()


def kind_of_value(value: Any) -> FieldType | None:
    """Return the type of column that holds a database's value; None for null."""
    return None if value is None else _KINDS.get(type(value), FieldType.TEXT)


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
        raise ValueProblemError("unsupported_value", f"holds {value}, which is no number in JSON")
    return Digits(value)


def _datetime(value: datetime) -> str:
    """Spell it; a moment in UTC, so that its spelling does not depend on the connection."""
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
