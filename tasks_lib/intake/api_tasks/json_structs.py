"""Read ordinary tasks in JSON quickly, with a msgspec type that is generated from their fields.

msgspec decodes a body into objects of that type and encodes each as the JSON object to store. For
most fields the type is the complete rule. For the others it gives only the kind of JSON value, or
nothing but its text, and their columns are checked like those of a CSV. This module detects input
that msgspec would lose or accept wrongly, and leaves every doubtful case to ``json_tasks``; a test
verifies that the results of the two are the same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import repeat
from json.encoder import encode_basestring
from operator import attrgetter, is_
from threading import local
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Meta, Raw

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.rows.json_rows import count_escaped_colons
from tasks_lib.domain.values.json_text import has_nul
from tasks_lib.domain.values.readers import reader_of
from tasks_lib.intake.api_tasks.json_bodies import count
from tasks_lib.intake.api_tasks.json_columns import (
    ENCODER,
    LEFT_OUT,
    SPELLED,
    StructColumn,
    ValueOf,
    group_columns,
    has_problems,
    match_all,
    unquote,
)
from tasks_lib.intake.api_tasks.json_documents import (
    DOCUMENTS,
    Texts,
    are_certain as are_certain_documents,
    write_compact,
)
from tasks_lib.intake.api_tasks.json_lists import MAX_TASKS
from tasks_lib.intake.rows.columns import check_of

_MAX_BYTES: Final = 2**30
_KEPT_TYPES: Final = 256
_LEAST, _MOST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class TypedTasks:
    """The objects of tasks; unless they are ``is_whole``, the one after them has an odd type."""

    known: "_BodyType"
    rows: Sequence[Any]
    is_whole: bool = True

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, first: int, count: int) -> "TypedTasks | None":
        """Return some of the tasks, or the first of these; None if none of them is here."""
        rows = self.rows[first : first + count]
        return TypedTasks(self.known, rows) if rows else None

    @cached_property
    def documents(self) -> Mapping[str, Texts]:
        """The texts of the fields that hold documents, by their attribute."""
        return {
            attribute: list(map(bytes, map(attrgetter(attribute), self.rows)))
            for attribute in self.known.documents
        }


def decode_tasks(
    body: bytes, fields: Sequence[Field], most: int = MAX_TASKS, *, spelled: bool = False
) -> TypedTasks | None:
    """Return the objects of a body's tasks; None if a type cannot express a field or its name.

    Reading ends after ``most`` tasks. ``spelled``: numbers and booleans may be strings.
    """
    known = _type_of_body(tuple(fields), spelled=spelled)
    if known is None or len(body) > _MAX_BYTES:
        return None
    rows = _reading.rows = []
    _reading.most = most
    try:
        known.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return TypedTasks(known, rows, is_whole=False)
    else:
        return TypedTasks(known, rows, is_whole=bool(rows))
    finally:
        _reading.rows = []


def are_certain(typed: TypedTasks, body: bytes) -> bool:
    """Tell whether certainly nothing is wrong with a body's tasks but the sizes of values."""
    known, rows = typed.known, typed.rows
    return (
        typed.is_whole
        and not has_nul(body)
        and _has_unique_members(typed, body)
        and all(match_all(pattern, same, rows) for pattern, same in known.spelled.items())
        and not (b"-0" in body and any(0 in map(value_of, rows) for value_of in known.zeros))
        and not has_problems(rows, known.columns, are_spelled=bool(known.spelled))
        and all(
            are_certain_documents(known.documents[attribute], texts)
            for attribute, texts in typed.documents.items()
        )
    )


def objects_of(typed: TypedTasks, max_cell_bytes: int) -> pa.Array | None:
    """Return the JSON object of each task (a string array), of tasks that ``are_certain``.

    None if one has more bytes, or may have to be written in another way.
    """
    for column in typed.known.raw:
        unquote(typed.rows, column)
    for attribute, texts in typed.documents.items():
        compact = write_compact(typed.known.documents[attribute], texts)
        if compact is None:
            return None
        if compact is not texts:
            for row, text in zip(typed.rows, compact, strict=True):
                setattr(row, attribute, Raw(text))
    return _lines_of(ENCODER.encode_lines(typed.rows), max_cell_bytes)


class _BodyType(NamedTuple):
    """How to read a body with certain fields, and to get the values that may be odd.

    ``texts`` are the fields whose values are strings, and ``documents`` those whose text is read,
    by their attribute. ``columns`` are grouped by their pattern, and ``spelled`` are those whose
    values may be strings of what they are. ``raw`` are those whose text is kept, and may be one.
    """

    decode: Callable[[bytes], Any]
    member_count: int
    columns: Mapping[str | None, Sequence[StructColumn]]
    spelled: Mapping[str, Sequence[StructColumn]]
    raw: Sequence[StructColumn]
    zeros: Sequence[ValueOf]
    optional: Sequence[ValueOf]
    texts: Sequence[ValueOf]
    documents: Mapping[str, Field]


