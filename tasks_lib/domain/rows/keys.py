"""The key of a task: the values of its pipeline's key fields, as one text.

Two tasks have the same key if and only if the values of the key fields are equal. An integer 5 that
was written 5.0 is 5, a number 1.50 is 1.5, and a time is the same with another offset; texts are
compared character by character.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import orjson

from tasks_lib.domain.fields import TEXTS, Field, FieldSource, FieldType
from tasks_lib.domain.names import shortened
from tasks_lib.domain.values.moments import instant_of
from tasks_lib.errors import RejectedError


class OnChange(StrEnum):
    """How an untouched task follows a row with its key and other values."""

    KEEP = "keep"
    UPDATE = "update"


class OnMissing(StrEnum):
    """How an untouched task follows the loss of its row from a full source."""

    KEEP = "keep"
    WITHDRAW = "withdraw"


KEY_TYPES: Final = TEXTS | {
    FieldType.INTEGER,
    FieldType.NUMBER,
    FieldType.BOOLEAN,
    FieldType.DATE,
    FieldType.DATETIME,
    FieldType.SINGLE_SELECT,
}
"""Types whose values can identify a task: each value has one canonical text."""

_PLAIN: Final = (KEY_TYPES | {FieldType.MULTI_SELECT}) - {FieldType.NUMBER, FieldType.DATETIME}
"""Types whose values are equal only if they are written in the same way."""

MAX_KEY_CHARACTERS: Final = 200
"""A longer key is stored as its SHA-256: the databases' indexes limit the length of an entry."""

DIGEST: Final = "sha256:"
"""Begins the digest of a key; a key itself begins with a bracket."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSET: Final = re.compile(r"(?:Z|[+-][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)$")

KeyOf = Callable[[str], str]
"""Takes the JSON object of a task's values; returns the task's key or raises NoKeyError."""


class NoKeyError(RejectedError):
    """A task lacks a value of a key field; the message is ``no value of`` and the field."""


def why_no_key(fields: Sequence[Field], name: str) -> str | None:
    """Return why a field cannot be in a key, as the end of a sentence about it; None if it can."""
    field = next((field for field in fields if field.name == name), None)
    if field is None:
        return "is not a field of the pipeline"
    if field.source is not FieldSource.DATASET:
        return "is filled in by contributors; a key has dataset fields only"
    if field.type not in KEY_TYPES:
        return f"is of type {field.type.value}, which cannot be in a key"
    if not field.required:
        return "is optional; a key has required fields only"
    return None


def key_of(fields: Sequence[Field], key: Sequence[str]) -> KeyOf:
    """Return the function that reads the key of a task with these dataset fields.

    The key is a JSON array of the values in their canonical form, or ``sha256:`` and its digest.
    """
    by_name = {field.name: field for field in fields}
    canonical = [(name, _CANONICAL.get(by_name[name].type)) for name in key]
    load = _load_digits if any(by_name[n].type is FieldType.NUMBER for n in key) else _load

    def read(text: str) -> str:
        values = load(text)
        parts = []
        for name, convert in canonical:
            value = values.get(name)
            if value is None:
                raise NoKeyError(f"no value of {name}")
            parts.append(value if convert is None else convert(value))
        return _shorten(orjson.dumps(parts).decode())

    return read


def same_values(fields: Sequence[Field], first: str, second: str) -> bool:
    """Return whether two JSON objects hold equal values of the fields; a missing one is null."""
    if first == second:
        return True
    if _differ_plainly(fields, first, second):
        return False
    one, other = _load_digits(first), _load_digits(second)
    return all(
        _comparable(field, one.get(field.name)) == _comparable(field, other.get(field.name))
        for field in fields
    )


def _differ_plainly(fields: Sequence[Field], first: str, second: str) -> bool:
    """Return True if a value differs that orjson, which is several times as fast, reads exactly."""
    try:
        one, other = orjson.loads(first), orjson.loads(second)
    except orjson.JSONDecodeError:  # a field of type json can hold what orjson refuses
        return False
    return any(
        one.get(field.name) != other.get(field.name) for field in fields if field.type in _PLAIN
    )


def describe_key(key: Sequence[str], text: str) -> str:
    """Return the key fields of a task with their values, for a message: ``review_id 'r-1'``."""
    values = _load_digits(text)
    return ", ".join(f"{name} {_shown(values.get(name))}" for name in key)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return shortened(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _load(text: str) -> Mapping[str, Any]:
    """Parse a task's values; integers of fields fit in 64 bits, so that orjson is exact."""
    try:
        values: Mapping[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError:  # a field of type json can hold what orjson refuses
        values = json.loads(text)
    return values


def _load_digits(text: str) -> Mapping[str, Any]:
    """Parse a task's values with all digits of numbers."""
    values: Mapping[str, Any] = json.loads(text, parse_float=Decimal)
    return values


def _shorten(key: str) -> str:
    return key if len(key) <= MAX_KEY_CHARACTERS else digest_of(key)


def digest_of(key: str) -> str:
    """Return the form of a key of any length that can be recognized but not read."""
    if key.startswith(DIGEST):
        return key
    return f"{DIGEST}{hashlib.sha256(key.encode()).hexdigest()}"


def _canonical_number(value: float | Decimal) -> str:
    """Return a number's digits without zeros at its ends, and its exponent."""
    sign, digits, exponent = Decimal(value).as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    significant = text.rstrip("0")
    if not significant:
        return "0"
    power = int(exponent) + len(text) - len(significant)
    return f"{'-' if sign else ''}{significant}e{power}"


def _canonical_datetime(value: str) -> str:
    """Return a time as its distance from an epoch; one without an offset differs from all others.

    A time in UTC need not have a year that Python can represent.
    """
    moment, nanoseconds = instant_of(value)
    zone = "Z" if _OFFSET.search(value, len("2026-11-23")) else ""
    return f"{(moment - _EPOCH) // timedelta(microseconds=1)}.{nanoseconds}{zone}"


_CANONICAL: Final[Mapping[FieldType, Callable[[Any], Any]]] = {
    FieldType.NUMBER: _canonical_number,
    FieldType.DATETIME: _canonical_datetime,
}
"""Conversions to the canonical value; the other types have only one spelling of each value."""


def _comparable(field: Field, value: Any) -> Any:
    if value is None:
        return None
    convert = _CANONICAL.get(field.type)
    return convert(value) if convert is not None else value
