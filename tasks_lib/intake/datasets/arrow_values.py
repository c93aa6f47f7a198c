"""Convert Arrow's values to values of JSON without losing a digit, for the rows of Parquet files.

Dates and times become strings in ISO 8601, decimals strings with all their digits; floats have the
fewest digits that identify them in their precision. Bytes become text, as several writers do not
mark a text as one. Columns of types that JSON cannot express, such as durations, are rejected; so
are bytes that are not UTF-8, NUL characters, impossible dates, infinite numbers and, unless it is
to become null, NaN.
"""

import datetime as dt
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.names import shortened, visible
from tasks_lib.domain.values.json_text import MAX_JSON_DEPTH
from tasks_lib.domain.values.problem import ValueProblemError

Plain = Callable[[pa.Array], list[Any]]
"""Converts an array to values of JSON; raises ValueProblemError for a value without JSON form."""

LEAVE_OUT: Final = "leave the column out: name the others in columns"

UNREADABLE = (ArithmeticError, ValueError, ValueProblemError)
"""Errors of reading an array: ValueProblemError, and Arrow's for impossible dates and bytes."""


class Reading(NamedTuple):
    """How to read values: their nesting level, of which a row is 1, and whether NaN is null."""

    depth: int = 1
    nan_as_null: bool = False

    @property
    def inside(self) -> "Reading":
        """The same for the next level."""
        return self._replace(depth=self.depth + 1)


def plain_of(kind: pa.DataType, how: Reading) -> Plain:
    """Return the converter for arrays of a type; raise ValueProblemError if there is none."""
    if how.depth > MAX_JSON_DEPTH and pa.types.is_nested(kind):
        raise _unsupported(f"is nested deeper than {MAX_JSON_DEPTH} levels")
    for is_kind, make in _READERS:
        if is_kind(kind):
            return make(kind, how)
    raise _unsupported(f"is of the type {kind}, which JSON has no form for")


def field_type_of(kind: pa.DataType) -> FieldType | None:
    """Return the field type of a column with this Arrow type; None if all values are null."""
    if isinstance(kind, pa.BaseExtensionType):
        return FieldType.TEXT if _is_uuid(kind) else field_type_of(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return field_type_of(kind.value_type)
    if pa.types.is_null(kind):
        return None
    return next((entry for is_kind, entry in _FIELD_TYPES if is_kind(kind)), FieldType.TEXT)


def _nulls(_kind: pa.DataType, _how: Reading) -> Plain:
    return lambda array: [None] * len(array)


def _as_they_are(_kind: pa.DataType, _how: Reading) -> Plain:
    return lambda array: array.to_pylist()


def _texts(_kind: pa.DataType, _how: Reading) -> Plain:
    return _without_nul(lambda array: array.to_pylist())


def _without_nul(read_texts: Plain) -> Plain:
    def read(array: pa.Array) -> list[Any]:
        values = read_texts(array)
        for value in values:
            if value is not None and "\0" in value:
                raise _unsupported(f"{shortened(value)} holds a NUL character")
        return values

    return read


def _bytes(_kind: pa.DataType, _how: Reading) -> Plain:
    def read(array: pa.Array) -> list[Any]:
        try:
            return [value if value is None else str(value, "utf-8") for value in array.to_pylist()]
        except UnicodeDecodeError:
            raise _unsupported(f"holds bytes that are not text in UTF-8; {LEAVE_OUT}") from None

    return _without_nul(read)


def _floats(kind: pa.DataType, how: Reading) -> Plain:
    narrow = None if pa.types.is_float64(kind) else kind.to_pandas_dtype()

    def read(array: pa.Array) -> list[Any]:
        values: list[Any] = array.to_pylist()
        if how.nan_as_null:
            values = [None if value is None or math.isnan(value) else value for value in values]
        for value in values:
            if value is not None and not math.isfinite(value):
                hint = "; import it as null with nan_as_null" if math.isnan(value) else ""
                raise _unsupported(f"{value} is not a number in JSON{hint}")
        if narrow is None:
            return values
        return [value if value is None else float(str(narrow(value))) for value in values]

    return read


def _decimals(_kind: pa.DataType, _how: Reading) -> Plain:
    return lambda array: [value if value is None else f"{value:f}" for value in array.to_pylist()]


def _moments(kind: pa.DataType, _how: Reading) -> Plain:
    _check_zone(kind)
    if getattr(kind, "unit", "") == "ns":
        return _nanoseconds(kind)
    return lambda array: [
        value if value is None else _with_whole_offset(value).isoformat()
        for value in array.to_pylist()
    ]


def _with_whole_offset(moment: Any) -> Any:
    """Return a moment whose offset has no seconds, as ISO 8601 requires; in UTC if it had any.

    Time zones had such offsets before they were introduced by law: Amsterdam was +00:19:32.
    """
    offset = moment.utcoffset() if isinstance(moment, dt.datetime) else None
    return moment.astimezone(dt.UTC) if offset and offset.seconds % 60 else moment


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
            None if count is None else written(_with_whole_offset(moment), count % 1_000)
            for count, moment in zip(counts, whole.to_pylist(), strict=True)
        ]

    return read


