"""Take a dataset's file in, whatever its format: its rows in batches, and its columns."""

from collections.abc import Generator, Iterator
from contextlib import closing
from enum import StrEnum
from pathlib import PurePosixPath
from typing import BinaryIO, Final

from tasks_lib.domain.conversions import Column
from tasks_lib.domain.datasets import common_type
from tasks_lib.domain.names import display_name
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.domain.report import MAX_INLINE_ERRORS
from tasks_lib.intake.dataset_blocks import (
    DatasetBlock,
    Kinds,
    csv_blocks,
    json_array_blocks,
    json_lines_blocks,
    parquet_blocks,
)
from tasks_lib.intake.encodings import ByteReader, Utf8Stream
from tasks_lib.intake.limits import Limits
from tasks_lib.intake.prefetch import prefetched
from tasks_lib.intake.progress import OnProgress, Progress
from tasks_lib.intake.row_intake import RowBatch
from tasks_lib.intake.sources import SourceFile


class DatasetFormat(StrEnum):
    """How a dataset's file is written."""

    CSV = "csv"
    JSON = "json"
    JSON_LINES = "jsonl"
    PARQUET = "parquet"


_SUFFIXES: Final = {
    ".csv": DatasetFormat.CSV,
    ".tsv": DatasetFormat.CSV,
    ".json": DatasetFormat.JSON,
    ".jsonl": DatasetFormat.JSON_LINES,
    ".ndjson": DatasetFormat.JSON_LINES,
    ".parquet": DatasetFormat.PARQUET,
}
_PARQUET: Final = b"PAR1"
_START_BYTES: Final = 2**12


def format_of(source: SourceFile, encoding: str = "") -> DatasetFormat:
    """Return the format that the file's name says, or else its beginning.

    JSON Lines are often called ``.json``; what begins with a bracket is an array.
    """
    suffix = PurePosixPath(display_name(source.uri).lower().removesuffix(".gz")).suffix
    named = _SUFFIXES.get(suffix)
    if named is not None and named is not DatasetFormat.JSON:
        return named
    with source.path.open("rb") as file:
        if file.read(len(_PARQUET)) == _PARQUET:
            return DatasetFormat.PARQUET
        file.seek(0)
        first = _first_byte(Utf8Stream(file, encoding))
    if first == b"{":
        return DatasetFormat.JSON_LINES
    return DatasetFormat.JSON if named or first == b"[" else DatasetFormat.CSV


def _first_byte(stream: ByteReader) -> bytes:
    """Return the first byte that is not blank, if it is among the first ones."""
    left = _START_BYTES
    while left > 0 and (block := stream.read(left)):
        start = block.lstrip(b" \t\r\n")
        if start:
            return start[:1]
        left -= len(block)
    return b""


class DatasetIntake:
    """One pass over a file; ``columns`` are known once all of ``batches`` has been read.

    ``problems`` holds the first hundred problems of ``rejected`` rows.
    """

    def __init__(
        self,
        source: SourceFile,
        written: DatasetFormat,
        limits: Limits,
        *,
        delimiter: str = ",",
        encoding: str = "",
        on_progress: OnProgress = lambda _: None,
    ) -> None:
        self.good = 0
        self.rejected = 0
        self.problems: list[Problem] = []
        self._kinds: Kinds = {}
        self._source = source
        self._written = written
        self._limits = limits
        self._delimiter = delimiter
        self._encoding = encoding
        self._on_progress = on_progress

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns in the order in which they came, each of a type that holds its values."""
        return tuple(Column(name, common_type(kinds)) for name, kinds in self._kinds.items())

    def batches(self) -> Generator[RowBatch]:
        """Yield the good rows; tally the bad ones.

        Raises SourceProblemError where the file cannot be read on, has no rows, has more bad rows
        or more columns than the limits, or was changed since it was hashed. It carries the problems
        of rows, too, if there are any.
        """
        try:
            yield from self._batches()
        except SourceProblemError as error:
            raise SourceProblemError(*error.problems, *self.problems) from None

    def _batches(self) -> Generator[RowBatch]:
        with (
            self._source.path.open("rb") as file,
            closing(prefetched(self._blocks(file))) as blocks,
        ):
            for block in blocks:
                self._tally(block)
                if len(block.numbers):
                    yield RowBatch(block.numbers, block.values)
        if not self.good and not self.rejected:
            raise SourceProblemError(Problem("no_rows", "the file has no rows"))
        self._source.check_unchanged()

    def _blocks(self, file: BinaryIO) -> Iterator[DatasetBlock]:
        limits, kinds, encoding = self._limits, self._kinds, self._encoding
        match self._written:
            case DatasetFormat.CSV:
                return csv_blocks(file, limits, kinds, delimiter=self._delimiter, encoding=encoding)
            case DatasetFormat.JSON:
                return json_array_blocks(file, limits, kinds, encoding=encoding)
            case DatasetFormat.JSON_LINES:
                return json_lines_blocks(file, limits, kinds, encoding=encoding)
            case DatasetFormat.PARQUET:
                return parquet_blocks(self._source.path, limits, kinds)

    def _tally(self, block: DatasetBlock) -> None:
        self.good += len(block.numbers)
        self.rejected += block.rejected
        self.problems.extend(block.problems[: MAX_INLINE_ERRORS - len(self.problems)])
        if self.rejected > self._limits.max_errors:
            message = (
                f"more than {self._limits.max_errors:,} rows are bad, so the rest was not read; "
                "correct what is common to them, or raise SEEDING_MAX_ERRORS"
            )
            raise SourceProblemError(Problem("too_many_errors", message))
        done = min(block.done, self._source.size)
        self._on_progress(Progress(done, self._source.size, self.good + self.rejected))
