"""Check the values of single fields in many tasks that msgspec has read, with few calls of Arrow.

Fields with the same rule are checked together, as lines of JSON: that costs less than a check of
each column, and what matches is certain. A field of which some value does not match is checked like
a column of a CSV.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.values.certain import CERTAIN_PATTERNS
from tasks_lib.intake.rows.columns import ColumnCheck

SPELLED: Final = frozenset({FieldType.INTEGER, FieldType.NUMBER, FieldType.BOOLEAN})
"""Types whose values may also be strings of what they are."""

LEFT_OUT: Final = Raw(b"null")
"""The value of an optional field that a task omits: written like null, but distinguishable."""

ENCODER: Final = msgspec.json.Encoder()

_NOTHING: Final = (None, LEFT_OUT, b"null")
_BOOLEANS: Final = "true|false"
_Pattern = TypeVar("_Pattern", str, str | None)

ValueOf = Callable[[Any], Any]
"""Takes a task's object and returns the value of a field."""


class StructColumn(NamedTuple):
    """A field that the type alone cannot check, and the attribute that has its value."""

    field: Field
    attribute: str
    check: ColumnCheck

    @property
    def value_of(self) -> ValueOf:
        """The function that returns the value of a task's object."""
        return attrgetter(self.attribute)

    @property
    def pattern(self) -> str | None:
        """The pattern of lines of JSON of which each is certainly a valid value, if there is one.

        A string has no line break in JSON.
        """
        field = self.field
        if field.type not in CERTAIN_PATTERNS or field.constraints:
            return None
        if field.type is FieldType.NUMBER:
            return self.spelled_pattern
        return self._lines(f'"(?:{CERTAIN_PATTERNS[field.type]})"')

    @property
    def spelled_pattern(self) -> str:
        """The pattern of lines with numbers or booleans, or strings of these."""
        value = CERTAIN_PATTERNS.get(self.field.type, _BOOLEANS)
        return self._lines(f'(?:{value})|"(?:{value})"')

    def _lines(self, value: str) -> str:
        return f"^(?:(?:{value})\n)*$" if self.field.required else f"^(?:(?:{value}|null)\n)*$"


def group_columns(
    columns: Iterable[tuple[_Pattern, StructColumn]],
) -> dict[_Pattern, list[StructColumn]]:
    """Group columns by their pattern."""
    grouped: dict[_Pattern, list[StructColumn]] = {}
    for pattern, column in columns:
        grouped.setdefault(pattern, []).append(column)
    return grouped


def has_problems(
    rows: Sequence[Any],
    columns: Mapping[str | None, Sequence[StructColumn]],
    *,
    are_spelled: bool,
) -> bool:
    """Tell whether a value of the columns, which are grouped by their pattern, is wrong.

    ``are_spelled``: numbers are strings or not, and match the pattern for that.
    """
    return any(
        _has_problems(rows, column, are_spelled=are_spelled)
        for column in _find_doubtful(rows, columns)
    )


def _find_doubtful(
    rows: Sequence[Any], columns: Mapping[str | None, Sequence[StructColumn]]
) -> list[StructColumn]:
    """Return the columns of which a value may be wrong."""
    doubtful: list[StructColumn] = []
    for pattern, same in columns.items():
        if pattern is None or not match_all(pattern, same, rows):
            doubtful += same
    return doubtful


def match_all(pattern: str, columns: Sequence[StructColumn], rows: Sequence[Any]) -> bool:
    """Tell whether all values of some columns match the pattern of lines."""
    values = [value for column in columns for value in map(column.value_of, rows)]
    lines = pa.array([ENCODER.encode_lines(values)], pa.string())
    return pc.match_substring_regex(lines, pattern)[0].as_py() is True


def _has_problems(rows: Sequence[Any], column: StructColumn, *, are_spelled: bool) -> bool:
    """Tell whether a column has a problem that the type alone does not find."""
    cells: list[Any] = list(map(column.value_of, rows))
    if column.field.type in SPELLED:
        cells = list(map(bytes, cells))
    if not column.field.required:
        cells = ["" if cell in _NOTHING else cell for cell in cells]
    if are_spelled:
        cells = [cell.strip(b'"') if type(cell) is bytes else cell for cell in cells]
    return bool(column.check(pa.array(cells, pa.string())).problems)


def unquote(rows: Sequence[Any], column: StructColumn) -> None:
    """Replace the strings of a column by what they spell."""
    if b'"' not in ENCODER.encode_lines(list(map(column.value_of, rows))):
        return
    for row, value in zip(rows, map(column.value_of, rows), strict=True):
        text = bytes(value)
        if text.startswith(b'"'):
            setattr(row, column.attribute, Raw(text[1:-1]))
