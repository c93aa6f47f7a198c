"""Decide which plans copy values that tasks store already, so that nothing needs to be read.

A field can be copied if the values of its column are certainly valid in it as they are stored, or
in quotes, and a simple test tells for each value that this is so. The test is narrower than the
field's reader: a row with a value that fails it is read like any other row. A test verifies that
copying and reading create the same tasks.
"""

import re
from collections.abc import Collection
from json.encoder import encode_basestring
from typing import Final, NamedTuple

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.mapping.conversions import as_seeded
from tasks_lib.domain.mapping.plans import FieldMapping, Plan
from tasks_lib.domain.values.certain import CERTAIN_PATTERNS

_TEXTS: Final = frozenset({FieldType.TEXT, FieldType.LONG_TEXT})
_STORED_AS_STRINGS: Final = _TEXTS | {
    FieldType.SINGLE_SELECT,
    FieldType.URL,
    FieldType.DATE,
    FieldType.DATETIME,
}
_PATTERNS_IN_QUOTES: Final = frozenset({FieldType.DATE, FieldType.DATETIME, FieldType.URL})
_NUMBERS: Final = {
    FieldType.INTEGER: frozenset({FieldType.INTEGER, FieldType.NUMBER}),
    FieldType.NUMBER: frozenset({FieldType.NUMBER}),
}
"""For each column type, the types of numbers that hold its values unchanged."""

_BOOLEANS: Final = ("true", "false")


class CopiedField(NamedTuple):
    """A field, the column that it copies, and the test of a value's stored JSON text.

    The text matches ``pattern`` as a whole, or is one of ``texts``; without both, it is a string
    that is not empty. It has at most ``max_length`` characters, and as a number it lies between
    ``lowest`` and ``highest``. If the field is not ``required``, it can also be null or an empty
    string, which is stored as null. A text that is not a string yet is stored with quotes if
    ``adds_quotes``.
    """

    name: str
    column: str
    required: bool
    pattern: str | None = None
    texts: tuple[str, ...] | None = None
    max_length: int | None = None
    lowest: str | None = None
    highest: str | None = None
    adds_quotes: bool = False


def copied_fields(plan: Plan, stored: Collection[str]) -> tuple[CopiedField, ...] | None:
    """Return how to copy the fields of a plan, in its order; None if some field must be read.

    ``stored`` are the columns whose values the source's tasks store.
    """
    fields = [_copied(entry, stored) for entry in plan.filled]
    copied = tuple(field for field in fields if field is not None)
    return copied if len(copied) == len(fields) else None


def _copied(entry: FieldMapping, stored: Collection[str]) -> CopiedField | None:
    column, field = entry.column, as_seeded(entry.field)
    if column is None or entry.path is not None or column.name not in stored:
        return None
    plain = CopiedField(field.name, column.name, field.required)
    if field.type in _TEXTS:
        return _as_text(plain, field, column.type)
    if field.type in _NUMBERS.get(column.type, ()):
        return _as_number(plain, field)
    return _as_it_is(plain, field, column.type)


def _as_it_is(plain: CopiedField, field: Field, column: FieldType) -> CopiedField | None:
    if field.type is FieldType.SINGLE_SELECT and column in _STORED_AS_STRINGS:
        return plain._replace(texts=tuple(map(encode_basestring, field.options or ())))
    if field.type is not column:
        return None
    if field.type is FieldType.BOOLEAN:
        return plain._replace(texts=_BOOLEANS)
    if field.type in _PATTERNS_IN_QUOTES and not field.constraints:
        return plain._replace(pattern=f'"(?:{CERTAIN_PATTERNS[field.type]})"')
    return None


def _as_text(plain: CopiedField, field: Field, column: FieldType) -> CopiedField | None:
    """Copy a string, in which escapes count as several characters, or put a scalar in quotes."""
    if field.pattern is not None or field.min_length is not None:
        return None
    if column in _STORED_AS_STRINGS:
        quoted = field.max_length + len('""') if field.max_length is not None else None
        return plain._replace(max_length=quoted)
    unquoted = plain._replace(max_length=field.max_length, adds_quotes=True)
    if column in _NUMBERS:
        return unquoted._replace(pattern=CERTAIN_PATTERNS[column])
    return unquoted._replace(texts=_BOOLEANS) if column is FieldType.BOOLEAN else None


def _as_number(plain: CopiedField, field: Field) -> CopiedField | None:
    pattern = CERTAIN_PATTERNS[field.type]
    bounds = [bound for bound in (field.min, field.max) if bound is not None]
    if not all(re.fullmatch(pattern, bound) for bound in bounds):
        return None
    return plain._replace(pattern=pattern, lowest=field.min, highest=field.max)
