"""The values of finished tasks as JSON, each as it is stored."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Raw

from tasks_lib.domain.results import ResultColumn, columns_of_sources
from tasks_lib.output.stored_values import Member, StoredObjects

NULL: Final = b"null"

_ONE_LINE: Final = bytes.maketrans(b"\r\n", b"  ")
_LEFT_OUT: Final = Raw(NULL)


class ResultCells:
    """Makes the values of the columns from a stored result; ``names`` are a row's members."""

    def __init__(self, columns: Sequence[ResultColumn], names: Sequence[str]) -> None:
        self._own = _Cells([column for column in columns if column.source is None], names)
        self._sources = [_Cells(group, names) for group in columns_of_sources(columns)]
        self._joined = len(names)

    def read(self, row: Sequence[Any]) -> list[bytes]:
        """Return the values of a row, each as JSON on one line."""
        cells = self._own.read(row)
        for place, source in enumerate(self._sources):
            cells += source.read(row[self._joined][place])
        return cells


class _Cells:
    """Makes the values of one pipeline's columns from a stored result, each as JSON."""

    def __init__(self, columns: Sequence[ResultColumn], names: Sequence[str]) -> None:
        self._places = {name: place for place, name in enumerate(names)}
        fields = [column.field.name for column in columns if column.field is not None]
        self._objects = StoredObjects([Member(name, Raw, _LEFT_OUT) for name in fields])
        self._columns = [
            (
                column.own,
                None if column.field is None else self._objects.getters[column.field.name],
            )
            for column in columns
        ]

    def read(self, row: Sequence[Any] | None) -> list[bytes]:
        """Return the values; nulls without a row."""
        if row is None:
            return [NULL] * len(self._columns)
        places = self._places
        predefined = self._objects.read(row[places["predefined"]])
        filled_in = self._objects.read(row[places["filled_in"]])
        cells = []
        for name, value_of in self._columns:
            if value_of is None:
                cells.append(_own_value(row, name, places))
                continue
            raw = bytes(value_of(filled_in))
            raw = bytes(value_of(predefined)) if raw == NULL else raw
            # A JSON document may have line breaks between its tokens, where a space will do.
            cells.append(raw.translate(_ONE_LINE) if raw[:1] in b"[{" else raw)
        return cells


def _own_value(row: Sequence[Any], name: str, places: Mapping[str, int]) -> bytes:
    """Return one of our own values as JSON."""
    if name == "duration_seconds":
        start, end = row[places["claimed_at"]], row[places["finished_at"]]
        value = None if start is None or end is None else (end - start).total_seconds()
    else:
        value = row[places[name]]
    if isinstance(value, datetime):
        value = value.isoformat()
    return msgspec.json.encode(value)
