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
    if not _is_plain(body):
        return None
    quoted = body
    for field in fields:
        if field.type is FieldType.NUMBER:
            quoted = _with_quoted_numbers(quoted, field.name)
    for types in (_TYPES, {}):
        rows = _parsed(quoted, fields, types, max_tasks)
        if rows is not None:
            columns = [_cells(rows.field(field.name), field, body) for field in fields]
            return None if any(column is None for column in columns) else columns
    return None


def _is_plain(body: bytes) -> bool:
    """Tell whether the body is one line of UTF-8 without what Arrow is less strict about."""
    if len(body) > _MAX_BYTES or not body.startswith(b"{"):
        return False
    if b"\n" in body or b"\r" in body or b"\\u0000" in body:
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _with_quoted_numbers(body: bytes, name: str) -> bytes:
    """Return the body with the numbers of a member as strings, which keep their digits.

    The member's name in its quotes can stand nowhere else in JSON than as that name: a quote within
    a string has a backslash before it, and the end of one string, a name, the beginning of another
    could only be a name that begins like what may follow a string. The rule for numbers refuses
    whatever JSON would.
    """
    if name[0] in _AFTER_STRINGS:
        return body
    key = re.escape(encode_basestring(name).encode())
    parts = re.split(rb"(%b[ \t]*:[ \t]*)(-?[0-9][0-9.eE+-]*)" % key, body)
    # In turns: what stands between, the member's name, its number.
    parts[2::3] = [b'"%b"' % number for number in parts[2::3]]
    return b"".join(parts)


def _parsed(
    body: bytes, fields: Sequence[Field], types: dict[FieldType, pa.DataType], max_tasks: int
) -> pa.StructArray | None:
    """Return the fields of all tasks, if each task has nothing else and none is null."""
    members = pa.struct([(field.name, types.get(field.type, pa.string())) for field in fields])
    schema = pa.schema([("tasks", pa.list_(pa.struct([("fields", members)])))])
    try:
        table = pa.json.read_json(
            pa.BufferReader(body),
            pa.json.ReadOptions(use_threads=False, block_size=len(body) + 1),
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
