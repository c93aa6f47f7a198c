"""Write finished tasks as a stream of bytes: Parquet, CSV or JSON Lines."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from io import BytesIO
from typing import Any, Final

import pyarrow as pa

from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.domain.results import ResultColumn
from tasks_lib.errors import UsageError
from tasks_lib.output.result_batches import ResultBatches
from tasks_lib.output.result_texts import Csv, JsonLines, ResultTexts

_ROWS_IN_A_GROUP: Final = 50_000

Rows = Sequence[Sequence[Any]]


class ByteStream(ABC):
    """Results as bytes, in the order of the calls; any of them can return none."""

    @abstractmethod
    def begin(self) -> bytes:
        """Return the bytes before the first row."""

    @abstractmethod
    def write(self, rows: Rows) -> bytes:
        """Return bytes for rows with the members of a stored result."""

    @abstractmethod
    def end(self) -> bytes:
        """Return the bytes after the last row."""


def stream_of(
    kind: ResultFormat, columns: Sequence[ResultColumn], names: Sequence[str]
) -> ByteStream:
    """Return the stream of a format; ``names`` are the members of a stored result.

    Raises UsageError for a workbook, whose beginning is written last.
    """
    match kind:
        case ResultFormat.PARQUET:
            return _ParquetStream(ResultBatches(columns, names))
        case ResultFormat.CSV:
            return _TextStream(Csv(columns, names))
        case ResultFormat.JSONL:
            return _TextStream(JsonLines(columns, names))
        case ResultFormat.XLSX:
            raise UsageError("a workbook cannot be streamed; export it to a folder")


class _TextStream(ByteStream):
    def __init__(self, texts: ResultTexts) -> None:
        self._texts = texts

    def begin(self) -> bytes:
        return self._texts.header

    def write(self, rows: Rows) -> bytes:
        return self._texts.write(rows)

    def end(self) -> bytes:
        return b""


class _ParquetStream(ByteStream):
    """Keeps a group of rows until it is large enough."""

    def __init__(self, batches: ResultBatches) -> None:
        import pyarrow.parquet as pq  # noqa: PLC0415 - loaded for this alone

        self._batches = batches
        self._sink = _Drained()
        self._writer = pq.ParquetWriter(self._sink, batches.schema, compression="zstd")
        self._waiting: list[pa.RecordBatch] = []
        self._rows_waiting = 0

    def begin(self) -> bytes:
        return self._sink.drain()

    def write(self, rows: Rows) -> bytes:
        self._waiting.append(self._batches.write(rows))
        self._rows_waiting += len(rows)
        if self._rows_waiting >= _ROWS_IN_A_GROUP:
            self._flush()
        return self._sink.drain()

    def end(self) -> bytes:
        self._flush()
        self._writer.close()
        return self._sink.drain()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting))
        self._waiting, self._rows_waiting = [], 0


class _Drained(BytesIO):
    """A file in memory whose bytes are taken out while it is written."""

    def __init__(self) -> None:
        super().__init__()
        self._taken = 0

    def tell(self) -> int:
        return self._taken + super().tell()

    def drain(self) -> bytes:
        data = self.getvalue()
        self._taken += len(data)
        self.seek(0)
        self.truncate()
        return data