def _check_zone(kind: pa.DataType) -> None:
    try:
        pa.array([0], kind).to_pylist()
    except KeyError:
        raise _unsupported(f"has the time zone {kind.tz!r}, which is not known") from None


def _dictionaries(kind: pa.DataType, how: Reading) -> Plain:
    read = plain_of(kind.value_type, how)
    return lambda array: read(array.dictionary_decode())


def _lists(kind: pa.DataType, how: Reading) -> Plain:
    read_items = plain_of(kind.value_type, how.inside)

    def read(array: pa.Array) -> list[Any]:
        items = iter(read_items(array.flatten()))
        return list(_cut(items, pc.list_value_length(array).to_pylist()))

    return read


def _cut(items: Iterator[Any], lengths: Sequence[int | None]) -> Iterator[list[Any] | None]:
    for length in lengths:
        yield None if length is None else list(islice(items, length))


def _structs(kind: pa.DataType, how: Reading) -> Plain:
    members = [kind.field(index) for index in range(kind.num_fields)]
    names = [member.name for member in members]
    for name in names:
        _check_key(name)
    if len(set(names)) != len(names):
        raise _unsupported("has two members of the same name")
    readers = [plain_of(member.type, how.inside) for member in members]

    def read(array: pa.Array) -> list[Any]:
        columns = [read(part) for read, part in zip(readers, array.flatten(), strict=True)]
        rows = zip(*columns, strict=True) if columns else [()] * len(array)
        objects = [dict(zip(names, row, strict=True)) for row in rows]
        if not array.null_count:
            return objects
        valid = array.is_valid().to_pylist()
        return [row if is_there else None for row, is_there in zip(objects, valid, strict=True)]

    return read


def _maps(kind: pa.DataType, how: Reading) -> Plain:
    keys = kind.key_type
    names = keys.value_type if pa.types.is_dictionary(keys) else keys
    if not any(is_name(names) for is_name in (*_IS_TEXT, *_IS_BYTES)):
        raise _unsupported(f"is a map by {kind.key_type}; JSON has names that are text")
    entries = pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))
    # A list of structs is one level deeper than a map.
    read_entries = plain_of(entries, how._replace(depth=how.depth - 1))

    def read(array: pa.Array) -> list[Any]:
        maps = read_entries(array.cast(entries))
        return [pairs if pairs is None else _object(pairs) for pairs in maps]

    return read


def _object(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    members = {pair["key"]: pair["value"] for pair in pairs}
    if len(members) != len(pairs):
        raise _unsupported("is a map in which a key occurs twice")
    return members


def _extensions(kind: pa.DataType, how: Reading) -> Plain:
    if _is_uuid(kind):
        return lambda array: [v if v is None else str(v) for v in array.to_pylist()]
    read = plain_of(kind.storage_type, how)
    return lambda array: read(array.storage)


def _is_uuid(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.UuidType)


def _check_key(name: str) -> None:
    if "\0" in name:
        raise _unsupported(f"has a member {visible(name)}")


def _unsupported(message: str) -> ValueProblemError:
    return ValueProblemError("unsupported_value", message)


_IS_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_IS_BYTES = (
    pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)  # fmt: skip
_IS_LIST = (
    pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list,
    pa.types.is_list_view, pa.types.is_large_list_view,
)  # fmt: skip
_READERS: tuple[
    tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType, Reading], Plain]], ...
] = (
    (lambda kind: isinstance(kind, pa.BaseExtensionType), _extensions),
    *((is_text, _texts) for is_text in _IS_TEXT),
    *((is_bytes, _bytes) for is_bytes in _IS_BYTES),
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
