"""Read columns of JSON objects with Arrow, which makes no Python object for a value."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json

from tasks_lib.domain.fields import Field, FieldType

_TYPES: Final[Mapping[FieldType, pa.DataType]] = MappingProxyType(
    {
        FieldType.TEXT: pa.string(),
        FieldType.LONG_TEXT: pa.string(),
        FieldType.URL: pa.string(),
        FieldType.SINGLE_SELECT: pa.string(),
        FieldType.MULTI_SELECT: pa.list_(pa.string()),
        FieldType.INTEGER: pa.int64(),
        FieldType.NUMBER: pa.float64(),
        FieldType.BOOLEAN: pa.bool_(),
        FieldType.DATE: pa.string(),
        FieldType.DATETIME: pa.string(),
    }
)
"""The types of values in JSON. Arrow cannot keep the text of a document, as JSON and files need."""


class JsonColumns:
    """Reads the values of fields."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._can_read = all(field.type in _TYPES for field in fields)
        if self._can_read:
            self._schema = pa.schema([(field.name, _TYPES[field.type]) for field in fields])

    def read(self, objects: pa.Array) -> Mapping[str, pa.Array] | None:
        """Return the values of each field; None for objects that Arrow does not read as they are.

        ``objects`` are the texts of the objects; a null has no members.
        """
        if not self._can_read:
            return None
        has_lines = pc.any(pc.match_substring(objects, "\n")).as_py()
        lines = pa.ListArray.from_arrays([0, len(objects)], objects.fill_null("{}"))
        data = pc.binary_join(lines, "\n")[0].as_buffer()
        try:
            table = json.read_json(
                pa.BufferReader(data),
                json.ReadOptions(use_threads=False, block_size=data.size + 1),
                json.ParseOptions(
                    explicit_schema=self._schema,
                    newlines_in_values=bool(has_lines),
                    unexpected_field_behavior="ignore",
                ),
            )
        except pa.ArrowInvalid:
            return None
        columns = {name: table.column(name).combine_chunks() for name in self._schema.names}
        is_read = table.num_rows == len(objects) and not any(
            map(_has_empty_items, columns.values())
        )
        return columns if is_read else None


def _has_empty_items(column: pa.Array) -> bool:
    return pa.types.is_list(column.type) and bool(column.flatten().null_count)
