"""Write finished tasks as CSV or JSON Lines, with each value as it is stored."""

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from json.encoder import encode_basestring
from typing import Any, Final

import msgspec
from msgspec import Raw

from tasks_lib.domain.result_formats import TextFormat
from tasks_lib.domain.results import ResultColumn, columns_of_sources
from tasks_lib.output.stored_values import Member, StoredObjects

_NULL: Final = b"null"
_ONE_LINE: Final = bytes.maketrans(b"\r\n", b"  ")
_LEFT_OUT: Final = Raw(_NULL)

Rows = Sequence[Sequence[Any]]


class ResultTexts(ABC):
    """Makes lines of the columns from rows of stored results; ``names`` are a row's members."""

    def __init__(self, columns: Sequence[ResultColumn], names: Sequence[str]) -> None:
        self._names = [column.name for column in columns]
        self._own = _Cells([column for column in columns if column.source is None], names)
        self._sources = [_Cells(group, names) for group in columns_of_sources(columns)]
        self._joined = len(names)

    @property
    def header(self) -> bytes:
        """The bytes before the first row."""
        return b""

    def write(self, rows: Rows) -> bytes:
        """Return the rows as lines."""
        lines = []
        for row in rows:
            cells = self._own.read(row)
            for place, source in enumerate(self._sources):
                cells += source.read(row[self._joined][place])
            lines.append(cells)
        return self._join(lines)

    @abstractmethod
    def _join(self, lines: Sequence[Sequence[bytes]]) -> bytes:
        """Return the lines; each value is JSON."""


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
            return [_NULL] * len(self._columns)
        places = self._places
        predefined = self._objects.read(row[places["predefined"]])
        filled_in = self._objects.read(row[places["filled_in"]])
        cells = []
        for name, value_of in self._columns:
            if value_of is None:
                cells.append(_own_value(row, name, places))
                continue
            raw = bytes(value_of(filled_in))
            raw = bytes(value_of(predefined)) if raw == _NULL else raw
            # A JSON document may have line breaks between its tokens, where a space will do.
            cells.append(raw.translate(_ONE_LINE) if raw[:1] in b"[{" else raw)
        return cells


class JsonLines(ResultTexts):
    """One JSON object a line; numbers keep their digits."""

    def _join(self, lines: Sequence[Sequence[bytes]]) -> bytes:
        keys = [f"{encode_basestring(name)}:".encode() for name in self._names]
        return b"".join(
            b"{" + b",".join(map(bytes.__add__, keys, cells)) + b"}\n" for cells in lines
        )


class Csv(ResultTexts):
    """Rows of a CSV file: texts as they are, null as an empty cell, lists and objects as JSON."""

    @property
    def header(self) -> bytes:
        """The names of the columns."""
        return _csv_lines([self._names])

    def _join(self, lines: Sequence[Sequence[bytes]]) -> bytes:
        return _csv_lines([[_cell(raw) for raw in cells] for cells in lines])


def _csv_lines(rows: Sequence[Sequence[str]]) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue().encode()


def _cell(raw: bytes) -> str:
    if raw == _NULL:
        return ""
    return str(msgspec.json.decode(raw)) if raw.startswith(b'"') else raw.decode()


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


def texts_of(
    kind: TextFormat, columns: Sequence[ResultColumn], names: Sequence[str]
) -> ResultTexts:
    """Return the writer of a format."""
    return (Csv if kind is TextFormat.CSV else JsonLines)(columns, names)
