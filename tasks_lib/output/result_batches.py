"""Write finished tasks as Arrow batches with a type for each column.

=====================================  =========================================
Field                                  Arrow
=====================================  =========================================
text, long_text, url                   string
single_select                          dictionary of string: its options
multi_select                           list of string
integer                                int64
number                                 double
boolean                                bool
date                                   date32
datetime                               timestamp in microseconds, UTC
json, file                             string: the JSON document as it is stored
=====================================  =========================================

Two types can hold less than a task: a number has as many digits as a double, and a moment no
nanoseconds. A moment without an offset is taken for UTC. CSV and JSON Lines keep the stored text.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import count, repeat
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from tasks_lib.domain.fields import Field, FieldSource, FieldType
from tasks_lib.domain.results import ResultColumn, columns_of_sources
from tasks_lib.output.columnar_rows import ColumnarRows
from tasks_lib.output.json_columns import JsonColumns
from tasks_lib.output.stored_values import Member, StoredObjects

MOMENT: Final = pa.timestamp("us", "UTC")

TYPES: Final[Mapping[FieldType, pa.DataType]] = MappingProxyType(
    {
        FieldType.TEXT: pa.string(),
        FieldType.LONG_TEXT: pa.string(),
        FieldType.URL: pa.string(),
        FieldType.SINGLE_SELECT: pa.dictionary(pa.int32(), pa.string()),
        FieldType.MULTI_SELECT: pa.list_(pa.string()),
        FieldType.INTEGER: pa.int64(),
        FieldType.NUMBER: pa.float64(),
        FieldType.BOOLEAN: pa.bool_(),
        FieldType.DATE: pa.date32(),
        FieldType.DATETIME: MOMENT,
        FieldType.JSON: pa.string(),
        FieldType.FILE: pa.string(),
    }
)

_VALUES: Final[Mapping[FieldType, Any]] = MappingProxyType(
    {
        FieldType.INTEGER: int | None,
        FieldType.NUMBER: float | None,
        FieldType.BOOLEAN: bool | None,
        FieldType.MULTI_SELECT: list[str] | None,
        FieldType.JSON: Raw,
        FieldType.FILE: Raw,
    }
)
"""The Python types of values in JSON; those of all other fields are texts."""

_ZONE: Final = r"(?:Z|[+-][0-9]{2}:[0-9]{2})$"
_NULLS: Final = (b"", b"null")

Rows = Sequence[Sequence[Any]]
_Columns = Mapping[str, Sequence[Any] | pa.Array]
"""The values of each field by its name."""


class ResultBatches:
    """Makes batches of the columns from rows of stored results; ``schema`` is that of each batch.

    ``names`` are the members of a row, in their order, among them ``predefined`` and ``filled_in``.
    With columns of source pipelines, a row has one more member: the task of each, as such a row, or
    None.
    """

    def __init__(self, columns: Sequence[ResultColumn], names: Sequence[str]) -> None:
        self.schema = pa.schema([(column.name, TYPES[column.type]) for column in columns])
        self._columns = [column for column in columns if column.source is None]
        self._sources = [
            ResultBatches([column._replace(source=None) for column in group], names)
            for group in columns_of_sources(columns)
        ]
        self._places = {name: place for place, name in enumerate(names)}
        fields = [column.field for column in self._columns if column.field is not None]
        self._seeded = _Values([f for f in fields if f.source is FieldSource.DATASET])
        self._filled_in = _Values([f for f in fields if f.source is FieldSource.INPUT])

    def write(self, rows: Rows) -> pa.RecordBatch:
        """Return a batch of the rows."""
        members = _members_of(rows, self._places)
        values = {
            **members.read_objects("predefined", self._seeded),
            **members.read_objects("filled_in", self._filled_in),
        }
        arrays = [self._array(column, members, values) for column in self._columns]
        for place, source in enumerate(self._sources):
            tasks = [row[len(self._places)][place] for row in rows]
            there = [task for task in tasks if task is not None]
            # Arrow takes a null for a null index.
            numbers = count(0)
            indices = pa.array([None if task is None else next(numbers) for task in tasks])
            arrays += source.write(there).take(indices.cast(pa.int64())).columns
        return pa.record_batch(arrays, schema=self.schema)

    def _array(self, column: ResultColumn, members: "_Members", values: _Columns) -> pa.Array:
        if column.field is not None:
            return _write(values[column.field.name], column.field)
        if column.own == "duration_seconds":
            claimed, finished = (
                members.array(f"{at}_at", MOMENT).cast(pa.int64()) for at in ("claimed", "finished")
            )
            return pc.divide(pc.subtract(finished, claimed).cast(pa.float64()), 1e6)
        return members.array(column.own, TYPES[column.type])


class _Members(Protocol):
    """The members of rows by their names."""

    def array(self, name: str, kind: pa.DataType) -> pa.Array:
        """Return the values of a member."""

    def read_objects(self, name: str, values: "_Values") -> _Columns:
        """Return the values of a member's JSON objects; a null has none."""


