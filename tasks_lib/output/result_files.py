"""Write finished tasks into a file: Parquet, CSV, JSON Lines or an Excel workbook."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa

from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.domain.results import ResultColumn
from tasks_lib.output.result_batches import ResultBatches
from tasks_lib.output.result_cells import ResultCells
from tasks_lib.output.result_texts import Csv, JsonLines, ResultTexts
from tasks_lib.output.xlsx_values import value_of

_ROWS_IN_A_GROUP: Final = 100_000
_BYTES_IN_A_GROUP: Final = 2**27
"""A group of rows is written when it has as many rows, or as many bytes in memory."""

Rows = Sequence[Sequence[Any]]


class ResultFile(ABC):
    """A local file of results; ``rows`` counts those that were written."""

    def __init__(self) -> None:
        self.rows = 0

    def write(self, rows: Rows) -> None:
        """Write rows with the members of a stored result."""
        self.rows += len(rows)
        self._write(rows)

    @abstractmethod
    def _write(self, rows: Rows) -> None:
        """Write rows."""

    @abstractmethod
    def close(self) -> None:
        """Complete the file."""


def open_result_file(
    path: Path, kind: ResultFormat, columns: Sequence[ResultColumn], names: Sequence[str]
) -> ResultFile:
    """Create a file; ``names`` are the members of a stored result."""
    match kind:
        case ResultFormat.PARQUET:
            return _ParquetFile(path, ResultBatches(columns, names))
        case ResultFormat.CSV:
            return _TextFile(path.open("wb"), Csv(columns, names))
        case ResultFormat.JSONL:
            return _TextFile(path.open("wb"), JsonLines(columns, names))
        case ResultFormat.XLSX:
            return _Workbook(path, columns, names)


class _TextFile(ResultFile):
    def __init__(self, file: BinaryIO, texts: ResultTexts) -> None:
        super().__init__()
        self._file = file
        self._texts = texts
        file.write(texts.header)

    def _write(self, rows: Rows) -> None:
        self._file.write(self._texts.write(rows))

    def close(self) -> None:
        self._file.close()


class _ParquetFile(ResultFile):
    def __init__(self, path: Path, batches: ResultBatches) -> None:
        super().__init__()
        import pyarrow.parquet as pq  # noqa: PLC0415 - loaded for this alone

        self._batches = batches
        self._writer = pq.ParquetWriter(path, batches.schema, compression="zstd")
        self._waiting: list[pa.RecordBatch] = []
        self._rows_waiting = self._bytes_waiting = 0

    def _write(self, rows: Rows) -> None:
        batch = self._batches.write(rows)
        self._waiting.append(batch)
        self._rows_waiting += len(rows)
        self._bytes_waiting += batch.nbytes
        if self._rows_waiting >= _ROWS_IN_A_GROUP or self._bytes_waiting >= _BYTES_IN_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting))
        self._waiting, self._rows_waiting, self._bytes_waiting = [], 0, 0

    def close(self) -> None:
        self._flush()
        self._writer.close()


class _Workbook(ResultFile):
    def __init__(self, path: Path, columns: Sequence[ResultColumn], names: Sequence[str]) -> None:
        super().__init__()
        from tasks_lib.output.xlsx_sheet import XlsxSheet  # noqa: PLC0415 - loaded for this alone

        self._cells = ResultCells(columns, names)
        self._types = [column.type for column in columns]
        self._id = names.index("task_id")
        self._sheet = XlsxSheet(path, [column.name for column in columns])

    def _write(self, rows: Rows) -> None:
        for row in rows:
            cells = zip(self._cells.read(row), self._types, strict=True)
            values = [value_of(raw, kind) for raw, kind in cells]
            self._sheet.write(values, subject=f"task {row[self._id]}")

    def close(self) -> None:
        self._sheet.close()
