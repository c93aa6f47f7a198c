"""Read ordinary tasks in JSON quickly, with a msgspec type that is generated from their fields.

msgspec decodes a body into objects of that type and encodes each as the JSON object to store. For
most fields the type is the complete rule. For the others it gives only the kind of JSON value, and
their columns are checked like those of a CSV. This module detects input that msgspec would lose or
accept wrongly, and leaves every doubtful case to ``json_tasks``; a test verifies that the results
of the two are the same.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Meta, Raw

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.values.readers import reader_of
from tasks_lib.intake.api_tasks.json_bodies import count, has_escaped_colon
from tasks_lib.intake.rows.columns import ColumnCheck, FieldProblem, check_of

_MAX_BYTES: Final = 2**30
_KEPT_TYPES: Final = 256
_LEAST, _MOST = -(2**63), 2**63 - 1
_ENCODER: Final = msgspec.json.Encoder()
LEFT_OUT: Final = Raw(b"null")
"""The value of an optional field that a task omits: written like null, but distinguishable."""

_NOTHING: Final = (None, LEFT_OUT, b"null")

ValueOf = Callable[[Any], Any]
"""Takes a task's object and returns the value of a field."""


def task_objects(
    body: bytes, fields: Sequence[Field], *, max_tasks: int, max_cell_bytes: int
) -> pa.Array | None:
    """Return the JSON object of each task (a string array); None if anything is wrong or odd."""
    known = type_of_body(tuple(fields), max_tasks)
    if known is None or len(body) > _MAX_BYTES:
        return None
    try:
        rows = [task.fields for task in known.decode(body).tasks]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    written = _ENCODER.encode_lines(rows)
    is_certain = (
        has_unique_members(body, written, rows, known.optional)
        and signs_are_kept(body, rows, known.zeros)
        and not any(find_problems(rows, column) for column in known.columns)
    )
    return lines_of(written, max_cell_bytes) if is_certain else None


class Column(NamedTuple):
    """A field that the type alone cannot check."""

    field: Field
    value_of: ValueOf
    check: ColumnCheck


class BodyType(NamedTuple):
    """How to read a body with certain fields, and to get the values that may be odd.

    ``documents`` are the fields that hold documents, by their attribute.
    """

    decode: Callable[[bytes], Any]
    columns: Sequence[Column]
    zeros: Sequence[ValueOf]
    optional: Sequence[ValueOf]
    documents: Mapping[str, Field]


@lru_cache(_KEPT_TYPES)
def type_of_body(
    fields: tuple[Field, ...], max_tasks: int, note: Callable[[Any], None] | None = None
) -> BodyType | None:
    """Return the type of a body; None if a type cannot express a field or its name.

    ``note`` is called with each task's object as soon as it is read. With it, fields may also hold
    documents and lists of options, which are read raw.
    """
    known = _TYPES if note is None else _TYPES | DOCUMENTS
    if not fields or not all(_has_type(field, known) for field in fields):
        return None
    attributes = {f"field_{place}": field for place, field in enumerate(fields)}
    members = [_member(attribute, field) for attribute, field in attributes.items()]
    names = {attribute: field.name for attribute, field in attributes.items()}
    row = _struct("Row", members, names, {} if note is None else {"__post_init__": note})
    task = _struct("Task", [("fields", row)])
    tasks = Annotated[list[task], Meta(min_length=1, max_length=max_tasks)]  # type: ignore[valid-type]
    values = [(field, attrgetter(attribute)) for attribute, field in attributes.items()]
    return BodyType(
        msgspec.json.Decoder(_struct("Body", [("tasks", tasks)])).decode,
        [
            Column(field, value_of, check_of(field, reader_of(field)))
            for field, value_of in values
            if field.type in _CHECKED_BY_COLUMN or field.pattern is not None
        ],
        [value_of for field, value_of in values if _may_be_zero(field)],
        [value_of for field, value_of in values if not field.required],
        {name: field for name, field in attributes.items() if field.type in DOCUMENTS},
    )


def _has_type(field: Field, types: Collection[FieldType]) -> bool:
    """Tell whether a type can have the field; a colon in its name would break the count."""
    is_plain = encode_basestring(field.name) == f'"{field.name}"' and ":" not in field.name
    return is_plain and field.type in types


