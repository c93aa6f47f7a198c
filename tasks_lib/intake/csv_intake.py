"""Take a CSV file in: its good rows in batches, its bad rows counted, explained and set apart."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import NamedTuple, Self

import pyarrow as pa

from tasks_lib.domain.fields import Field
from tasks_lib.domain.headers import check_header
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.domain.report import MAX_INLINE_ERRORS
from tasks_lib.intake.checked_rows import CheckedBlock, checked_blocks
from tasks_lib.intake.csv_reader import CsvReader
from tasks_lib.intake.encodings import Utf8Stream
from tasks_lib.intake.limits import Limits
from tasks_lib.intake.prefetch import prefetched
from tasks_lib.intake.rejects import RejectsFile
from tasks_lib.intake.sources import SourceFile


class RowBatch(NamedTuple):
    """Rows that can become tasks: their numbers (int64) and their JSON objects (string)."""

    rows: pa.Array
    values: pa.Array


class Progress(NamedTuple):
    """How far the intake is: bytes of the source, of how many, and data rows, good and bad."""

    bytes_read: int
    bytes_total: int
    rows: int


OnProgress = Callable[[Progress], None]


class CsvIntake:
    """One pass over a source; use as a context manager, which keeps the rejects file meanwhile.

    Opening it reads the header and raises SourceProblemError where that does not fit ``fields``.
    ``problems`` holds the first hundred problems of rows, in order; the rejects file holds all.
    """

    def __init__(
        self,
        source: SourceFile,
        fields: Sequence[Field],
        limits: Limits,
        *,
        delimiter: str = ",",
        encoding: str = "",
        on_progress: OnProgress = lambda _: None,
    ) -> None:
        self.good = 0
        self.rejected = 0
        self.blank_lines = 0
        self.problems: list[Problem] = []
        self._source = source
        self._limits = limits
        self._on_progress = on_progress
        self._resources = ExitStack()
        with ExitStack() as opening:
            file = opening.enter_context(source.path.open("rb"))
            stream = Utf8Stream(file, encoding)
            reader = CsvReader(stream, limits, delimiter=delimiter, encoding=stream.name)
            problems = check_header(reader.columns, [field.name for field in fields])
            if problems:
                raise SourceProblemError(*problems)
            folder = Path(opening.enter_context(TemporaryDirectory(prefix="seeding-")))
            self.rejects = opening.enter_context(
                RejectsFile(folder / "rejects.csv", reader.columns)
            )
            self._blocks: Generator[CheckedBlock] = opening.enter_context(
                closing(prefetched(checked_blocks(reader, fields)))
            )
            self._resources = opening.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._resources.close()

    def batches(self) -> Iterator[RowBatch]:
        """Yield the good rows that have not been read yet; tally the bad ones.

        Raises SourceProblemError where the file cannot be read on, has no rows at all, has more bad
        rows than the limit, or was changed since it was hashed.
        """
        for block in self._blocks:
            self._tally(block)
            if len(block.numbers):
                yield RowBatch(block.numbers, block.values)
        if not self.good and not self.rejected:
            message = "the file has a header but no data rows, so there is no task to make"
            raise SourceProblemError(Problem("no_rows", message))
        self._source.check_unchanged()

    def _tally(self, block: CheckedBlock) -> None:
        self.good += len(block.numbers)
        self.rejected += len(block.bad)
        self.blank_lines += block.blank
        for bad in block.bad:
            self.rejects.add(bad)
            room = MAX_INLINE_ERRORS - len(self.problems)
            self.problems.extend(bad.problems[:room])
        if self.rejected > self._limits.max_errors:
            message = (
                f"more than {self._limits.max_errors:,} rows are bad, so the rest was not read; "
                f"correct what is common to them, or raise SEEDING_MAX_ERRORS. The first: "
                f"row {self.problems[0].row:,}: {self.problems[0].message}"
            )
            raise SourceProblemError(Problem("too_many_errors", message))
        size = self._source.size
        self._on_progress(Progress(min(block.bytes_read, size), size, self.good + self.rejected))