class _OfRows(NamedTuple):
    """The members of rows that are Python objects."""

    values: Mapping[str, Sequence[Any]]

    def array(self, name: str, kind: pa.DataType) -> pa.Array:
        return pa.array(self.values[name], kind)

    def read_objects(self, name: str, values: "_Values") -> _Columns:
        return values.read(f"[{','.join([text or '{}' for text in self.values[name]])}]")


class _OfColumns(NamedTuple):
    """The members of rows that are in columns."""

    arrays: Mapping[str, pa.Array]

    def array(self, name: str, kind: pa.DataType) -> pa.Array:
        return self.arrays[name].cast(kind)

    def read_objects(self, name: str, values: "_Values") -> _Columns:
        return values.read_column(self.arrays[name])


def _members_of(rows: Rows, names: Collection[str]) -> _Members:
    if isinstance(rows, ColumnarRows):
        return _OfColumns(dict(zip(names, rows.batch.columns, strict=True)))
    members = zip(*rows, strict=True) if rows else repeat(())
    return _OfRows(dict(zip(names, members, strict=False)))


class _Values:
    """Reads the JSON objects of tasks as the values of each field."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._columns = JsonColumns(fields)
        self._objects = StoredObjects(
            [
                Member(field.name, _VALUES.get(field.type, str | None), _default(field))
                for field in fields
            ]
        )

    def read_column(self, objects: pa.Array) -> _Columns:
        """Return the values of the texts of objects."""
        if not self._objects.getters:
            return {}
        found = self._columns.read(objects)
        if found is not None:
            return found
        texts = pa.ListArray.from_arrays([0, len(objects)], objects.fill_null("{}"))
        return self.read(f"[{pc.binary_join(texts, ',')[0].as_py()}]")

    def read(self, objects: str) -> _Columns:
        """Return the values of a JSON array of objects."""
        if not self._objects.getters:
            return {}
        rows = self._objects.read_all(objects)
        return {name: list(map(get, rows)) for name, get in self._objects.getters.items()}


def _default(field: Field) -> Any:
    return Raw(b"null") if _VALUES.get(field.type) is Raw else None


def _write(values: Sequence[Any] | pa.Array, field: Field) -> pa.Array:
    match field.type:
        case FieldType.JSON | FieldType.FILE:
            texts = [None if bytes(raw) in _NULLS else bytes(raw).decode() for raw in values]
            return pa.array(texts, pa.string())
        case FieldType.DATE:
            return _make_array(values, pa.string()).cast(pa.date32())
        case FieldType.DATETIME:
            return _write_moments(_make_array(values, pa.string()))
        case FieldType.SINGLE_SELECT:
            options = pa.array(field.options or (), pa.string())
            places = pc.index_in(_make_array(values, pa.string()), value_set=options)
            return pa.DictionaryArray.from_arrays(places, options)
    return _make_array(values, TYPES[field.type])


def _make_array(values: Sequence[Any] | pa.Array, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def _write_moments(texts: pa.Array) -> pa.Array:
    """Return moments; Arrow reads those with and those without an offset apart."""
    texts = pc.replace_substring_regex(texts, r"(\.[0-9]{6})[0-9]+", r"\1")
    has_zone = pc.fill_null(pc.match_substring_regex(texts, _ZONE), fill_value=True)
    zoned = texts.filter(has_zone).cast(MOMENT)
    local = texts.filter(pc.invert(has_zone)).cast(pa.timestamp("us")).cast(MOMENT)
    if not len(local):
        return zoned
    is_zoned = has_zone.to_numpy(zero_copy_only=False)
    order = np.argsort(np.argsort(~is_zoned, kind="stable"), kind="stable")
    return pa.concat_arrays([zoned, local]).take(pa.array(order))