def _may_be_zero(field: Field) -> bool:
    return field.type is FieldType.INTEGER and int(field.min or 0) <= 0 <= int(field.max or 0)


def _member(attribute: str, field: Field) -> tuple[Any, ...]:
    of_field = (_TYPES | DOCUMENTS)[field.type](field)
    if field.required:
        return attribute, of_field
    return attribute, of_field if of_field is Raw else of_field | None, LEFT_OUT


def _struct(
    name: str,
    members: Sequence[Any],
    names: Mapping[str, str] | None = None,
    namespace: dict[str, Any] | None = None,
) -> type:
    return msgspec.defstruct(
        name,
        members,
        rename=names,
        namespace=namespace,
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,
    )


def _text_type(field: Field) -> Any:
    least = max(field.min_length or 0, 1)
    most = field.max_length if field.max_length is not None else _MOST
    return Annotated[str, Meta(min_length=min(least, _MOST), max_length=min(most, _MOST))]


def _integer_type(field: Field) -> Any:
    least = int(field.min) if field.min is not None else _LEAST
    return Annotated[int, Meta(ge=least, le=int(field.max) if field.max is not None else _MOST)]


_TYPES: Final[dict[FieldType, Callable[[Field], Any]]] = {
    FieldType.TEXT: _text_type,
    FieldType.LONG_TEXT: _text_type,
    FieldType.INTEGER: _integer_type,
    FieldType.NUMBER: lambda _: Raw,
    FieldType.BOOLEAN: lambda _: bool,
    FieldType.DATE: _text_type,
    FieldType.DATETIME: _text_type,
    FieldType.SINGLE_SELECT: lambda field: Literal[field.options],
    FieldType.URL: _text_type,
}
"""The type of a value. A string is not empty: that would mean null, which is stored otherwise."""

DOCUMENTS: Final[dict[FieldType, Callable[[Field], Any]]] = {
    FieldType.JSON: lambda _: Raw,
    FieldType.MULTI_SELECT: lambda _: Raw,
}
"""The types of values that are arrays or objects."""

_CHECKED_BY_COLUMN: Final = frozenset(
    {FieldType.NUMBER, FieldType.DATE, FieldType.DATETIME, FieldType.URL}
)
"""Fields that need a check by column; a number keeps its digits only if it is read raw."""


def has_unique_members(
    body: bytes, written: bytes, rows: Sequence[Any], optional: Sequence[ValueOf]
) -> bool:
    """Tell whether there are certainly no duplicate keys, by the number of colons.

    An escaped colon would make up for the one after a doubled key; ``has_unique_keys`` of documents
    that were read without a type rests on the same.
    """
    left_out = sum(value is LEFT_OUT for value_of in optional for value in map(value_of, rows))
    around_rows = 1 + len(rows)
    colons = count(":", written) - left_out + around_rows
    return not has_escaped_colon(body) and count(":", body) == colons


def signs_are_kept(body: bytes, rows: Sequence[Any], zeros: Sequence[ValueOf]) -> bool:
    """Tell whether certainly no zero had a sign, which an integer loses."""
    return not any(0 in map(value_of, rows) for value_of in zeros) or b"-0" not in body


def find_problems(rows: Sequence[Any], column: Column) -> list[FieldProblem]:
    """Return the problems of a column that the type alone cannot check."""
    cells: list[Any] = list(map(column.value_of, rows))
    if column.field.type is FieldType.NUMBER:
        cells = list(map(bytes, cells))
    if not column.field.required:
        cells = ["" if cell in _NOTHING else cell for cell in cells]
    return column.check(pa.array(cells, pa.string())).problems


def lines_of(written: bytes, max_bytes: int) -> pa.Array | None:
    """Return the lines; None if one is longer or has a character with a numeric JSON escape.

    NUL, which no database stores, is one of those.
    """
    text = np.frombuffer(written, np.uint8)
    ends = np.flatnonzero(text == ord("\n")) + 1
    escaped = text[np.flatnonzero(text == ord("\\")) + 1]
    bounds = np.concatenate(([0], ends)).astype(np.int32)
    if np.diff(bounds).max() > max_bytes or (escaped == ord("u")).any():
        return None
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(written)]
    return pc.ascii_rtrim(pa.Array.from_buffers(pa.string(), len(ends), buffers), "\n")
