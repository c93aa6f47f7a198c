"""Read tasks in JSON by Arrow, column by column, where nothing about them is odd.

Arrow is quicker than Python's objects and strict enough: it refuses doubled, unknown and mistyped
members. What it would let pass or lose is looked for here; whatever is in doubt is left to
``tasks_lib.intake.json_tasks``, and a test holds the two to the same answer.
"""

import re
from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from tasks_lib.domain.fields import Field, FieldType

_MAX_BYTES: Final = 2**30
_OTHER_LANES: Final = frozenset({FieldType.JSON, FieldType.FILE})
_AFTER_STRINGS: Final = frozenset(",:]} \t")
_TYPES: Final = {FieldType.INTEGER: pa.int64(), FieldType.BOOLEAN: pa.bool_()}
"""How values of a type are written that are not strings; a number's digits Arrow would lose."""


def task_columns(body: bytes, fields: Sequence[Field], max_tasks: int) -> list[pa.Array] | None:
    """Return the cells of each field; None where anything is wrong, odd or in doubt."""
    if not fields or not _OTHER_LANES.isdisjoint(field.type for field in fields):
        return None
    text = _plain_text(body)
    if text is None:
        return None
    for field in fields:
        if field.type is FieldType.NUMBER:
            text = _with_quoted_numbers(text, field.name)
    for types in (_TYPES, {}):
        rows = _parsed(text.as_buffer(), fields, types, max_tasks)
        if rows is not None:
            columns = [_cells(rows.field(field.name), field, body) for field in fields]
            return None if any(column is None for column in columns) else columns
    return None


def _plain_text(body: bytes) -> pa.StringScalar | None:
    """Return the body if it is one line of UTF-8 without what Arrow is less strict about."""
    if len(body) > _MAX_BYTES or not body.startswith(b"{"):
        return None
    if b"\n" in body or b"\r" in body or b"\\u0000" in body:
        return None
    try:
        return pc.cast(pa.scalar(body, pa.binary()), pa.string())
    except pa.ArrowInvalid:  # it is no UTF-8
        return None


def _with_quoted_numbers(text: pa.StringScalar, name: str) -> pa.StringScalar:
    """Return the text with the numbers of a member as strings, which keep their digits.

    The member's name in its quotes can stand nowhere else in JSON than as that name: a quote within
    a string has a backslash before it, and the end of one string, a name, the beginning of another
    could only be a name that begins like what may follow a string. The rule for numbers refuses
    whatever JSON would.
    """
    if name[0] in _AFTER_STRINGS:
        return text
    number = rf"({re.escape(encode_basestring(name))}[ \t]*:[ \t]*)(-?[0-9][0-9.eE+-]*)"
    return pc.replace_substring_regex(text, number, r'\1"\2"')


def _parsed(
    text: pa.Buffer, fields: Sequence[Field], types: dict[FieldType, pa.DataType], max_tasks: int
) -> pa.StructArray | None:
    """Return the fields of all tasks, if each task has nothing else and none is null."""
    members = pa.struct([(field.name, types.get(field.type, pa.string())) for field in fields])
    schema = pa.schema([("tasks", pa.list_(pa.struct([("fields", members)])))])
    try:
        table = pa.json.read_json(
            pa.BufferReader(text),
            pa.json.ReadOptions(use_threads=False, block_size=text.size + 1),
            pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != 1:
        return None
    tasks = table["tasks"].combine_chunks().flatten()
    rows = tasks.field("fields")
    if tasks.null_count or rows.null_count or not 0 < len(rows) <= max_tasks:
        return None
    return rows


def _cells(column: pa.Array, field: Field, body: bytes) -> pa.Array | None:
    if column.null_count and field.required:
        return None
    if pa.types.is_integer(column.type) and b"-0" in body and pc.any(pc.equal(column, 0)).as_py():
        return None  # a sign may have been lost
    cells = pc.cast(column, pa.string())
    return pc.fill_null(cells, "") if cells.null_count else cells
