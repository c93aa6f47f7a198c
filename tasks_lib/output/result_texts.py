"""Write finished tasks as CSV or JSON Lines, with each value as it is stored."""

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Any

import msgspec

from tasks_lib.domain.result_formats import TextFormat
from tasks_lib.domain.results import ResultColumn
from tasks_lib.output.result_cells import NULL, ResultCells

Rows = Sequence[Sequence[Any]]


class ResultTexts(ABC):
    """Makes lines of the columns from rows of stored results; ``names`` are a row's members."""

    def __init__(self, columns: Sequence[ResultColumn], names: Sequence[str]) -> None:
        self._names = [column.name for column in columns]
        self._cells = ResultCells(columns, names)

    @property
    def header(self) -> bytes:
        """The bytes before the first row."""
        return b""

    def write(self, rows: Rows) -> bytes:
        """Return the rows as lines."""
        return self._join([self._cells.read(row) for row in rows])

    @abstractmethod
    def _join(self, lines: Sequence[Sequence[bytes]]) -> bytes:
        """Return the lines; each value is JSON."""


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
    if raw == NULL:
        return ""
    return str(msgspec.json.decode(raw)) if raw.startswith(b'"') else raw.decode()


def texts_of(
    kind: TextFormat, columns: Sequence[ResultColumn], names: Sequence[str]
) -> ResultTexts:
    """Return the writer of a format."""
    return (Csv if kind is TextFormat.CSV else JsonLines)(columns, names)
