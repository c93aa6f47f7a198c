"""Arrow's values as JSON has them, without losing a digit: what Parquet holds becomes rows.

Dates, times and decimals are strings, ISO 8601 and digit by digit; floats have the fewest digits
that mean the same in their own precision. Bytes, durations and what else JSON has no form for are
refused as a type; NaN, NUL characters and days that no calendar has are refused as values.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.names import shortened, visible
from tasks_lib.domain.values import MAX_JSON_DEPTH, ValueProblemError

Plain = Callable[[pa.Array], list[Any]]
"""Takes an array and returns its values as JSON has them; raises ValueProblemError for one."""

UNREADABLE = (ArithmeticError, ValueError)
"""What reading an array may raise: ValueProblemError, and what Arrow says of a date or of bytes."""


def plain_of(kind: pa.DataType, depth: int = 1) -> Plain:
    """Return the function for arrays of a type; raise ValueProblemError for a type JSON lacks.

    ``depth`` is the level of nesting of the values; a row is the first.
    """
    if depth > MAX_JSON_DEPTH and pa.types.is_nested(kind):
        raise _unsupported(f"is nested deeper than {MAX_JSON_DEPTH} levels")
    for is_kind, make in _READERS:
        if is_kind(kind):
            return make(kind, depth)
    raise _unsupported(f"is of the type {kind}, which JSON has no form for")


def field_type_of(kind: pa.DataType) -> FieldType | None:
    """Return the type of a column whose values ``plain_of`` reads; None where all are null."""
    if isinstance(kind, pa.BaseExtensionType):
        return FieldType.TEXT if _is_uuid(kind) else field_type_of(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return field_type_of(kind.value_type)
    if pa.types.is_null(kind):
        return None
    return next((found for is_kind, found in _FIELD_TYPES if is_kind(kind)), FieldType.TEXT)


def _nulls(_kind: pa.DataType, _depth: int) -> Plain:
    return lambda array: [None] * len(array)


def _as_they_are(_kind: pa.DataType, _depth: int) -> Plain:
    return lambda array: array.to_pylist()


def _texts(_kind: pa.DataType, _depth: int) -> Plain:
    def read(array: pa.Array) -> list[Any]:
        values: list[Any] = array.to_pylist()
        for value in values:
            if value is not None and "\0" in value:
                raise _unsupported(f"{shortened(value)} holds a NUL character")
        return values

    return read


def _floats(kind: pa.DataType, _depth: int) -> Plain:
    narrow = None if pa.types.is_float64(kind) else kind.to_pandas_dtype()

    def read(array: pa.Array) -> list[Any]:
        values: list[Any] = array.to_pylist()
        for value in values:
            if value is not None and not math.isfinite(value):
                raise _unsupported(f"{value} is no number in JSON")
        if narrow is None:
            return values
        return [value if value is None else float(str(narrow(value))) for value in values]

    return read


def _decimals(_kind: pa.DataType, _depth: int) -> Plain:
    return lambda array: [value if value is None else f"{value:f}" for value in array.to_pylist()]


def _moments(kind: pa.DataType, _depth: int) -> Plain:
    _check_zone(kind)
    if getattr(kind, "unit", "") == "ns":
        return _nanoseconds(kind)
    return lambda array: [
        value if value is None else value.isoformat() for value in array.to_pylist()
    ]


def _nanoseconds(kind: pa.DataType) -> Plain:
    is_time = pa.types.is_time(kind)
    micros = pa.time64("us") if is_time else pa.timestamp("us", kind.tz)
    seconds_end = len("00:00:00.000000") if is_time else len("0000-00-00T00:00:00.000000")

    def written(moment: Any, nanos: int) -> str:
        if not nanos:
            return str(moment.isoformat())
        text = moment.isoformat(timespec="microseconds")
        return f"{text[:seconds_end]}{nanos:03d}{text[seconds_end:]}"

    def read(array: pa.Array) -> list[Any]:
        counts = array.cast(pa.int64()).to_pylist()
        whole = pa.array([None if count is None else count // 1_000 for count in counts], micros)
        return [
            None if count is None else written(moment, count % 1_000)
            for count, moment in zip(counts, whole.to_pylist(), strict=True)
        ]

    return read


def _check_zone(kind: pa.DataType) -> None:
    try:
        pa.array([0], kind).to_pylist()
    except KeyError:
        raise _unsupported(f"has the time zone {kind.tz!r}, which is not known") from None


def _dictionaries(kind: pa.DataType, depth: int) -> Plain:
    read = plain_of(kind.value_type, depth)
    return lambda array: read(array.dictionary_decode())


def _lists(kind: pa.DataType, depth: int) -> Plain:
    read_items = plain_of(kind.value_type, depth + 1)

    def read(array: pa.Array) -> list[Any]:
        items = iter(read_items(array.flatten()))
        return list(_cut(items, pc.list_value_length(array).to_pylist()))

    return read


def _cut(items: Iterator[Any], lengths: Sequence[int | None]) -> Iterator[list[Any] | None]:
    for length in lengths:
        yield None if length is None else list(islice(items, length))


def _structs(kind: pa.DataType, depth: int) -> Plain:
    members = [kind.field(index) for index in range(kind.num_fields)]
    names = [member.name for member in members]
    for name in names:
        _check_key(name)
    if len(set(names)) != len(names):
        raise _unsupported("has two members of the same name")
    readers = [plain_of(member.type, depth + 1) for member in members]

    def read(array: pa.Array) -> list[Any]:
        columns = [read(part) for read, part in zip(readers, array.flatten(), strict=True)]
        rows = zip(*columns, strict=True) if columns else [()] * len(array)
        objects = [dict(zip(names, row, strict=True)) for row in rows]
        if not array.null_count:
            return objects
        valid = array.is_valid().to_pylist()
        return [row if is_there else None for row, is_there in zip(objects, valid, strict=True)]

    return read


def _maps(kind: pa.DataType, depth: int) -> Plain:
    if not any(is_text(kind.key_type) for is_text in _IS_TEXT):
        raise _unsupported(f"is a map by {kind.key_type}; JSON has names that are text")
    entries = pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))
    read_entries = plain_of(entries, depth - 1)  # a list of structs is a level more than a map

    def read(array: pa.Array) -> list[Any]:
        found = read_entries(array.cast(entries))
        return [pairs if pairs is None else _object(pairs) for pairs in found]

    return read


def _object(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    found = {pair["key"]: pair["value"] for pair in pairs}
    if len(found) != len(pairs):
        raise _unsupported("is a map in which a key stands twice")
    return found


def _extensions(kind: pa.DataType, depth: int) -> Plain:
    if _is_uuid(kind):
        return lambda array: [v if v is None else str(v) for v in array.to_pylist()]
    read = plain_of(kind.storage_type, depth)
    return lambda array: read(array.storage)


def _is_uuid(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.UuidType)


def _check_key(name: str) -> None:
    if "\0" in name:
        raise _unsupported(f"has a member {visible(name)}")


def _unsupported(message: str) -> ValueProblemError:
    return ValueProblemError("unsupported_value", message)


_IS_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_IS_LIST = (
    pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list,
    pa.types.is_list_view, pa.types.is_large_list_view,
)  # fmt: skip
_READERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType, int], Plain]], ...] = (
    (lambda kind: isinstance(kind, pa.BaseExtensionType), _extensions),
    *((is_text, _texts) for is_text in _IS_TEXT),
    (pa.types.is_integer, _as_they_are),
    (pa.types.is_floating, _floats),
    (pa.types.is_boolean, _as_they_are),
    (pa.types.is_decimal, _decimals),
    (pa.types.is_date, _moments),
    (pa.types.is_time, _moments),
    (pa.types.is_timestamp, _moments),
    (pa.types.is_dictionary, _dictionaries),
    *((is_list, _lists) for is_list in _IS_LIST),
    (pa.types.is_map, _maps),
    (pa.types.is_struct, _structs),
    (pa.types.is_null, _nulls),
)
_FIELD_TYPES: tuple[tuple[Callable[[pa.DataType], bool], FieldType], ...] = (
    (pa.types.is_integer, FieldType.INTEGER),
    (pa.types.is_floating, FieldType.NUMBER),
    (pa.types.is_boolean, FieldType.BOOLEAN),
    (pa.types.is_date, FieldType.DATE),
    (pa.types.is_timestamp, FieldType.DATETIME),
    (pa.types.is_nested, FieldType.JSON),
)