@lru_cache(_KEPT_TYPES)
def _type_of_body(fields: tuple[Field, ...], *, spelled: bool) -> _BodyType | None:
    """Return the type of a body; None if a type cannot express a field or its name."""
    if not fields or not all(map(_has_type, fields)):
        return None
    if spelled and not any(field.type in SPELLED for field in fields):
        return None
    attributes = {f"field_{place}": field for place, field in enumerate(fields)}
    types = {**_TYPES, **dict.fromkeys(SPELLED, lambda _: Raw)} if spelled else _TYPES
    members = [_member(name, field, types[field.type]) for name, field in attributes.items()]
    names = {attribute: field.name for attribute, field in attributes.items()}
    row = _struct("Row", members, names, {"__post_init__": _note})
    task = _struct("Task", [("fields", row)])
    values = [(field, attrgetter(attribute)) for attribute, field in attributes.items()]
    columns = [
        StructColumn(field, attribute, check_of(field, reader_of(field)))
        for attribute, field in attributes.items()
    ]
    kept = SPELLED if spelled else {FieldType.NUMBER}
    raw = [column for column in columns if column.field.type in kept]
    return _BodyType(
        msgspec.json.Decoder(_struct("Body", [("tasks", list[task])])).decode,  # type: ignore[valid-type]
        len(fields),
        group_columns(
            (column.pattern, column)
            for column in columns
            if (column.field.constraints and column in raw)
            or (column.field.type in _CHECKED_BY_COLUMN and not (spelled and column in raw))
            or column.field.pattern is not None
        ),
        group_columns((column.spelled_pattern, column) for column in raw if spelled),
        raw,
        [value_of for field, value_of in values if _may_be_zero(field) and not spelled],
        [value_of for field, value_of in values if not field.required],
        [value_of for field, value_of in values if field.type in _STRINGS],
        {name: field for name, field in attributes.items() if field.type in DOCUMENTS},
    )


class _Reading(local):
    """The objects of the body that this thread reads at the moment, of which it takes ``most``."""

    rows: list[Any]
    most: int


_reading: Final = _Reading()


def _note(row: Any) -> None:
    """Keep a task's object as soon as it is read, and end the reading if there are too many."""
    rows = _reading.rows
    if len(rows) == _reading.most:
        raise ValueError
    rows.append(row)


def _has_type(field: Field) -> bool:
    """Tell whether a type can have the field; a colon in its name would break the count."""
    is_plain = encode_basestring(field.name) == f'"{field.name}"' and ":" not in field.name
    return is_plain and field.type in _TYPES


def _may_be_zero(field: Field) -> bool:
    return field.type is FieldType.INTEGER and int(field.min or 0) <= 0 <= int(field.max or 0)


def _member(attribute: str, field: Field, type_of: Callable[[Field], Any]) -> tuple[Any, ...]:
    of_field = type_of(field)
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
    **dict.fromkeys(DOCUMENTS, lambda _: Raw),
}
"""The type of a value. A string is not empty: that would mean null, which is stored otherwise."""

_CHECKED_BY_COLUMN: Final = frozenset(
    {FieldType.NUMBER, FieldType.DATE, FieldType.DATETIME, FieldType.URL}
)
"""Fields that need a check by column; a number keeps its digits only if it is read raw."""

_STRINGS: Final = frozenset(
    {
        FieldType.TEXT,
        FieldType.LONG_TEXT,
        FieldType.DATE,
        FieldType.DATETIME,
        FieldType.SINGLE_SELECT,
        FieldType.URL,
    }
)


def _has_unique_members(typed: TypedTasks, body: bytes) -> bool:
    """Tell whether there are no duplicate keys, by the number of colons."""
    known, rows = typed.known, typed.rows
    documents = [b",".join(texts) for texts in typed.documents.values()]
    others = count(":", body) - (1 + len(rows) * (1 + known.member_count))
    others -= sum(text.count(b":") for text in documents)
    for value_of in known.optional:
        others += sum(map(is_, map(value_of, rows), repeat(LEFT_OUT)))
    if others:  # there are some in texts, or after duplicate keys
        others += count_escaped_colons(body) - sum(map(count_escaped_colons, documents))
        for value_of in known.texts:
            others -= count(":", ENCODER.encode_lines(list(map(value_of, rows))))
    return others == 0


def _lines_of(written: bytes, max_bytes: int) -> pa.Array | None:
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
